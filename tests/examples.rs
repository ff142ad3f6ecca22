//! Every example in the rows, in README.md and in docs/ is run.

use std::path::Path;

use crate::harness::{Lab, has, names};

/// What examples may use: files, servers, sessions.
const SETUP: &str = "listen tcp 0 ftp root root as files\nlisten tcp 0 calc as calculator\nlisten tcp 0 chat as room\n\
    listen udp 0 stream root root as media\nchat tcp $room name bob as alice\nsend notes.md to $files name up.md as up\n\
    listen tcp 0 raw as web\nconnect tcp $web as link\nlink udp 0 to $media as bad\n";

fn lab() -> Lab {
    let lab = Lab::new();
    lab.random("root/README.md", 5000, 1);
    lab.random("root/film.mp4", 50_000, 2);
    lab.write("notes.md", "notes");
    lab.write("README.md.copy", "x");
    lab.write("mail.nls", "connect tcp mail.example:25 as c\nexpect $c says \"220\"\n");
    lab.random("file.bin", 50_000, 3);
    lab.random("photo.jpg", 50_000, 4);
    lab
}

#[test]
fn the_example_of_every_verb_runs() {
    for entry in nls::shell::catalogue::entries() {
        let verb = entry.verb();
        // `attach` is for the prompt only: it is typed there in another test. `dup` needs a packet that waits: packets.nls.
        if ["attach", "dup"].contains(&verb.name) {
            continue;
        }
        let lab = lab();
        let example = verb.example.replace("send README.md", "send file.bin");
        let script = lab.write("example.nls", format!("{SETUP}{example}\n"));
        let run = lab.run(&[script.to_str().unwrap()]);
        assert_eq!(run.code, Some(0), "{}: {}\n{}", verb.name, run.out, run.err);
    }
}

/// False, after a visible skip, if a script needs `nc` and it is not installed.
fn runs_here(script: &str) -> bool {
    !script.contains("| nc ") && !script.contains(" nc -") || has("nc")
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
        // As they are pasted at one prompt: in order, in an empty folder. A block with tests is a file of its own.
        let lab = Lab::new();
        let blocks = blocks(&std::fs::read_to_string(&file).unwrap());
        count += blocks.len();
        let (tests, pasted): (Vec<String>, Vec<String>) =
            blocks.into_iter().partition(|block| block.contains("\ntest \""));
        for text in std::iter::once(pasted.concat()).chain(tests).filter(|text| runs_here(text)) {
            let script = lab.write("example.nls", &text);
            let run = lab.run(&[script.to_str().unwrap()]);
            assert_eq!(run.code, Some(0), "{}:\n{text}\n{}\n{}", file.display(), run.out, run.err);
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

/// Tables of docs/language.md, from what the program reads by.
fn tables() -> Vec<(&'static str, String)> {
    use nls::language::script::Comparison;
    use nls::language::{Kind, statement::STATEMENTS};
    let cell = |text: &str| text.replace('|', "\\|");
    let mut kinds = String::from("| | |\n|---|---|\n");
    for kind in Kind::EXAMPLES {
        kinds += &format!("| `{}` | {} |\n", cell(&kind.placeholder()), cell(&kind.describe()));
    }
    let mut comparisons = String::from("| | holds if |\n|---|---|\n");
    for (word, comparison) in Comparison::WORDS {
        comparisons += &format!("| `{word}` | {} |\n", comparison.help());
    }
    let mut statements = String::from("| statement | |\n|---|---|\n");
    for form in &STATEMENTS {
        let forms: Vec<String> = form.forms.iter().map(|form| format!("`{}`", cell(form))).collect();
        statements += &format!("| {} | {} |\n", forms.join("<br>"), cell(form.help));
    }
    vec![("kinds", kinds), ("comparisons", comparisons), ("statements", statements)]
}

#[test]
fn the_tables_of_the_language_are_those_that_it_is_read_by() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/language.md");
    let before = std::fs::read_to_string(&path).unwrap();
    let mut text = before.clone();
    for (name, table) in tables() {
        let (front, rest) = text.split_once(&format!("<!-- table: {name} -->\n")).unwrap();
        let (_, back) = rest.split_once("<!-- end -->").unwrap();
        text = format!("{front}<!-- table: {name} -->\n{table}<!-- end -->{back}");
    }
    if std::env::var_os("NLS_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert!(before == text, "docs/language.md is not that of the tables: NLS_BLESS=1 cargo test writes it");
}

#[test]
fn the_example_of_every_statement_runs() {
    for form in &nls::language::statement::STATEMENTS {
        let lab = lab();
        lab.write("extra.nls", "let extra = 1\n");
        // `test` is a heading: what is above it is set up for it.
        let script = lab.write("example.nls", format!("{SETUP}{}\n", form.example));
        let run = lab.run(&["test", script.to_str().unwrap()]);
        assert!(run.code == Some(0), "{}: {}\n{}", form.word, run.out, run.err);
    }
}

#[test]
fn the_tests_of_whole_processes_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/whole");
    let mut files = names(&folder);
    files.retain(|name| std::fs::read_to_string(folder.join(name)).is_ok_and(|text| runs_here(&text)));
    let paths = files.iter().map(|name| folder.join(name).to_str().unwrap().to_owned());
    let arguments: Vec<String> = std::iter::once("test".into()).chain(paths).collect();
    let run = Lab::new().run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).success();
    let passed: usize = run.out.lines().last().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(passed >= 20, "{}", run.out);
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
    // `scripts/foreign` needs programs of others: it has tests of its own.
    scripts.retain(|path| path.is_file());
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
