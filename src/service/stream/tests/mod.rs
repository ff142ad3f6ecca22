//! Viewing over random networks, in virtual time.

mod storms;
