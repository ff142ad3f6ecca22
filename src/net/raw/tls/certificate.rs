//! What a certificate says: whom it is for, who vouches for it, how long it is valid (RFC 5280).

use std::time::{SystemTime, UNIX_EPOCH};

use ring::digest::{SHA256, digest};
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::base::escape::escape_line;
use crate::base::{Fields, Value};

/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;

/// SHA-256 of the certificate, in hexadecimal.
pub(super) fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    digest(&SHA256, certificate).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Its fields.
pub(super) fn facts(certificate: &CertificateDer<'_>) -> Fields {
    let mut facts = vec![("fingerprint", Value::Text(fingerprint(certificate)))];
    if let Ok((_, read)) = X509Certificate::from_der(certificate) {
        let text = |name: String| Value::Text(escape_line(&name).into_owned());
        facts.push(("subject", text(read.subject().to_string())));
        facts.push(("issuer", text(read.issuer().to_string())));
        facts.push(("days_left", Value::Integer(i128::from(days_left(&read)))));
    }
    facts
}

/// Whole days until it expires; negative afterwards.
fn days_left(certificate: &X509Certificate<'_>) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    (certificate.validity().not_after.timestamp() - now).div_euclid(DAY)
}

/// What a message about a refused certificate says of it.
#[derive(Default)]
pub(super) struct Shown {
    /// The names that it is for.
    pub(super) names: Vec<String>,
    pub(super) issuer: String,
    pub(super) days_left: i64,
}

impl Shown {
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Self {
        let Ok((_, read)) = X509Certificate::from_der(certificate) else { return Self::default() };
        let alternatives = read.subject_alternative_name().ok().flatten();
        let alternatives = alternatives.map_or(&[][..], |found| &found.value.general_names);
        let name = |name: &GeneralName<'_>| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress([a, b, c, d]) => Some(format!("{a}.{b}.{c}.{d}")),
            _ => None,
        };
        let names = alternatives.iter().filter_map(name).map(|name| escape_line(&name).into_owned());
        Self {
            names: names.collect(),
            issuer: escape_line(&read.issuer().to_string()).into_owned(),
            days_left: days_left(&read),
        }
    }
}
