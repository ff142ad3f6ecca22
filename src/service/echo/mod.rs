//! Echo (RFC 862): everything comes back as it was sent. Frames and blocks between nls and nls, lines for everybody else
//! (`echo hello | nc host 9007`). The smallest service: docs/add-a-service.md walks through it.

mod server;

use super::Provider;
use crate::base::Transport;
use crate::language::Service;
use crate::net::accept::admission::Lines;
use crate::net::udp::Options;
use crate::wire::ServiceId;

pub static PROVIDER: Provider = Provider {
    row: Service {
        name: "echo",
        transports: &[Transport::Tcp, Transport::Udp],
        summary: "everything comes back (RFC 862)",
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
