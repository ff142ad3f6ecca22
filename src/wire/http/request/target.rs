//! The target of a request (RFC 9112, section 3.2): what is requested.

use super::host::Host;
use super::method::Method;
use crate::wire::http::TARGET_LIMIT;
use crate::wire::http::percent;
use crate::wire::http::status::{HttpError, Status};

/// The target of a request: a path and a query, or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    raw: String,
    decoded: Vec<u8>,
    query: String,
    /// Of an absolute target.
    authority: Option<String>,
}

impl Target {
    /// Reads origin-form, absolute-form of `http`, or `*` of OPTIONS. What is not a character of a URI is refused, and
    /// so is a fragment, which a client never sends.
    pub fn read(bytes: &[u8], method: Method) -> Result<Self, HttpError> {
        if bytes.len() > TARGET_LIMIT {
            return Err(HttpError::new(Status::URI_TOO_LONG, "the target is longer than 8 KiB"));
        }
        if !bytes.iter().all(|byte| is_uri_byte(*byte)) {
            return Err(HttpError::bad("the target has characters that must be escaped"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| HttpError::bad("the target is not ASCII"))?;
        if text == "*" && method == Method::Options {
            return Ok(Self { raw: "*".into(), decoded: b"*".into(), query: String::new(), authority: None });
        }
        let (authority, rest) = if text.starts_with('/') {
            (None, text)
        } else {
            let rest =
                after_scheme(text).ok_or(HttpError::bad("the target is neither a path nor an http URL"))?;
            let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            Host::read(authority)?;
            (Some(authority.to_owned()), rest)
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let raw = if path.is_empty() { "/" } else { path };
        // Only to refuse what is broken: names and values are decoded when they are asked for.
        percent::percent_decode(query.as_bytes())?;
        let decoded = percent::percent_decode(raw.as_bytes())?;
        Ok(Self { raw: raw.to_owned(), decoded, query: query.to_owned(), authority })
    }

    /// The path, decoded; it begins with `/`, or is `*`. Dot segments are still there: see [`Self::segments`].
    pub fn path_bytes(&self) -> &[u8] {
        &self.decoded
    }

    /// The path as it was sent.
    pub fn raw_path(&self) -> &str {
        &self.raw
    }

    /// True for `OPTIONS *`: the server itself.
    pub fn is_asterisk(&self) -> bool {
        self.raw == "*"
    }

    /// True if the path ends with `/`.
    pub fn is_folder(&self) -> bool {
        self.raw.ends_with('/')
    }

    /// The names on the way, decoded, without the empty one behind a last `/`. Refused are `.` and `..` in any
    /// spelling, a `/` inside of a name, and empty names: what would lead elsewhere, or twice to one place.
    pub fn segments(&self) -> Result<Vec<Vec<u8>>, HttpError> {
        let Some(inside) = self.raw.strip_prefix('/') else {
            return Err(HttpError::bad("the target is no path"));
        };
        let inside = inside.strip_suffix('/').unwrap_or(inside);
        // `//` is an empty name in front of the last `/`.
        if inside.is_empty() && self.raw.len() <= 1 {
            return Ok(Vec::new());
        }
        inside.split('/').map(segment).collect()
    }

    /// What follows the first `?`, as it was sent; empty without one.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// The value of the first pair of a query with this name, decoded as a form is. `name` alone has the value "".
    pub fn query_value(&self, name: &str) -> Option<String> {
        let mut pairs = self.pairs();
        let (_, value) = pairs.find(|(own, _)| percent::form_decode(own).is_ok_and(|own| own == name))?;
        percent::form_decode(value).ok()
    }

    /// True if the query has this name, with or without a value.
    pub fn query_has(&self, name: &str) -> bool {
        self.query_value(name).is_some()
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }

    /// The host of an absolute target.
    pub(super) fn host(&self) -> Option<Host<'_>> {
        Host::read(self.authority.as_deref()?).ok()
    }
}

/// Behind `http://`, whatever its case.
fn after_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_at_checked("http://".len())?;
    scheme.eq_ignore_ascii_case("http://").then_some(rest)
}

fn segment(raw: &str) -> Result<Vec<u8>, HttpError> {
    let name = percent::percent_decode(raw.as_bytes())?;
    match name.as_slice() {
        b"" => Err(HttpError::bad("the path has an empty name")),
        b"." | b".." => Err(HttpError::bad("the path has dot segments")),
        name if name.contains(&b'/') => Err(HttpError::bad("a name in the path has an escaped slash")),
        _ => Ok(name),
    }
}

/// Reserved and unreserved characters and `%` (RFC 3986, section 2), without `#`. Brackets have no place in a path there,
/// but browsers send them.
const fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b':'
                | b'/'
                | b'?'
                | b'['
                | b']'
                | b'@'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        Target::read(text.as_bytes(), Method::Get).unwrap()
    }

    #[test]
    fn paths_are_decoded_and_kept() {
        let plain = target("/a%20b/%C3%A4.txt?x=1&y");
        assert_eq!(plain.path_bytes(), "/a b/ä.txt".as_bytes());
        assert_eq!((plain.raw_path(), plain.query()), ("/a%20b/%C3%A4.txt", "x=1&y"));
        assert_eq!(plain.segments().unwrap(), [b"a b".to_vec(), "ä.txt".into()]);
        assert!(!plain.is_folder() && target("/a/").is_folder() && target("/").is_folder());
        assert_eq!(target("/").segments(), Ok(vec![]));
        assert_eq!(target("/a/").segments(), Ok(vec![b"a".to_vec()]));
        assert_eq!(target("/a%5C..%5Cb:c").segments(), Ok(vec![b"a\\..\\b:c".to_vec()]));
    }

    #[test]
    fn row_111_paths_that_lead_elsewhere_have_no_segments() {
        for text in [
            "/..",
            "/../etc/passwd",
            "/a/../b",
            "/a/..",
            "/a/../",
            "/.",
            "/./a",
            "/%2e%2e/a",
            "/%2E./a",
            "/.%2e",
            "/a%2f..%2fb",
            "/a%2Fb",
            "//",
            "//a",
            "/a//b",
            "/a//",
            "///",
        ] {
            assert!(target(text).segments().is_err(), "{text}");
        }
        assert!(target("/...").segments().is_ok() && target("/..a/.b").segments().is_ok());
    }

    #[test]
    fn queries_are_read_as_forms() {
        let query = target("/?q=a+b%2Bc&json&empty=&q=second&&=x&%6aoin=y=z");
        assert_eq!(query.query_value("q").as_deref(), Some("a b+c"));
        assert_eq!(query.query_value("join").as_deref(), Some("y=z"));
        assert!(query.query_has("json") && query.query_has("empty") && !query.query_has("jso"));
        assert_eq!(query.query_value("json").as_deref(), Some(""));
        assert_eq!(target("/").query_value(""), None);
    }

    #[test]
    fn absolute_targets_name_their_host() {
        let absolute = target("HTTP://a.example:81?x");
        assert_eq!((absolute.raw_path(), absolute.query()), ("/", "x"));
        assert_eq!(absolute.host(), Some(Host { name: "a.example", port: Some(81) }));
        assert_eq!(target("http://[::1]/a").host().map(|host| host.name), Some("::1"));
        assert_eq!(target("/http://a/").host(), None);
    }

    #[test]
    fn the_asterisk_is_for_options() {
        assert!(Target::read(b"*", Method::Options).unwrap().is_asterisk());
        assert!(Target::read(b"*", Method::Get).is_err());
    }
}
