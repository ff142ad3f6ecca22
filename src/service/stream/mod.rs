//! Media streaming over UDP: chunks of random size, played while the rest is still arriving.
//!
//! | file | holds |
//! |---|---|
//! | `chunker` | pure: the random sizes, and which parts were sent |
//! | `server` | one task for each viewer |
//! | `store` | what has arrived, and who waits for what |
//! | `http` | the loopback address that the player reads |
//! | `player` | finding and running a player |
//! | `client` | `stream` |

mod chunker;
mod client;
mod http;
mod player;
mod server;
mod store;

use super::{Client, Provider, Run};
use crate::base::Transport;
use crate::language::verb::Lasting;
use crate::language::{Field, Keyword, Kind, Param, Service, Verb};
use crate::net::listen::Lines;
use crate::wire::ServiceId;
use crate::wire::datagram::{BLOCK_OVERHEAD, DATA_OVERHEAD};
use crate::wire::stream::CHUNK_SIZES;

pub static PROVIDER: Provider = Provider {
    row: Service { name: "stream", transports: &[Transport::Udp], summary: "media: stream and ls" },
    id: ServiceId::Stream,
    lines: Lines::No,
    // A chunk is one datagram, as the exercise says, even where IP must fragment it.
    datagram: *CHUNK_SIZES.end() as usize + BLOCK_OVERHEAD + DATA_OVERHEAD,
    give_up: crate::net::udp::GIVE_UP,
    max: |_| 256,
    make: server::make,
};

pub static STREAM: Client = Client {
    verb: &Verb {
        name: "stream",
        aliases: &[],
        summary: "receive media, play it while it arrives",
        details: "`play` starts mpv, ffplay, vlc, mplayer or celluloid, whichever is there first; `play NAME` another; `play \"command {url}\"` any command; `play none` only counts. `to` keeps the file, verified. Without `from` it asks the server used last, else the newest stream server of this shell.",
        params: &[Param::required("name", Kind::Text, "the file at the server")],
        keywords: &[
            Keyword::new("from", Kind::Endpoint, "the stream server").default("the one used last"),
            Keyword::new("play", Kind::Text, "play it with this player")
                .optional_value()
                .default("the first player found"),
            Keyword::new("to", Kind::Path, "keep it here"),
            Keyword::flag("replace", "replace a file of the same name"),
        ],
        fields: &[
            Field::new("name", "the name at the server"),
            Field::new("path", "where it is kept"),
            Field::new("bytes", "bytes of the file"),
            Field::new("blake3", "BLAKE3 of the file, if all of it came"),
            Field::new("datagrams", "chunks received"),
            Field::new("lost", "chunks lost on the way"),
            Field::new("repaired", "chunks sent again"),
            Field::new("first_byte_ms", "from the command to the first byte"),
            Field::new("seconds", "from the command to the last byte"),
            Field::new("player", "what plays it"),
            Field::new("state", "transferring, playing, done, failed or cancelled"),
            Field::new("peer", "the other side"),
            Field::new("error", "why it failed"),
            Field::new("id", "the number of the session"),
        ],
        example: "stream README.md from $media to $tmp/kept.md as film",
        lasting: Lasting::Job,
    },
    place: Some(("from", ServiceId::Stream)),
    transport: Transport::Udp,
    run: Run::Session {
        kind: |arguments| format!("stream {}", arguments.text("name").unwrap_or_default()),
        start: client::stream,
    },
};
