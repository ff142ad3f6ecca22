//! What the file service's commands were asked for, made once from their arguments; and what `chunk`, `window`, `arq`
//! and `cc` mean to the transport.

use super::errors;
use super::protocol::{Flags, Framing, WINDOW_LIMIT};
use crate::base::{Transport, Value};
use crate::language::{Arguments, FromArguments, Target};
use crate::net::{Connection, udp};
use crate::reliable::Arq;
use crate::reliable::congestion::Control;
use crate::report::{Failure, reason};
use crate::service::contract::keys::ClientChoice;
use crate::service::files::name::Rules;
use crate::service::files::root::RootOptions;
use crate::service::files::walk::Wanted;
use crate::session::Handle;
use crate::wire::datagram::UNIT;

/// Bytes in flight, if `window` does not give a number of chunks.
const WINDOW_BYTES: u64 = 8 << 20;
/// The same over UDP, where a chunk is in flight until its last retransmission arrives: 1 Gbit/s over 50 ms with a
/// fifth lost.
const WINDOW_BYTES_UDP: u64 = 48 << 20;
const DEFAULT_CHUNK: u64 = 256 << 10;
/// Default chunk in bytes, and window in chunks, of the textbook protocols (`arq`).
const TEXTBOOK_CHUNK: u64 = 1024;
const TEXTBOOK_WINDOW: u64 = 8;

/// The most files and folders that a folder may bring, without `accept`.
const ACCEPT_FILES: u64 = 100_000;

/// Most files and bytes that are accepted with a folder (faults.md row 24).
#[derive(Clone, Copy, Debug)]
pub(super) struct Accept {
    /// A folder was asked for, by `NAME/` or `accept`.
    pub(super) folder: bool,
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// `arq`: how lost datagrams are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArqChoice {
    Selective,
    GoBackN,
    StopAndWait,
}

impl ArqChoice {
    pub(super) const WORDS: [&str; 3] = ["selective", "go-back-n", "stop-and-wait"];

    fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Selective, Self::GoBackN, Self::StopAndWait];
        all.into_iter().zip(Self::WORDS).find(|(_, known)| *known == word).map(|(choice, _)| choice)
    }

    const fn word(self) -> &'static str {
        Self::WORDS[self as usize]
    }
}

/// What `send` and `get` share: how a file travels and how it is stored.
#[derive(Clone, Copy)]
pub(super) struct TransferOptions {
    pub(super) shape: Framing,
    pub(super) flags: Flags,
    pub(super) wanted: Wanted,
    /// The file comes from standard input, or goes on to standard output: it has no place here.
    pub(super) passes: bool,
}

impl FromArguments for TransferOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        let server = arguments.target("to").or_else(|| arguments.target("from"));
        let chunk = arguments.number("chunk").unwrap_or(DEFAULT_CHUNK);
        let bytes = match server.map(|server| server.transport) {
            Some(Transport::Udp) => WINDOW_BYTES_UDP,
            _ => WINDOW_BYTES,
        };
        let filled = || (bytes / chunk).clamp(16, u64::from(WINDOW_LIMIT));
        let window = arguments.number("window").unwrap_or_else(filled);
        Self {
            shape: Framing { chunk: chunk as u32, window: window as u32 },
            flags: Flags { replace: arguments.flag("replace"), fast: arguments.flag("fast") },
            wanted: Wanted { hidden: arguments.flag("hidden"), links: arguments.flag("links") },
            passes: false,
        }
    }
}

/// `send`.
#[derive(Clone)]
pub(super) struct SendOptions {
    /// As they were given: relative to the shell's folder.
    pub(super) paths: Vec<String>,
    pub(super) server: Option<Target>,
    pub(super) key: ClientChoice,
    /// `None`: their own names.
    pub(super) name: Option<String>,
    /// Bytes a second; `None`: no limit.
    pub(super) rate: Option<u64>,
    pub(super) transfer: TransferOptions,
    /// As they were given.
    pub(super) chunk: Option<u64>,
    pub(super) window: Option<u64>,
    pub(super) arq: Option<ArqChoice>,
    /// The word of `cc`.
    pub(super) congestion: Option<String>,
}

impl FromArguments for SendOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        let server = arguments.target("to");
        Self {
            paths: arguments.texts("path").map(str::to_owned).collect(),
            name: arguments.text("name").map(str::to_owned),
            rate: arguments.rate("rate"),
            transfer: TransferOptions::from_arguments(arguments),
            chunk: arguments.number("chunk"),
            window: arguments.number("window"),
            arq: arguments.text("arq").and_then(ArqChoice::from_word),
            congestion: arguments.text("cc").map(str::to_owned),
            key: ClientChoice::from_arguments(arguments),
            server,
        }
    }
}

/// `get`.
#[derive(Clone)]
pub(super) struct GetOptions {
    /// At the server.
    pub(super) name: String,
    pub(super) server: Option<Target>,
    pub(super) key: ClientChoice,
    /// As it was given; `None`: the current folder.
    pub(super) to: Option<String>,
    pub(super) accept: Accept,
    /// Bytes a second; `None`: no limit.
    pub(super) rate: Option<u64>,
    pub(super) transfer: TransferOptions,
}

impl FromArguments for GetOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        let server = arguments.target("from");
        let name = arguments.text("name").unwrap_or_default().to_owned();
        let accepted = arguments.number("accept");
        Self {
            to: arguments.text("to").map(str::to_owned),
            accept: Accept {
                folder: is_folder(&name) || accepted.is_some(),
                files: accepted.unwrap_or(ACCEPT_FILES),
                bytes: arguments.number("max").unwrap_or(u64::MAX),
            },
            rate: arguments.rate("rate"),
            transfer: TransferOptions::from_arguments(arguments),
            key: ClientChoice::from_arguments(arguments),
            name,
            server,
        }
    }
}

/// True if the name can only be that of a folder.
fn is_folder(name: &str) -> bool {
    name.ends_with('/') || std::path::Path::new(name).file_name().is_none()
}

/// What `listen … ftp` takes besides what every service does.
pub(super) struct ServerOptions {
    pub(super) root: RootOptions,
    /// Take no files.
    pub(super) readonly: bool,
    pub(super) rules: Rules,
    /// Bytes that clients may store in all; `None`: what is free.
    pub(super) quota: Option<u64>,
}

impl FromArguments for ServerOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        let root = RootOptions::from_arguments(arguments);
        Self {
            readonly: arguments.flag("readonly"),
            rules: Rules { portable: arguments.flag("portable"), hidden: root.hidden },
            quota: arguments.number("quota"),
            root,
        }
    }
}

impl SendOptions {
    /// What the session is called.
    pub(super) fn title(&self) -> String {
        match self.paths.as_slice() {
            [] => "send".into(),
            [path] => format!("send {path}"),
            [first, others @ ..] => format!("send {first} and {} more", others.len()),
        }
    }

    /// The transport options from `arq`, `cc`, `window` and `chunk`. The textbook protocols count chunks of one datagram
    /// each: there `window` is theirs, and the file service's own window is not used: `transfer.shape` is changed. The
    /// shape that is returned is the one that was asked for.
    ///
    /// # Errors
    /// Combinations that no transport offers.
    pub(super) fn transport(&mut self) -> Result<(udp::Options, Framing), Failure> {
        let arq = self.arq()?;
        let mut shown = self.transfer.shape;
        if arq != Arq::Selective {
            let chunk = self.chunk.unwrap_or(TEXTBOOK_CHUNK);
            if chunk > UNIT as u64 {
                return Err(errors::chunk_exceeds_datagram(chunk));
            }
            self.transfer.shape = Framing { chunk: chunk as u32, window: WINDOW_LIMIT };
            let window = if arq == Arq::StopAndWait { 1 } else { self.textbook_window() };
            shown = Framing { chunk: chunk as u32, window };
        }
        let control = self.control()?;
        Ok((udp::Options { control, arq, ..udp::Options::default() }, shown))
    }

    fn is_over_udp(&self) -> bool {
        self.server.as_ref().is_some_and(|server| server.transport == Transport::Udp)
    }

    fn textbook_window(&self) -> u32 {
        self.window.unwrap_or(TEXTBOOK_WINDOW) as u32
    }

    fn arq(&self) -> Result<Arq, Failure> {
        let window = self.textbook_window();
        Ok(match self.arq {
            Some(choice) if !self.is_over_udp() => return Err(errors::arq_over_tcp(choice.word())),
            Some(ArqChoice::GoBackN) => Arq::GoBackN(window),
            Some(ArqChoice::StopAndWait) if self.window.is_some_and(|window| window > 1) => {
                return Err(errors::stop_and_wait_window());
            }
            Some(ArqChoice::StopAndWait) => Arq::StopAndWait,
            // `window` with chunks of one datagram each means the window of the textbook's selective repeat.
            _ if self.is_over_udp()
                && self.window.is_some()
                && self.chunk.is_some_and(|chunk| chunk <= UNIT as u64) =>
            {
                Arq::SelectiveRepeat(window)
            }
            _ => Arq::Selective,
        })
    }

    fn control(&self) -> Result<Control, Failure> {
        let over_udp = self.is_over_udp();
        let Some(word) = self.congestion.as_deref() else { return Ok(Control::default()) };
        match (word, Control::named(word, self.rate)) {
            ("fixed", _) if !over_udp => Err(errors::fixed_rate_over_tcp()),
            (_, Some(control)) => Ok(control),
            ("fixed", None) => Err(errors::fixed_rate_missing()),
            (_, None) if over_udp => Err(errors::kernel_control_over_udp(word)),
            // The kernel's own.
            (_, None) => Ok(Control::default()),
        }
    }
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
pub(super) fn say_control(session: &Handle, connection: &Connection, options: &SendOptions) {
    let asked = options.congestion.as_deref().unwrap_or("auto");
    if connection.transport == Transport::Udp {
        session.set("arq", Value::text(options.arq.unwrap_or(ArqChoice::Selective).word()));
        session.set("cc", Value::text(asked));
        if let Some(note) = in_pieces(options.chunk.unwrap_or(0), connection.peer.ip().is_loopback()) {
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
    use crate::base::quantity;
    use crate::service::ftp::{GET, SEND};

    #[test]
    fn the_default_of_chunk_is_the_one_that_help_shows() {
        for verb in [SEND.verb, GET.verb] {
            let shown = verb.keyword("chunk").unwrap().default;
            assert_eq!(quantity::size(shown).unwrap(), DEFAULT_CHUNK);
            let options = TransferOptions::from_arguments(&Arguments::default());
            assert_eq!(u64::from(options.shape.chunk), DEFAULT_CHUNK);
        }
    }

    #[test]
    fn row_49_a_chunk_that_no_datagram_holds_is_spoken_of_where_it_has_to_travel() {
        assert!(in_pieces(65_507, false).unwrap().contains("57 datagrams"));
        assert_eq!((in_pieces(65_507, true), in_pieces(1158, false)), (None, None));
    }
}
