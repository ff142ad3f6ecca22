//! `nls connect …` whose standard streams are no terminal: they are the other side of the connection.

use crate::base::{Carrier, quantity};
use crate::net::errors::cancelled;
use crate::net::raw::connect;
use crate::net::raw::pipe::Copied;
use crate::report::{Failure, Outcome};
use crate::session::Handle;

use super::options::ConnectOptions;

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
            Carrier::TCP | Carrier::Tls => connect::tcp_blocking(options.endpoint()?).await,
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

fn joined(copied: Result<Copied, tokio::task::JoinError>, what: &str) -> Result<u64, Failure> {
    let copied = copied.map_err(|_| Failure::of_worker())?;
    copied.map_err(|error| crate::net::errors::pipe_broken(&error, what))
}
