//! Both machines over a bad network, in virtual time; and whatever a stranger may send them.
//!
//! | file | holds |
//! |---|---|
//! | `network` | a network that loses, doubles and reorders |
//! | `transfers` | a file over it, from one machine to the other |
//! | `strangers` | packets that nobody should send |

mod network;
mod strangers;
mod transfers;
