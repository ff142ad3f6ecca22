//! Clients of other protocols than ours, as they are installed.

mod tftp;
