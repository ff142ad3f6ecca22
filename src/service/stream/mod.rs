//! Media streaming over UDP: chunks of random size, played while the rest is still arriving.
//!
//! | file | holds |
//! |---|---|
//! | `protocol` | pure: the messages |
//! | `server` | accepts viewers; sends a film to each, paced |
//! | `client` | the verb `stream`: requests, and the data that has arrived |
//! | `playback` | what reads the film: a player over HTTP, the clock, or a counter |
//! | `parity` | pure: XOR blocks that restore lost chunks, both sides |
//! | `container` | pure: duration, title, and where a decoder can go on |
//! | `errors` | the errors of media streaming |
//! | `tests` | viewing over random networks |

mod client;
mod container;
mod errors;
mod parity;
mod playback;
pub mod protocol;
mod server;
#[cfg(test)]
mod tests;

use std::time::Duration;

use self::client::StreamOptions;
use self::protocol::CHUNK_SIZES;
use self::protocol::ID;
use super::contract::keys::{CODE, KEY, KEYS, OFFERS_CODE};
use super::files::root::ROOT;
use super::{Client, MessageService, Provider, Run, Serves};
use crate::base::{Carrier, Transport};
use crate::language::verb::Lasting;
use crate::language::{Capability, Field, FromArguments, Keyword, Kind, Param, Service, Verb};
use crate::net::accept::admission::Lines;
use crate::net::udp::Options;
use crate::wire::datagram::{BLOCK_OVERHEAD, DATA_OVERHEAD};
use crate::wire::dialect::Dialect;

/// Bytes of a datagram besides its chunk.
const CHUNK_OVERHEAD: usize = BLOCK_OVERHEAD + DATA_OVERHEAD;
/// Maximum bytes queued for one viewer. It is small: after a jump, what is wanted now must not wait long behind the old
/// data, and live data must not become late in the queue.
const QUEUE: usize = 24 << 10;
const BACKLOG: usize = 64 << 10;
const BACKLOG_TIME: Duration = Duration::from_millis(100);
/// Smallest `mtu`, in bytes: the size of packet that every IPv4 host must accept (RFC 791).
const MTU_LEAST: u64 = 576;
/// Minimum of `cache`: a player needs an index and some seconds of film at once.
const CACHE_LEAST: u64 = 4 << 20;

pub static PROVIDER: Provider = Provider {
    row: Service {
        name: "stream",
        carriers: &[Carrier::UDP],
        summary: "media: stream and ls",
        keywords: &[
            ROOT,
            Keyword::flag("hidden", "serve hidden files too"),
            Keyword::flag("open", "without `on`: serve all users of this machine"),
            Keyword::flag(
                "web",
                "also over HTTP, on the same port number of tcp: for browsers, VLC and televisions",
            ),
            Keyword::new(
                "mtu",
                Kind::Size(MTU_LEAST, u16::MAX as u64),
                "no packet is larger; 1500 suits most paths",
            )
            .default("chunks of up to 2000 bytes"),
            KEYS,
            OFFERS_CODE,
        ],
        fields: &[],
    },
    id: ID,
    max: |_| 256,
    serves: Serves::Messages(MessageService {
        lists: true,
        lines: Lines::No,
        dialects: &[Dialect::Own, Dialect::Http],
        greeting: "",
        options: Options {
            // A chunk is one datagram, as the exercise requires, even where IP must fragment it.
            datagram: *CHUNK_SIZES.end() as usize + CHUNK_OVERHEAD,
            queue: QUEUE,
            backlog: BACKLOG,
            backlog_time: BACKLOG_TIME,
            ..Options::STANDARD
        },
        make: server::make,
    }),
};

pub static STREAM: Client = Client {
    verb: &Verb {
        name: "stream",
        aliases: &[],
        summary: "receive media, play it while it arrives",
        details: "`play` starts mpv, ffplay, vlc, mplayer or celluloid, whichever is there first, else the browser; `NLS_PLAYERS` names others, separated by commas. `play NAME` takes another, `play browser` the browser, `play \"command {url}\"` any command (`{page}`: a page with the film, `{subtitles}`: its subtitles, from `.srt` or `.vtt` beside it, which players and the browser are given), `play clock` plays without a player and counts stalls, `play none` only counts. `to` keeps the file, verified, and takes it as fast as the path does; else it comes as fast as it is played. `live` leaves out what a slow path would make too late, up to the next keyframe. Without `from` it asks the server used last, else the newest stream server of this shell.",
        params: &[Param::required("name", Kind::Remote("stream"), "the file at the server")],
        keywords: &[
            Keyword::new("from", Kind::Endpoint, "the stream server").default("the one used last"),
            Keyword::new("play", Kind::Text, "play it with this player")
                .optional_value()
                .default("the first player found"),
            Keyword::new("to", Kind::Path, "keep it here"),
            Keyword::flag("replace", "replace a file of the same name"),
            Keyword::new(
                "fec",
                Kind::Percent,
                "parity: lost chunks are restored without asking the server, up to 50%",
            )
            .default("none"),
            Keyword::flag("live", "what comes too late, or would come too late, is left out and counted"),
            Keyword::new(
                "cache",
                Kind::Size(CACHE_LEAST, u64::MAX),
                "disk space for a film that is not kept",
            )
            .default("256M"),
            KEY,
            CODE,
        ],
        fields: &[
            Field::text("name", "the name at the server"),
            Field::text("path", "where it is kept"),
            Field::size("bytes", "bytes of the file"),
            Field::text("blake3", "BLAKE3 of the file, if all of it came"),
            Field::count("datagrams", "chunks received"),
            Field::count("lost", "chunks lost on the way"),
            Field::count("repaired", "chunks sent again"),
            Field::count("rebuilt", "chunks restored from parity"),
            Field::count("late", "`live`: chunks that came too late"),
            Field::size("skipped", "`live`: bytes that were left out"),
            Field::count("stalls", "`play clock`: times that playing had to wait"),
            Field::count("frames", "frames that a browser has shown"),
            Field::size("playhead", "where it is read, in bytes"),
            Field::size("ahead", "bytes received after the playhead"),
            Field::text("url", "the address that the player reads, for this machine only"),
            Field::count("first_byte_ms", "from the command to the first byte"),
            Field::seconds("seconds", "from the command to the last byte"),
            Field::text("player", "what plays it"),
            Field::state("state", "transferring, playing, done, failed or cancelled"),
            Field::text("peer", "the other side"),
            Field::text("error", "why it failed"),
            Field::count("id", "the number of the session"),
        ],
        example: "stream README.md from $media to $tmp/kept.md as film",
        next: "stream {name} from {peer} to {name}",
        lasting: Lasting::Job,
        capabilities: &[Capability::MoveData],
    },
    place: Some(("from", ID)),
    transport: Transport::Udp,
    run: Run::Session {
        kind: |arguments| format!("stream {}", StreamOptions::from_arguments(arguments).name),
        start: |session, arguments, context| {
            client::stream(session, StreamOptions::from_arguments(&arguments), context)
        },
    },
};

/// Parses a media file, for the fuzzer: see [`super::fuzz_entry`].
pub(super) fn read_media(bytes: &[u8]) {
    let Some(media) = container::probe(&bytes) else { return };
    let size = bytes.len() as u64;
    for from in [0, size / 3, size] {
        if let Some(range) = container::omission_before(&bytes, media.container, from, size / 2) {
            drop(container::filler(&bytes, &container::patch(&bytes, &range)));
        }
    }
}
