//! The code of a port: one more client is let in that has it. The field `code` shows it while it can be used.

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::{Code, Value};
use crate::net::connection::keys::{CodeState, Keyring};
use crate::net::{self, CODE_LIFETIME, FIRST_MESSAGE_LIMIT, random, reachable, reachable_addresses};
use crate::report::Failure;
use crate::service::contract::keys::{memory, port_full};
use crate::session::Handle;

/// Lets one more client in. Returns the words, and whether they are in place of others that nobody used.
///
/// # Errors
/// The port has as many keys as it can have.
pub fn offer(keys: &Keyring) -> Result<(Code, bool), Failure> {
    memory::protect();
    let code = Code::made_by(random::fill);
    keys.offer(code.clone()).map(|replaces| (code, replaces)).map_err(|_| port_full())
}

/// The fields that show the keys and the code of a port as they are now.
pub fn show(keys: &Keyring, set: impl FnOnce([(&'static str, Value); 2])) {
    let names = Value::text(keys.names().join(","));
    keys.show_code(|code| set([("key", names), ("code", Value::text(code))]));
}

/// How the code of a server at `address` is used.
pub(super) fn said(code: &Code, address: SocketAddr) -> String {
    let place = reachable_addresses(address).into_iter().next().unwrap_or_else(|| reachable(address));
    let (place, code) = (net::show(place), code.text());
    format!("{code} lets one client in, within ten minutes: its command for {place} ends with `code {code}`")
}

/// Follows the codes of a port to their end, as long as the session runs.
pub(super) async fn attend(session: Handle, keys: Keyring) {
    let mut state = keys.code();
    loop {
        let seen = state.borrow_and_update().clone();
        let (number, lasts) = match &seen {
            CodeState::Offered(number) => (*number, CODE_LIFETIME),
            CodeState::Worn(number) => {
                session.tell("code", "the code was tried three times; nobody else can try it");
                (*number, FIRST_MESSAGE_LIMIT)
            }
            CodeState::Used(name) => {
                session.tell("code", format!("a client had the code, and has the key {name} from now on"));
                (0, Duration::MAX)
            }
            CodeState::None => (0, Duration::MAX),
        };
        show(&keys, |fields| session.set_all(fields));
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            () = session.cancelled() => return session.set("code", Value::text("")),
            () = tokio::time::sleep(lasts) => if keys.end_code(number) {
                session.tell("code", "nobody came in with the code; it opens the port no more");
            }
        }
    }
}
