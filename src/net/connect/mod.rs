//! Connecting to a server: its name is resolved, and its addresses raced.
//!
//! | file | holds |
//! |---|---|
//! | `resolve` | names → addresses, and the race of addresses |

pub mod resolve;

use super::connection::Connection;
use super::{Driver, tcp, udp};
use crate::base::{Code, Endpoint, Key, Transport};
use crate::report::Failure;
use crate::wire::ServiceId;

/// Connects to a service, encrypted with `key` if there is one. The caller must spawn the driver, if there is one (UDP only).
pub async fn connect(
    transport: Transport,
    endpoint: &Endpoint,
    service: ServiceId,
    options: udp::Options,
    key: Option<&Key>,
) -> Result<(Connection, Option<Driver>), Failure> {
    let addresses = resolve::resolve(endpoint).await?;
    match transport {
        Transport::Tcp => {
            tcp::connect(endpoint, &addresses, service, key).await.map(|halves| (halves.into(), None))
        }
        Transport::Udp => udp::connect(endpoint, &addresses, service, (options, key))
            .await
            .map(|(halves, driver)| (halves.into(), Some(driver))),
    }
}

/// Exchanges the code of a server for a key, with which this client, and no other, can connect from then on.
pub async fn exchange(
    transport: Transport,
    endpoint: &Endpoint,
    service: ServiceId,
    code: &Code,
) -> Result<Key, Failure> {
    let addresses = resolve::resolve(endpoint).await?;
    match transport {
        Transport::Tcp => tcp::exchange(endpoint, &addresses, service, code).await,
        Transport::Udp => udp::exchange(endpoint, &addresses, service, code).await,
    }
}
