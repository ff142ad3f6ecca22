//! Accepting over TLS, with a certificate that is given or made on the spot.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::certificate::fingerprint;
use super::errors;
use super::{certificates, facts, private_key, provider};
use crate::base::Carrier;
use crate::net::errors::first_message_timed_out;
use crate::net::limits::FIRST_MESSAGE_LIMIT;
use crate::net::raw::{Cut, RawConnection};
use crate::net::{show, tcp};
use crate::report::Failure;

/// The names of a certificate that is made here.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Answers the handshakes of clients.
#[derive(Clone)]
pub struct TlsServer {
    acceptor: TlsAcceptor,
    /// SHA-256 of the certificate, in hexadecimal.
    pub fingerprint: String,
}

impl TlsServer {
    /// With the certificate and key of a PEM file; without one, with a certificate for this machine that is valid as long
    /// as it is not lost: it is never stored.
    ///
    /// # Errors
    /// The file cannot be read, or its parts do not fit.
    pub fn new(cert: Option<&Path>) -> Result<Self, Failure> {
        let (chain, key) = match cert {
            Some(path) => (certificates(path)?, private_key(path)?),
            None => own()?,
        };
        let fingerprint = chain.first().map(fingerprint).unwrap_or_default();
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| errors::tls_failed(&error))?.with_no_client_auth();
        let config = builder.with_single_cert(chain, key).map_err(|error| errors::tls_failed(&error))?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), fingerprint })
    }

    /// Completes the handshake with a client.
    ///
    /// # Errors
    /// It does not speak TLS, does not trust the certificate, or takes too long.
    pub async fn greet(&self, stream: TcpStream, peer: SocketAddr) -> Result<RawConnection, Failure> {
        let (cut, ends) = (Cut::of(&stream), tcp::addresses(&stream));
        let greeting = tokio::time::timeout(FIRST_MESSAGE_LIMIT, self.acceptor.accept(stream));
        let greeted = greeting.await.map_err(|_| first_message_timed_out())?;
        let stream = greeted.map_err(|error| errors::tls_failed(&crate::report::reason(&error)))?;
        let facts = facts(stream.get_ref().1);
        let (read, write) = tokio::io::split(stream);
        let connection = RawConnection::stream(read, write, (show(peer), Carrier::Tls)).with_cut(cut);
        Ok(RawConnection { facts, ends, ..connection })
    }
}

/// A certificate that vouches for itself, and its key.
fn own() -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Failure> {
    let names = NAMES.map(str::to_owned).to_vec();
    let failed = |error: rcgen::Error| errors::tls_failed(&error);
    let mut parameters = rcgen::CertificateParams::new(names).map_err(failed)?;
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "nls, made on the spot");
    let pair = rcgen::KeyPair::generate().map_err(failed)?;
    let certificate = parameters.self_signed(&pair).map_err(failed)?;
    Ok((vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(pair.serialize_der()).into()))
}
