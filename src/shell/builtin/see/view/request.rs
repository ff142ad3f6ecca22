//! Who may ask the page's server for what. A page of another site may send requests here, too, even under a name that it
//! made to mean 127.0.0.1: so the host must be this one, the path must begin with the token, and what changes something
//! must come from the page itself.

use crate::wire::http::{Headers, Method, RequestHead, Status};

/// Bytes of the token.
pub(super) const TOKEN: usize = 16;
/// Longest path with its query, in bytes.
const TARGET_LIMIT: usize = 4096;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Page,
    Style,
    Script,
    /// The stream of one page.
    Events(Wanted),
    /// The link in the body is to be changed.
    Change,
}

/// What a page shows besides the sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The session whose packets are shown.
    pub(super) session: Option<u64>,
    /// Only these packets; empty: all.
    pub(super) filter: String,
}

/// Where the page is.
#[derive(Clone, Debug)]
pub(super) struct Door {
    port: u16,
    token: String,
}

impl Door {
    pub(super) fn new(port: u16, token: &[u8; TOKEN]) -> Self {
        Self { port, token: token.iter().map(|byte| format!("{byte:02x}")).collect() }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/{}/", self.port, self.token)
    }

    /// What a request asks for.
    ///
    /// # Errors
    /// The status that refuses it.
    pub(super) fn ask(&self, head: &RequestHead) -> Result<Ask, Status> {
        let hosts = [format!("127.0.0.1:{}", self.port), format!("localhost:{}", self.port)];
        let host = only(&head.headers, "host").filter(|host| hosts.iter().any(|own| own == host));
        let host = host.ok_or(Status::FORBIDDEN)?;
        let (path, query) = (head.target.raw_path(), head.target.query());
        if path.len() + query.len() > TARGET_LIMIT {
            return Err(Status::URI_TOO_LONG);
        }
        let path = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        let (token, name) = path.ok_or(Status::NOT_FOUND)?;
        if !is_same(token.as_bytes(), self.token.as_bytes()) {
            return Err(Status::NOT_FOUND);
        }
        let (ask, method) = match name {
            "" => (Ask::Page, Method::Get),
            "page.css" => (Ask::Style, Method::Get),
            "page.js" => (Ask::Script, Method::Get),
            "events" => (Ask::Events(Wanted::read(query)), Method::Get),
            "link" => (Ask::Change, Method::Post),
            _ => return Err(Status::NOT_FOUND),
        };
        if head.method != method {
            return Err(Status::METHOD_NOT_ALLOWED);
        }
        let own = format!("http://{host}");
        let is_from_page = only(&head.headers, "origin").is_some_and(|origin| origin == own);
        if ask == Ask::Change && !is_from_page { Err(Status::FORBIDDEN) } else { Ok(ask) }
    }
}

/// The value of a field that stands there exactly once.
fn only<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let mut values = headers.all(name);
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// Compares in a time that does not tell how much of the token is right.
fn is_same(given: &[u8], own: &[u8]) -> bool {
    given.len() == own.len() && given.iter().zip(own).fold(0, |wrong, (a, b)| wrong | (a ^ b)) == 0
}

impl Wanted {
    /// From `session=3&filter=kind%20%3D%3D%20data`; what is not understood is left out.
    fn read(query: &str) -> Self {
        let mut wanted = Self::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "session" => wanted.session = value.parse().ok(),
                "filter" => wanted.filter = decode(value),
                _ => {}
            }
        }
        wanted
    }
}

/// Percent-decoding (RFC 3986, section 2.1); what is no valid escape stays as it is, invalid UTF-8 is replaced.
fn decode(text: &str) -> String {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            (first, ..) => {
                out.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: &str = "000102030405060708090a0b0c0d0e0f";

    fn door() -> Door {
        Door::new(8000, &std::array::from_fn(|n| n as u8))
    }

    fn ask(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<Ask, u16> {
        let fields: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!("{method} {target} HTTP/1.1\r\n{fields}\r\n");
        let (head, _) =
            RequestHead::read(request.as_bytes()).map_err(|error| error.status.code())?.expect("whole");
        door().ask(&head).map_err(Status::code)
    }

    const OWN: (&str, &str) = ("host", "127.0.0.1:8000");

    #[test]
    fn only_this_host_is_answered() {
        let page = format!("/{T}/");
        assert_eq!(door().url(), format!("http://127.0.0.1:8000{page}"));
        assert_eq!(ask("GET", &page, &[OWN]), Ok(Ask::Page));
        assert_eq!(ask("GET", &page, &[("host", "localhost:8000")]), Ok(Ask::Page));
        for host in
            ["evil.example", "evil.example:8000", "127.0.0.1", "127.0.0.1:80", "localhost:8000.evil", ""]
        {
            // What is no host at all is refused before.
            let refused = ask("GET", &page, &[("host", host)]);
            assert!(matches!(refused, Err(400 | 403)), "{host}: {refused:?}");
        }
        assert_eq!(ask("GET", &page, &[]), Err(400));
        assert_eq!(ask("GET", &page, &[OWN, OWN]), Err(400), "two of them");
        assert_eq!(ask("GET", &format!("http://127.0.0.1:8000{page}"), &[("host", "evil")]), Err(403));
    }

    #[test]
    fn only_who_knows_the_token_is_answered() {
        for target in ["/", "/x/", "/000102030405060708090a0b0c0d0e0e/", "/page.js", &format!("/{T}")] {
            assert_eq!(ask("GET", target, &[OWN]), Err(404), "{target}");
        }
        let [other, long] = [format!("/{T}/../x"), format!("/{T}/{}", "x".repeat(5000))];
        assert_eq!((ask("GET", &other, &[OWN]), ask("GET", &long, &[OWN])), (Err(404), Err(414)));
    }

    #[test]
    fn only_the_page_itself_changes_something() {
        let link = format!("/{T}/link");
        assert_eq!(ask("POST", &link, &[OWN, ("origin", "http://127.0.0.1:8000")]), Ok(Ask::Change));
        for origin in ["null", "http://localhost:8000", "https://127.0.0.1:8000", "http://evil.example", ""] {
            assert_eq!(ask("POST", &link, &[OWN, ("origin", origin)]), Err(403), "{origin}");
        }
        assert_eq!(ask("POST", &link, &[OWN]), Err(403));
        assert_eq!(ask("GET", &link, &[OWN]), Err(405));
        assert_eq!(ask("POST", &format!("/{T}/"), &[OWN]), Err(405));
    }

    #[test]
    fn a_query_says_what_is_shown_and_nonsense_nothing() {
        let read = |query: &str| Wanted::read(query);
        let filter = |text: &str| Wanted { session: Some(3), filter: text.into() };
        assert_eq!(read("session=3&filter=kind%20%3d%3D%20data"), filter("kind == data"));
        assert_eq!(read("x=1&filter=%e2%82%ac%zz%&session=3&y"), filter("€%zz%"));
        assert_eq!(read("filter=%ff&session=3"), filter("\u{fffd}"));
        assert_eq!(read("session=-1&filter"), Wanted::default());
    }
}
