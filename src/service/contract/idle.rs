//! Connections that wait for the next question to the same server.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::language::Target;
use crate::net::Connection;
use crate::wire::{Code, ServiceId};

/// Maximum number of idle connections kept.
const IDLE_LIMIT: usize = 16;

/// What is asked, where, and the fingerprint of the key that it is encrypted with: another key is another connection.
type Key = (ServiceId, Target, Option<String>);

/// Idle connections, by transport and endpoint; each with the number of questions asked on it, which is the next id.
#[derive(Default)]
pub struct IdleConnections {
    connections: Mutex<HashMap<Key, (Connection, u64)>>,
}

impl std::fmt::Debug for IdleConnections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IdleConnections")
    }
}

impl IdleConnections {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, (Connection, u64)>> {
        self.connections.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Closes all idle connections.
    pub async fn close(&self) {
        let connections: Vec<Connection> =
            self.lock().drain().map(|(_, (connection, _))| connection).collect();
        for mut connection in connections {
            connection.outgoing.close(Code::Other, "").await;
        }
    }

    /// Number of idle connections.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn take(&self, key: &Key) -> Option<(Connection, u64)> {
        self.lock().remove(key)
    }

    pub(crate) fn keep(&self, key: Key, connection: Connection, asked: u64) {
        let mut connections = self.lock();
        if connections.len() < IDLE_LIMIT {
            connections.insert(key, (connection, asked));
        }
    }
}
