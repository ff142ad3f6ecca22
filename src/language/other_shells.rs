//! Words of other shells and tools, and their equivalents here.

use super::parse::lexer::Word;

/// The equivalent of another program's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// It has this name here.
    Word(&'static str),
    /// It is done differently here, as this text explains.
    Hint(&'static str),
}

use Advice::{Hint, Word as Named};

const NO_BLOCKS: &str = "there are no blocks: `expect …` stops the script unless it holds, `repeat N:` and `retry N:` run one command again";
const SYSTEM: &str = "a system command begins with `!`, as in `!grep …`";
const PIPES: &str = "there are no pipes: in the system's shell, run `nls -c 'ls :9000' | grep x`";
const REDIRECTS: &str = "there is no redirection: in the system's shell, run `nls -c '…' > FILE`";
const CHAINS: &str =
    "commands are separated by `;` or new lines, and a script stops at the first failure (`-k` continues)";

/// First words that users of shells, ftp clients and test tools type.
const VERBS: &[(&str, Advice)] = &[
    ("if", Hint(NO_BLOCKS)),
    ("while", Hint(NO_BLOCKS)),
    ("for", Hint(NO_BLOCKS)),
    ("until", Hint(NO_BLOCKS)),
    ("function", Hint("there are no functions: `source FILE` runs the lines of another file")),
    ("export", Named("let")),
    ("assert", Named("expect")),
    ("mput", Named("send")),
    ("upload", Named("send")),
    ("mget", Named("get")),
    ("download", Named("get")),
    ("fetch", Named("get")),
    ("serve", Named("listen")),
    ("join", Named("chat")),
    ("man", Named("help")),
    ("ps", Named("sessions")),
    ("proxy", Named("link")),
    ("grep", Hint(SYSTEM)),
    ("cat", Hint(SYSTEM)),
    ("ping", Hint(SYSTEM)),
    ("curl", Hint(SYSTEM)),
    ("rm", Hint(SYSTEM)),
    ("mkdir", Hint(SYSTEM)),
];

/// Keywords that users of other tools type.
const KEYWORDS: &[(&str, &str)] = &[
    ("drop", "loss"),
    ("latency", "delay"),
    ("bandwidth", "rate"),
    ("speed", "rate"),
    ("limit", "rate"),
    ("duplicate", "dup"),
    ("overwrite", "replace"),
    ("force", "replace"),
    ("into", "to"),
    ("output", "to"),
    ("nick", "name"),
    ("user", "name"),
    ("bind", "on"),
    ("timeout", "within"),
];

/// The equivalent of the first word of a command; `None` if the word is not in the table.
pub(super) fn verb(word: &str) -> Option<Advice> {
    if word.starts_with('@') {
        return Some(Hint("in a conversation: `say $room \"@name text\"`, or `attach` it first"));
    }
    VERBS.iter().find(|(known, _)| *known == word).map(|(_, advice)| *advice)
}

/// The equivalent of a keyword of other tools; `None` if the word is not in the table.
pub(super) fn keyword(word: &str) -> Option<&'static str> {
    KEYWORDS.iter().find(|(known, _)| *known == word).map(|(_, here)| *here)
}

/// How to do what an unquoted `|`, `>`, `&&` and the like do in other shells; `None` for any other word.
pub(super) fn connector(word: &Word) -> Option<&'static str> {
    if word.quoted {
        return None;
    }
    match &*word.literal()? {
        "|" => Some(PIPES),
        ">" | ">>" | "<" | "2>" | "2>&1" => Some(REDIRECTS),
        "&&" | "||" | "&" => Some(CHAINS),
        _ => None,
    }
}

/// True for a line that looks like arithmetic, which only `calc` evaluates.
pub(super) fn is_arithmetic(line: &str) -> bool {
    let line = line.trim_start_matches(['(', '-', ' ']);
    line.starts_with(|c: char| c.is_ascii_digit()) && line.contains(['+', '-', '*', '/', '%', '×', '÷', '−'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_suggested_is_a_word_of_the_language() {
        for (word, advice) in VERBS {
            assert!(verb(word) == Some(*advice), "{word}");
        }
        assert!(is_arithmetic("7 % 3") && is_arithmetic("(1+2)*3") && is_arithmetic("-5 - 2"));
        assert!(!is_arithmetic("7") && !is_arithmetic("send 7 % 3"));
    }
}
