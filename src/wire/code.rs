//! Error codes: the one table of their names, numbers on the wire, words and sentences.

use std::fmt;

macro_rules! codes {
    ($($name:ident = $number:literal, $word:literal, $sentence:literal;)*) => {
        /// Why an operation failed, here or at the peer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $(#[doc = $sentence] $name,)* }

        impl Code {
            /// All codes, for documentation and tests.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The number on the wire.
            pub const fn number(self) -> u16 {
                match self { $(Self::$name => $number,)* }
            }

            /// The code with this number. A number that this version does not know is [`Code::Other`].
            pub const fn from_number(number: u16) -> Self {
                match number { $($number => Self::$name,)* _ => Self::Other }
            }

            /// The stable word for `--json`.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// A short explanation for people.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

codes! {
    Other = 0, "E-other", "an error without a code";
    Malformed = 1, "E-malformed", "bytes that are not of the protocol";
    Misbehaved = 2, "E-misbehaved", "a frame that cannot stand here";
    Version = 3, "E-version", "another version of the protocol";
    Service = 4, "E-service", "another service listens here";
    Busy = 5, "E-busy", "too many clients";
    Limit = 6, "E-limit", "over a limit";
    Missing = 7, "E-missing", "no such file or name";
    Exists = 8, "E-exists", "the name is taken";
    Policy = 9, "E-policy", "the server does not allow it";
    ReadOnly = 10, "E-readonly", "the server is read-only";
    Receiving = 11, "E-receiving", "the name is being received already";
    Disk = 12, "E-disk", "a file could not be read or written";
    Full = 13, "E-full", "not enough space";
    Integrity = 14, "E-integrity", "bytes differ from their hash";
    Changed = 15, "E-changed", "the file changed while it was read";
    Cancelled = 16, "E-cancelled", "ended by its user";
    Timeout = 17, "E-timeout", "no answer in time";
    Refused = 18, "E-refused", "nothing listens there";
    Broken = 19, "E-broken", "the connection broke";
    Protocol = 20, "E-protocol", "the peer speaks another protocol";
    Key = 21, "E-key", "a key is needed";
    Turn = 22, "E-turn", "it is the other side's turn";
    Usage = 23, "E-usage", "the command is wrong";
    Expectation = 24, "E-expectation", "an expectation failed";
    Player = 25, "E-player", "the player failed";
    Arithmetic = 27, "E-arithmetic", "the expression cannot be computed";
    Internal = 26, "E-internal", "an error in this program";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn numbers_are_unique_and_read_back() {
        for &code in Code::ALL {
            assert_eq!(Code::from_number(code.number()), code);
        }
        assert_eq!(Code::from_number(9999), Code::Other);
    }
}
