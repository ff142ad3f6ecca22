//! The manual page and the completions of other shells, read by the programs that they are for.

use std::process::Command;

use crate::harness::{Lab, PROGRAM, has};
use crate::prompt::Terminal;

/// What a program says; it must say nothing on standard error.
fn says(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && complaints.is_empty(), "{command:?}: {complaints}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A file with what `nls help WORD` says.
fn help(lab: &Lab, word: &str) -> String {
    let text = lab.run(&["help", word]).success().out;
    lab.write(word, text).display().to_string()
}

#[test]
fn the_manual_page_has_every_command_and_no_error() {
    if !has("groff") {
        return;
    }
    let lab = Lab::new();
    let page = help(&lab, "man");
    let text = says(Command::new("groff").args(["-man", "-ww", "-Tutf8", "-P-cbou", &page]));
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "SYNOPSIS",
        "listen tcp|udp|tls|unix PORT SERVICE",
        "--no-shell",
        "expect [not] VALUE",
        "Ctrl-]",
        "NLS_RC",
    ] {
        assert!(words.contains(part), "{part} is missing in\n{text}");
    }
    for entry in nls::shell::catalogue::entries() {
        assert!(text.contains(&format!("\n   {}\n", entry.verb().name)), "{} is missing", entry.verb().name);
    }
}

#[test]
fn bash_completes_options_modes_and_topics() {
    let lab = Lab::new();
    let script = help(&lab, "bash");
    let complete = |words: &str| {
        let count = words.split(' ').count() - 1;
        let line = format!(
            "source {script}; COMP_WORDS=({words}); COMP_CWORD={count}; _nls; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        says(Command::new("bash").args(["--norc", "-c", &line]).current_dir(lab.folder.path()))
    };
    assert_eq!(complete("nls --col"), "--color\n");
    assert_eq!(complete("nls --color a"), "auto\nalways\n");
    assert_eq!(complete("nls ch"), "check\n");
    assert_eq!(complete("nls help plo"), "plot\n");
    assert_eq!(complete("nls test --fail"), "--failed\n--fail-fast\n");
    lab.write("script.nls", "");
    assert_eq!(complete("nls scr"), "script.nls\n");
}

#[test]
fn fish_completes_with_descriptions() {
    if !has("fish") {
        return;
    }
    let lab = Lab::new();
    let script = help(&lab, "fish");
    let complete = |line: &str| {
        let command = format!("source {script}; complete -C '{line}'");
        says(Command::new("fish").args(["--no-config", "-c", &command]).env("HOME", lab.folder.path()))
    };
    assert!(complete("nls --js").starts_with("--json\tone JSON object a line"));
    assert!(complete("nls help plo").starts_with("plot\tdraw rate"));
    assert!(complete("nls test --shu").contains("--shuffle\t"));
}

/// Typed into a zsh in a terminal of its own, as its completion works nowhere else.
#[test]
fn zsh_completes_options_and_topics() {
    if !has("zsh") {
        return;
    }
    let lab = Lab::new();
    let script = help(&lab, "zsh");
    std::fs::rename(&script, lab.path("_nls")).unwrap();
    let mut command = Command::new("zsh");
    lab.dress(&mut command);
    command.args(["-f", "-i"]).env("PS1", "READY ").env("TERM", "dumb");
    let mut zsh = Terminal::spawn(command);
    zsh.see("its prompt", |screen| screen.ends_with("READY"));
    let folder = lab.folder.path().display();
    zsh.keys(&format!(
        "fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D; nls() {{ print got:$* }}\r"
    ));
    zsh.keys("print LOA''DED\r");
    zsh.see("it is loaded", |screen| screen.contains("LOADED") && screen.ends_with("READY"));
    for (typed, whole) in [
        ("nls --js\t", "nls --json"),
        ("nls help plo\t", "nls help plot"),
        ("nls test --shu\t", "nls test --shuffle"),
    ] {
        zsh.keys(typed);
        zsh.see(whole, |screen| screen.ends_with(whole));
        zsh.keys("\r");
        zsh.see("what was called", |screen| {
            screen.contains(&whole.replace("nls ", "got:")) && screen.ends_with("READY")
        });
    }
}

#[test]
fn the_usage_names_the_program_as_it_is_called() {
    let lab = Lab::new();
    assert!(PROGRAM.ends_with("nls"));
    let usage = lab.run(&["--help"]).success().out;
    for part in
        ["nls -c 'a; b'", "nls help man|bash|zsh|fish", "--color auto|always|never", "Exit: 0 success"]
    {
        assert!(usage.contains(part), "{part} is missing in\n{usage}");
    }
}
