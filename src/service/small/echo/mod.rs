//! Echo (RFC 862): what comes is sent back, byte for byte, to any client (`echo hello | nc -N host 9007`). The smallest
//! service: docs/add-a-service.md walks through it.

mod server;

use crate::base::Carrier;
use crate::language::Service;
use crate::service::{Provider, Serves};
use crate::wire::ServiceId;

pub static PROVIDER: Provider = Provider {
    row: Service {
        name: "echo",
        carriers: &[Carrier::TCP, Carrier::UDP, Carrier::Unix],
        summary: "what comes is sent back, to any client (RFC 862)",
        keywords: &[],
        fields: &[],
    },
    id: ServiceId::new(5),
    max: |_| 256,
    serves: Serves::Bytes(server::make),
};
