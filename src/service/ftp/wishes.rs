//! The options of a transfer: what the words `chunk`, `window`, `arq` and `cc` ask for.

use super::walk::Wanted;
use crate::base::{Transport, Value};
use crate::language::Arguments;
use crate::net::{Connection, udp};
use crate::reliable::Arq;
use crate::reliable::congestion::Control;
use crate::report::{Failure, reason};
use crate::session::Handle;
use crate::wire::Code;
use crate::wire::datagram::UNIT;
use crate::wire::ftp::{Flags, Shape, WINDOW_LIMIT};

/// Bytes in flight, if `window` does not give a number of chunks.
const WINDOW_BYTES: u64 = 8 << 20;
/// The same over UDP, where a chunk is in flight until its last retransmission arrives: 1 Gbit/s over 50 ms with a
/// fifth lost.
const WINDOW_BYTES_UDP: u64 = 48 << 20;
const DEFAULT_CHUNK: u64 = 256 << 10;
/// Default chunk in bytes, and window in chunks, of the textbook protocols (`arq`).
const TEXTBOOK_CHUNK: u64 = 1024;
const TEXTBOOK_WINDOW: u64 = 8;

/// What a command asks for, besides names and places.
#[derive(Clone, Copy)]
pub(super) struct Options {
    pub(super) shape: Shape,
    pub(super) flags: Flags,
    pub(super) wanted: Wanted,
}

impl Options {
    pub(super) fn of(arguments: &Arguments, shape: Shape) -> Self {
        let flags = Flags { replace: arguments.flag("replace"), fast: arguments.flag("fast") };
        let wanted = Wanted { hidden: arguments.flag("hidden"), links: arguments.flag("links") };
        Self { shape, flags, wanted }
    }
}

pub(super) fn shape(arguments: &Arguments, place: &str) -> Shape {
    let chunk = arguments.number("chunk").unwrap_or(DEFAULT_CHUNK);
    let bytes = match arguments.transport(place) {
        Some(Transport::Udp) => WINDOW_BYTES_UDP,
        _ => WINDOW_BYTES,
    };
    let window =
        arguments.number("window").unwrap_or_else(|| (bytes / chunk).clamp(16, u64::from(WINDOW_LIMIT)));
    Shape { chunk: chunk as u32, window: window as u32 }
}

/// The transport options from the words `arq` and `cc`. The textbook protocols count chunks of one datagram each: there
/// `window` is theirs, and the file service's own window is not used. The second shape is the one that was asked for.
pub(super) fn options(arguments: &Arguments, shape: &mut Shape) -> Result<(udp::Options, Shape), Failure> {
    let usage = |why: String, fix: &str| Err(Failure::new(Code::Usage, why).fix(fix));
    let (over_udp, cc) = (arguments.transport("to") == Some(Transport::Udp), arguments.text("cc"));
    let window = arguments.number("window").unwrap_or(TEXTBOOK_WINDOW) as u32;
    let arq = match arguments.text("arq") {
        Some(word) if !over_udp => {
            return usage(
                format!("`arq {word}` is for udp: TCP repeats what is lost itself"),
                "send … to udp …",
            );
        }
        Some("go-back-n") => Arq::GoBackN(window),
        Some("stop-and-wait") if window > 1 && arguments.flag("window") => {
            return usage("stop-and-wait has a window of one".into(), "arq go-back-n window N");
        }
        Some("stop-and-wait") => Arq::StopAndWait,
        // `window` with chunks of one datagram each means the window of the textbook's selective repeat.
        _ if over_udp
            && arguments.flag("window")
            && arguments.number("chunk").is_some_and(|c| c <= UNIT as u64) =>
        {
            Arq::SelectiveRepeat(window)
        }
        _ => Arq::Selective,
    };
    let mut shown = *shape;
    if arq != Arq::Selective {
        let chunk = arguments.number("chunk").unwrap_or(TEXTBOOK_CHUNK);
        if chunk > UNIT as u64 {
            let why = format!(
                "a chunk of {chunk} bytes does not fit one datagram, which the textbook's machines count"
            );
            return usage(why, "chunk 1024");
        }
        *shape = Shape { chunk: chunk as u32, window: WINDOW_LIMIT };
        shown = Shape { chunk: chunk as u32, window: if arq == Arq::StopAndWait { 1 } else { window } };
    }
    let control = match (cc, arguments.rate("rate")) {
        (Some("bbr"), _) if over_udp => {
            return usage(
                "bbr is the kernel's, for tcp".into(),
                "over udp: cc auto, cubic, reno, or fixed with rate",
            );
        }
        (Some("fixed"), _) if !over_udp => {
            return usage("the kernel has no fixed rate".into(), "over tcp: cc cubic, reno or bbr, and rate");
        }
        (Some("fixed"), None) => return usage("`cc fixed` needs a rate".into(), "cc fixed rate 10mbit"),
        (Some("fixed"), Some(rate)) => Control::Fixed(rate),
        (Some("cubic"), _) => Control::Cubic,
        (Some("reno"), _) => Control::Reno,
        _ => Control::Auto,
    };
    Ok((udp::Options { control, arq, ..udp::Options::default() }, shown))
}

/// Row 49: a note about a chunk that was asked for and does not fit a datagram; `None` where that does not matter.
fn in_pieces(chunk: u64, on_this_machine: bool) -> Option<String> {
    (chunk > UNIT as u64 && !on_this_machine).then(|| {
        let pieces = chunk.div_ceil(UNIT as u64);
        format!(
            "a chunk of {chunk} bytes travels in up to {pieces} datagrams, since larger ones would be fragmented on the \
             way; `chunk {UNIT}` is one"
        )
    })
}

/// Reports the congestion control. Over TCP the kernel is asked for it; if it refuses, the user is warned.
pub(super) fn say_control(session: &Handle, connection: &Connection, arguments: &Arguments) {
    let asked = arguments.text("cc").unwrap_or("auto");
    if connection.transport == Transport::Udp {
        session.set("arq", Value::text(arguments.text("arq").unwrap_or("selective")));
        session.set("cc", Value::text(asked));
        let chunk = arguments.number("chunk").unwrap_or(0);
        if let Some(note) = in_pieces(chunk, connection.peer.ip().is_loopback()) {
            session.tell("note", note);
        }
        return;
    }
    if asked == "auto" {
        session.set("cc", Value::text("the kernel's"));
        return;
    }
    match connection.outgoing.set_congestion(asked) {
        Ok(used) => session.set("cc", Value::text(used)),
        Err(error) => {
            let why = reason(&error);
            session.tell("warning", format!("the kernel refuses {asked} ({why}): its default is used"));
            session.set("cc", Value::text("the kernel's"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_49_a_chunk_that_no_datagram_holds_is_spoken_of_where_it_has_to_travel() {
        assert!(in_pieces(65_507, false).unwrap().contains("57 datagrams"));
        assert_eq!((in_pieces(65_507, true), in_pieces(1158, false)), (None, None));
    }
}
