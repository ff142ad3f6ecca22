//! The built-in statements, as opposed to verbs: one row each, for completion, `help` and the reference.

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
pub static STATEMENTS: [Form; 10] = [
    form(
        "test",
        &["test \"name\" [serial] [timeout D] [tag NAME]"],
        "begins a test; lines above the first one run before each",
        "test \"one is one\" timeout 5s\nexpect 1 == 1",
    ),
    form("let", &["let NAME = VALUE"], "gives a value a name", "let size = 64K"),
    form(
        "expect",
        &[
            "expect [not] VALUE [== != < <= > >= contains matches says VALUE] [within D]",
            "expect [not] file PATH exists [within D]",
            "expect [not] file PATH same as PATH [within D]",
            "expect [not] file PATH contains TEXT [within D]",
            "expect error [\"reason\" | E-CODE]: COMMAND",
        ],
        "fails unless it holds; `within` waits for it",
        "expect $files.clients == 0 within 2s",
    ),
    form(
        "retry",
        &["retry N [every D]: COMMAND"],
        "runs it again until it succeeds, N times at most",
        "retry 5 every 10ms: calc 1 + 1 at $calculator",
    ),
    form("repeat", &["repeat N: COMMAND"], "runs it N times", "repeat 3: calc 6 * 7 at $calculator"),
    form("defer", &["defer COMMAND"], "runs it at the end, the last one first", "defer print \"the end\""),
    form(
        "skip",
        &["skip \"why\" [unless VALUE]"],
        "leaves the rest of the test out",
        "skip \"files are needed\" unless $files.port",
    ),
    form("timeout", &["timeout D"], "how long the test, or the rest of the script, may take", "timeout 10s"),
    form(
        "secret",
        &["secret NAME"],
        "takes a variable of the environment, or asks for it at the prompt, and shows it nowhere",
        "secret HOME",
    ),
    form(
        "source",
        &["source PATH"],
        "the lines of another file, beside this one, as if they stood here",
        "source extra.nls",
    ),
];

/// Words inside statements, other than the comparisons, and what they mean.
static WORDS: [(&str, &str); 14] = [
    (":", "the command follows"),
    ("=", "the value follows"),
    ("as", "the other file"),
    ("error", "the command must fail, with this in its reason or with this code"),
    ("every", "the pause between two tries"),
    ("exists", "it is there"),
    ("file", "a file exists, is the same as another, or contains a text"),
    ("not", "the opposite"),
    ("same", "… as another file"),
    ("serial", "alone, after the others"),
    ("tag", "a name for `--tag`"),
    ("timeout", "how long it may take"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::grammar::statements;

    #[test]
    fn every_example_is_read_as_the_statement_that_it_shows() {
        for form in &STATEMENTS {
            assert!(form.example.starts_with(form.word) && !form.help.is_empty(), "{}", form.word);
            assert!(form.forms.iter().all(|shown| shown.starts_with(form.word)), "{}", form.word);
            assert!(statements(form.example).all(|read| read.is_ok()), "{}", form.example);
        }
    }
}
