//! STOR: a new file from the client. It has its name only when all of it came and is on the disk; the end of the data
//! connection is the end of the file, and a connection that breaks leaves nothing.

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::super::command::Kind;
use super::super::errors;
use super::super::reply::Reply;
use super::ascii::FromNetwork;
use super::course::Course;
use crate::base::quantity;
use crate::net::SILENCE_LIMIT;
use crate::net::accept::foreign::ForeignStream;
use crate::net::errors::nothing_came;
use crate::report::Failure;
use crate::service::ftp::dialects::store::Receiving;

/// Receives the file over the connection that `accepting` brings. `has_left`: the control connection has ended.
pub(in super::super) async fn receive(
    mut receiving: Receiving<'_>,
    kind: Kind,
    accepting: impl Future<Output = Result<ForeignStream, Failure>>,
    course: &Course,
    (stop, has_left): (&CancellationToken, impl Fn() -> bool + Send + 'static),
) -> Result<Reply, Failure> {
    let came = tokio::select! {
        biased;
        () = stop.cancelled() => Err(errors::aborted()),
        came = async { take(accepting.await?, &mut receiving, kind, course).await } => came,
    };
    came?;
    // Who is killed closes both connections: the end of the data alone does not tell that it is whole (RFC 959, section
    // 3.4). The kernel is asked, too: it knows of the end of the control connection before that is read.
    let client = stop.clone();
    let stored = receiving.finish_if(move || !client.is_cancelled() && !has_left()).await?;
    let (size, hash) = (quantity::show_size(stored.bytes), &stored.hash.to_hex()[..16]);
    let how = if stored.there { "already there, the same" } else { "stored" };
    Ok(Reply::new(226, format!("{how}: {size}, blake3 {hash}")))
}

/// Takes all that comes.
async fn take(
    mut data: ForeignStream,
    receiving: &mut Receiving<'_>,
    kind: Kind,
    course: &Course,
) -> Result<(), Failure> {
    let mut turn = FromNetwork::default();
    loop {
        let more = tokio::time::timeout(SILENCE_LIMIT, data.read()).await;
        let more = more.map_err(|_| nothing_came("data", SILENCE_LIMIT))??;
        let piece = data.buffer.split().freeze();
        let piece = if kind == Kind::Ascii { turn.turn(&piece).into() } else { piece };
        course.moved(piece.len() as u64);
        if !piece.is_empty() {
            receiving.write(piece).await?;
        }
        if !more {
            let rest = turn.finish();
            return if rest.is_empty() { Ok(()) } else { receiving.write(Bytes::from_static(rest)).await };
        }
    }
}
