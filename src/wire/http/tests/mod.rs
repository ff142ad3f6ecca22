//! What holds for whole requests, and for any bytes.

mod hostile;
mod random;
