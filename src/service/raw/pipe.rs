//! `nls connect …` whose standard streams are no terminal: they are the other side of the connection.

use crate::base::{Carrier, quantity};
use crate::net::errors::cancelled;
use crate::net::raw::errors::pipe_broken;
use crate::net::raw::pipe::{Copied, read_input, write_output};
use crate::net::raw::{RawConnection, connect};
use crate::report::{Failure, Outcome};
use crate::session::Handle;

use super::options::ConnectOptions;

/// Bytes that are read at once where they must be encoded.
const BLOCK: usize = 64 << 10;

/// Copies both ways until both sides have ended.
pub(super) async fn pipe(
    session: &Handle,
    options: &ConnectOptions,
    directory: &std::path::Path,
) -> Result<Outcome, Failure> {
    let dialing = async {
        match options.carrier {
            Carrier::Unix => connect::unix_blocking(&directory.join(&options.path)).await,
            Carrier::UDP => connect::udp_blocking(options.endpoint()?).await,
            _ => connect::tcp_blocking(options.endpoint()?).await,
        }
    };
    let stream = session.unless_cancelled(dialing).await?;
    session.running("connected");
    let (up, down) = (stream.clone(), stream.clone());
    let sending = session.spawn_blocking(move || up.send_input());
    let receiving = session.spawn_blocking(move || down.receive_output());
    let both =
        async { (joined(sending.await, "standard input"), joined(receiving.await, "standard output")) };
    let (sent, received) = tokio::select! {
        both = both => both,
        () = session.cancelled() => {
            stream.close();
            return Err(cancelled());
        }
    };
    let (sent, received) = (sent?, received?);
    session.set_bytes(received, sent);
    let (received, sent) = (quantity::show_size(received), quantity::show_size(sent));
    Ok(Outcome::new(format!("{received} received, {sent} sent"), Vec::new()))
}

/// The same for a connection that this program must en- and decode itself.
pub(super) async fn pipe_through(session: &Handle, connection: RawConnection) -> Result<Outcome, Failure> {
    let RawConnection { mut reader, mut writer, .. } = connection;
    session.running("connected");
    let sending = async {
        let mut sent = 0;
        loop {
            let read = session.block(|| read_input(BLOCK)).await?;
            let bytes = read.map_err(|error| pipe_broken(&error, "standard input"))?;
            if bytes.is_empty() {
                writer.finish().await?;
                return Ok::<u64, Failure>(sent);
            }
            writer.send(&bytes).await?;
            sent += bytes.len() as u64;
        }
    };
    let receiving = async {
        let mut received = 0;
        while let Some(bytes) = reader.next().await? {
            received += bytes.len() as u64;
            let written = session.block(move || write_output(&bytes)).await?;
            written.map_err(|error| pipe_broken(&error, "standard output"))?;
        }
        Ok::<u64, Failure>(received)
    };
    let (sent, received) = tokio::select! {
        both = async { tokio::join!(sending, receiving) } => both,
        () = session.cancelled() => return Err(cancelled()),
    };
    session.set_bytes(received?, sent?);
    Ok(Outcome::default())
}

fn joined(copied: Result<Copied, Failure>, what: &str) -> Result<u64, Failure> {
    copied?.map_err(|error| pipe_broken(&error, what))
}
