//! What happened to each packet of a session, as data: events of one shape, in a bounded ring. The state machines emit them;
//! lines, explanations, diagrams and captures are pure functions of them. In virtual time the same seed gives the same
//! record, byte for byte.
//!
//! | file | holds |
//! |---|---|
//! | `event` | the one shape |
//! | `ring` | the last events of a session |
//! | `summary` | what a datagram is, from its bytes |
//! | `diagram` | time-sequence diagrams: text, SVG, Mermaid |

pub mod diagram;
mod event;
mod ring;
mod summary;

pub use event::{Acked, Cause, Fate, Kind, NO_NUMBER, PacketEvent, Way};
pub use ring::{EVENT_LIMIT, Ring};
pub use summary::summarize;
