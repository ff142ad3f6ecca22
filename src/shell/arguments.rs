//! Evaluates the arguments of a command: references are resolved, paths expanded, `$session` replaced by its address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Binding, Reached, Shell, Used, errors, paths};
use crate::base::{Endpoint, Host, Transport, endpoint};
use crate::language::parse::value::read;
use crate::language::{Argument, Arguments, Datum, Invocation, Kind, Place, SessionRef, Target};
use crate::report::Failure;
use crate::service::contract::keys::CREDENTIALS;
use crate::service::{Client, Provider, provider};
use crate::session::{Listening, Session, State};
use crate::wire::ServiceId;

impl Shell {
    pub(super) fn arguments(&self, invocation: &Invocation) -> Result<Arguments, Failure> {
        let mut values = Vec::with_capacity(invocation.arguments.len());
        for (name, argument, _) in &invocation.arguments {
            let many = invocation.verb.params.iter().any(|param| param.name == *name && param.many);
            if let (true, Argument::Ready(Datum::Path(path, true))) = (many, argument) {
                let found = paths::expand_all(path, &self.context.directory)?;
                values.extend(found.into_iter().map(|path| (*name, Datum::Path(path, false))));
            } else {
                values.push((*name, self.argument(name, argument)?));
            }
        }
        Ok(Arguments(values))
    }

    fn argument(&self, name: &str, argument: &Argument) -> Result<Datum, Failure> {
        let datum = match argument {
            Argument::Ready(datum) => datum.clone(),
            Argument::Later(kind, word, transport) => {
                let text = if kind.has_parts() { self.text_with_parts(word) } else { self.text(word) }?;
                let is_secret = self.secrets.occur_in(&text);
                if is_secret && *kind == Kind::Expression && !self.is_expression(&text) {
                    return Err(errors::secret_mismatch(*kind).of(name));
                }
                let read = read(*kind, &text, &self.vocabulary).map_err(|mismatch| {
                    if is_secret {
                        return errors::secret_mismatch(*kind).of(name);
                    }
                    let failure = errors::argument_mismatch(mismatch, *kind);
                    // What should have been a key is not shown.
                    failure.of(if *kind == Kind::Key { name.to_owned() } else { format!("{name} `{text}`") })
                })?;
                match (read, kind) {
                    (Datum::Endpoint(_, place), _) => Datum::Endpoint(*transport, place),
                    // A path from a variable is taken literally.
                    (Datum::Path(path, _), Kind::Path) => Datum::Path(path, false),
                    (datum, _) => datum,
                }
            }
        };
        match datum {
            Datum::Path(path, true) => Ok(Datum::Path(paths::expand(&path, &self.context.directory)?, false)),
            Datum::Endpoint(transport, Place::Session(session)) => {
                let (known, endpoint) = self.address(&session)?;
                Ok(Datum::Endpoint(transport.or(known), Place::Address(endpoint)))
            }
            datum => Ok(datum),
        }
    }

    fn is_expression(&self, text: &str) -> bool {
        self.vocabulary.check_expression.is_none_or(|check| check(text).is_none())
    }

    /// The session that a reference names.
    pub(super) fn session(&self, session: &SessionRef) -> Result<Arc<Session>, Failure> {
        let found = match session {
            SessionRef::Id(id) => self.registry.by_id(*id),
            SessionRef::Name(name) => match self.binding(name) {
                Some(Binding::Session(session) | Binding::Speaker(session, _)) => Some(session),
                _ => self.registry.by_name(name).or_else(|| self.client_of(name)),
            },
            SessionRef::All => return Err(errors::all_is_no_session()),
        };
        found.ok_or_else(|| errors::session_missing(session))
    }

    /// Waits until a client of a raw server, named as `srv.1`, has come, if it is not there yet: it may be on its way.
    pub(super) async fn await_client(&self, name: &str, limit: Duration) {
        let Some((server, _)) = name.rsplit_once('.') else { return };
        let server = match self.binding(server) {
            Some(Binding::Session(server)) => server,
            _ => return,
        };
        let mut changes = server.changes();
        let coming = async {
            loop {
                changes.borrow_and_update();
                let is_there = self.client_of(name).is_some_and(|client| client.state() != State::Starting);
                if is_there || server.has_ended() || changes.changed().await.is_err() {
                    return;
                }
            }
        };
        drop(tokio::time::timeout(limit, coming).await);
    }

    /// `srv.1`, `srv.last`: a client of a raw server, which is a session of its own.
    pub(super) fn client_of(&self, name: &str) -> Option<Arc<Session>> {
        let (server, which) = name.rsplit_once('.')?;
        let server = match self.binding(server) {
            Some(Binding::Session(server)) => server,
            _ => self.registry.by_name(server)?,
        };
        match which {
            "last" => self.registry.last_child(server.id),
            number => self.registry.by_name(&format!("{}.{number}", server.label())),
        }
    }

    /// The address of one of our servers, or the endpoint in a variable.
    pub(super) fn address(&self, reference: &SessionRef) -> Result<(Option<Transport>, Endpoint), Failure> {
        if let SessionRef::Name(name) = reference
            && let Some(Binding::Value(value)) = self.binding(name)
        {
            let text = value.to_string();
            self.mask_parts(&text);
            let endpoint = endpoint::parse(&text).map_err(|(why, fix)| {
                if self.secrets.occur_in(&text) {
                    return errors::secret_mismatch(Kind::Endpoint).of(format!("${name}"));
                }
                errors::invalid_address(why, fix).of(format!("${name} (`{text}`)"))
            })?;
            return Ok((None, endpoint));
        }
        let session = self.session(reference)?;
        let known = server_address(&session).map(|(transport, endpoint)| (Some(transport), endpoint));
        known.ok_or_else(|| {
            let label = session.label();
            if session.has_ended() { errors::server_ended(&label) } else { errors::not_a_server(&label) }
        })
    }

    /// Fills in the endpoint if it was left out: the one used last, with the key that it was used with, else that of the
    /// newest server of this service.
    pub(super) fn complete_place(&self, client: &Client, arguments: &mut Arguments) -> Result<(), Failure> {
        let Some((name, service)) = client.place else { return Ok(()) };
        if let Some((_, Datum::Endpoint(transport, _))) = arguments.0.iter_mut().find(|(n, _)| *n == name) {
            transport.get_or_insert(client.transport);
            return Ok(());
        }
        let Some(Reached { target: Target { transport, endpoint }, with }) = self.place_of(service) else {
            let verb = client.verb.name;
            let kind = provider(service).map_or("", |provider| provider.row.name);
            return Err(errors::no_server_known(kind, client.transport, verb, name).of(verb));
        };
        arguments.0.push((name, Datum::Endpoint(Some(transport), Place::Address(endpoint))));
        if arguments.only(&CREDENTIALS).0.is_empty() {
            arguments.0.extend(with.0);
        }
        Ok(())
    }

    /// The endpoint last used for a service, else its newest server in this shell.
    pub fn place_of(&self, service: ServiceId) -> Option<Reached> {
        // The endpoint that was listed last may be of any service that has listings: it is the last resort.
        let lists = provider(service).is_some_and(Provider::lists);
        let used = |service| self.used.get(&service).map(|used| self.as_it_is_now(used));
        let listed = || used(ServiceId::ANY).filter(|_| lists);
        used(service).or_else(|| self.newest(service)).or_else(listed)
    }

    fn as_it_is_now(&self, used: &Used) -> Reached {
        let target = used.reached.target.clone();
        let is_same = self.listener_at(&target) == used.listener;
        Reached { target, with: if is_same { used.reached.with.clone() } else { Arguments::default() } }
    }

    /// The session of this shell that listens there.
    fn listener_at(&self, target: &Target) -> Option<u64> {
        let is_there = |session: &&Arc<Session>| {
            server_address(session)
                .is_some_and(|(transport, at)| (transport, &at) == (target.transport, &target.endpoint))
        };
        self.registry.live().iter().find(is_there).map(|session| session.id)
    }

    fn newest(&self, service: ServiceId) -> Option<Reached> {
        let live = self.registry.live();
        let serves = |session: &&Arc<Session>| {
            session.listening().is_some_and(|listening| listening.service == Some(service))
        };
        let session = live.iter().rev().find(serves)?;
        let (transport, endpoint) = server_address(session)?;
        let target = Target { transport, endpoint };
        let of_it = self.used.values().filter(|used| used.listener == Some(session.id));
        let last = of_it.max_by_key(|used| used.at);
        let with = last.map(|used| used.reached.with.clone()).unwrap_or_default();
        Some(Reached { target, with })
    }

    /// Remembers the endpoint that was used for a service, and the key that it was used with.
    pub(super) fn remember_place(&mut self, client: &Client, arguments: &Arguments) {
        if let Some((name, service)) = client.place
            && let (Some(transport), Some(endpoint)) = (arguments.transport(name), arguments.endpoint(name))
        {
            let target = Target { transport, endpoint: endpoint.clone() };
            let listener = self.listener_at(&target);
            let mut with = arguments.only(&CREDENTIALS);
            for (_, datum) in &mut with.0 {
                // The same file, wherever the next command stands.
                if let Datum::Path(path, _) = datum {
                    *path = self.context.directory.join(&*path).to_string_lossy().into_owned();
                }
            }
            let reached = Reached { target, with };
            self.used.insert(service, Used { reached, listener, at: Instant::now() });
        }
    }
}

/// A listener's address as a client on this machine reaches it.
fn server_address(session: &Session) -> Option<(Transport, Endpoint)> {
    if session.has_ended() {
        return None;
    }
    let Listening { address, carrier, .. } = session.listening()?;
    let (address, transport) = (address.socket()?, carrier.transport()?);
    let host = match address {
        _ if address.ip().is_unspecified() => Host::Loopback,
        SocketAddr::V6(v6) if v6.scope_id() > 0 => Host::Scoped(*v6.ip(), v6.scope_id().to_string()),
        _ => Host::Address(address.ip()),
    };
    Some((transport, Endpoint { host, port: address.port() }))
}
