//! What every page of ours has: nothing from elsewhere, and errors as text or as a page.

use crate::base::escape::html::escape;
use crate::net::random;
use crate::wire::http::{RequestHead, ResponseHead, Status};

/// The media type of a page.
const HTML: &str = "text/html; charset=utf-8";
/// The media type of plain text.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
/// The style of a page that only says something.
pub(crate) const STYLE: &str = include_str!("page.css");

/// A word that nobody can guess; it marks the style and the script that belong to a page.
pub(crate) fn nonce() -> String {
    random::word::<16>()
}

/// The head of a page whose own style and script have this nonce. Nothing else is loaded or run.
pub(crate) fn head(status: Status, nonce: &str) -> ResponseHead {
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; img-src 'self' data:; \
         media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    guarded(ResponseHead::new(status))
        .with("Content-Type", HTML)
        .with("Content-Security-Policy", policy)
        .with("Cache-Control", "no-cache")
}

/// With the fields that every answer has: it is what it says it is, it is not told to others, and pages of other sites
/// do not read it.
pub(crate) fn guarded(head: ResponseHead) -> ResponseHead {
    head.with("X-Content-Type-Options", "nosniff")
        .with("Referrer-Policy", "no-referrer")
        .with("Cross-Origin-Resource-Policy", "same-origin")
}

/// A template with each `{{name}}` replaced by its value, in one pass: what stands in a value stays as it is.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut parts = template.split("{{");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap_or((part, ""));
        let value = values.iter().find(|(own, _)| *own == name);
        debug_assert!(value.is_some(), "the template has a `{name}` that nobody fills");
        out += value.map_or("", |(_, value)| value);
        out += rest;
    }
    out
}

/// A message with its head and its body: a page for browsers, a line of text for others.
pub(crate) fn message(asked: Option<&RequestHead>, status: Status, text: &str) -> (ResponseHead, String) {
    let is_browser =
        asked.is_some_and(|asked| asked.headers.all("accept").any(|kinds| kinds.contains("text/html")));
    if !is_browser {
        return (guarded(ResponseHead::new(status)).with("Content-Type", TEXT), format!("{text}\n"));
    }
    let (nonce, title, text) = (nonce(), escape(status.reason()), escape(text));
    let code = status.code();
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{code} {title}</title><style nonce={nonce}>{STYLE}</style>\
         <main><h1>{code} {title}</h1><p>{text}</p><p><a href=\"/\">to the start</a></p></main>"
    );
    (head(status, &nonce), page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_in_one_pass() {
        assert_eq!(fill("{{a}}-{{b}}.", &[("a", "{{b}}"), ("b", "2")]), "{{b}}-2.");
        assert_eq!(fill("plain", &[]), "plain");
    }
}
