//! One form of a secret, and where it stands in a text. A peer may return it in another case.

/// Fewest characters of a secret that is also found in groups: the letters of a shorter one may follow each other by
/// chance.
const LEAST_IN_GROUPS: usize = 16;
/// Most bytes between two of its characters, such as ` - ` or a line end.
const GAP: usize = 3;

/// A text that gives a secret away.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) text: String,
    /// Also found with blanks, line ends and `-` between its characters.
    in_groups: bool,
}

/// How far a text follows a form.
enum Follows {
    /// To the end of the form, which is here in the text.
    Whole(usize),
    /// To the end of the text.
    ToTheEnd,
    Not,
}

impl Form {
    pub(super) const fn of(text: String) -> Self {
        Self { text, in_groups: false }
    }

    /// The secret however it is divided into groups; `None` if it is too short for that.
    pub(super) fn in_groups_of(text: &str) -> Option<Self> {
        let text: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        (text.chars().count() >= LEAST_IN_GROUPS).then_some(Self { text, in_groups: true })
    }

    /// Where it ends, if it begins at `start`.
    pub(super) fn end_from(&self, text: &[u8], start: usize) -> Option<usize> {
        match self.follow(text, start) {
            Follows::Whole(end) => Some(end),
            Follows::ToTheEnd | Follows::Not => None,
        }
    }

    /// Its first byte, as [`first_of`] has it.
    pub(super) fn first(&self) -> usize {
        first_of(self.text.as_bytes()[0])
    }

    /// How many of the last bytes are its beginning; `None` if none are.
    pub(super) fn begins_at_the_end_of(&self, text: &[u8]) -> Option<usize> {
        let longest = if self.in_groups { self.text.len() * (1 + GAP) } else { self.text.len() };
        let starts = text.len().saturating_sub(longest)..text.len();
        starts.map(|start| (start, self.follow(text, start))).find_map(|(start, follows)| match follows {
            Follows::ToTheEnd => Some(text.len() - start),
            Follows::Whole(_) | Follows::Not => None,
        })
    }

    fn follow(&self, text: &[u8], start: usize) -> Follows {
        let mut at = start;
        for (n, expected) in self.text.bytes().enumerate() {
            if self.in_groups && n > 0 {
                at += text[at..].iter().take(GAP).take_while(|byte| is_between(**byte)).count();
            }
            match text.get(at) {
                Some(byte) if byte.eq_ignore_ascii_case(&expected) => at += 1,
                Some(_) => return Follows::Not,
                None => return Follows::ToTheEnd,
            }
        }
        Follows::Whole(at)
    }
}

/// The same number for the bytes that a form may begin with in one case or the other.
pub(super) const fn first_of(byte: u8) -> usize {
    byte.to_ascii_lowercase() as usize
}

const fn is_between(byte: u8) -> bool {
    byte == b'-' || byte.is_ascii_whitespace()
}
