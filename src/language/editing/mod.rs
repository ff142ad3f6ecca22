//! What the line editor asks while a line is typed.
//!
//! | file | holds |
//! |---|---|
//! | `complete` | completion and hints |
//! | `highlight` | syntax highlighting |

pub mod complete;
pub mod highlight;
