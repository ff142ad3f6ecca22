//! What happened to each packet of a session, as data: events of one shape, in a bounded ring. The state machines emit them;
//! lines, explanations, diagrams and captures are pure functions of them. In virtual time the same seed gives the same
//! record, byte for byte.
//!
//! | file | holds |
//! |---|---|
//! | `event` | the one shape |
//! | `ring` | the last events of a session |
//! | `summary` | what a datagram is, from its bytes |
//! | `line` | an event as a line, and as fields |
//! | `totals` | a record in numbers |
//! | `filter` | which events are wanted |
//! | `explain` | what became of a packet, in sentences |
//! | `diagram` | arrows between lifelines: text, SVG, mermaid |
//! | `chart` | curves over time: rates, round trips, the file, the window, a link |
//! | `slowest` | packets whose acknowledgement took longest |
//! | `capture` | packets as a file for Wireshark |

pub mod capture;
pub mod chart;
pub mod diagram;
mod event;
pub mod explain;
mod filter;
pub mod line;
mod ring;
mod slowest;
mod summary;
mod totals;

pub use event::{Acked, Cause, Fate, Kind, NO_NUMBER, PacketEvent, Way};
pub use filter::{Comparison, Field, Filter, Word};
pub use ring::{EVENT_LIMIT, Ring};
pub use slowest::slowest;
pub use summary::summarize;
pub(crate) use summary::{add, kind_of};
pub use totals::{TOTALS, total};
