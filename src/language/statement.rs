//! The built-in statements, as opposed to verbs: one row each, for completion, `help` and the reference.

use super::parse::lexer::Word;

/// A statement and its forms.
#[derive(Debug)]
pub struct Form {
    /// The first word of the statement.
    pub word: &'static str,
    /// Its syntax, one line for each form.
    pub forms: &'static [&'static str],
    /// What it does, in one line.
    pub help: &'static str,
    /// A valid example, which the tests run.
    pub example: &'static str,
}

const fn form(
    word: &'static str,
    forms: &'static [&'static str],
    help: &'static str,
    example: &'static str,
) -> Form {
    Form { word, forms, help, example }
}

/// All of them. `source` is a statement, not a verb, because its file is read and checked before anything runs.
pub static STATEMENTS: [Form; 11] = [
    form(
        "test",
        &["test \"name\" [serial] [timeout D] [tag NAME]"],
        "begins a test; the lines above the first test run before each test",
        "test \"one is one\" timeout 5s\nexpect 1 == 1",
    ),
    form("let", &["let NAME = VALUE"], "binds a value to a name", "let size = 64K"),
    form(
        "expect",
        &[
            "expect [not] VALUE [== != < <= > >= contains matches VALUE] [within D]",
            "expect [not] X says TEXT [within D] [as NAME]",
            "expect [not] X says matching RE [within D] [as NAME]",
            "expect [not] X hex HEX [within D] [as NAME]",
            "expect [not] X ends [within D]",
            "expect [not] X silent for D",
            "expect [not] X traced FILTER [within D]",
            "expect [not] file PATH exists [within D]",
            "expect [not] file PATH same as PATH [within D]",
            "expect [not] file PATH contains TEXT [within D]",
            "expect error [\"reason\" | E-CODE]: COMMAND",
        ],
        "fails unless the condition holds; `within` waits for it",
        "expect $files.clients == 0 within 2s",
    ),
    form(
        "retry",
        &["retry N [every D]: COMMAND"],
        "runs a command until it succeeds, at most N times",
        "retry 5 every 10ms: calc 1 + 1 at $calculator",
    ),
    form(
        "on",
        &[
            "on X says TEXT [delay D] [times N]: COMMAND",
            "on X matching RE [delay D] [times N]: COMMAND",
            "on X joins: COMMAND",
            "on X ends: COMMAND",
            "on X otherwise: COMMAND",
        ],
        "answers by itself: `it` is who spoke, $it.0 and $it.1 what matched; `off X` ends it",
        "on $web says \"PING\": say it \"PONG\"",
    ),
    form("repeat", &["repeat N: COMMAND"], "runs a command N times", "repeat 3: calc 6 * 7 at $calculator"),
    form(
        "defer",
        &["defer COMMAND"],
        "runs a command at the end, in reverse order",
        "defer print \"the end\"",
    ),
    form(
        "skip",
        &["skip \"why\" [unless VALUE]"],
        "skips the rest of the test",
        "skip \"files are needed\" unless $files.port",
    ),
    form("timeout", &["timeout D"], "how long the test, or the rest of the script, may take", "timeout 10s"),
    form(
        "secret",
        &["secret NAME"],
        "reads an environment variable, or asks for it at the prompt, and never shows it",
        "secret HOME",
    ),
    form(
        "source",
        &["source PATH"],
        "runs the lines of another file, relative to this one, as if they were written here",
        "source extra.nls",
    ),
];

/// Words inside statements, other than the comparisons, and what they mean.
static WORDS: [(&str, &str); 25] = [
    (":", "the command follows"),
    ("=", "the value follows"),
    ("as", "the other file, or a name for what was matched"),
    ("delay", "how long after that"),
    ("ends", "nothing more will come from the peer"),
    ("error", "the command must fail, with this text in its reason or this code"),
    ("every", "the pause between two attempts"),
    ("exists", "the file exists"),
    ("for", "how long"),
    ("hex", "it received these bytes; ?? is any byte"),
    ("file", "a file exists, is the same as another, or contains a text"),
    ("joins", "a client has connected"),
    ("matching", "a regular expression: `.` is any byte of a line, ^ and $ are its ends"),
    ("not", "the opposite"),
    ("otherwise", "a line came that no other handler took"),
    ("same", "… as another file"),
    ("says", "it received this text, which was not matched before"),
    ("silent", "nothing comes from the peer"),
    ("serial", "runs alone, after the other tests"),
    ("tag", "a name for `--tag`"),
    ("timeout", "time limit of the test"),
    ("times", "how often at most"),
    ("traced", "its record holds a packet that the filter in quotes matches; `help trace` tells of filters"),
    ("unless", "only if this is empty or false"),
    ("within", "wait for it"),
];

/// What a word inside a statement means; `None` for comparisons and unknown words.
pub fn help_of(word: &str) -> Option<&'static str> {
    WORDS.iter().find(|(name, _)| *name == word).map(|(_, help)| *help)
}

/// The statement that begins with `word`; `None` if there is none.
pub fn statement(word: &str) -> Option<&'static Form> {
    STATEMENTS.iter().find(|form| form.word == word)
}

/// True if a statement begins with this word, so that it is no verb.
pub(crate) fn begins_one(word: &Word) -> bool {
    word.bare().is_some_and(|text| statement(text).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::parse::grammar::statements;

    #[test]
    fn every_example_is_read_as_the_statement_that_it_shows() {
        for form in &STATEMENTS {
            assert!(form.example.starts_with(form.word) && !form.help.is_empty(), "{}", form.word);
            assert!(form.forms.iter().all(|shown| shown.starts_with(form.word)), "{}", form.word);
            assert!(statements(form.example).all(|read| read.is_ok()), "{}", form.example);
        }
    }
}
