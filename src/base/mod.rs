//! Types that every layer uses: endpoints, quantities, time, and the one sanitiser for foreign text.
//!
//! Pure: no sockets, no tasks, no clock. No function here panics on any input.
//!
//! | file | holds |
//! |---|---|
//! | `endpoint` | `host:port` and its forms |
//! | `quantity` | sizes, rates, durations, percentages |
//! | `value` | values of fields, and their comparison |
//! | `time`, `wall_time` | virtual time of state machines; times of day as text |
//! | `pattern` | regular expressions over texts and streams |
//! | `ranges` | sets of ranges |
//! | `escape` | foreign text made safe, also for HTML; its width in columns |
//! | `secrets` | texts that are masked everywhere; keys and codes |
//! | `open` | flags to open a file with |
//! | `limits` | what one peer, or all of them, may take of this process |
//! | `stable_hash` | hashes for random decisions |

pub mod endpoint;
pub mod escape;
pub mod limits;
#[cfg(feature = "shell")]
pub mod open;
pub mod pattern;
pub mod quantity;
pub mod ranges;
pub mod secrets;
pub mod stable_hash;
pub mod time;
pub mod value;
pub mod wall_time;

pub use self::stable_hash::mix;
pub use endpoint::{Carrier, Endpoint, Host, Transport};
pub use escape::{escape, width};
pub use limits::{Budget, Count, Counted, Held, share};
pub use ranges::RangeSet;
pub use secrets::{Code, Key, Secrets};
pub use time::Time;
pub use value::{Dimension, Fields, Value};
