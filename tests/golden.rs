//! `tests/scripts/NAME.nls` with what it must print: `NAME.out`, `NAME.err`, `NAME.exit` (absent: 0). What differs
//! from run to run is replaced by words. `NLS_BLESS=1` writes the files anew.

use std::path::{Path, PathBuf};

use crate::harness::Lab;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts")
}

/// Ports, times, rates and temporary folders become words; counts stay.
pub fn normalise(text: &str, lab: &Lab) -> String {
    let mut text = text
        .replace(&lab.folder.path().display().to_string(), "LAB")
        .replace(&folder().display().to_string(), "SCRIPTS");
    for (pattern, word) in [
        (r"/tmp/nls-\w+", "TMP"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"[\d.]+ [KMGT]?i?B/s", "RATE"),
        (r"\b[\d.]+ (ms|µs|s)\b", "TIME"),
        (r"\d+\.\d{3}s", "TIME"),
        (r", \d+ sent again", ""),
        (r"\b\d+ %  ", "SHARE  "),
        (r"(tcp|udp) \d{4,5} SERVICE", "$1 PORT SERVICE"),
    ] {
        text = regex_lite::Regex::new(pattern).unwrap().replace_all(&text, word).into_owned();
    }
    text
}

#[test]
fn scripts_print_what_they_must() {
    let mut scripts: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "nls"))
        .collect();
    scripts.sort();
    assert!(scripts.len() >= 10, "the scripts are gone");
    let mut wrong = Vec::new();
    for script in scripts {
        let lab = Lab::new();
        let run = lab.run(&[script.to_str().unwrap()]);
        for (kind, got) in [
            ("out", normalise(&run.out, &lab)),
            ("err", normalise(&run.err, &lab)),
            ("exit", format!("{}\n", run.code.unwrap_or(-1))),
        ] {
            let file = script.with_extension(kind);
            let absent = if kind == "exit" { "0\n" } else { "" };
            if std::env::var_os("NLS_BLESS").is_some() {
                if got == absent {
                    std::fs::remove_file(&file).ok()
                } else {
                    std::fs::write(&file, &got).ok()
                };
            }
            let expected = std::fs::read_to_string(&file).unwrap_or_else(|_| absent.into());
            if got != expected {
                wrong.push(format!("{}:\n--- expected\n{expected}--- got\n{got}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
