//! Which media type the client prefers (RFC 9110, section 12.5.1).

use std::cmp::Reverse;

use crate::wire::http::syntax;

/// How much a media type is wanted: its quality in thousandths, how exactly it was named, and how early.
type Rank = (u16, u8, Reverse<usize>);

/// True if `wanted` is acceptable and preferred to `other`. Without the field, or with wildcards only, nothing is.
pub(super) fn is_preferred<'a>(fields: impl Iterator<Item = &'a str>, wanted: &str, other: &str) -> bool {
    let elements: Vec<&str> = fields.flat_map(syntax::list).collect();
    let (wanted, other) = (rank(&elements, wanted), rank(&elements, other));
    wanted.is_some_and(|(quality, ..)| quality > 0) && wanted > other
}

/// By the element that names the type most exactly; the same wildcard ranks two types alike.
fn rank(elements: &[&str], media_type: &str) -> Option<Rank> {
    let places = elements.iter().enumerate().filter_map(|(at, element)| {
        let (range, parameters) = element.split_once(';').unwrap_or((element, ""));
        let exactness = exactness(range.trim_matches(syntax::is_blank), media_type)?;
        Some((exactness, Reverse(at), quality(parameters)?))
    });
    places.max().map(|(exactness, at, quality)| (quality, exactness, at))
}

fn exactness(range: &str, media_type: &str) -> Option<u8> {
    if range == "*/*" {
        return Some(0);
    }
    if range.eq_ignore_ascii_case(media_type) {
        return Some(2);
    }
    let kind = range.strip_suffix("/*")?;
    media_type.split('/').next().is_some_and(|own| own.eq_ignore_ascii_case(kind)).then_some(1)
}

/// Of `q=0.8` among the parameters, in thousandths; 1 without it. `None`: it is no quality.
fn quality(parameters: &str) -> Option<u16> {
    let mut pairs = parameters.split(';').filter_map(|pair| pair.split_once('='));
    let Some((_, text)) =
        pairs.find(|(name, _)| name.trim_matches(syntax::is_blank).eq_ignore_ascii_case("q"))
    else {
        return Some(1000);
    };
    let (whole, part) = text.trim_matches(syntax::is_blank).split_once('.').unwrap_or((text.trim(), ""));
    if part.len() > 3 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{part:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_json_and_browsers_pages() {
        for (field, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/json, text/plain, */*", true),
            ("application/json, text/html", true),
            ("application/*", true),
            ("text/html;q=0.9, application/json", true),
            ("*/*;q=0.1, text/html;q=0, application/json;q=0.05", true),
            ("text/html, application/json", false),
            ("text/html, application/json;q=0.9", false),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", false),
            ("*/*", false),
            ("", false),
            ("application/json;q=0", false),
            ("application/json;q=0.000, */*", false),
            ("application/json;q=2", false),
            ("application/json;q=0.12345", false),
            ("text/plain", false),
        ] {
            let fields = std::iter::once(field);
            assert_eq!(is_preferred(fields, "application/json", "text/html"), expected, "{field}");
        }
        assert!(!is_preferred(std::iter::empty(), "application/json", "text/html"));
    }
}
