//! Receiving: in a real folder, and on a disk that stops at every operation.

mod crashes;
mod parts;
mod simdisk;
