//! Character generator (RFC 864): lines of text without end; over UDP a datagram for each that came.

use std::sync::Arc;

use crate::base::Carrier;
use crate::language::Service;
use crate::net::connection::permits::ConnectionPermit;
use crate::net::raw::RawConnection;
use crate::report::Failure;
use crate::service::contract::conversation::{next_bytes, received, sent};
use crate::service::{ByteServer, Job, Provider, Serves};
use crate::session::{ClientEntry, Handle};
use crate::wire::ServiceId;

/// Characters of a line, without its end.
const LINE: usize = 72;
/// The printable characters of ASCII.
const CHARACTERS: usize = 95;
/// Lines that are sent at once.
const TOGETHER: usize = CHARACTERS * 8;
/// Most bytes of a datagram (RFC 864).
const DATAGRAM: usize = 512;

pub static PROVIDER: Provider = Provider {
    row: Service {
        name: "chargen",
        carriers: &[Carrier::TCP, Carrier::UDP, Carrier::Tls, Carrier::Unix],
        summary: "lines of text without end (RFC 864)",
        keywords: &[],
        fields: &[],
    },
    id: ServiceId::new(8),
    max: |_| 256,
    serves: Serves::Bytes(|_, _, _, _| Ok(Arc::new(Chargen))),
};

struct Chargen;

impl ByteServer for Chargen {
    fn serve(self: Arc<Self>, session: Handle, connection: RawConnection, client: ClientEntry) -> Job<()> {
        Box::pin(async move {
            client.does("reads characters");
            match connection.carrier {
                Carrier::UDP => answer(session, connection).await,
                _ => generate(session, connection).await,
            }
        })
    }

    fn describe(&self) -> String {
        "a character generator".into()
    }
}

/// This number of lines of the pattern, from a line on: each begins one character later than the one before.
fn lines(from: usize, count: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(count * (LINE + 2));
    for line in from..from + count {
        out.extend((0..LINE).map(|column| b' ' + ((line + column) % CHARACTERS) as u8));
        out.extend(b"\r\n");
    }
    out
}

/// Sends until the client has had enough, however fast it reads; what it sends is thrown away.
async fn generate(session: Handle, connection: RawConnection) -> Result<(), Failure> {
    let RawConnection { mut reader, mut writer, .. } = connection;
    let text = lines(0, TOGETHER);
    let sending = async {
        loop {
            // A client that leaves in the middle is the usual end.
            if writer.send(&text).await.is_err() {
                return;
            }
            sent(&session, text.len() as u64).await;
        }
    };
    let reading = async {
        // It is not idle while it reads, and keeps its place.
        let mut stays = ConnectionPermit::elsewhere();
        while let Some(bytes) = next_bytes(&session, &mut reader, &mut stays).await? {
            received(&session, bytes.len() as u64).await;
        }
        Ok(())
    };
    tokio::select! {
        () = session.cancelled() => Ok(()),
        () = sending => Ok(()),
        result = reading => result,
    }
}

/// Answers each datagram with one that is no longer: the address may be forged.
async fn answer(session: Handle, mut connection: RawConnection) -> Result<(), Failure> {
    let mut line = 0;
    while let Some(bytes) = next_bytes(&session, &mut connection.reader, &mut connection.place).await? {
        received(&session, bytes.len() as u64).await;
        let length = bytes.len().min(DATAGRAM);
        let text = lines(line, DATAGRAM.div_ceil(LINE));
        line = (line + 1) % CHARACTERS;
        connection.writer.send(&text[..length]).await?;
        sent(&session, length as u64).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_is_that_of_the_rfc() {
        let text = String::from_utf8(lines(0, 96)).unwrap();
        let rows: Vec<&str> = text.lines().collect();
        assert!(rows[0].starts_with(" !\"#$%&'()*+,-./0123456789:;<=>?@ABC") && rows[0].ends_with("cdefg"));
        assert!(rows[1].starts_with("!\"#") && rows.iter().all(|row| row.len() == LINE));
        assert_eq!(rows[95], rows[0], "it begins again after all characters have been first");
    }
}
