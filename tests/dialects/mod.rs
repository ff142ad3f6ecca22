//! Servers that speak the protocols of others, with programs that know nothing of nls.

mod ftp;
