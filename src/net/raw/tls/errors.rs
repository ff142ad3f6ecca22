//! The errors of TLS, side by side.

use std::fmt::{Debug, Display};
use std::path::Path;

use crate::base::escape::escape_line;
use crate::report::Failure;
use crate::wire::Code;

pub(super) fn tls_failed(error: &dyn Display) -> Failure {
    Failure::new(Code::Broken, format!("TLS failed: {error}"))
}

pub(super) fn no_tls(host: &str) -> Failure {
    Failure::new(Code::Protocol, format!("{host} does not speak TLS there"))
        .fix("try `connect tcp`, or another port")
}

pub(super) fn not_a_tls_name(name: &str) -> Failure {
    Failure::new(Code::Usage, format!("`{name}` is not a name that a certificate can be for"))
        .fix("`name example.org`")
}

pub(super) fn no_authorities() -> Failure {
    Failure::new(Code::Policy, "this machine knows no authority that signs certificates")
        .fix("install them (ca-certificates), or name one with `ca FILE`")
}

pub(super) fn pem_unreadable(path: &Path, error: &str) -> Failure {
    Failure::new(Code::Missing, format!("{} cannot be used: {error}", path.display()))
        .fix("it must hold certificates, or a certificate and its key, in PEM")
}

pub(super) fn certificate_expired(host: &str, days: i64) -> Failure {
    let days = crate::base::quantity::counted(days.max(0) as u64, "day");
    Failure::new(Code::Policy, format!("the certificate of {host} expired {days} ago"))
        .fix("its owner must renew it; `insecure` connects without any check")
}

pub(super) fn certificate_not_valid_yet(host: &str) -> Failure {
    Failure::new(Code::Policy, format!("the certificate of {host} is not valid yet"))
        .fix("check the clock of this machine")
}

pub(super) fn certificate_for_other_names(host: &str, names: &[String]) -> Failure {
    let names = if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") };
    Failure::new(Code::Policy, format!("the certificate is for {names}, not for {host}"))
        .fix("check the address; `name NAME` says who is meant")
}

pub(super) fn certificate_untrusted(host: &str, issuer: &str) -> Failure {
    Failure::new(
        Code::Policy,
        format!("the certificate of {host} is signed by `{issuer}`, which is not trusted here"),
    )
    .fix("`ca FILE` trusts an authority, `pin FINGERPRINT` this one certificate")
}

pub(super) fn certificate_of_another(host: &str) -> Failure {
    Failure::new(Code::Policy, format!("the certificate of {host} has another fingerprint than the pin"))
        .fix("somebody may sit in between; or it was renewed, and the pin is of the old one")
}

pub(super) fn certificate_refused(host: &str, why: &dyn Debug) -> Failure {
    let why = format!("{why:?}");
    let why = match &*why {
        // Such as `openssl req -x509` makes.
        why if why.contains("CaUsedAsEndEntity") => "it is that of an authority, not of a server",
        why => why,
    };
    Failure::new(Code::Policy, format!("the certificate of {host} is refused: {why}"))
        .fix("`pin FINGERPRINT` trusts this one certificate")
}

/// `pin`: SHA-256 in hexadecimal, with or without colons.
pub(super) fn not_a_fingerprint(pin: &str) -> Failure {
    Failure::new(Code::Usage, format!("`{}` is no fingerprint", escape_line(pin)))
        .fix("`pin` takes the SHA-256 of the certificate: 64 hexadecimal digits")
}
