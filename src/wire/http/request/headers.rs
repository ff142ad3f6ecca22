//! The fields of a head.

use crate::wire::http::HEADERS_LIMIT;
use crate::wire::http::status::{HttpError, Status};
use crate::wire::http::syntax;

/// The fields of a head in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<(String, String)>,
}

impl Headers {
    /// Reads one line without its end. Bytes that are not UTF-8 are replaced: they have no meaning in any field.
    pub(super) fn read_line(&mut self, line: &[u8]) -> Result<(), HttpError> {
        let (name, value) = syntax::field(line)?;
        if self.fields.len() == HEADERS_LIMIT {
            return Err(HttpError::new(Status::HEADERS_TOO_LARGE, "more than 64 fields"));
        }
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        self.fields.push((text(name), text(value)));
        Ok(())
    }

    /// The value of the first field of a name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of all fields of a name, in their order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All fields: names as they were sent, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a field that may stand once; `why` refuses a second one, even an equal one.
    pub(super) fn only(&self, name: &str, why: &'static str) -> Result<Option<&str>, HttpError> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() { Err(HttpError::bad(why)) } else { Ok(first) }
    }

    /// True if a list, which may be spread over several fields, has this element.
    pub(super) fn has_element(&self, name: &str, element: &str) -> bool {
        self.all(name).flat_map(syntax::list).any(|own| own.eq_ignore_ascii_case(element))
    }
}
