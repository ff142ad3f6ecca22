//! A relay that emulates a bad network in front of a server: packets are forwarded, delayed or dropped as
//! [`crate::link`] decides. One task owns the link; readers on each side feed it.
//!
//! | file | holds |
//! |---|---|
//! | `udp`, `tcp` | the readers, and the ways out |
//! | `control` | the settings of a link, which may be changed while it runs |
//! | `gate` | who may pass a link with keys |
//! | `by_hand` | packets that are held back, and let go or dropped by hand |

mod by_hand;
mod control;
mod gate;
mod tcp;
mod udp;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use self::by_hand::Came;
pub use self::by_hand::{Flow, Waiting};
pub use self::control::RelayControl;
use self::gate::{Gate, Passing, Whom};
use super::clock::timer::Timer;
use super::connection::record::SharedRing;
use super::connection::tap::{Part, Tapped};
use super::{Bound, clock};
use crate::base::{Endpoint, Time};
use crate::link::{Counts, Direction, Handled, Link, Verdict};
use crate::record::{Fate, PacketEvent, Way, summarize};
use crate::report::Failure;

/// Packets queued for the link's task; further ones wait in the kernel's buffers.
const ARRIVALS: usize = 4096;
/// Maximum bytes of datagrams in flight in one direction; the excess is dropped as by a full queue. Streams have their
/// own limit for each client.
const FLYING_LIMIT: usize = 64 << 20;
/// Minimum interval between reports of the counts.
const TELL_EVERY: Duration = Duration::from_millis(20);

/// Receives the events of a relay.
pub trait Watch: Send + Sync + 'static {
    /// The counts changed; called at intervals, not for each packet. `held`: the packets that wait.
    fn counts(&self, up: Counts, down: Counts, held: usize);
    /// A client connected; `client` is its address.
    fn joined(&self, flow: Flow, client: String);
    /// A client disconnected, or was idle for too long.
    fn left(&self, flow: Flow);
    /// Something for the log: what it is about, and the text.
    fn note(&self, what: &'static str, text: String);
    /// A problem that the user should know of.
    fn trouble(&self, why: String);
}

/// A relay that has not started yet.
pub struct Relay {
    /// The server.
    pub target: Endpoint,
    /// The profiles, which may be changed while the relay runs.
    pub control: Arc<RelayControl>,
    pub watch: Arc<dyn Watch>,
    /// Where it is noted what happens to each packet.
    pub ring: SharedRing,
    /// Seed of the random decisions.
    pub seed: u64,
    /// Part of the seed: two links with the same seed decide differently.
    pub name: String,
    /// Maximum number of clients at the same time.
    pub max: usize,
    /// Every user of this machine may pass, not only the one who started it (faults.md row 112).
    pub open: bool,
}

/// Where packets are sent when they leave the link.
enum PacketOut {
    /// To a client, through the relay's socket.
    Client(Arc<UdpSocket>, SocketAddr),
    /// To the server, through a connected socket.
    Server(Arc<UdpSocket>),
    /// To the task that writes to a TCP stream, between these addresses: the relay's and the peer's.
    Stream(mpsc::UnboundedSender<Chunk>, (SocketAddr, SocketAddr)),
}

/// Bytes of a stream, which hold their permits while in flight; an empty piece is the end of the stream.
struct Chunk {
    bytes: Bytes,
    _place: Option<Arc<OwnedSemaphorePermit>>,
}

/// From the readers to the link's task.
enum PacketIn {
    Joined {
        flow: Flow,
        client: String,
        up: PacketOut,
        down: PacketOut,
    },
    Packet {
        direction: Direction,
        flow: Flow,
        bytes: Bytes,
        place: Option<OwnedSemaphorePermit>,
    },
    Left(Flow),
    /// For the log: what it is about, and the text.
    Note(&'static str, String),
    Trouble(String),
}

/// What the link keeps with each packet: its client and its permits.
#[derive(Clone)]
struct Tag {
    flow: Flow,
    place: Option<Arc<OwnedSemaphorePermit>>,
}

/// The link's task: both directions, and the clients connected over them.
struct Engine {
    watch: Arc<dyn Watch>,
    control: Arc<RelayControl>,
    up: Link<Tag>,
    down: Link<Tag>,
    exits: HashMap<Flow, [PacketOut; 2]>,
    /// The counts and the number of held packets that were told last.
    told: ([Counts; 2], usize),
    tell_at: Time,
    ring: SharedRing,
}

/// Shows a packet to who looks: one that comes is seen at the side that it comes from, one that leaves at the other.
fn show(
    ring: &SharedRing,
    exits: &[PacketOut; 2],
    direction: Direction,
    (outgoing, part, event): (bool, Part<'_>, Option<PacketEvent>),
) {
    // What goes up leaves by the exit to the server, and came in where the exit to the client is.
    let up = direction == Direction::Up;
    let to_server = up == outgoing;
    let (exit, side) = if to_server { (&exits[0], 1) } else { (&exits[1], 0) };
    let ends = match exit {
        PacketOut::Client(socket, client) => socket.local_addr().map(|local| (local, *client)),
        PacketOut::Server(socket) => socket.local_addr().and_then(|local| Ok((local, socket.peer_addr()?))),
        PacketOut::Stream(_, ends) => Ok(*ends),
    };
    if let Ok((local, peer)) = ends {
        ring.tap().show(&Tapped { side, local, peer, outgoing, part, event });
    }
}

/// What a packet is to who looks; of a stream, an empty one is its end.
const fn part_of<'a>(exits: &[PacketOut; 2], bytes: &'a [u8]) -> Part<'a> {
    match (&exits[0], bytes) {
        (PacketOut::Stream(..), []) => Part::End,
        (PacketOut::Stream(..), bytes) => Part::Bytes(bytes),
        (_, bytes) => Part::Datagram(bytes),
    }
}

/// A client as it is shown.
fn named(peer: SocketAddr, passing: Option<&Passing>) -> String {
    let address = super::show(peer);
    passing.map_or(address.clone(), |passing| format!("{address} (key {})", passing.key))
}

/// A client of another user of this machine.
fn stranger(peer: SocketAddr) -> PacketIn {
    let why = "the link is for the user who started it; start it so: link … open";
    PacketIn::Note("refused", format!("{}: {why}", super::show(peer)))
}

/// A client's key was revoked.
fn revoked(client: &str) -> PacketIn {
    PacketIn::Note("revoked", format!("{client} is cut off: its key was revoked"))
}

/// What a link did to a packet. Over TCP, or with foreign datagrams, `flow` is the client.
fn event(now: Time, flow: Flow, direction: Direction, bytes: &Bytes, verdict: Verdict) -> PacketEvent {
    let seen = summarize(bytes);
    let way = if direction == Direction::Up { Way::Out } else { Way::In };
    let fate = match verdict {
        Verdict::Lost => Fate::LostByLink,
        Verdict::QueueFull => Fate::QueueFull,
        Verdict::Corrupted => Fate::Corrupted,
        Verdict::Doubled => Fate::Doubled,
        Verdict::HeldBack => Fate::HeldBack,
        Verdict::Passed => Fate::Passed,
    };
    let flow = if seen.flow == 0 { flow } else { seen.flow };
    PacketEvent { at: now, flow, way, fate, ..seen }
}

impl Relay {
    /// Runs until it is dropped or fails.
    ///
    /// # Errors
    /// The server's name cannot be resolved, or the socket failed permanently.
    pub async fn run(self, bound: Bound) -> Result<(), Failure> {
        let addresses = super::connect::resolve::resolve(&self.target).await?;
        let (arrivals, mut arrived) = mpsc::channel(ARRIVALS);
        let [up, down] = self.control.profiles();
        let whom = match self.control.keys().cloned() {
            Some(keys) => Whom::Keys(Gate::new(keys)),
            None if self.open => Whom::All,
            None => Whom::User,
        };
        let bound_bytes = if self.control.is_lossless() { usize::MAX } else { FLYING_LIMIT };
        let mut engine = Engine {
            watch: self.watch,
            control: self.control,
            up: Link::new(up, self.seed, &self.name, Direction::Up).bounded(bound_bytes),
            down: Link::new(down, self.seed, &self.name, Direction::Down).bounded(bound_bytes),
            exits: HashMap::new(),
            told: ([Counts::default(); 2], 0),
            tell_at: Time::ZERO,
            ring: self.ring,
        };
        let reading = async {
            match bound {
                Bound::Udp(socket) => udp::read(socket, addresses, (self.max, whom), arrivals).await,
                Bound::Tcp(listener) => {
                    let server = tcp::Server { target: self.target, addresses, whom };
                    tcp::read(listener, Arc::new(server), self.max, arrivals).await
                }
            }
        };
        tokio::select! {
            result = reading => result,
            () = engine.run(&mut arrived) => Ok(()),
        }
    }
}

impl Engine {
    async fn run(&mut self, arrived: &mut mpsc::Receiver<PacketIn>) {
        let (mut alarm, control) = (Timer::new(), self.control.clone());
        loop {
            let wake = self.deadline();
            tokio::select! {
                arrival = arrived.recv() => match arrival {
                    Some(arrival) => self.take(arrival),
                    None => return,
                },
                () = alarm.at(wake.unwrap_or_default()), if wake.is_some() => {}
                () = control.changed() => {
                    let [up, down] = control.profiles();
                    self.up.set_profile(up);
                    self.down.set_profile(down);
                    self.let_go();
                }
            }
            for _ in 0..ARRIVALS {
                let Ok(arrival) = arrived.try_recv() else { break };
                self.take(arrival);
            }
            self.deliver();
            self.tell();
        }
    }

    fn counts(&self) -> ([Counts; 2], usize) {
        ([self.up.counts(), self.down.counts()], self.control.held())
    }

    fn deadline(&self) -> Option<Time> {
        let tell = (self.counts() != self.told).then_some(self.tell_at);
        [self.up.deadline(), self.down.deadline(), tell].into_iter().flatten().min()
    }

    fn take(&mut self, arrival: PacketIn) {
        match arrival {
            PacketIn::Joined { flow, client, up, down } => {
                let exits = [up, down];
                if matches!(exits[0], PacketOut::Stream(..)) && self.ring.tap().is_on() {
                    // The client opened its side, and the relay the other.
                    show(&self.ring, &exits, Direction::Up, (false, Part::Open, None));
                    show(&self.ring, &exits, Direction::Up, (true, Part::Open, None));
                }
                self.exits.insert(flow, exits);
                self.watch.joined(flow, client);
            }
            PacketIn::Packet { direction, flow, bytes, place } => {
                let came = Came { direction, flow, bytes, place: place.map(Arc::new) };
                match self.control.by_hand().take(came) {
                    Handled::Passes(came) => self.carry(came),
                    // No byte of a stream may be lost: what does not fit any more ends the holding.
                    Handled::Dropped(came) if self.control.is_lossless() => {
                        self.control.release();
                        self.let_go();
                        self.carry(came);
                        self.watch.trouble("more came than can be held: everything was let go".into());
                    }
                    Handled::Dropped(came) => self.lose(came),
                    Handled::Held => {}
                }
            }
            PacketIn::Left(flow) => {
                self.exits.remove(&flow);
                self.watch.left(flow);
            }
            PacketIn::Note(what, text) => self.watch.note(what, text),
            PacketIn::Trouble(why) => self.watch.trouble(why),
        }
    }

    /// Offers a packet to the link.
    fn carry(&mut self, came: Came) {
        let Came { direction, flow, bytes, place } = came;
        let now = clock::now();
        let verdict = self.link(direction).offer(now, Tag { flow, place }, bytes.clone());
        self.note(event(now, flow, direction, &bytes, verdict), (flow, direction), &bytes);
    }

    /// Drops a packet by hand.
    fn lose(&mut self, came: Came) {
        let Came { direction, flow, bytes, .. } = came;
        self.link(direction).lose(bytes.len());
        self.note(event(clock::now(), flow, direction, &bytes, Verdict::Lost), (flow, direction), &bytes);
    }

    fn link(&mut self, direction: Direction) -> &mut Link<Tag> {
        if direction == Direction::Up { &mut self.up } else { &mut self.down }
    }

    fn note(&self, event: PacketEvent, place: (Flow, Direction), bytes: &Bytes) {
        self.ring.lock().push(event);
        if self.ring.tap().is_on() {
            self.show_that_it_came(place, bytes, event);
        }
    }

    /// Carries what was let go by hand, and drops what was dropped while it waited.
    fn let_go(&mut self) {
        while let Some(gone) = self.control.by_hand().next() {
            match gone {
                Handled::Passes(came) => self.carry(came),
                Handled::Dropped(came) => self.lose(came),
                Handled::Held => {}
            }
        }
    }

    fn deliver(&mut self) {
        let now = clock::now();
        for (side, link) in [&mut self.up, &mut self.down].into_iter().enumerate() {
            while let Some((tag, bytes)) = link.poll(now) {
                let Some(exits) = self.exits.get(&tag.flow) else { continue };
                if self.ring.tap().is_on() {
                    let direction = if side == 0 { Direction::Up } else { Direction::Down };
                    show(&self.ring, exits, direction, (true, part_of(exits, &bytes), None));
                }
                // What the kernel does not take is lost, as on any network.
                match &exits[side] {
                    PacketOut::Client(socket, client) => drop(socket.try_send_to(&bytes, *client)),
                    // Not by `try_send`, which takes nothing before the runtime has polled a new socket.
                    PacketOut::Server(socket) => drop(socket2::SockRef::from(&**socket).send(&bytes)),
                    PacketOut::Stream(writer, _) => drop(writer.send(Chunk { bytes, _place: tag.place })),
                }
            }
        }
    }

    /// Shows a packet that came to who looks.
    fn show_that_it_came(&self, (flow, direction): (Flow, Direction), bytes: &[u8], event: PacketEvent) {
        if let Some(exits) = self.exits.get(&flow) {
            show(&self.ring, exits, direction, (false, part_of(exits, bytes), Some(event)));
        }
    }

    fn tell(&mut self) {
        let ([up, down], held) = self.counts();
        let now = clock::now();
        if ([up, down], held) != self.told && now >= self.tell_at {
            self.watch.counts(up, down, held);
            (self.told, self.tell_at) = (([up, down], held), now + TELL_EVERY);
        }
    }
}
