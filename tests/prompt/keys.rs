//! Row 114: what is typed of a key stays with who typed it.

use nls::base::Key;

use super::Terminal;
use crate::harness::{Lab, eventually, names};

#[test]
fn row_114_a_key_is_asked_for_and_its_lines_are_in_no_history() {
    let lab = Lab::new();
    lab.run(&["key", "new", "ann"]).success();
    let text = lab.run(&["key", "show", "ann"]).success().out.trim_end().to_owned();
    let key = Key::read(&text).unwrap();
    let mut prompt = Terminal::new(&lab, &[], Some("history"));
    prompt.line("key import bob");
    prompt.see("a question", |screen| screen.ends_with("key bob:"));
    prompt.keys(&text);
    prompt.see("stars", |screen| screen.ends_with(&"*".repeat(text.len())));
    prompt.keys("\r");
    prompt.see("it is kept", |screen| screen.contains("bob.key") && screen.ends_with("nls>"));
    prompt.run("key list", "ann  ");
    assert!(!prompt.text().contains(&text[4..20]), "{}", prompt.text());
    // Typed where it must not be, it is refused and not kept.
    prompt.line(&format!("key import carl {text}"));
    prompt.see("a refusal", |screen| screen.contains("must not stand") && screen.ends_with("nls>"));
    prompt.line(&format!("nonsense {}", &text[..60]));
    prompt.see("an error", |screen| screen.contains("unknown command") && screen.ends_with("nls>"));
    // In groups, with the blanks of other alphabets; the error shows no group alone.
    prompt.line(&format!("let x = nls1\u{a0}{}\u{202f}{}", &text[4..30], &text[30..]));
    prompt.see("a refusal", |screen| screen.contains("error: ") && screen.ends_with("nls>"));
    prompt.line(&format!("let x = nls1 {}", &text[4..]));
    prompt.see("another", |screen| screen.contains("cannot follow here") && screen.ends_with("nls>"));
    assert_eq!(prompt.text().matches("error: ").count(), 4, "{}", prompt.text());
    prompt.run("key forget bob", "is forgotten");
    prompt.run("history", "1  key import bob");
    let kept = std::fs::read_to_string(lab.path("history")).unwrap();
    assert_eq!(kept, "key import bob\nkey list\nkey forget bob\nhistory\n");
    assert_eq!(names(&lab.path(".config/nls/keys")), ["ann.key"]);
    assert_eq!(key.text().len(), text.len());
}

#[test]
fn the_names_of_keys_are_completed() {
    let lab = Lab::new();
    lab.run(&["key", "new", "annabel"]).success();
    let mut prompt = Terminal::new(&lab, &[], None);
    prompt.keys("key show ann\t");
    prompt.see("the name", |screen| screen.contains("key show annabel "));
    prompt.interrupt();
}

#[test]
fn the_files_of_a_port_with_keys_are_completed_once_it_was_asked_with_one() {
    let lab = Lab::new();
    lab.run(&["key", "new", "annabel"]).success();
    lab.random("root/picture.png", 1000, 1);
    let mut prompt = Terminal::new(&lab, &[], None);
    prompt.run("listen tcp 0 ftp root root key annabel as files", "files of");
    prompt.run("ls $files key annabel", "picture.png");
    prompt.keys("get pic");
    eventually("the server was asked", || {
        prompt.keys("\t");
        prompt.read();
        prompt.text().contains("nls> get picture.png")
    });
}
