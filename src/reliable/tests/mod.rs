//! Tests of the whole state machine, in virtual time.
//!
//! | file | holds |
//! |---|---|
//! | `simulation` | both ends, a bad link each way and virtual time in one loop |
//! | `random_networks` | 2 000 random networks |
//! | `link_utilization` | how well a path is filled |
//! | `textbook` | the formulas of stop-and-wait, go-back-N and selective repeat |
//! | `records` | what is noted about each packet |
//! | `protocol_rules` | rows of docs/faults.md about datagrams |

mod link_utilization;
mod protocol_rules;
mod random_networks;
mod records;
pub(crate) mod simulation;
mod textbook;
