//! A recorded script, read as conversations: who says what, in which order. Pure: which side is played is decided later.
//!
//! | statement | turn |
//! |---|---|
//! | `connect tcp host:25 as c` | begins a conversation |
//! | `say $c …`, `say $c hex …`, `say $c file …` | the client says this |
//! | `expect $c says …`, `says matching …`, `hex …` | the server says this, or something of this shape |
//! | `finish $c`, `reset $c` | the client has said everything |
//! | `expect $c ends` | the server has said everything |

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::errors::{self, BadLine};
use crate::base::Carrier;
use crate::base::pattern::{Pattern, from_hex};
use crate::language::parse::grammar::statements;
use crate::language::parse::lexer::Word;
use crate::language::script::{Body, Prefix, SessionExpectation, SessionTest};
use crate::language::{Source, Statement};
use crate::report::Failure;
use crate::service::raw::options::Eol;

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// What is said in one turn.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What a pattern matches.
    Like(Pattern),
    /// Nothing more.
    End,
    /// The connection is cut.
    Cut,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Turn {
    pub(super) by: Side,
    pub(super) part: Part,
    /// How long the recording waits for it.
    pub(super) within: Option<Duration>,
    /// Line of the recording, from 1.
    pub(super) line: usize,
}

/// One conversation.
#[derive(Clone, Debug)]
pub(super) struct Dialogue {
    /// The name of its session in the recording.
    name: String,
    pub(super) carrier: Carrier,
    eol: Eol,
    /// The `connect` as it was written, and where in it the address stands.
    connect: (String, Range<usize>),
    pub(super) turns: Vec<Turn>,
}

impl Dialogue {
    /// The `connect` of the recording, to another address if one is given.
    pub(super) fn connect(&self, address: Option<&str>) -> String {
        let (text, at) = &self.connect;
        let mut text = text.clone();
        if let Some(address) = address {
            text.replace_range(at.clone(), address);
        }
        text
    }
}

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Recording {
    pub(super) dialogues: Vec<Dialogue>,
    /// Statements that belong to no conversation.
    pub(super) left_out: usize,
}

/// Reads a script. `directory`: where files that it says are.
pub(super) fn read(source: &Arc<Source>, directory: &Path) -> Result<Recording, Failure> {
    let mut reader = Reader { source, directory, recording: Recording::default() };
    for statement in statements(&source.text) {
        let statement = statement.map_err(|error| reader.bad(error.span.start, &error.title))?;
        if !reader.statement(&statement)? {
            reader.recording.left_out += 1;
        }
    }
    if reader.recording.dialogues.is_empty() {
        return Err(errors::nothing_to_replay(&source.name));
    }
    Ok(reader.recording)
}

struct Reader<'a> {
    source: &'a Source,
    directory: &'a Path,
    recording: Recording,
}

impl Reader<'_> {
    fn bad(&self, offset: usize, why: &str) -> Failure {
        errors::bad_recording(&self.place(offset), why)
    }

    fn place(&self, offset: usize) -> BadLine {
        BadLine { file: self.source.name.clone(), line: self.source.line(offset) }
    }

    /// False if the statement belongs to no conversation.
    fn statement(&mut self, statement: &Statement) -> Result<bool, Failure> {
        let plain = statement.prefixes.iter().all(|prefix| matches!(prefix, Prefix::Retry { .. }));
        match &statement.body {
            _ if !plain => Ok(false),
            Body::Command { verb, words, .. } => match (verb.bare(), words.as_slice()) {
                (Some("connect"), [carrier, address, rest @ ..]) => {
                    self.connect(verb, (carrier, address), rest).map(|()| true)
                }
                (Some("say" | "tell"), [session, rest @ ..]) => self.say(session, rest),
                (Some("finish"), [session]) => self.turn(session, Side::Client, Part::End, None),
                (Some("reset"), [session]) => self.turn(session, Side::Client, Part::Cut, None),
                _ => Ok(false),
            },
            Body::ExpectSession(expectation) if !expectation.negated => self.expect(expectation),
            _ => Ok(false),
        }
    }

    fn connect(
        &mut self,
        verb: &Word,
        (carrier, address): (&Word, &Word),
        rest: &[Word],
    ) -> Result<(), Failure> {
        let after =
            |word: &str| rest.windows(2).find(|pair| pair[0].is(word)).and_then(|pair| pair[1].literal());
        let word = carrier.literal().unwrap_or_default();
        let carrier =
            Carrier::from_word(&word).ok_or_else(|| self.bad(carrier.span.start, &not_a_carrier(&word)))?;
        let whole = verb.span.start..rest.last().map_or(address.span.end, |word| word.span.end);
        let at = address.span.start - whole.start..address.span.end - whole.start;
        self.recording.dialogues.push(Dialogue {
            name: after("as").unwrap_or_default().into_owned(),
            carrier,
            eol: after("eol").map_or(Eol::default(), |word| Eol::from_word(&word)),
            connect: (self.source.slice(&whole).to_owned(), at),
            turns: Vec::new(),
        });
        Ok(())
    }

    fn say(&mut self, session: &Word, rest: &[Word]) -> Result<bool, Failure> {
        let Some(eol) = self.of(session).map(|dialogue| dialogue.eol) else { return Ok(false) };
        let bytes = match rest {
            [kind, digits] if kind.is("hex") => {
                from_hex(&self.text(digits)?).map_err(|why| self.bad(digits.span.start, &why))?
            }
            [kind, path] if kind.is("file") => {
                let path = self.directory.join(self.text(path)?);
                std::fs::read(&path).map_err(|error| Failure::io(&error, path.display().to_string()))?
            }
            words => {
                let words = words.iter().map(|word| self.text(word)).collect::<Result<Vec<_>, _>>()?;
                [words.join(" ").as_bytes(), eol.bytes()].concat()
            }
        };
        self.turn(session, Side::Client, Part::Bytes(bytes), None)
    }

    fn expect(&mut self, expectation: &SessionExpectation) -> Result<bool, Failure> {
        let SessionExpectation { session, test, within, .. } = expectation;
        let pattern = |word: &Word, read: fn(&str) -> Result<Pattern, String>| {
            let text = self.text(word)?;
            read(&text).map(Part::Like).map_err(|why| self.bad(word.span.start, &why))
        };
        let part = match test {
            SessionTest::Says(word) => Part::Bytes(self.text(word)?.into_bytes()),
            SessionTest::Matching(word) => pattern(word, Pattern::regex)?,
            SessionTest::Hex(word) => match from_hex(&self.text(word)?) {
                Ok(bytes) => Part::Bytes(bytes),
                Err(_) => pattern(word, Pattern::hex)?,
            },
            SessionTest::Ends => Part::End,
            SessionTest::Silent(_) | SessionTest::Traced(_) => return Ok(self.of(session).is_some()),
        };
        self.turn(session, Side::Server, part, *within)
    }

    fn turn(
        &mut self,
        session: &Word,
        by: Side,
        part: Part,
        within: Option<Duration>,
    ) -> Result<bool, Failure> {
        let line = self.place(session.span.start).line;
        let Some(dialogue) = self.of(session) else { return Ok(false) };
        // Nobody ends twice.
        let ended = |turn: &Turn| turn.by == by && matches!(turn.part, Part::End | Part::Cut);
        if dialogue.turns.iter().any(ended) && matches!(part, Part::End | Part::Cut) {
            return Ok(true);
        }
        dialogue.turns.push(Turn { by, part, within, line });
        Ok(true)
    }

    /// The conversation of a session, the newest of that name.
    fn of(&mut self, session: &Word) -> Option<&mut Dialogue> {
        let name = match session.reference() {
            Some(path) => path.join("."),
            None => session.literal()?.into_owned(),
        };
        self.recording.dialogues.iter_mut().rev().find(|dialogue| dialogue.name == name)
    }

    fn text(&self, word: &Word) -> Result<String, Failure> {
        let text = word.literal().map(std::borrow::Cow::into_owned);
        text.ok_or_else(|| self.bad(word.span.start, "a replay has no variables; write the value itself"))
    }
}

fn not_a_carrier(word: &str) -> String {
    format!("`{word}` is not tcp, udp, tls or unix")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(text: &str) -> Result<Recording, Failure> {
        read(&Source::new("x.nls", text), Path::new("."))
    }

    #[test]
    fn a_script_becomes_turns_and_the_address_can_be_another() {
        let read = recording(
            "# Recorded.\nconnect tcp mail:25 eol crlf as c\nexpect $c says \"220 hi\\x0d\\n\" within 5s\n\
             say $c HELO me\nexpect $c says matching '\\d{3} ok' \nsay $c hex \"00 ff\"\nfinish $c\n\
             expect $c ends within 5s\nprint done\nsay $other hello\n",
        )
        .unwrap();
        let [dialogue] = read.dialogues.as_slice() else { panic!("{read:?}") };
        let parts: Vec<(Side, &Part)> = dialogue.turns.iter().map(|turn| (turn.by, &turn.part)).collect();
        let bytes = |bytes: &[u8]| Part::Bytes(bytes.to_vec());
        assert_eq!(
            parts,
            [
                (Side::Server, &bytes(b"220 hi\r\n")),
                (Side::Client, &bytes(b"HELO me\r\n")),
                (Side::Server, &Part::Like(Pattern::regex(r"\d{3} ok").unwrap())),
                (Side::Client, &bytes(b"\x00\xff")),
                (Side::Client, &Part::End),
                (Side::Server, &Part::End),
            ]
        );
        assert_eq!((dialogue.turns[1].line, read.left_out), (4, 2));
        assert_eq!(dialogue.connect(Some(":9")), "connect tcp :9 eol crlf as c");
        assert_eq!(dialogue.connect(None), "connect tcp mail:25 eol crlf as c");
    }

    #[test]
    fn what_cannot_be_replayed_is_an_error_with_its_line() {
        for (text, wanted) in [
            ("print hello\n", "holds no conversation"),
            ("connect tcp :1 as c\nsay $c \"$x\"\n", "x.nls:2: a replay has no variables"),
            ("connect tcp :1 as c\nsay $c hex zz\n", "x.nls:2: `zz` is not a byte"),
            ("connect foo :1 as c\n", "x.nls:1: `foo` is not tcp"),
            ("connect tcp :1 as c\nexpect $c says matching '('\n", "x.nls:2: "),
            ("expect $c says\n", "x.nls:1: "),
        ] {
            let failure = recording(text).unwrap_err().to_string();
            assert!(failure.contains(wanted), "{text}: {failure}");
        }
    }
}
