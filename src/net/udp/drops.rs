//! Datagrams that the kernel dropped because a socket's receive buffer was full: not a loss of the network, and cured
//! by a larger buffer.

use std::time::Duration;

use crate::base::Time;
use crate::net::clock;

/// Minimum interval between reads of the count.
const EVERY: Duration = Duration::from_millis(200);
/// With many sockets the kernel's table is long: reading it takes at most 1/500 of the time.
const SHARE: u32 = 500;

/// The kernel's count for one port, which is read seldom.
#[derive(Debug, Default)]
pub(super) struct DropCount {
    next: Time,
    last: u64,
    /// It was asked for too early, and not since.
    put_off: bool,
}

impl DropCount {
    /// Reads the count, at most every [`EVERY`] and seldom if reading it is slow; returns by how much it has grown.
    pub(super) fn ask(&mut self, now: Time, port: u16) -> u64 {
        self.put_off = now < self.next;
        if self.put_off {
            return 0;
        }
        let drops = kernel_drops(port);
        let cost = clock::now().since(now);
        self.next = now + EVERY.max(cost * SHARE);
        drops.saturating_sub(std::mem::replace(&mut self.last, drops))
    }

    /// When to ask again, if it was too early: what follows may be silence, in which nothing else asks.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.put_off.then_some(self.next)
    }

    /// The count as it was read last.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }
}

/// Datagrams dropped by the kernel for the sockets bound to `port`; 0 where the system does not say.
fn kernel_drops(port: u16) -> u64 {
    ["/proc/net/udp", "/proc/net/udp6"]
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .map(|table| dropped(&table, port))
        .sum()
}

/// The column `drops`, the last one, of the lines whose local port is `port`.
fn dropped(table: &str, port: u16) -> u64 {
    let end = format!(":{port:04X}");
    let lines = table
        .lines()
        .skip(1)
        .filter(|line| line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&end)));
    lines.filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_50_drops_of_a_port_are_found_in_the_system_s_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
             12: 0100007F:2328 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 123 2 0000000000000000 17\n\
             13: 0100007F:2329 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 124 2 0000000000000000 4\n";
        assert_eq!((dropped(table, 9000), dropped(table, 9001), dropped(table, 9002)), (17, 4, 0));
    }

    #[test]
    fn row_50_who_asks_too_early_is_told_when_to_ask_again() {
        let (mut count, now) = (DropCount::default(), clock::now());
        count.ask(now, 9);
        assert_eq!(count.deadline(), None);
        count.ask(now, 9);
        let next = count.deadline().expect("it was too early");
        assert!(next >= now + EVERY);
        count.ask(next, 9);
        assert_eq!(count.deadline(), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn row_50_a_buffer_that_nobody_reads_overflows_and_is_counted() {
        let full = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = full.local_addr().unwrap();
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..2000 {
            sender.send_to(&[0; 1200], address).unwrap();
        }
        assert!(kernel_drops(address.port()) > 0);
    }
}
