//! `link`: a simulated bad network in front of a server, for any clients.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::contract::errors;
use super::contract::keys::{KEYS, KeyChoice, KeyChoices, NamedKey};
use super::listen::held_by_us;
use super::{Client, Context, Job, Run};
use crate::base::{Endpoint, Fields, Transport, Value, quantity};
use crate::language::verb::Lasting;
use crate::language::{Arguments, Capability, Field, FromArguments, Keyword, Kind, Param, Verb};
use crate::link::{Counts, Profile};
use crate::net::accept::bind::{Bind, bind};
use crate::net::connection::keys::{ClientKey, Keyring, is_built_in};
use crate::net::relay::{Flow, Relay, RelayControl, Watch};
use crate::net::show;
use crate::report::{Failure, Outcome};
use crate::session::{ClientEntry, Handle, ListenAddress, Listening};

/// Default of `queue`: the bytes of this much time at the link's rate …
const QUEUE_TIME: Duration = Duration::from_millis(100);
/// … and at least this many bytes.
const QUEUE_LEAST: usize = 16 << 10;
/// A reordered packet is late by half of `delay`, and by at least this.
const REORDER_LEAST: Duration = Duration::from_millis(5);
/// Default of `max`.
const CLIENTS: u64 = 256;
/// Largest `max`.
const CLIENT_LIMIT: u64 = 10_000;
/// Largest `queue`, in bytes.
pub const QUEUE_LIMIT: u64 = 64 << 20;
/// Largest `burst`: the mean length of a burst of losses, in packets.
pub const BURST_LIMIT: u64 = 10_000;

pub static LINK: Client = Client {
    verb: &Verb {
        name: "link",
        aliases: &[],
        summary: "a bad network in front of a server",
        details: "Clients connect to the link instead of the server. Without `up` or `down`, both directions are impaired. What happens to packet n depends only on the seed, the name and the direction. `set X loss 5%` changes it while it runs. Over tcp nothing is lost, since TCP would hide it: `delay`, `jitter`, `rate` and `corrupt` work there. It passes only you, and every user of this machine with `open`. Encrypted connections pass as they are; with `key` only those pass who have one of the keys, and what they say stays encrypted up to the server, which has to have the key, too.",
        params: &[
            Param::required("transport", Kind::Transport, "what the clients speak"),
            Param::required("port", Kind::Port, "where they connect to; 0 is any free port"),
        ],
        keywords: &[
            Keyword::new("to", Kind::Endpoint, "the server behind it").required(),
            Keyword::new("loss", Kind::Percent, "packets that are lost").default("0%"),
            Keyword::new(
                "burst",
                Kind::Count(1, BURST_LIMIT),
                "mean length of a burst of losses, in packets",
            )
            .default("1"),
            Keyword::new("delay", Kind::Delay, "added to each packet, one way").default("0ms"),
            Keyword::new("jitter", Kind::Delay, "most that the delay varies, up or down").default("0ms"),
            Keyword::new("reorder", Kind::Percent, "packets that are overtaken by later ones").default("0%"),
            Keyword::new("dup", Kind::Percent, "packets that come twice").default("0%"),
            Keyword::new("corrupt", Kind::Percent, "packets with one bit flipped").default("0%"),
            Keyword::new("rate", Kind::Rate, "rate of the link").default("no limit"),
            Keyword::new(
                "queue",
                Kind::Size(1, QUEUE_LIMIT),
                "bytes that wait for the rate; more are dropped",
            )
            .default("100 ms at the rate"),
            Keyword::new(
                "seed",
                Kind::Count(0, u64::MAX),
                "the same seed repeats the same decisions, packet by packet; what depends on time may vary",
            )
            .default("the shell's"),
            Keyword::new("max", Kind::Count(1, CLIENT_LIMIT), "most clients at once").default("256"),
            KEYS,
            Keyword::flag("open", "pass all users of this machine, not only you"),
            Keyword::flag("up", "impair only packets to the server"),
            Keyword::flag("down", "impair only packets from the server"),
        ],
        fields: &[
            Field::text("addr", "the address it listens on, as `127.0.0.1:41234`"),
            Field::count("port", "the port"),
            Field::text("transport", "tcp or udp"),
            Field::text("service", "link"),
            Field::text("key", "the names of the keys of those who may pass; empty: no key is needed"),
            Field::count("clients", "connected now"),
            Field::count("served", "connected so far"),
            Field::size("bytes_in", "bytes that came to it"),
            Field::size("bytes_out", "bytes that it passed on"),
            Field::count("forwarded", "packets that it passed on"),
            Field::count("dropped", "packets that it dropped, including those that found the queue full"),
            Field::count("queue_dropped", "packets dropped because the queue was full"),
            Field::count("duplicated", "packets that came twice"),
            Field::count("reordered", "packets that came late"),
            Field::count("corrupted", "packets with a flipped bit"),
            Field::count("held", "packets that wait, after `hold`"),
            Field::count("troubles", "problems that it told of, such as a server that is not there"),
            Field::state("state", "listening, failed or cancelled"),
            Field::count("seed", "the seed of its random decisions"),
            Field::text("error", "why it failed"),
            Field::count("id", "the number of the session"),
        ],
        example: "link udp 0 to 127.0.0.1:9000 loss 5% delay 20ms as bad",
        next: "set {session} delay 50ms",
        lasting: Lasting::Service,
        capabilities: &[Capability::Pass],
    },
    place: None,
    transport: Transport::Udp,
    run: Run::Session { kind: |_| "link".into(), start },
};

/// What the words of `link` and `set` change about a link; what was not given stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    up: bool,
    down: bool,
    /// Shares of the packets, from 0.0 to 1.0.
    loss: Option<f64>,
    duplicate: Option<f64>,
    corrupt: Option<f64>,
    reorder: Option<f64>,
    /// Mean length of a burst of losses, in packets.
    burst: Option<u64>,
    delay: Option<Duration>,
    jitter: Option<Duration>,
    /// Bytes a second.
    rate: Option<u64>,
    /// Bytes.
    queue: Option<u64>,
}

impl FromArguments for Change {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self {
            up: arguments.flag("up"),
            down: arguments.flag("down"),
            loss: arguments.percent("loss"),
            duplicate: arguments.percent("dup"),
            corrupt: arguments.percent("corrupt"),
            reorder: arguments.percent("reorder"),
            burst: arguments.number("burst"),
            delay: arguments.duration("delay"),
            jitter: arguments.duration("jitter"),
            rate: arguments.rate("rate"),
            queue: arguments.number("queue"),
        }
    }
}

impl Change {
    /// True if nothing is changed.
    pub fn is_empty(&self) -> bool {
        let shares = [self.loss, self.duplicate, self.corrupt, self.reorder];
        shares.iter().all(Option::is_none)
            && [self.burst, self.rate, self.queue].iter().all(Option::is_none)
            && [self.delay, self.jitter].iter().all(Option::is_none)
    }

    /// Whether each direction is meant, to the server and from it; both if neither `up` nor `down` is given.
    pub const fn directions(&self) -> [bool; 2] {
        [self.up || !self.down, self.down || !self.up]
    }

    /// The profiles of both directions (up, down) after the change.
    pub fn applied(&self, mut known: [Profile; 2]) -> [Profile; 2] {
        for (profile, impaired) in known.iter_mut().zip(self.directions()) {
            if impaired {
                self.apply(profile);
            }
        }
        known
    }

    fn apply(&self, profile: &mut Profile) {
        profile.loss = self.loss.unwrap_or(profile.loss);
        profile.duplicate = self.duplicate.unwrap_or(profile.duplicate);
        profile.corrupt = self.corrupt.unwrap_or(profile.corrupt);
        profile.reorder = self.reorder.unwrap_or(profile.reorder);
        profile.burst = self.burst.map_or(profile.burst, |packets| packets as f64);
        profile.delay = self.delay.unwrap_or(profile.delay);
        profile.jitter = self.jitter.unwrap_or(profile.jitter);
        profile.reorder_by = (profile.delay / 2).max(REORDER_LEAST);
        if let Some(rate) = self.rate {
            profile.rate = rate.saturating_mul(8);
            profile.queue = ((rate as f64 * QUEUE_TIME.as_secs_f64()) as usize).max(QUEUE_LEAST);
        }
        profile.queue = self.queue.map_or(profile.queue, |bytes| bytes as usize);
    }

    /// Refuses words that have no effect on a link over TCP (`lossless`).
    ///
    /// # Errors
    /// Names the first such word.
    pub fn check(&self, lossless: bool) -> Result<(), Failure> {
        let lossy = [
            ("loss", self.loss.is_some()),
            ("burst", self.burst.is_some()),
            ("reorder", self.reorder.is_some()),
            ("dup", self.duplicate.is_some()),
            ("queue", self.queue.is_some()),
        ];
        match lossy.into_iter().find(|(_, given)| lossless && *given) {
            None => Ok(()),
            Some((word, _)) => Err(errors::loss_over_tcp(word)),
        }
    }
}

/// `link`.
struct LinkOptions {
    transport: Transport,
    /// 0: any free one.
    port: u16,
    /// The server behind it.
    target: Option<Endpoint>,
    /// What was written before the server's address.
    target_transport: Option<Transport>,
    /// `None`: the shell's.
    seed: Option<u64>,
    /// Clients at once.
    max: u64,
    /// Of those who may pass; none: it does not take one.
    keys: KeyChoices,
    /// Every user of this machine may pass.
    open: bool,
    change: Change,
}

impl FromArguments for LinkOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self {
            transport: arguments.transport("transport").unwrap_or(Transport::Udp),
            port: arguments.number("port").unwrap_or(0) as u16,
            target: arguments.endpoint("to").cloned(),
            target_transport: arguments.transport("to"),
            seed: arguments.number("seed"),
            max: arguments.number("max").unwrap_or(CLIENTS),
            keys: KeyChoices(arguments.keys(KEYS.word).map(KeyChoice::from).collect()),
            open: arguments.flag("open"),
            change: Change::from_arguments(arguments),
        }
    }
}

fn start(session: Handle, arguments: Arguments, context: Context) -> Job {
    let options = LinkOptions::from_arguments(&arguments);
    Box::pin(async move { run(session, options, &context).await })
}

async fn run(session: Handle, options: LinkOptions, context: &Context) -> Result<Outcome, Failure> {
    let LinkOptions { transport, port, change, .. } = options;
    change.check(transport == Transport::Tcp)?;
    let target = server_behind(transport, options.target, options.target_transport)?;
    let bound = bind(transport, Bind::Loopback, port)
        .map_err(|failure| held_by_us(failure, context, transport, port))?;
    let address = bound.address().map_err(|error| Failure::io(&error, "link"))?;
    let [up, down] = change.applied([Profile::default(); 2]);
    let keys = keyring(&session, &options.keys, context)?;
    let whom = match (keys.is_some(), options.open) {
        (true, _) => ", for those with a key",
        (false, true) => ", for all users of this machine",
        (false, false) => "",
    };
    let control = RelayControl::new(up, down, transport == Transport::Tcp, keys);
    let seed = options.seed.unwrap_or(context.seed);
    session.listens_at(
        Listening { address: ListenAddress::Socket(address), carrier: transport.into(), service: None },
        "link",
    );
    let none = [("seed", Value::count(seed)), ("troubles", Value::count(0)), ("held", Value::count(0))];
    session.set_all(none.into_iter().chain(counts(Counts::default(), Counts::default())));
    session.set_control(control.clone());
    session.set_peer(format!("{transport} {target}"));
    session.log(
        "listening",
        format!("link {transport} {} to {target}{whom}: {}", show(address), describe(control.profiles())),
    );
    session.running("listening");
    let (ring, name, max) = (session.ring(), session.name().unwrap_or_default(), options.max as usize);
    let watch = Arc::new(Watcher { session: session.clone(), guests: Mutex::default() });
    let open = options.open;
    let relay = Relay { target, control, watch, ring, seed, name, max, open };
    tokio::select! {
        () = session.cancelled() => {}
        result = relay.run(bound) => result?,
    }
    Ok(Outcome::new(format!("closed link {transport} {}", show(address)), Vec::new()))
}

/// The keys of those who may pass, which the field `key` names; `None`: all may.
fn keyring(session: &Handle, choices: &KeyChoices, context: &Context) -> Result<Option<Keyring>, Failure> {
    if choices.0.is_empty() {
        session.set("key", Value::text(""));
        return Ok(None);
    }
    is_built_in()?;
    let read = choices.resolve(&context.directory, &context.secrets)?;
    let keys = read.into_iter().map(|NamedKey { name, key }| ClientKey { name: name.into(), key });
    // Not that of the session: with it all of the relay ends, and nobody's key was revoked.
    let keys = Keyring::new(keys.collect(), CancellationToken::new());
    session.set("key", Value::text(keys.names().join(",")));
    Ok(Some(keys))
}

/// The server behind the link.
///
/// # Errors
/// It is missing, or speaks another transport.
fn server_behind(
    transport: Transport,
    target: Option<Endpoint>,
    target_transport: Option<Transport>,
) -> Result<Endpoint, Failure> {
    let target = target.ok_or_else(errors::link_target_missing)?;
    match target_transport.filter(|behind| *behind != transport) {
        Some(behind) => Err(errors::transport_mismatch(transport, behind)),
        None => Ok(target),
    }
}

/// What a link does to packets (up, down), in the words of the command.
pub fn describe([up, down]: [Profile; 2]) -> String {
    let words = [("up", up), ("down", down)].map(|(way, profile)| (way, in_words(profile)));
    match words {
        [(_, up), (_, down)] if up == down && up.is_empty() => "everything passes".into(),
        [(_, up), (_, down)] if up == down => up,
        both => {
            let both = both.into_iter().filter(|(_, words)| !words.is_empty());
            both.map(|(way, words)| format!("{way}: {words}")).collect::<Vec<_>>().join("; ")
        }
    }
}

fn in_words(profile: Profile) -> String {
    let share =
        |name: &str, share: f64| (share > 0.0).then(|| format!("{name} {}%", (share * 1e6).round() / 1e4));
    let time = |name: &str, time: Duration| {
        (!time.is_zero()).then(|| format!("{name} {}", quantity::show_duration(time)))
    };
    let words = [
        share("loss", profile.loss),
        (profile.burst > 1.0).then(|| format!("burst {}", profile.burst)),
        time("delay", profile.delay),
        time("jitter", profile.jitter),
        share("reorder", profile.reorder),
        share("dup", profile.duplicate),
        share("corrupt", profile.corrupt),
        (profile.rate > 0).then(|| format!("rate {}", quantity::show_bits(profile.rate))),
        (profile.queue > 0).then(|| format!("queue {}", quantity::show_size(profile.queue as u64))),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Packets that were lost, including those that found the queue full.
fn dropped(up: Counts, down: Counts) -> u64 {
    up.dropped + down.dropped + up.queue_dropped + down.queue_dropped
}

/// The counters of both directions, added up.
fn counts(up: Counts, down: Counts) -> Fields {
    vec![
        ("forwarded", Value::count(up.forwarded + down.forwarded)),
        ("dropped", Value::count(dropped(up, down))),
        ("queue_dropped", Value::count(up.queue_dropped + down.queue_dropped)),
        ("duplicated", Value::count(up.duplicated + down.duplicated)),
        ("reordered", Value::count(up.reordered + down.reordered)),
        ("corrupted", Value::count(up.corrupted + down.corrupted)),
    ]
}

/// Reports to the session what the relay does.
struct Watcher {
    session: Handle,
    guests: Mutex<HashMap<Flow, ClientEntry>>,
}

impl Watch for Watcher {
    fn counts(&self, up: Counts, down: Counts, held: usize) {
        self.session.set("held", Value::count(held as u64));
        self.session.set_bytes(up.bytes_in + down.bytes_in, up.bytes_out + down.bytes_out);
        self.session.set_all(counts(up, down));
        self.session.set_dropped(dropped(up, down));
    }

    fn joined(&self, flow: Flow, client: String) {
        self.session.log("client", format!("{client} connected"));
        let guest = ClientEntry::new(&self.session, client);
        guest.does("passes through");
        self.guests.lock().unwrap_or_else(PoisonError::into_inner).insert(flow, guest);
    }

    fn left(&self, flow: Flow) {
        if let Some(guest) = self.guests.lock().unwrap_or_else(PoisonError::into_inner).remove(&flow) {
            self.session.log("client", format!("{guest} left"));
        }
    }

    fn note(&self, what: &'static str, text: String) {
        self.session.log(what, text);
    }

    fn trouble(&self, why: String) {
        self.session.tell("trouble", why);
        self.session.add("troubles", 1);
    }
}
