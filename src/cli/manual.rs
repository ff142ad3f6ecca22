//! The manual page in roff with the `man` macros (man(7)), generated from the tables of options, verbs and statements.

use std::fmt::Write;

use super::usage::{EXITS, FORMS, Flag, OPTIONS, TEST_OPTIONS, VARIABLES};
use crate::language::statement::STATEMENTS;
use crate::language::{Keyword, Verb};
use crate::service::PROVIDERS;
use crate::shell::builtin::help;
use crate::shell::catalogue;

/// The text of `nls help man`.
pub(super) fn page() -> String {
    let mut page = Page(format!(".TH NLS 1 \"\" \"nls {}\" \"User Commands\"\n", env!("CARGO_PKG_VERSION")));
    page.introduction();
    page.reference();
    page.surroundings();
    page.0
}

struct Page(String);

impl Page {
    /// What the program is, how it is started, and its options.
    fn introduction(&mut self) {
        self.section("NAME");
        self.text("nls - the network lab shell: start, watch and test servers and clients over TCP and UDP");
        self.section("SYNOPSIS");
        for form in &FORMS {
            self.line(&format!(".B nls {}", roff(form.words)));
            self.line(".br");
        }
        self.section("DESCRIPTION");
        self.text("Servers and clients live as sessions in the background: file transfer, a calculator, streaming, chat, and links that emulate a bad network. The same lines work at the prompt, in scripts and as tests.");
        for form in &FORMS {
            self.item(&format!("nls {}", form.words), form.help);
        }
        self.section("OPTIONS");
        self.flags(&OPTIONS);
        self.section("OPTIONS OF NLS TEST");
        self.flags(&TEST_OPTIONS);
    }

    /// Commands, services, statements, keys and limits.
    fn reference(&mut self) {
        self.section("COMMANDS");
        for entry in catalogue::entries() {
            self.verb(entry.verb());
        }
        self.section("SERVICES");
        for provider in PROVIDERS {
            self.line(&format!(".SS {}", roff(provider.row.name)));
            self.line(&roff(&format!("{}.", provider.row.summary)));
            self.keywords(provider.row.keywords);
        }
        self.section("SCRIPTS");
        for form in &STATEMENTS {
            self.item(&form.forms.join("\n"), form.help);
        }
        self.section("KEYS");
        self.verbatim(help::KEYS);
        self.section("LIMITS");
        self.verbatim(&help::limits());
    }

    /// What the program leaves to and takes from the system: exit codes, variables, files.
    fn surroundings(&mut self) {
        self.section("EXIT STATUS");
        for (code, meaning) in EXITS {
            self.item(code, meaning);
        }
        self.text("After a termination signal the program dies by that same signal.");
        self.section("ENVIRONMENT");
        for (name, meaning) in VARIABLES {
            self.item(name, meaning);
        }
        self.section("FILES");
        self.item(
            "rc.nls",
            "in the folder `nls` where the system keeps configuration: run at the start of the prompt",
        );
        self.item("keys/NAME.key", "there, too: the keys of `key`, for their owner only");
        self.item(
            "history",
            "in the folder `nls` where the system keeps state: lines typed at the prompt, without secrets",
        );
    }

    fn line(&mut self, line: &str) {
        let _ = writeln!(self.0, "{line}");
    }

    fn section(&mut self, name: &str) {
        self.line(&format!(".SH {name}"));
    }

    fn text(&mut self, text: &str) {
        self.line(".P");
        self.line(&roff(text));
    }

    /// An entry of a list: a term, which may have several lines, and its meaning.
    fn item(&mut self, term: &str, meaning: &str) {
        for (index, form) in term.lines().enumerate() {
            self.line(if index == 0 { ".TP" } else { ".TQ" });
            self.line(&format!(".B {}", roff(form)));
        }
        self.line(&roff(meaning));
    }

    fn flags(&mut self, flags: &[Flag]) {
        for flag in flags {
            self.item(&flag.form(), flag.help);
        }
    }

    fn verb(&mut self, verb: &Verb) {
        self.line(&format!(".SS {}", roff(verb.name)));
        self.line(&roff(&format!("{}.", verb.summary)));
        self.line(".P");
        self.line(&format!(".B {}", roff(&verb.usage())));
        if !verb.details.is_empty() {
            self.text(verb.details);
        }
        for param in verb.params {
            self.item(&param.kind.placeholder_of(param.name), param.help);
        }
        self.keywords(verb.keywords);
        self.text(&format!("Example: {}", verb.example));
    }

    fn keywords(&mut self, keywords: &[Keyword]) {
        for keyword in keywords {
            let default = match keyword.default {
                "" => String::new(),
                default => format!(" (default: {default})"),
            };
            self.item(&keyword.form(), &format!("{}{default}", keyword.help));
        }
    }

    fn verbatim(&mut self, text: &str) {
        self.line(".P");
        self.line(".nf");
        text.lines().for_each(|line| self.line(&roff(line)));
        self.line(".fi");
    }
}

/// Escapes text for roff: `\`, `-` and non-ASCII characters, and a control character at the start of the line.
fn roff(text: &str) -> String {
    let written = |c: char| match c {
        '\\' => "\\e".to_owned(),
        '-' => "\\-".to_owned(),
        c if c.is_ascii() => c.to_string(),
        c => format!("\\[u{:04X}]", u32::from(c)),
    };
    let text: String = text.chars().map(written).collect();
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
