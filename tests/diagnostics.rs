//! Errors that teach: bad inputs with the message that each must give, and a score for each message.
//!
//! Five points: the caret stands under exactly the words · they are named · what is possible there is listed · the one
//! right fix, or none where none is certain · a next step. `NLS_BLESS=1` writes the messages anew.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use nls::language::{Report, Scope, Source, plan};
use nls::shell::catalogue;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics").join(name)
}

/// An input, where its error is, and the right fix.
struct Case {
    text: String,
    span: std::ops::Range<usize>,
    fix: Option<String>,
}

fn cases() -> Vec<Case> {
    let inputs = std::fs::read_to_string(file("inputs.txt")).unwrap();
    inputs
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let (marked, fix) = line.rsplit_once(" => ").unwrap();
            let marked = marked.replace("\\n", "\n");
            let start = marked.find('«').unwrap_or_else(|| panic!("no mark in {line}"));
            let end = marked.find('»').unwrap() - '«'.len_utf8();
            let text = marked.replace(['«', '»'], "");
            Case { text, span: start..end, fix: (fix != "-").then(|| fix.to_owned()) }
        })
        .collect()
}

fn errors(text: &str) -> Vec<Report> {
    let load = |path: &str, _: &Source| Err(format!("`{path}` cannot be read: no such file"));
    let source = Source::new("script.nls", text);
    plan(&source, &catalogue::vocabulary(false), &mut Scope::builtin(0), &load).err().unwrap_or_default()
}

/// Points for span, naming, listing, fix, next step.
fn score(case: &Case, report: &Report) -> [bool; 5] {
    let found = &report.diagnostic;
    let read = &case.text[case.span.clone()];
    let span = found.span == case.span;
    // Where nothing was read, the message says that something is missing.
    let misses = ["needs", "too early", "missing", "none follows", "ends in"];
    let named = if read.trim().is_empty() {
        misses.iter().any(|word| found.title.contains(word))
    } else {
        // Names and numbers of it; what stands between them may be put otherwise.
        read.split(['$', '.', '"', '\'']).all(|part| found.title.contains(part))
    };
    let lists = !found.expected.is_empty();
    let fix = found.fix == case.fix;
    let next = found.fix.is_some() || found.usage.is_some() || lists;
    [span, named, lists, fix, next]
}

#[test]
fn every_bad_input_gets_its_message_and_the_messages_score_well() {
    let style = nls::output::Style::plain();
    let (mut messages, mut wanting) = (String::new(), String::new());
    let (mut points, mut exact, mut wrong_fixes) = (0, 0, Vec::new());
    let cases = cases();
    for case in &cases {
        let reports = errors(&case.text);
        let Some(first) = reports.first() else {
            wanting += &format!("{}\n    NO ERROR\n", case.text);
            continue;
        };
        let got = score(case, first);
        points += got.iter().filter(|point| **point).count();
        exact += usize::from(got[0]);
        if first.diagnostic.fix.is_some() && first.diagnostic.fix != case.fix {
            wrong_fixes.push(format!("{}: {:?}", case.text, first.diagnostic.fix));
        }
        if got.contains(&false) {
            let names = ["span", "named", "lists", "fix", "next"];
            let missing: Vec<&str> =
                names.into_iter().zip(got).filter(|(_, point)| !point).map(|(name, _)| name).collect();
            let found = &first.diagnostic;
            writeln!(
                wanting,
                "{}\n    lacks {missing:?}: {} at {:?} (wanted {:?}), fix {:?}",
                case.text, found.title, found.span, case.span, found.fix
            )
            .unwrap();
        }
        writeln!(
            messages,
            "== {}\n{}",
            case.text,
            style.render_errors(&reports[..1], &nls::base::Secrets::default()).err.trim_end()
        )
        .unwrap();
    }
    let mean = points as f64 / cases.len() as f64;
    eprintln!("{} bad inputs: mean {mean:.2} of 5 points, {exact} carets exact\n{wanting}", cases.len());
    if std::env::var_os("NLS_BLESS").is_some() {
        std::fs::write(file("messages.txt"), &messages).unwrap();
    }
    let known = std::fs::read_to_string(file("messages.txt")).unwrap_or_default();
    assert!(cases.len() >= 80, "{} inputs", cases.len());
    assert!(known == messages, "the messages changed; if they are better, NLS_BLESS=1 keeps them");
    assert!(
        mean >= 4.5 && exact == cases.len(),
        "mean {mean:.2}, {exact} of {} exact\n{wanting}",
        cases.len()
    );
    assert_eq!(wrong_fixes, Vec::<String>::new());
}
