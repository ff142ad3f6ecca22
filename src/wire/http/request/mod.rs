//! The head of a request, read strictly.
//!
//! | file | holds |
//! |---|---|
//! | `head` | the head as a whole, and what its fields mean together |
//! | `line` | where a head ends; its first line |
//! | `method` | methods and versions |
//! | `target` | what is requested |
//! | `host` | of whom it is requested |
//! | `headers` | the fields |
//! | `accept` | which media type the client prefers |

mod accept;
mod head;
mod headers;
mod host;
mod line;
mod method;
mod target;

pub use head::{BodyLength, RequestHead};
pub use headers::Headers;
pub use host::Host;
pub use method::{Method, Version};
pub use target::Target;
