//! TLS over TCP (RFC 8446), by rustls. What a browser would refuse is refused, with the reason in words.
//!
//! | file | holds |
//! |---|---|
//! | `client` | connecting, and what is accepted of a server |
//! | `server` | accepting, with a certificate that is given or made on the spot |
//! | `certificate` | what a certificate says |
//! | `errors` | what can be wrong |

mod certificate;
pub mod client;
mod errors;
pub mod server;

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::base::{Fields, Value};
use crate::report::{Failure, reason};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The certificates of a PEM file.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let unreadable = |error| errors::pem_unreadable(path, &said(&error));
    let read = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
    let found = read.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    if found.is_empty() { Err(errors::pem_unreadable(path, "it has no certificate")) } else { Ok(found) }
}

/// The private key of a PEM file.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Failure> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| errors::pem_unreadable(path, &said(&error)))
}

/// An error of a PEM file; one of the system as the system's errors are said everywhere.
fn said(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => reason(error),
        other => other.to_string(),
    }
}

/// What is known of a connection: version, cipher, and the peer's certificate.
fn facts(connection: &rustls::CommonState) -> Fields {
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
        _ => "",
    };
    let cipher = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    let protocol = connection.alpn_protocol().unwrap_or_default();
    let mut facts = vec![
        ("tls", Value::text(version)),
        ("cipher", Value::text(cipher.unwrap_or_default())),
        ("alpn", Value::Text(String::from_utf8_lossy(protocol).into_owned())),
    ];
    if let Some([first, ..]) = connection.peer_certificates() {
        facts.extend(certificate::facts(first));
    }
    facts
}
