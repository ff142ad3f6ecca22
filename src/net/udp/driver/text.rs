//! Clients that send plain text instead of our protocol.

use std::net::SocketAddr;

use super::SocketDriver;
use crate::net::clock;
use crate::net::connection::message::Message;
use crate::net::errors;
use crate::net::random::random;
use crate::net::udp::halves::{Command, Halves};
use crate::net::udp::text_client::Heard;
use crate::record::Way;
use crate::wire::ConnectionId;

impl SocketDriver {
    /// Clients that are no connections count towards the limit too.
    pub(super) fn count_others(&mut self) {
        self.endpoint.set_others(self.text_clients.taken(clock::now()) + self.requests.taken());
    }

    /// Idle text clients give way to others.
    pub(super) fn give_way(&mut self) {
        let others = self.endpoint.len() + self.requests.taken();
        for id in self.text_clients.give_way(clock::now(), others) {
            self.replace(id);
        }
    }

    /// Tells the conversation of an idle client that another one has its place.
    fn replace(&mut self, id: ConnectionId) {
        if let Some(gone) = self.applications.remove(&id) {
            drop(gone.messages.send(Err(errors::idle_client_replaced())));
        }
    }

    /// Handles a datagram that is not of the protocol: perhaps text from a client such as `nc`.
    pub(super) fn hear(&mut self, from: SocketAddr, bytes: &[u8]) {
        if self.accepts.is_none() {
            return;
        }
        self.record.text((self.socket.local(), from), Way::In, bytes);
        let id = || ConnectionId(u64::from_be_bytes(random()));
        let lines = match self.text_clients.hear(clock::now(), from, bytes, id, self.endpoint.len()) {
            Heard::Nothing => return,
            Heard::Answer(text) => return self.say(from, text.as_bytes()),
            Heard::Lines { id, lines } => (id, lines),
            Heard::First { id, lines, instead_of } => {
                if let Some(gone) = instead_of {
                    self.replace(gone);
                }
                let connection = Halves { is_text: true, ..self.register(id, from) };
                self.let_in(connection);
                (id, lines)
            }
        };
        self.count_others();
        if let Some(application) = self.applications.get(&lines.0) {
            for line in lines.1 {
                drop(application.messages.send(Ok(Message::Frame(line))));
            }
        }
    }

    /// Sends text; it may be lost, as any datagram.
    fn say(&mut self, to: SocketAddr, text: &[u8]) {
        self.record.text((self.socket.local(), to), Way::Out, text);
        drop(self.socket.send(to, text, false));
    }

    /// Executes a command for a plain-text client; a command for any other connection is returned.
    pub(super) fn take_plain(&mut self, command: Command) -> Option<Command> {
        match command {
            Command::Frame(id, ref frame) if self.text_clients.has(id) => {
                for (address, bytes) in self.text_clients.say(clock::now(), id, &frame.body) {
                    self.say(address, &bytes);
                }
                if let Some(application) = self.applications.get(&id) {
                    application.room.give_back(frame.body.len());
                }
            }
            Command::Consumed(id, taken) if self.text_clients.has(id) => {
                self.text_clients.took(id, taken.stream);
            }
            Command::Close(id, ..) if self.text_clients.leave(id) => {
                self.applications.remove(&id);
                self.count_others();
            }
            other => return Some(other),
        }
        None
    }
}
