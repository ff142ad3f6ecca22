//! Connecting over TLS, and what is accepted of a server.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::certificate::{Shown, fingerprint};
use super::errors;
use super::{certificates, facts, private_key, provider};
use crate::base::{Carrier, Endpoint, Host, Transport};
use crate::net::errors::connect_timed_out;
use crate::net::limits::CONNECT_LIMIT;
use crate::net::raw::{Cut, RawConnection, connect};
use crate::net::{show, tcp};
use crate::report::Failure;

/// Whom a client trusts, and what it says of itself.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// The name that the certificate must be for; `None`: the host of the endpoint.
    pub name: Option<String>,
    /// The authorities to trust, in PEM; `None`: those of this machine.
    pub ca: Option<PathBuf>,
    /// The client's own certificate and key, in PEM.
    pub cert: Option<PathBuf>,
    /// SHA-256 of the one certificate to trust, in hexadecimal.
    pub pin: Option<String>,
    /// Every certificate is accepted.
    pub insecure: bool,
    /// Protocols to offer (RFC 7301), the preferred one first.
    pub alpn: Vec<String>,
}

/// Connects, and checks who is there.
pub async fn connect(endpoint: &Endpoint, options: &TlsOptions) -> Result<RawConnection, Failure> {
    let host = options.name.clone().unwrap_or_else(|| host(endpoint));
    let name = ServerName::try_from(host.clone()).map_err(|_| errors::not_a_tls_name(&host))?;
    let seen = Arc::new(Mutex::new(None));
    let config = Arc::new(config(options, &seen)?);
    let (stream, peer) = connect::tcp_stream(endpoint).await?;
    tcp::prepare(&stream);
    let (cut, ends) = (Cut::of(&stream), tcp::addresses(&stream));
    let connecting = TlsConnector::from(config).connect(name, stream);
    let connected = tokio::time::timeout(CONNECT_LIMIT, connecting)
        .await
        .map_err(|_| connect_timed_out(endpoint, Transport::Tcp))?;
    let stream = connected.map_err(|error| {
        let shown = seen.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        refused(&error, &host, &shown)
    })?;
    let facts = facts(stream.get_ref().1);
    let (read, write) = tokio::io::split(stream);
    let connection = RawConnection::stream(read, write, (show(peer), Carrier::Tls)).with_cut(cut);
    Ok(RawConnection { facts, ends, ..connection })
}

fn host(endpoint: &Endpoint) -> String {
    match &endpoint.host {
        Host::Name(name) => name.clone(),
        Host::Address(address) => address.to_string(),
        Host::Scoped(address, _) => address.to_string(),
        Host::Loopback => "127.0.0.1".to_owned(),
    }
}

fn config(options: &TlsOptions, seen: &Arc<Mutex<Option<Shown>>>) -> Result<ClientConfig, Failure> {
    let pin = options.pin.as_deref().map(digits).transpose()?;
    let verifier = Verifier {
        usual: if options.insecure || options.pin.is_some() { None } else { Some(usual(options)?) },
        pin,
        seen: seen.clone(),
    };
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| errors::tls_failed(&error))?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &options.cert {
        Some(path) => builder
            .with_client_auth_cert(certificates(path)?, private_key(path)?)
            .map_err(|error| errors::tls_failed(&error))?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = options.alpn.iter().map(|name| name.clone().into_bytes()).collect();
    Ok(config)
}

/// The digits of a SHA-256.
fn digits(pin: &str) -> Result<String, Failure> {
    let digits = pin.replace(':', "").to_ascii_lowercase();
    let is_one = digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if is_one { Ok(digits) } else { Err(errors::not_a_fingerprint(pin)) }
}

/// The check that browsers make: signed by a known authority, for this name, and valid today.
fn usual(options: &TlsOptions) -> Result<Arc<WebPkiServerVerifier>, Failure> {
    let mut roots = RootCertStore::empty();
    match &options.ca {
        Some(path) => roots.add_parsable_certificates(certificates(path)?),
        None => roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    };
    if roots.is_empty() {
        return Err(errors::no_authorities());
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| errors::tls_failed(&error))
}

#[derive(Debug)]
struct Verifier {
    /// `None`: the pin decides, or nothing is checked.
    usual: Option<Arc<WebPkiServerVerifier>>,
    pin: Option<String>,
    /// What the refused certificate said, for the message.
    seen: Arc<Mutex<Option<Shown>>>,
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown").field("names", &self.names).finish_non_exhaustive()
    }
}

/// The error for a certificate with another fingerprint.
const PIN: &str = "pin";

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = || Some(Shown::of(certificate));
        match (&self.usual, &self.pin) {
            (None, Some(pin)) if *pin != fingerprint(certificate) => Err(Error::General(PIN.into())),
            (None, _) => Ok(ServerCertVerified::assertion()),
            (Some(usual), _) => {
                usual.verify_server_cert(certificate, intermediates, name, ocsp, now).inspect_err(|_| {
                    *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = shown();
                })
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = provider().signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls12_signature(message, certificate, signature, &known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = provider().signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(message, certificate, signature, &known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Why a handshake failed, in words.
fn refused(error: &std::io::Error, host: &str, shown: &Shown) -> Failure {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return errors::tls_failed(&crate::report::reason(error));
    };
    match error {
        Error::General(why) if why == PIN => errors::certificate_of_another(host),
        Error::InvalidCertificate(why) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                errors::certificate_expired(host, -shown.days_left)
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                errors::certificate_not_valid_yet(host)
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                errors::certificate_for_other_names(host, &shown.names)
            }
            CertificateError::UnknownIssuer => errors::certificate_untrusted(host, &shown.issuer),
            why => errors::certificate_refused(host, why),
        },
        Error::InvalidMessage(_) => errors::no_tls(host),
        error => errors::tls_failed(error),
    }
}
