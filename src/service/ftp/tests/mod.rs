//! Receiving on a disk that stops at every operation.

mod crashes;
mod simdisk;
