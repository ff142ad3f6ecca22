//! Entity tags and preconditions (RFC 9110, sections 8.8.3 and 13).

use super::date;
use super::request::{Headers, Method};
use super::syntax;

/// The tag of one state of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTag {
    /// True if states with this tag are alike, but perhaps not byte for byte.
    pub weak: bool,
    /// What stands within the quotes.
    pub tag: String,
}

impl EntityTag {
    /// A strong tag of letters and digits.
    pub fn strong(tag: impl Into<String>) -> Self {
        Self { weak: false, tag: tag.into() }
    }

    /// A weak tag of letters and digits.
    pub fn weak(tag: impl Into<String>) -> Self {
        Self { weak: true, tag: tag.into() }
    }

    /// Reads one tag at the front of `text`, and what follows it.
    fn read(text: &str) -> Option<(Self, &str)> {
        let (weak, rest) = text.strip_prefix("W/").map_or((false, text), |rest| (true, rest));
        let (tag, rest) = rest.strip_prefix('"')?.split_once('"')?;
        let plain = !tag.chars().any(|c| c <= ' ' || c == '\u{7f}');
        plain.then(|| (Self { weak, tag: tag.to_owned() }, rest))
    }

    /// Equal, and neither is weak.
    pub fn is_strongly(&self, other: &Self) -> bool {
        !self.weak && !other.weak && self.tag == other.tag
    }

    /// Equal, weak or not.
    pub fn is_weakly(&self, other: &Self) -> bool {
        self.tag == other.tag
    }
}

impl std::fmt::Display for EntityTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\"{}\"", if self.weak { "W/" } else { "" }, self.tag)
    }
}

/// The states that a client names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    /// `*`: any, if there is one.
    Any,
    /// One of these.
    List(Vec<EntityTag>),
}

impl Tags {
    /// Reads `*` or a list of tags; a tag may have commas. `None` if it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let is_gap = |c: char| syntax::is_blank(c) || c == ',';
        let (mut rest, mut tags) = (text.trim_matches(is_gap), Vec::new());
        if rest == "*" {
            return Some(Self::Any);
        }
        while !rest.is_empty() {
            let (tag, after) = EntityTag::read(rest)?;
            tags.push(tag);
            rest = after.trim_start_matches(is_gap);
            let gap = &after[..after.len() - rest.len()];
            if !rest.is_empty() && !gap.contains(',') {
                return None;
            }
        }
        (!tags.is_empty()).then_some(Self::List(tags))
    }

    fn match_with(&self, current: &Validators, is_equal: fn(&EntityTag, &EntityTag) -> bool) -> bool {
        match self {
            Self::Any => !current.tags.is_empty(),
            Self::List(tags) => tags.iter().any(|tag| current.tags.iter().any(|own| is_equal(own, tag))),
        }
    }
}

/// The state of the resource now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Validators<'a> {
    /// All tags that it has: by its hash, by its stamp. None: there is no such resource, as before it is created.
    pub tags: &'a [EntityTag],
    /// When it was changed, in seconds since 1970; 0: not known.
    pub modified: u64,
}

/// What the preconditions of a request say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// The method is carried out.
    Proceed,
    /// 304: the client has it already.
    NotModified,
    /// 412: it is not in the state that the client thinks.
    Failed,
}

/// Evaluates the preconditions in the order of RFC 9110, section 13.2.2. What cannot be read is ignored where that is
/// harmless, and fails where somebody wants to protect a state: If-Match, and If-None-Match of a method that writes.
pub fn decide(method: Method, headers: &Headers, current: &Validators) -> Precondition {
    if matches!(method, Method::Options | Method::Other) {
        return Precondition::Proceed;
    }
    let holds = match joined(headers, "if-match") {
        Some(text) => Tags::parse(&text).is_some_and(|tags| tags.match_with(current, EntityTag::is_strongly)),
        None => date_of(headers, "if-unmodified-since", current).is_none_or(|date| current.modified <= date),
    };
    if !holds {
        return Precondition::Failed;
    }
    let is_reading = method.is_reading();
    let known = match joined(headers, "if-none-match") {
        Some(text) => match Tags::parse(&text) {
            Some(tags) => tags.match_with(current, EntityTag::is_weakly),
            None => !is_reading,
        },
        None => {
            let date = date_of(headers, "if-modified-since", current);
            is_reading && date.is_some_and(|date| current.modified <= date)
        }
    };
    match (known, is_reading) {
        (false, _) => Precondition::Proceed,
        (true, true) => Precondition::NotModified,
        (true, false) => Precondition::Failed,
    }
}

/// True if `Range` counts: without If-Range, or if the part that the client has is of the present state, byte for byte
/// (RFC 9110, section 13.1.5).
pub fn range_holds(headers: &Headers, current: &Validators) -> bool {
    let Some(text) = headers.get("if-range") else { return true };
    match EntityTag::read(text) {
        Some((tag, "")) => current.tags.iter().any(|own| own.is_strongly(&tag)),
        Some(_) => false,
        None => current.modified > 0 && date::parse(text) == Some(current.modified),
    }
}

/// The list of all fields of a name.
fn joined(headers: &Headers, name: &str) -> Option<String> {
    let values: Vec<&str> = headers.all(name).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// `None` also if the resource has no date to compare with, or the client sends several.
fn date_of(headers: &Headers, name: &str, current: &Validators) -> Option<u64> {
    let mut values = headers.all(name);
    let first = values.next().filter(|_| current.modified > 0)?;
    if values.next().is_some() { None } else { date::parse(first) }
}

#[cfg(test)]
mod tests {
    use Precondition::{Failed, NotModified, Proceed};

    use super::*;
    use crate::wire::http::request::RequestHead;

    /// The day of which the RFC is fond, the day before, and the day after.
    const MODIFIED: u64 = 784_111_777;
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sat, 05 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Mon, 07 Nov 1994 08:49:37 GMT";

    fn headers(fields: &str) -> Headers {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", fields.replace('\n', "\r\n"));
        RequestHead::read(text.as_bytes()).unwrap().unwrap().0.headers
    }

    #[test]
    fn tags_are_read_with_commas_and_refused_without_quotes() {
        let list = |text| Tags::parse(text);
        assert_eq!(list("*"), Some(Tags::Any));
        assert_eq!(
            list("\"a,b\", W/\"c\",,\"\""),
            Some(Tags::List(vec![EntityTag::strong("a,b"), EntityTag::weak("c"), EntityTag::strong("")]))
        );
        for text in
            ["", ",", "a", "\"a", "\"a\"\"b\"", "\"a\" \"b\"", "w/\"a\"", "\"a b\"", "*, \"a\"", "W/*"]
        {
            assert_eq!(list(text), None, "{text}");
        }
        assert_eq!(EntityTag::weak("x").to_string(), "W/\"x\"");
    }

    #[test]
    fn preconditions_are_evaluated_in_the_order_of_the_rfc() {
        let tags = [EntityTag::strong("hash"), EntityTag::weak("stamp")];
        let current = Validators { tags: &tags, modified: MODIFIED };
        for (method, fields, expected) in [
            (Method::Get, "X: y".to_owned(), Proceed),
            (Method::Get, "If-None-Match: \"hash\"".into(), NotModified),
            (Method::Head, "If-None-Match: \"x\", W/\"hash\"".into(), NotModified),
            (Method::Get, "If-None-Match: \"x\"\nIf-None-Match: \"stamp\"".into(), NotModified),
            (Method::Get, "If-None-Match: *".into(), NotModified),
            (Method::Get, "If-None-Match: \"x\"".into(), Proceed),
            (Method::Get, "If-None-Match: broken".into(), Proceed),
            (Method::Put, "If-None-Match: broken".into(), Failed),
            (Method::Put, "If-None-Match: *".into(), Failed),
            (Method::Put, "If-Match: \"hash\"".into(), Proceed),
            (Method::Put, "If-Match: *".into(), Proceed),
            (Method::Put, "If-Match: W/\"hash\"".into(), Failed),
            (Method::Put, "If-Match: \"stamp\"".into(), Failed),
            (Method::Put, "If-Match: broken".into(), Failed),
            (Method::Get, "If-Match: \"hash\"\nIf-None-Match: \"hash\"".into(), NotModified),
            (Method::Get, "If-Match: \"x\"\nIf-None-Match: \"hash\"".into(), Failed),
            (Method::Get, format!("If-Modified-Since: {SAME}"), NotModified),
            (Method::Get, format!("If-Modified-Since: {AFTER}"), NotModified),
            (Method::Get, format!("If-Modified-Since: {BEFORE}"), Proceed),
            (Method::Put, format!("If-Modified-Since: {SAME}"), Proceed),
            (Method::Get, "If-Modified-Since: yesterday".into(), Proceed),
            (Method::Get, format!("If-None-Match: \"x\"\nIf-Modified-Since: {SAME}"), Proceed),
            (Method::Put, format!("If-Unmodified-Since: {SAME}"), Proceed),
            (Method::Put, format!("If-Unmodified-Since: {BEFORE}"), Failed),
            (Method::Put, format!("If-Match: \"hash\"\nIf-Unmodified-Since: {BEFORE}"), Proceed),
            (Method::Options, "If-Match: \"x\"".into(), Proceed),
        ] {
            assert_eq!(decide(method, &headers(&fields), &current), expected, "{method:?} {fields}");
        }
    }

    #[test]
    fn what_does_not_exist_matches_nothing() {
        let nothing = Validators::default();
        for (fields, expected) in [
            ("If-Match: *", Failed),
            ("If-None-Match: *", Proceed),
            ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", Proceed),
            ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", Proceed),
        ] {
            assert_eq!(decide(Method::Put, &headers(fields), &nothing), expected, "{fields}");
        }
    }

    #[test]
    fn ranges_hold_for_the_same_bytes_only() {
        let tags = [EntityTag::strong("hash"), EntityTag::weak("stamp")];
        let current = Validators { tags: &tags, modified: MODIFIED };
        for (fields, expected) in [
            ("X: y".to_owned(), true),
            ("If-Range: \"hash\"".into(), true),
            ("If-Range: W/\"hash\"".into(), false),
            ("If-Range: \"stamp\"".into(), false),
            ("If-Range: \"hash\", \"x\"".into(), false),
            (format!("If-Range: {SAME}"), true),
            (format!("If-Range: {AFTER}"), false),
            ("If-Range: *".into(), false),
        ] {
            assert_eq!(range_holds(&headers(&fields), &current), expected, "{fields}");
        }
    }
}
