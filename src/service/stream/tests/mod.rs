//! Viewing over random networks, in virtual time.

mod random_networks;
