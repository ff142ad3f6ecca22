//! Tests of the whole state machine, in virtual time.
//!
//! | file | holds |
//! |---|---|
//! | `simulation` | both ends, a bad link each way and virtual time in one loop |
//! | `storms` | 2 000 random networks |
//! | `figures` | how well a path is filled |
//! | `textbook` | the formulas of stop-and-wait, go-back-N and selective repeat |
//! | `promises` | rows of docs/faults.md about datagrams |

mod link_utilization;
mod protocol_rules;
mod random_networks;
pub(crate) mod simulation;
mod textbook;
