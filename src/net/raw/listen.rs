//! Binding and accepting for raw services.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::errors;
#[cfg(feature = "tls")]
use super::tls::server::TlsServer;
use super::{RawConnection, datagrams};
use crate::base::Carrier;
use crate::net::accept::bind::Bound;
use crate::net::accept::{Acceptor, Knock};
use crate::net::connection::permits::{ConnectionPermit, ConnectionPermits};
use crate::net::{ACCEPT_PAUSE, Driver, show};
use crate::report::Failure;

/// Clients of a raw service.
pub enum RawListener {
    /// Over TCP.
    Tcp(Box<Acceptor>, Permits),
    /// Over TLS.
    #[cfg(feature = "tls")]
    Tls(Box<Acceptor>, Permits, TlsServer),
    /// Over UDP.
    Udp(mpsc::UnboundedReceiver<RawConnection>),
    /// Over a Unix socket.
    Unix(SocketFile, Permits),
}

/// The places for clients.
pub struct Permits {
    places: Arc<ConnectionPermits>,
    max: usize,
}

impl Permits {
    fn new(max: usize) -> Self {
        Self { places: Arc::default(), max }
    }

    fn take(&self, address: IpAddr) -> Result<ConnectionPermit, Failure> {
        self.places.take(address, self.max)
    }
}

/// A listening Unix socket; its file is removed with it.
pub struct SocketFile {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody may have removed it already.
        drop(std::fs::remove_file(&self.path));
    }
}

/// What [`RawListener::accept`] returns.
pub enum RawArrival {
    /// A client, and its share of the client limit.
    Client(Box<RawConnection>, ConnectionPermit),
    /// A client whose handshake is still to be answered, in a task of its own.
    #[cfg(feature = "tls")]
    Handshake(Box<TlsHandshake>, ConnectionPermit),
    /// A client that was refused, or could not be accepted: a message for the log.
    Trouble(String),
}

/// Creates a Unix socket, for this user alone. A socket that nobody listens on any more is replaced.
///
/// # Errors
/// Something else has the name, or a server listens there.
pub fn bind_unix(path: &Path) -> Result<SocketFile, Failure> {
    let failed = |error: std::io::Error| Failure::io(&error, format!("listen unix {}", path.display()));
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
            if !is_socket {
                return Err(errors::not_a_socket(path));
            }
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(errors::unix_socket_in_use(path));
            }
            std::fs::remove_file(path).and_then(|()| UnixListener::bind(path)).map_err(failed)?
        }
        bound => bound.map_err(failed)?,
    };
    let file = SocketFile { listener, path: path.to_owned() };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(file)
}

impl RawListener {
    /// The caller must spawn the driver, if there is one (UDP only).
    pub fn new(bound: Bound, max: usize) -> (Self, Option<Driver>) {
        match bound {
            Bound::Tcp(listener) => (Self::Tcp(Box::new(Acceptor::new(listener)), Permits::new(max)), None),
            Bound::Udp(socket) => {
                let (clients, driver) = datagrams::serve(socket, max);
                (Self::Udp(clients), Some(driver))
            }
        }
    }

    /// The same over TLS.
    #[cfg(feature = "tls")]
    pub fn tls(bound: Bound, max: usize, server: TlsServer) -> Self {
        match bound {
            Bound::Tcp(listener) => Self::Tls(Box::new(Acceptor::new(listener)), Permits::new(max), server),
            Bound::Udp(_) => unreachable!("TLS is bound over TCP"),
        }
    }

    /// Accepts from a Unix socket.
    pub fn unix(file: SocketFile, max: usize) -> Self {
        Self::Unix(file, Permits::new(max))
    }

    /// The next client; `None` when the UDP driver has ended.
    pub async fn accept(&mut self) -> Option<RawArrival> {
        match self {
            Self::Udp(clients) => {
                let client = clients.recv().await?;
                Some(RawArrival::Client(Box::new(client), ConnectionPermit::elsewhere()))
            }
            Self::Tcp(acceptor, permits) => Some(match acceptor.knock(|_| ()).await {
                Knock::Trouble(why) => RawArrival::Trouble(why),
                Knock::Stream(stream, peer) => {
                    admit(permits, peer, || RawConnection::tcp(stream, show(peer)))
                }
            }),
            #[cfg(feature = "tls")]
            Self::Tls(acceptor, permits, server) => Some(match acceptor.knock(|_| ()).await {
                Knock::Trouble(why) => RawArrival::Trouble(why),
                Knock::Stream(stream, peer) => match permits.take(peer.ip()) {
                    Ok(permit) => {
                        let handshake = TlsHandshake { server: server.clone(), stream, peer };
                        RawArrival::Handshake(Box::new(handshake), permit)
                    }
                    Err(failure) => RawArrival::Trouble(format!("{}: {failure}", show(peer))),
                },
            }),
            Self::Unix(file, permits) => match file.listener.accept().await {
                Ok((stream, _)) => {
                    // All of them are of this machine.
                    let peer = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
                    Some(admit(permits, peer, || unix_client(stream)))
                }
                Err(error) => {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    Some(RawArrival::Trouble(crate::report::reason(&error)))
                }
            },
        }
    }
}

/// A client over TLS that has only connected so far.
#[cfg(feature = "tls")]
pub struct TlsHandshake {
    server: TlsServer,
    stream: tokio::net::TcpStream,
    /// Its address.
    pub peer: SocketAddr,
}

#[cfg(feature = "tls")]
impl TlsHandshake {
    /// Completes the handshake.
    ///
    /// # Errors
    /// The client does not speak TLS, does not trust the certificate, or takes too long.
    pub async fn complete(self) -> Result<RawConnection, Failure> {
        self.server.greet(self.stream, self.peer).await
    }
}

fn admit(permits: &Permits, peer: SocketAddr, connection: impl FnOnce() -> RawConnection) -> RawArrival {
    match permits.take(peer.ip()) {
        Ok(permit) => RawArrival::Client(Box::new(connection()), permit),
        Err(failure) => RawArrival::Trouble(format!("{}: {failure}", show(peer))),
    }
}

fn unix_client(stream: UnixStream) -> RawConnection {
    let peer = match stream.peer_cred() {
        Ok(credentials) => match credentials.pid() {
            Some(pid) => format!("process {pid}"),
            None => format!("user {}", credentials.uid()),
        },
        Err(_) => "unix".to_owned(),
    };
    let (read, write) = stream.into_split();
    RawConnection::stream(read, write, (peer, Carrier::Unix))
}
