//! Replies, pure: a code and a text (RFC 959, section 4.2). A text never contains an end of line: whatever name it
//! mentions, a client sees one reply.

use crate::report::Failure;
use crate::wire::Code;

/// The first reply of a conversation.
pub(in crate::service::ftp) const GREETING: &str = "220 nls: files; anonymous is welcome\r\n";

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// The first and the last stand beside the code, those between them for themselves.
    lines: Vec<Vec<u8>>,
}

/// What a refusal is about: some codes depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// What is there.
    Reading,
    /// A new file.
    Writing,
    /// A transfer that has begun.
    Transfer,
}

impl Reply {
    /// A reply of one line.
    pub(super) fn new(code: u16, text: impl Into<Vec<u8>>) -> Self {
        Self { code, lines: vec![text.into()] }
    }

    /// One of several lines.
    pub(super) fn of_lines(
        code: u16,
        first: &str,
        between: impl IntoIterator<Item = Vec<u8>>,
        last: &str,
    ) -> Self {
        let ends = |text: &str| vec![text.into()];
        Self { code, lines: ends(first).into_iter().chain(between).chain(ends(last)).collect() }
    }

    /// Why something was not done. The advice of a failure is for users of nls, except where it says how to start the
    /// server.
    pub(super) fn of(failure: &Failure, about: About) -> Self {
        let mut text = failure.why.clone();
        let is_about_the_server = matches!(failure.code, Code::ReadOnly | Code::Key);
        if let Some(fix) = failure.fix.as_ref().filter(|_| is_about_the_server) {
            text.push_str("; ");
            text.push_str(fix);
        }
        Self::new(code_of(failure.code, about), text)
    }

    /// As it is sent. A line between the first and the last begins with a space, so that none looks like the last.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let last = self.lines.len() - 1;
        for (n, line) in self.lines.iter().enumerate() {
            match n {
                _ if n == last => out.extend_from_slice(format!("{} ", self.code).as_bytes()),
                0 => out.extend_from_slice(format!("{}-", self.code).as_bytes()),
                _ => out.push(b' '),
            }
            out.extend(line.iter().map(|byte| if byte.is_ascii_control() { b'?' } else { *byte }));
            out.extend_from_slice(b"\r\n");
        }
        out
    }
}

/// The reply code of an error (RFC 959, section 4.2.2).
const fn code_of(code: Code, about: About) -> u16 {
    match (code, about) {
        (Code::Receiving | Code::Busy, _) => 450,
        (Code::Full, _) => 552,
        (Code::Refused, About::Transfer) => 425,
        (Code::Broken | Code::Timeout | Code::Cancelled, About::Transfer) => 426,
        (Code::Policy | Code::Exists | Code::Missing, About::Writing) => 553,
        (Code::Exists, About::Transfer) => 553,
        (Code::Disk | Code::Changed | Code::Internal, _) | (_, About::Transfer) => 451,
        _ => 550,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ftp::errors::read_only;

    #[test]
    fn replies_have_one_line_or_several() {
        assert_eq!(Reply::new(200, "fine").encode(), b"200 fine\r\n");
        let several = Reply::of_lines(211, "features:", [b"SIZE".to_vec(), b"226 x".to_vec()], "end");
        assert_eq!(several.encode(), b"211-features:\r\n SIZE\r\n 226 x\r\n211 end\r\n");
        assert!(GREETING.starts_with("220 ") && GREETING.ends_with("\r\n"));
    }

    #[test]
    fn row_111_no_name_begins_a_second_reply() {
        let hostile = Reply::new(257, b"\"/a\r\n226 done\0\x1b[2J\xe9\"".to_vec()).encode();
        assert_eq!(hostile, b"257 \"/a??226 done??[2J\xe9\"\r\n");
        let between = Reply::of_lines(250, "a\n", [b"b\r\n250 c".to_vec()], "d\r").encode();
        assert_eq!(between.iter().filter(|byte| **byte == b'\n').count(), 3);
        assert!(between.starts_with(b"250-a?\r\n b??250 c\r\n250 d?"));
    }

    #[test]
    fn row_58_a_refusal_says_why_and_how_to_start_the_server() {
        let text = String::from_utf8(Reply::of(&read_only(), About::Writing).encode()).unwrap();
        assert_eq!(text, "550 the server is read-only; start it without `readonly`\r\n");
    }
}
