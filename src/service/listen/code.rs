//! The code of a port: one more client is let in that has it. The field `code` shows it while it can be used.

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::{Code, Value};
use crate::net::connection::keys::{CodeState, Keyring};
use crate::net::{CODE_LIFETIME, FIRST_MESSAGE_LIMIT, random, reachable, reachable_addresses, show};
use crate::session::Handle;

/// Lets one more client in, in place of one that was to have the code before. Returns the field that shows it.
pub fn offer(keys: &Keyring) -> (&'static str, Value) {
    let code = Code::made_by(random::fill);
    let shown = Value::text(code.text());
    keys.offer(code);
    ("code", shown)
}

/// How the code of a server at `address` is used.
pub(super) fn said(code: &Value, address: SocketAddr) -> String {
    let place = reachable_addresses(address).into_iter().next().unwrap_or_else(|| reachable(address));
    let place = show(place);
    format!("{code} lets one client in, within ten minutes: its command for {place} ends with `code {code}`")
}

/// Follows the codes of a port to their end, as long as the session runs.
pub(super) async fn attend(session: Handle, keys: Keyring) {
    let mut state = keys.code();
    loop {
        let (lasts, ended) = match &*state.borrow_and_update() {
            CodeState::Offered => (CODE_LIFETIME, "nobody used the code in ten minutes"),
            CodeState::Worn => {
                (FIRST_MESSAGE_LIMIT, "the code was tried three times, and was wrong each time")
            }
            CodeState::Used(name) => {
                session.tell("code", format!("a client had the code, and has the key {name} from now on"));
                session.set_all([("code", Value::text("")), ("key", Value::text(keys.names().join(",")))]);
                (Duration::MAX, "")
            }
            CodeState::None => (Duration::MAX, ""),
        };
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            () = session.cancelled() => return session.set("code", Value::text("")),
            () = tokio::time::sleep(lasts) => {
                keys.end_code();
                session.set("code", Value::text(""));
                session.tell("code", format!("{ended}; it opens the port no more"));
            }
        }
    }
}
