//! The errors stand side by side in catalogues, and are written alike: `what: why; fix`, plain, with no end mark.

use super::source::{Source, product};

/// A failure is made here and nowhere else: a reader finds every message of a part of the program in one file.
fn is_catalogue(path: &str) -> bool {
    path.ends_with("/errors.rs") || path == "src/report/mod.rs"
}

#[test]
fn errors_are_made_in_catalogues_only() {
    let found: Vec<String> = product()
        .iter()
        .filter(|source| !is_catalogue(&source.path))
        .flat_map(|source| {
            let made = source.code().filter(|(_, line)| line.contains("Failure::new("));
            made.map(|(line, _)| format!("{}:{line}", source.path)).collect::<Vec<_>>()
        })
        .collect();
    assert!(found.is_empty(), "move these to an errors.rs: {found:#?}");
}

/// The literal texts of a catalogue, one for each `"…"`.
fn texts(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in source.code() {
        let mut rest = line;
        while let Some((_, after)) = rest.split_once('"') {
            let end = after.char_indices().find(|(at, c)| *c == '"' && !after[..*at].ends_with('\\'));
            let Some((end, _)) = end else { break };
            found.push((number, after[..end].to_owned()));
            rest = &after[end + 1..];
        }
    }
    found
}

#[test]
fn errors_read_alike() {
    let mut wrong = Vec::new();
    for source in product().iter().filter(|source| source.path.ends_with("/errors.rs")) {
        for (line, text) in texts(source) {
            let is_sentence = text.contains(' ');
            let begins = text.chars().next().is_some_and(char::is_uppercase)
                && !text.starts_with("TCP")
                && !text.starts_with("TLS");
            let ends = text.ends_with(['.', '!']) && !text.ends_with("…");
            if is_sentence && (begins || ends) {
                wrong.push(format!("{}:{line}: {text}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "lower case first, no end mark: {wrong:#?}");
}

#[test]
fn one_fault_has_one_text() {
    let mut seen: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    let mut twice = Vec::new();
    for source in product().iter().filter(|source| source.path.ends_with("/errors.rs")) {
        for (line, text) in texts(source) {
            // Short advice may well be the same for several faults.
            if source.text.lines().nth(line - 1).is_some_and(|line| line.contains(".fix(")) || text.len() < 30
            {
                continue;
            }
            let place = format!("{}:{line}", source.path);
            if let Some(other) = seen.insert(text.clone(), place.clone()) {
                twice.push(format!("{other} and {place}: {text}"));
            }
        }
    }
    assert!(twice.is_empty(), "{twice:#?}");
}

/// `cargo test --test suite -- the_errors_side_by_side --nocapture` prints them all.
#[test]
fn the_errors_side_by_side() {
    let mut count = 0;
    for source in product().iter().filter(|source| source.path.ends_with("/errors.rs")) {
        println!("{}", source.path);
        for (line, text) in texts(source).into_iter().filter(|(_, text)| text.contains(' ')) {
            println!("{line:>6}  {text}");
            count += 1;
        }
    }
    assert!(count > 200, "the catalogues were not found");
}
