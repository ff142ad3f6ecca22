//! Echo (RFC 862): what comes is sent back. Messages between nls and nls, whole lines of text for everybody else
//! (`echo hello | nc host 9007`). The smallest service: docs/add-a-service.md walks through it.

mod server;

use super::Provider;
use crate::base::Carrier;
use crate::language::Service;
use crate::net::accept::admission::Lines;
use crate::net::udp::Options;
use crate::wire::ServiceId;

pub static PROVIDER: Provider = Provider {
    row: Service {
        name: "echo",
        carriers: &[Carrier::TCP, Carrier::UDP],
        summary: "every message and line comes back (RFC 862)",
        keywords: &[],
        fields: &[],
    },
    id: ServiceId::new(5),
    lists: false,
    lines: Lines::Questions,
    options: Options::STANDARD,
    max: |_| 256,
    make: server::make,
};
