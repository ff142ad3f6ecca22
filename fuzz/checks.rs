//! What must hold for any input: no panic, no overflow, spans within the text. Used by the fuzz targets, and in short by
//! `cargo test`.

use nls::base::escape::{escape, escape_line};
use nls::base::secrets::key::seen;
use nls::base::{Key, Secrets, endpoint, quantity};
use nls::language::editing::complete::{World, complete, hint};
use nls::language::editing::highlight::marks;
use nls::language::{Scope, Source, plan};
use nls::service::{calc, chat, files, ftp, stream};
use nls::shell::catalogue;
use nls::wire::{Frame, datagram, dialect, http, preface};

/// A prompt without sessions, variables or files.
struct Nothing;

impl World for Nothing {
    fn sessions(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    fn names(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    fn fields(&self, _: &str) -> Vec<(String, String)> {
        Vec::new()
    }
    fn endpoints(&self, _: &str) -> Vec<(String, String)> {
        Vec::new()
    }
    fn remote(&self, _: &str) -> Vec<(String, String)> {
        Vec::new()
    }
    fn keys(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    fn paths(&self, _: &str) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// The parser and the checker; every error can be drawn.
pub fn line(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let source = Source::new("fuzz", text.as_ref());
    let load = |_: &str, _: &Source| Err("there are no files".to_owned());
    let errors = plan(&source, &catalogue::vocabulary(false), &mut Scope::builtin(0), &load).err();
    for report in errors.as_deref().unwrap_or_default() {
        let span = &report.diagnostic.span;
        assert!(span.start <= span.end && span.end <= text.len(), "{span:?} of {text:?}");
        assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end), "{span:?} of {text:?}");
    }
    if let Some(errors) = errors {
        let drawn = nls::output::Style::plain()
            .render_errors(&errors[..errors.len().min(3)], &nls::base::Secrets::default());
        assert!(!drawn.err.contains('\u{1b}'));
    }
}

/// Completion at every offset, the hint, and the look of the line.
pub fn complete_line(bytes: &[u8]) {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
    let vocabulary = catalogue::vocabulary(true);
    for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
        let (place, _) = complete(&text, at, &vocabulary, &Nothing);
        assert!(place.start <= place.end && place.end <= at && text.is_char_boundary(place.start));
    }
    drop(hint(&text, &vocabulary));
    let mut end = 0;
    for (span, _) in marks(&text, &vocabulary, &Scope::builtin(0)) {
        assert!(span.start >= end && text.get(span.clone()).is_some(), "{span:?} of {text:?}");
        end = span.end;
    }
}

/// Sizes, rates, durations, percentages, endpoints, ports.
pub fn values(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    drop((quantity::size(&text), quantity::rate(&text), quantity::duration(&text), quantity::percent(&text)));
    drop((endpoint::parse(&text), endpoint::port(&text)));
    if let Ok(key) = Key::read(&text) {
        assert_eq!(Key::read(&key.text()), Ok(key));
    }
    let masked = seen::masked(&text);
    assert!(masked.len() == text.len() && !seen::occurs_in(&masked), "{text:?}");
    for shown in [escape(&text), escape_line(&text), escape_line(&escape(&text))] {
        let is_harmful = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        assert!(!shown.contains(is_harmful), "{text:?}");
    }
    no_secret_is_shown(bytes);
}

/// What is hidden is hidden, in a text and in its bytes, and also where it comes in two pieces.
fn no_secret_is_shown(bytes: &[u8]) {
    let secrets = Secrets::default();
    for secret in ["tiger", "correct-horse \"battery\" $taple", "nls1 qpzr-y9x8 gf2t-vdw0 s3jn", "ñandú\nü"]
    {
        secrets.add("SECRET", secret);
    }
    let mut shown = bytes.to_vec();
    secrets.hide_bytes(&mut shown);
    assert!(!secrets.occur_in(&String::from_utf8_lossy(&shown)), "{bytes:?}");
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    secrets.hide(&mut text);
    assert!(!secrets.occur_in(&text), "{text:?}");
    let (mut pieces, mut waits) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(bytes.len() / 2 + 1) {
        waits.extend_from_slice(piece);
        secrets.hide_bytes(&mut waits);
        let rest = waits.split_off(waits.len() - secrets.begins_at_the_end_of(&waits));
        pieces.append(&mut std::mem::replace(&mut waits, rest));
    }
    pieces.append(&mut waits);
    assert!(!secrets.occur_in(&String::from_utf8_lossy(&pieces)), "{bytes:?}");
}

/// Arithmetic: what is computed or refused ends, and a place of an error is within the text.
pub fn expression(bytes: &[u8]) {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]);
    let steps = std::cell::Cell::new(0);
    let is_late = || {
        steps.set(steps.get() + 1);
        steps.get() > 1000
    };
    match nls::service::calc::expression::evaluate(&text, &is_late) {
        Ok(value) => {
            let digits = |c: char| c.is_ascii_digit() || "-+./e≈ ".contains(c);
            assert!(value.chars().all(digits), "{text:?}: {value}");
        }
        Err(trouble) => assert!(trouble.column <= text.chars().count() + 1, "{text:?}: {trouble:?}"),
    }
}

/// What lies on a disk, is typed by somebody else, or is asked by a client that is not ours.
pub fn foreign(bytes: &[u8]) {
    nls::service::fuzz_entry::journal(bytes);
    nls::service::fuzz_entry::media(bytes);
    nls::service::fuzz_entry::file_dialects(bytes);
    nls::service::fuzz_entry::subtitles(bytes);
    nls::service::fuzz_entry::chat_request(bytes);
    nls::service::fuzz_entry::chat_line(&String::from_utf8_lossy(bytes));
}

/// Everything that a peer can send.
pub fn wire(bytes: &[u8]) {
    drop(datagram::decode(bytes));
    // Behind the check sum, which random bytes seldom have.
    let frames = datagram::DataFrames::new(bytes.to_vec().into(), &(0..bytes.len()));
    frames.take(10_000).for_each(drop);
    if let Some((&kind, body)) = bytes.split_first() {
        let frame = Frame::new(kind, body.to_vec());
        drop(ftp::protocol::Message::decode(&frame));
        drop((chat::protocol::Message::decode(&frame), calc::protocol::Message::decode(&frame)));
        drop((
            stream::protocol::Message::decode(&frame),
            files::protocol::List::decode(&frame),
            files::protocol::Entries::decode(&frame),
        ));
        drop(frame.read_error());
    }
    if let Some(first) = bytes.first_chunk() {
        let _ = preface::Preface::decode(*first);
    }
    let _ = (dialect::guess(bytes), dialect::is_text_datagram(bytes), dialect::is_tftp_request(bytes));
    let _ = (preface::Preface::may_begin(bytes), preface::greeting_length(bytes));
}

/// A request over HTTP and its body in chunks: both read alike, however they are split.
pub fn http(bytes: &[u8]) {
    let whole = http::RequestHead::read(bytes);
    let middle = bytes.len() / 2;
    match http::RequestHead::read(&bytes[..middle]) {
        Ok(None) => {}
        early => assert_eq!(early, whole),
    }
    let rest = match &whole {
        Ok(Some((head, length))) => {
            drop((head.target.segments(), head.target.query_value("q"), head.host(), head.keeps_alive()));
            let _ = head.accepts("application/json");
            let current = http::Validators { tags: &[http::EntityTag::strong("a")], modified: 1 };
            http::decide(head.method, &head.headers, &current);
            http::range_holds(&head.headers, &current);
            head.headers.iter().for_each(|(_, value)| drop(http::ranges(value, 1000)));
            &bytes[*length..]
        }
        _ => bytes,
    };
    assert_eq!(body(rest, rest.len()), body(rest, 1));
}

/// What a body in chunks says when it comes in pieces of `length` bytes.
fn body(bytes: &[u8], length: usize) -> (Vec<u8>, Result<bool, http::HttpError>) {
    let (mut decoder, mut body) = (http::ChunkedDecoder::new(), Vec::new());
    let mut pieces = bytes.chunks(length.max(1));
    let mut input = pieces.next().unwrap_or_default().into();
    loop {
        match decoder.decode(&mut input) {
            Ok(http::Decoded::Data(piece)) => body.extend_from_slice(&piece),
            Ok(http::Decoded::NeedMore) => match pieces.next() {
                Some(piece) => input.extend_from_slice(piece),
                None => return (body, Ok(false)),
            },
            Ok(http::Decoded::End) => return (body, Ok(true)),
            Err(error) => return (body, Err(error)),
        }
    }
}

/// A handshake, records and packets with a key, as a stranger sends them.
pub fn keyed(bytes: &[u8]) {
    nls::net::connection::keys::fuzz_entry::client(bytes);
    nls::net::connection::keys::fuzz_entry::server(bytes);
}
