//! What every service takes with `listen`.

use crate::base::Carrier;
use crate::language::Arguments;
use crate::language::FromArguments;
use crate::net::accept::bind::Bind;
use crate::net::connect::resolve::zone_index;
use crate::report::Failure;
use crate::service::contract::errors;
use crate::service::contract::keys::{KeyChoice, KeyChoices, KeyFolder, OFFERS_CODE};
use crate::wire::dialect::{Dialect, Dialects};

/// What every service takes with `listen`.
pub struct ListenOptions {
    /// What carries the bytes.
    pub carrier: Carrier,
    /// 0: any free one.
    pub port: u16,
    /// The file of a Unix socket; empty for the others.
    pub path: String,
    /// The name of the service.
    pub service: String,
    /// As it was given; `None`: this machine only.
    on: Option<String>,
    /// Clients at once; `None`: what the service takes by default.
    max: Option<u64>,
    /// Bytes a second for all clients together; `None`: no limit.
    pub rate: Option<u64>,
    /// The certificate and key for TLS, in PEM; `None`: made on the spot.
    pub cert: Option<String>,
    /// What may be spoken; `None`: all that the service speaks.
    dialects: Option<Dialects>,
    /// Besides udp, HTTP on the same port number of tcp.
    pub web: bool,
    /// Strangers are welcome to do what is guarded otherwise.
    pub open: bool,
    /// Those of whom may connect; none: nothing is encrypted.
    pub keys: KeyChoices,
    /// One more client is let in that has a code.
    pub code: bool,
}

impl FromArguments for ListenOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self {
            carrier: arguments.carrier("transport").unwrap_or(Carrier::TCP),
            path: arguments.text("port").unwrap_or_default().to_owned(),
            port: arguments.number("port").unwrap_or(0) as u16,
            service: arguments.text("service").unwrap_or_default().to_owned(),
            on: arguments.text("on").map(str::to_owned),
            max: arguments.number("max"),
            rate: arguments.rate("rate"),
            cert: arguments.text("cert").map(str::to_owned),
            dialects: arguments.text("dialects").map(|words| {
                let named: Vec<Dialect> = words.split(',').filter_map(Dialect::named).collect();
                Dialects::of(&named)
            }),
            web: arguments.flag("web"),
            open: arguments.flag("open"),
            keys: KeyChoices::from_arguments(arguments),
            code: arguments.flag(OFFERS_CODE.word),
        }
    }
}

impl ListenOptions {
    /// Where to bind, as `on` says.
    pub(crate) fn bind(&self) -> Result<Bind, Failure> {
        match self.on.as_deref() {
            None => Ok(Bind::Loopback),
            Some("any") => Ok(Bind::Any),
            Some(word) => {
                let (address, zone) =
                    word.split_once('%').map_or((word, None), |(it, zone)| (it, Some(zone)));
                let zone = zone.map_or(Ok(0), zone_index)?;
                let address = address.parse().map_err(|_| errors::not_an_address(word))?;
                Ok(Bind::Address(address, zone))
            }
        }
    }

    /// What is spoken, of what the service speaks.
    pub(crate) fn dialects(&self, spoken: &[Dialect]) -> Dialects {
        let spoken = Dialects::of(spoken);
        self.dialects.map_or(spoken, |wanted| wanted.and(spoken))
    }

    /// Clients at once; `default` without `max`.
    pub fn max(&self, default: fn(Carrier) -> u64) -> u64 {
        self.max.unwrap_or_else(|| default(self.carrier))
    }

    /// True if strangers can connect, and nobody said with `open` that what they bring is welcome. Who has a key is no
    /// stranger.
    pub fn is_guarded(&self) -> bool {
        self.is_public() && !self.open && !self.is_keyed()
    }

    /// A port in the network of which nothing else is said is for those who have the user's default key, if there is one.
    /// True if this was so.
    pub(crate) fn take_default_key(&mut self) -> bool {
        let is_bare = !self.is_keyed() && !self.open && !self.web && self.dialects.is_none();
        let has_one = || KeyFolder::find().is_ok_and(|folder| folder.has_default());
        let takes = is_bare && self.carrier.transport().is_some() && self.is_public() && has_one();
        if takes {
            self.keys.0.push(KeyChoice::default_key());
        }
        takes
    }

    /// True if only those who have a key, or a code, can connect.
    pub(crate) fn is_keyed(&self) -> bool {
        self.code || !self.keys.0.is_empty()
    }

    /// True if others than this machine can connect.
    pub(crate) fn is_public(&self) -> bool {
        match self.bind() {
            Ok(Bind::Loopback) | Err(_) => false,
            Ok(Bind::Any) => true,
            Ok(Bind::Address(address, _)) => !address.is_loopback(),
        }
    }
}
