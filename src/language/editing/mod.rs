//! What the line editor asks while a line is typed.

pub mod complete;
pub mod highlight;
