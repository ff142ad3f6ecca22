//! What services want: commands for connections, in their order, as far as there is room.

use super::{CLOSING_LIMIT, ConnectionSlot, SocketDriver};
use crate::net::clock;
use crate::net::udp::halves::Command;
use crate::wire::{Code, ConnectionId};

impl SocketDriver {
    pub(super) fn take(&mut self, command: Command) {
        let Some(command) = self.take_plain(command) else { return };
        match command {
            Command::Consumed(id, taken) => {
                if let Some(connection) = self.endpoint.connection(id) {
                    connection.consumed(taken.stream, taken.block);
                }
            }
            // A close with an error code does not wait for queued data.
            Command::Close(id, code, reason) if code != Code::Other => {
                if let Some(application) = self.applications.get_mut(&id) {
                    application.queue.clear();
                }
                if let Some(connection) = self.endpoint.connection(id) {
                    connection.abort(code, &reason);
                }
            }
            Command::Frame(id, _)
            | Command::FrameBehind(id, _)
            | Command::Block(id, ..)
            | Command::Close(id, ..) => {
                if let Some(application) = self.applications.get_mut(&id) {
                    if matches!(command, Command::Close(..)) {
                        application.closing_at = Some(clock::now() + CLOSING_LIMIT);
                    }
                    application.queue.push_back(command);
                    if application.queue.len() == 1 {
                        self.feed_one(id);
                    }
                }
            }
        }
    }

    /// Passes queued commands to connections that have room again.
    pub(super) fn feed(&mut self) {
        self.end_overdue();
        let waiting: Vec<ConnectionId> =
            self.applications.iter().filter(|(_, a)| !a.queue.is_empty()).map(|(id, _)| *id).collect();
        waiting.into_iter().for_each(|id| self.feed_one(id));
    }

    /// Aborts connections whose orderly close takes too long because the peer no longer reads. The driver wakes at each
    /// probe at least, so this is checked in time.
    fn end_overdue(&mut self) {
        let now = clock::now();
        let late = |application: &ConnectionSlot| {
            !application.queue.is_empty() && application.closing_at.is_some_and(|at| now >= at)
        };
        let overdue: Vec<ConnectionId> =
            self.applications.iter().filter(|(_, a)| late(a)).map(|(id, _)| *id).collect();
        for id in overdue {
            if let Some(application) = self.applications.get_mut(&id) {
                application.queue.clear();
            }
            if let Some(connection) = self.endpoint.connection(id) {
                connection.abort(Code::Timeout, "the peer stopped reading");
            }
        }
    }

    fn feed_one(&mut self, id: ConnectionId) {
        let (Some(application), Some(connection)) =
            (self.applications.get_mut(&id), self.endpoint.connection(id))
        else {
            return;
        };
        application.counters.take(connection, self.drops.last());
        while connection.is_writable()
            && let Some(command) = application.queue.pop_front()
        {
            match command {
                Command::FrameBehind(..) if !connection.blocks_have_arrived() => {
                    return application.queue.push_front(command);
                }
                Command::Frame(_, frame) | Command::FrameBehind(_, frame) => {
                    application.room.give_back(frame.body.len());
                    connection.write_frame(&frame);
                }
                Command::Block(_, offset, bytes) => {
                    application.room.give_back(bytes.len());
                    connection.write_block(offset, bytes);
                }
                Command::Close(_, code, reason) => connection.close(clock::now(), code, &reason),
                Command::Consumed(..) => {}
            }
        }
    }
}
