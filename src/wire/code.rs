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
    Other = 0, "E-other", "unspecified error";
    Malformed = 1, "E-malformed", "bytes that do not follow the protocol";
    Misbehaved = 2, "E-misbehaved", "unexpected frame";
    Version = 3, "E-version", "different protocol version";
    Service = 4, "E-service", "the port offers another service";
    Busy = 5, "E-busy", "too many clients";
    Limit = 6, "E-limit", "a limit is exceeded";
    Missing = 7, "E-missing", "no such file or name";
    Exists = 8, "E-exists", "the name is taken";
    Policy = 9, "E-policy", "the server does not allow it";
    ReadOnly = 10, "E-readonly", "the server is read-only";
    Receiving = 11, "E-receiving", "a file of this name is already being received";
    Disk = 12, "E-disk", "a file could not be read or written";
    Full = 13, "E-full", "not enough space";
    Integrity = 14, "E-integrity", "the data does not match its hash";
    Changed = 15, "E-changed", "the file changed while it was being read";
    Cancelled = 16, "E-cancelled", "cancelled by the user";
    Timeout = 17, "E-timeout", "no answer in time";
    Refused = 18, "E-refused", "no service listens at this address";
    Broken = 19, "E-broken", "the connection broke";
    Protocol = 20, "E-protocol", "the peer speaks another protocol";
    Key = 21, "E-key", "a key is required";
    Turn = 22, "E-turn", "it is the other side's turn";
    Usage = 23, "E-usage", "the command is not valid";
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
