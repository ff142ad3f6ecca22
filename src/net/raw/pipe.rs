//! The standard streams as one side of a connection, at the speed of the system: two threads copy, and nothing is looked
//! at on the way.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// Bytes that are copied at once.
const BLOCK: usize = 256 << 10;
/// Most bytes of a datagram that is made of what comes from standard input.
const DATAGRAM: usize = 16 << 10;
/// After the end of standard input, a peer over UDP may be silent for this long: a datagram has no end.
const PATIENCE: Duration = Duration::from_secs(1);

/// A connection whose calls block.
#[derive(Clone)]
pub enum Blocking {
    /// Over TCP.
    Tcp(Arc<TcpStream>),
    /// Over a Unix socket.
    Unix(Arc<UnixStream>),
    /// Over UDP.
    Udp(Arc<UdpSocket>),
}

/// Bytes that were copied.
pub type Copied = io::Result<u64>;

impl Blocking {
    /// Standard input goes to the peer; at its end the sending side is shut down.
    pub fn send_input(&self) -> Copied {
        let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        match self {
            Self::Tcp(stream) => {
                let sent = copy(&input, &**stream, &**stream)?;
                // The peer may be gone already.
                drop(stream.shutdown(Shutdown::Write));
                Ok(sent)
            }
            Self::Unix(stream) => {
                let sent = copy(&input, &**stream, &**stream)?;
                drop(stream.shutdown(Shutdown::Write));
                Ok(sent)
            }
            Self::Udp(socket) => {
                let sent = send_datagrams(input, socket)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                Ok(sent)
            }
        }
    }

    /// What the peer sends goes to standard output, until it ends.
    pub fn receive_output(&self) -> Copied {
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        match self {
            Self::Tcp(stream) => copy(&**stream, &output, &output),
            Self::Unix(stream) => copy(&**stream, &output, &output),
            Self::Udp(socket) => receive_datagrams(socket, output),
        }
    }

    /// Ends both directions: blocked calls return.
    pub fn close(&self) {
        // Nothing is left to be done if that fails.
        match self {
            Self::Tcp(stream) => drop(stream.shutdown(Shutdown::Both)),
            Self::Unix(stream) => drop(stream.shutdown(Shutdown::Both)),
            Self::Udp(socket) => drop(socket.set_read_timeout(Some(Duration::from_millis(1)))),
        }
    }
}

/// Copies to the end. Where one side is a pipe the kernel moves the pages (splice(2)).
fn copy<R, W>(mut from: R, mut to: W, target: impl AsFd) -> Copied
where
    R: Read + AsFd,
    W: Write,
{
    use rustix::pipe::{SpliceFlags, splice};
    let mut total = 0;
    let is_pipe = |fd: &dyn AsFd| {
        let found = rustix::fs::fstat(fd.as_fd());
        found.is_ok_and(|found| rustix::fs::FileType::from_raw_mode(found.st_mode).is_fifo())
    };
    if is_pipe(&from) || is_pipe(&target) {
        loop {
            match splice(&from, None, &target, None, BLOCK, SpliceFlags::MOVE) {
                Ok(0) => return Ok(total),
                Ok(count) => total += count as u64,
                Err(rustix::io::Errno::INTR) => {}
                // This pair cannot be spliced.
                Err(rustix::io::Errno::INVAL) if total == 0 => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    let mut block = vec![0; BLOCK];
    loop {
        match from.read(&mut block) {
            Ok(0) => return Ok(total),
            Ok(count) => {
                to.write_all(&block[..count])?;
                total += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn send_datagrams(mut input: File, socket: &UdpSocket) -> Copied {
    let (mut total, mut block) = (0, vec![0; DATAGRAM]);
    loop {
        match input.read(&mut block)? {
            0 => return Ok(total),
            count => total += socket.send(&block[..count])? as u64,
        }
    }
}

fn receive_datagrams(socket: &UdpSocket, mut output: File) -> Copied {
    let (mut total, mut block) = (0, vec![0; 64 << 10]);
    loop {
        match socket.recv(&mut block) {
            Ok(count) => {
                output.write_all(&block[..count])?;
                total += count as u64;
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Ok(total);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Some bytes of standard input; none at its end.
pub fn read_input(most: usize) -> io::Result<Vec<u8>> {
    let mut block = vec![0; most];
    let count = io::stdin().lock().read(&mut block)?;
    block.truncate(count);
    Ok(block)
}

/// Writes to standard output, past everything that gathers it.
pub fn write_output(bytes: &[u8]) -> io::Result<()> {
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    output.write_all(bytes)
}
