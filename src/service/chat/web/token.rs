//! The token of a request: known to its member only. Pure.

use crate::wire::http::RequestHead;

/// As it is written.
pub(super) fn show(token: u64) -> String {
    format!("{token:016x}")
}

/// The token as it is written; 0 if it is none.
pub(super) fn read(text: &str) -> u64 {
    let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex { u64::from_str_radix(text, 16).unwrap_or(0) } else { 0 }
}

/// The token of a request, in a field or in the query; 0 without one. A browser that comes back by itself says the last
/// one that it was given, which is newer than that of its query.
pub(super) fn of(head: &RequestHead) -> u64 {
    let bearer = head.headers.get("authorization").and_then(|words| words.strip_prefix("Bearer "));
    let last = head.headers.get("last-event-id");
    let query = head.target.query_value("token");
    [last, bearer, query.as_deref()].into_iter().flatten().map(read).find(|token| *token != 0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(query: &str, fields: &str) -> RequestHead {
        let text = format!("GET /events{query} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        RequestHead::read(text.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn a_token_stands_in_a_field_or_in_the_query() {
        let (one, two) = (show(0xab), show(0xcd));
        assert_eq!(of(&head(&format!("?name=a&token={one}"), "")), 0xab);
        assert_eq!(of(&head("", &format!("Authorization: Bearer {one}\r\n"))), 0xab);
        assert_eq!(of(&head(&format!("?token={one}"), &format!("Last-Event-ID: {two}\r\n"))), 0xcd);
        assert_eq!(of(&head(&format!("?token={one}"), "Last-Event-ID: \r\n")), 0xab);
        for other in ["", "?token=", "?token=+00000000000000a", "?token=zz", "?token=00000000000000000ab"] {
            assert_eq!(of(&head(other, "")), 0, "{other}");
        }
    }
}
