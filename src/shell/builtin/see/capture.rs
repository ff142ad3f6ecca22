//! `capture`: what passes a session, as a file for Wireshark.

use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_util::sync::CancellationToken;

use super::super::{BARE, Builtin, next};
use super::errors;
use crate::base::{Carrier, Value, quantity};
use crate::language::{Arguments, Field, FromArguments, Keyword, Kind, Param, SessionRef, Verb};
use crate::net::connection::tap::{Depth, Part, Tapped};
use crate::net::relay::RelayControl;
use crate::record::capture::{Capture, End, Packet};
use crate::record::line::in_words;
use crate::report::{Failure, Outcome};
use crate::session::{Handle, Request, Session};
use crate::shell::errors::session_ended;

/// Most bytes of a file, unless it is told another number.
const SIZE: u64 = 1 << 30;
/// How often the fields are counted again.
const COUNT_EVERY: Duration = Duration::from_millis(50);
/// What wrote the file, in its first block.
const PROGRAM: &str = concat!("nls ", env!("CARGO_PKG_VERSION"));

pub(in crate::shell::builtin) static CAPTURE: Builtin = Builtin {
    verb: &Verb {
        name: "capture",
        summary: "write the packets of a session to a file for Wireshark",
        details: "From now on, until the session ends or `stop` ends the capture, which is a session of its own. Each packet stands in the pcapng file behind headers that are made up, with what became of it as a comment, and the file can be read while it grows. At a link there is an interface for each side. With a key the packets stay encrypted, as they are on the wire, unless `plain` asks for what is inside. Wireshark shows the protocol with docs/nls.lua.",
        params: &[Param::required("session", Kind::Session, "a client, a server, or a link")],
        keywords: &[
            Keyword::new("to", Kind::Path, "the file; it must not exist").required(),
            Keyword::flag(
                "plain",
                "of an encrypted session, what is inside, as without a key: readable by all who read the file",
            ),
            Keyword::new("limit", Kind::Size(1, u64::MAX), "it ends when the file is so long").default("1G"),
        ],
        fields: &[
            Field::text("path", "the file"),
            Field::count("packets", "packets in it"),
            Field::size("bytes", "its length"),
            Field::state("state", "capturing, done, failed or cancelled"),
            Field::text("error", "why it failed"),
            Field::count("id", "the number of the session"),
        ],
        example: "capture $files to $tmp/packets.pcapng",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let CaptureOptions { session, to, limit, plain } = CaptureOptions::from_arguments(&arguments);
            let session = shell.session(&session)?;
            if session.has_ended() {
                return Err(session_ended(&session.label()));
            }
            if plain && session.control::<RelayControl>().is_some() {
                return Err(errors::link_without_key(&session.label()));
            }
            match carrier(&session) {
                Some(Carrier::Unix) => return Err(errors::capture_of_unix(&session.label())),
                Some(Carrier::Tls) if !plain => return Err(errors::capture_of_tls(&session.label())),
                _ => {}
            }
            if session.is_looked_at() {
                return Err(errors::captured_already(&session.label()));
            }
            let path = shell.directory().join(&to);
            let file = File::create_new(&path).map_err(|error| Failure::io(&error, to.clone()))?;
            let writer = Writer::begin(file, &session, limit).map_err(|error| {
                // It has no beginning.
                drop(std::fs::remove_file(&path));
                Failure::io(&error, to.clone())
            })?;
            let request = Request {
                verb: CAPTURE.verb.name,
                kind: format!("capture of {}", session.label()),
                name: None,
                background: true,
                parent: None,
            };
            let writer = Arc::new(Mutex::new(writer));
            let shown = writer.clone();
            let depth = if plain { Depth::Inside } else { Depth::Wire };
            session.look(depth, move |tapped: &Tapped<'_>| lock(&shown).take(tapped));
            let (shown, looked_at) = (path.display().to_string(), session.clone());
            let began = shell.registry.start(request, move |handle| run(handle, looked_at, writer, shown))?;
            let inside = if plain { ", and what is encrypted as plain text" } else { "" };
            let text = format!("capturing {} to {to}{inside}; `stop %{}` ends it", session.label(), began.id);
            shell.began = Some(began);
            next(Outcome::new(text, Vec::new()))
        })
    },
};

/// What carries the bytes of a server, or of a raw session.
fn carrier(session: &Session) -> Option<Carrier> {
    let told = || {
        let word = session.field("transport")?.to_string();
        Carrier::ALL.into_iter().find(|carrier| carrier.word() == word)
    };
    session.listening().map(|listening| listening.carrier).or_else(told)
}

/// `capture`.
struct CaptureOptions {
    session: SessionRef,
    to: String,
    /// Bytes.
    limit: u64,
    /// Of an encrypted session, what is inside.
    plain: bool,
}

impl FromArguments for CaptureOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self {
            session: arguments.session("session").cloned().unwrap_or(SessionRef::All),
            to: arguments.text("to").unwrap_or_default().to_owned(),
            limit: arguments.number("limit").unwrap_or(SIZE),
            plain: arguments.flag("plain"),
        }
    }
}

/// The file, which grows block by block.
struct Writer {
    file: File,
    capture: Capture,
    packets: u64,
    bytes: u64,
    limit: u64,
    failed: Option<std::io::Error>,
    /// Fires when nothing more is written.
    over: CancellationToken,
}

impl Writer {
    fn begin(file: File, session: &Session, limit: u64) -> std::io::Result<Self> {
        let label = session.label();
        let sides = [format!("{label}: client side"), format!("{label}: server side")];
        let names: Vec<&str> = match session.control::<RelayControl>() {
            Some(_) => sides.iter().map(String::as_str).collect(),
            None => vec![label.as_str()],
        };
        let (capture, front) = Capture::new(PROGRAM, &names);
        let over = CancellationToken::new();
        let mut writer = Self { file, capture, packets: 0, bytes: 0, limit, failed: None, over };
        writer.write(&front)?;
        Ok(writer)
    }

    /// Short writes to the page cache; a whole block each, so that a reader never sees half of one for long.
    fn write(&mut self, block: &[u8]) -> std::io::Result<()> {
        self.bytes += block.len() as u64;
        self.file.write_all(block)
    }

    fn take(&mut self, tapped: &Tapped<'_>) {
        if self.over.is_cancelled() {
            return;
        }
        let block = self.block(tapped);
        if block.is_empty() {
            return;
        }
        self.packets += 1;
        self.failed = self.write(&block).err();
        if self.failed.is_some() || self.bytes >= self.limit {
            self.over.cancel();
        }
    }

    fn block(&mut self, tapped: &Tapped<'_>) -> Vec<u8> {
        let Tapped { side, local, peer, outgoing, part, event } = *tapped;
        let (from, to) = if outgoing { (local, peer) } else { (peer, local) };
        let comment = event.map(|event| in_words(&event)).unwrap_or_default();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let payload = match part {
            Part::Datagram(bytes) | Part::Bytes(bytes) => bytes,
            Part::Open | Part::End | Part::Reset => &[],
        };
        let at_micros = since.as_micros() as u64;
        let packet = Packet { interface: side, at_micros, from, to, outgoing, payload, comment: &comment };
        match part {
            Part::Datagram(_) => self.capture.udp(&packet),
            Part::Open => self.capture.tcp_open(&packet),
            Part::Bytes(_) => self.capture.tcp_data(&packet),
            Part::End => self.capture.tcp_end(&packet, End::Fin),
            Part::Reset => self.capture.tcp_end(&packet, End::Reset),
        }
    }
}

fn lock(writer: &Mutex<Writer>) -> MutexGuard<'_, Writer> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Captures until the session ends, the capture is stopped, or the file is full.
async fn run(
    handle: Handle,
    session: Arc<Session>,
    writer: Arc<Mutex<Writer>>,
    path: String,
) -> Result<Outcome, Failure> {
    let over = lock(&writer).over.clone();
    handle.set("path", Value::text(path.clone()));
    handle.running("capturing");
    let mut tick = tokio::time::interval(COUNT_EVERY);
    loop {
        count(&handle, &writer);
        tokio::select! {
            () = handle.cancelled() => break,
            () = over.cancelled() => break,
            _ = session.ended() => break,
            _ = tick.tick() => {}
        }
    }
    session.look_away();
    let (packets, bytes, is_full) = count(&handle, &writer);
    let failed = lock(&writer).failed.take();
    if let Some(error) = failed {
        return Err(Failure::io(&error, path));
    }
    let full = if is_full { "; the file is as long as `limit` allows" } else { "" };
    let (packets, bytes) = (quantity::counted(packets, "packet"), quantity::show_size(bytes));
    Ok(Outcome::new(format!("captured {packets} to {path}, {bytes}{full}"), Vec::new()))
}

/// Sets the fields of the session: packets and bytes so far. Also returns true if the file is full.
fn count(handle: &Handle, writer: &Mutex<Writer>) -> (u64, u64, bool) {
    let (packets, bytes, limit) = {
        let writer = lock(writer);
        (writer.packets, writer.bytes, writer.limit)
    };
    handle.set_all([("packets", Value::count(packets)), ("bytes", Value::count(bytes))]);
    (packets, bytes, bytes >= limit)
}
