//! Every example in the rows, in README.md and in docs/ is run.

use std::path::Path;

use crate::harness::Lab;

/// What examples may use: files, servers, sessions.
const SETUP: &str = "listen tcp 0 ftp root root as files\nlisten tcp 0 calc as calculator\nlisten tcp 0 chat as room\n\
    listen udp 0 stream root root as media\nchat tcp $room name bob as alice\nsend notes.md to $files name up.md as up\n";

fn lab() -> Lab {
    let lab = Lab::new();
    lab.random("root/README.md", 5000, 1);
    lab.random("root/film.mp4", 50_000, 2);
    lab.write("notes.md", "notes");
    lab.write("README.md.copy", "x");
    lab.random("file.bin", 50_000, 3);
    lab.random("photo.jpg", 50_000, 4);
    lab
}

#[test]
fn the_example_of_every_verb_runs() {
    for entry in nls::shell::catalogue::entries() {
        let verb = entry.verb();
        // `attach` is for the prompt only: it is typed there in another test.
        if verb.name == "attach" {
            continue;
        }
        let lab = lab();
        let example = verb.example.replace("send README.md", "send file.bin");
        let script = lab.write("example.nls", format!("{SETUP}{example}\n"));
        let run = lab.run(&[script.to_str().unwrap()]);
        assert_eq!(run.code, Some(0), "{}: {}\n{}", verb.name, run.out, run.err);
    }
}

/// The blocks of a text that are marked as `nls`.
fn blocks(text: &str) -> Vec<String> {
    text.split("```nls\n").skip(1).filter_map(|part| part.split("```").next()).map(str::to_owned).collect()
}

#[test]
fn the_examples_of_the_documents_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md")];
    files.extend(
        std::fs::read_dir(root.join("docs"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "md")),
    );
    let mut count = 0;
    for file in files {
        for block in blocks(&std::fs::read_to_string(&file).unwrap()) {
            count += 1;
            let lab = lab();
            let script = lab.write("example.nls", &block);
            let run = lab.run(&[script.to_str().unwrap()]);
            assert_eq!(run.code, Some(0), "{}:\n{block}\n{}\n{}", file.display(), run.out, run.err);
        }
    }
    assert!(count >= 8, "only {count} examples were found");
}

#[test]
fn the_reference_is_that_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let mut text = String::from(
        "# Commands\n\nMade from the command table; `help COMMAND` says the same at the prompt.\n",
    );
    for entry in nls::shell::catalogue::entries() {
        text += &format!(
            "\n## {}\n\n```text\n{}\n```\n",
            entry.verb().name,
            nls::shell::builtin::help::describe(entry.verb())
        );
    }
    if std::env::var_os("NLS_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == text,
        "docs/commands.md is not that of the table: NLS_BLESS=1 cargo test writes it"
    );
}

#[test]
fn the_sample_tests_pass_in_any_order() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let run = lab().run(&["test", samples.to_str().unwrap(), "--shuffle"]).success();
    let passed: usize = run.out.lines().last().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(passed >= 200, "{}", run.out);
}

#[test]
fn the_scripts_pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut scripts: Vec<_> =
        std::fs::read_dir(root.join("scripts")).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    assert!(scripts.len() >= 7);
    for script in scripts {
        let lab = Lab::new();
        let run = lab.run(&[script.to_str().unwrap()]).success();
        if script.ends_with("tour.nls") {
            assert_eq!(run.out.lines().count(), 6, "one line for each problem: {}", run.out);
        }
    }
}
