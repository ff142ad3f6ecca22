//! A bad network in front of a server: what comes from one side leaves on the other as [`crate::link`] decides. One
//! task owns the link; readers of each side feed it.

mod tcp;
mod udp;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};

use super::alarm::Alarm;
use super::{Bound, clock};
use crate::base::{Endpoint, Time};
use crate::link::{Counts, Direction, Link, Profile};
use crate::report::Failure;

/// Packets that wait for the link's task: more wait in the system's buffers.
const ARRIVALS: usize = 4096;
/// Bytes of datagrams on their way in one direction; what is over is dropped as by a full queue. Streams have a bound of
/// their own, for each client.
const FLYING_LIMIT: usize = 64 << 20;
/// Counts are told so often.
const TELL_EVERY: Duration = Duration::from_millis(20);

/// Somebody behind the link.
pub type Flow = u64;

/// What a link does, up (to the server) and down; may change while it runs.
#[derive(Debug, Default)]
pub struct Control {
    profiles: Mutex<[Profile; 2]>,
    changed: Notify,
    /// It carries a stream: nothing may be lost, doubled or overtaken.
    lossless: bool,
}

impl Control {
    pub fn new(up: Profile, down: Profile, lossless: bool) -> Arc<Self> {
        let control = Self { profiles: Mutex::default(), changed: Notify::new(), lossless };
        control.change(|profiles| *profiles = [up, down]);
        Arc::new(control)
    }

    pub const fn is_lossless(&self) -> bool {
        self.lossless
    }

    /// Changes what happens from the next packet on.
    pub fn change(&self, change: impl FnOnce(&mut [Profile; 2])) {
        let mut profiles = self.profiles.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut profiles);
        if self.lossless {
            for profile in profiles.iter_mut() {
                let Profile { corrupt, delay, jitter, rate, .. } = *profile;
                *profile = Profile { corrupt, delay, jitter, rate, ..Profile::default() };
            }
        }
        drop(profiles);
        self.changed.notify_one();
    }

    pub fn profiles(&self) -> [Profile; 2] {
        *self.profiles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who hears what happens.
pub trait Watch: Send + Sync + 'static {
    fn counts(&self, up: Counts, down: Counts);
    fn joined(&self, flow: Flow, client: String);
    fn left(&self, flow: Flow);
    /// Something that its user should know.
    fn trouble(&self, why: String);
}

/// What the relay is.
pub struct Relay {
    pub target: Endpoint,
    pub control: Arc<Control>,
    pub watch: Arc<dyn Watch>,
    pub seed: u64,
    /// Names the draws: two links of one seed meet different fates.
    pub name: String,
    /// Most clients at once.
    pub max: usize,
}

/// Where packets leave.
enum Exit {
    /// The socket of the relay, to one of its clients.
    Client(Arc<UdpSocket>, std::net::SocketAddr),
    /// A connected socket.
    Server(Arc<UdpSocket>),
    /// A stream: its writer takes them.
    Stream(mpsc::UnboundedSender<Piece>),
}

/// Bytes of a stream hold a place as long as they are on their way; an empty piece is the end.
struct Piece {
    bytes: Bytes,
    _place: Option<Arc<OwnedSemaphorePermit>>,
}

/// What the readers say.
enum Arrival {
    Joined { flow: Flow, client: String, up: Exit, down: Exit },
    Packet { direction: Direction, flow: Flow, bytes: Bytes, place: Option<OwnedSemaphorePermit> },
    Left(Flow),
    Trouble(String),
}

/// Which packet this is: whose, and what it holds.
#[derive(Clone)]
struct Tag {
    flow: Flow,
    place: Option<Arc<OwnedSemaphorePermit>>,
}

/// The link, and who is connected over it.
struct Engine {
    watch: Arc<dyn Watch>,
    control: Arc<Control>,
    up: Link<Tag>,
    down: Link<Tag>,
    exits: HashMap<Flow, [Exit; 2]>,
    told: [Counts; 2],
    tell_at: Time,
}

impl Relay {
    /// Runs until it is dropped, or cannot go on.
    ///
    /// # Errors
    /// The name of the server cannot be found, or the socket failed for good.
    pub async fn run(self, bound: Bound) -> Result<(), Failure> {
        let addresses = super::resolve::resolve(&self.target).await?;
        let (arrivals, mut arrived) = mpsc::channel(ARRIVALS);
        let [up, down] = self.control.profiles();
        let bound_bytes = if self.control.is_lossless() { usize::MAX } else { FLYING_LIMIT };
        let mut engine = Engine {
            watch: self.watch,
            control: self.control,
            up: Link::new(up, self.seed, &self.name, Direction::Up).bounded(bound_bytes),
            down: Link::new(down, self.seed, &self.name, Direction::Down).bounded(bound_bytes),
            exits: HashMap::new(),
            told: [Counts::default(); 2],
            tell_at: Time::ZERO,
        };
        let reading = async {
            match bound {
                Bound::Udp(socket) => udp::read(socket, addresses, self.max, arrivals).await,
                Bound::Tcp(listener) => tcp::read(listener, addresses, self.max, arrivals).await,
            }
        };
        tokio::select! {
            result = reading => result,
            () = engine.run(&mut arrived) => Ok(()),
        }
    }
}

impl Engine {
    async fn run(&mut self, arrived: &mut mpsc::Receiver<Arrival>) {
        let (mut alarm, control) = (Alarm::new(), self.control.clone());
        loop {
            let wake = self.deadline();
            tokio::select! {
                arrival = arrived.recv() => match arrival {
                    Some(arrival) => self.take(arrival),
                    None => return,
                },
                () = alarm.at(wake.unwrap_or_default()), if wake.is_some() => {}
                () = control.changed.notified() => {
                    let [up, down] = control.profiles();
                    self.up.set_profile(up);
                    self.down.set_profile(down);
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

    fn deadline(&self) -> Option<Time> {
        let counts = [self.up.counts(), self.down.counts()];
        let tell = (counts != self.told).then_some(self.tell_at);
        [self.up.deadline(), self.down.deadline(), tell].into_iter().flatten().min()
    }

    fn take(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Joined { flow, client, up, down } => {
                self.exits.insert(flow, [up, down]);
                self.watch.joined(flow, client);
            }
            Arrival::Packet { direction, flow, bytes, place } => {
                let tag = Tag { flow, place: place.map(Arc::new) };
                match direction {
                    Direction::Up => self.up.offer(clock::now(), tag, bytes),
                    Direction::Down => self.down.offer(clock::now(), tag, bytes),
                }
            }
            Arrival::Left(flow) => {
                self.exits.remove(&flow);
                self.watch.left(flow);
            }
            Arrival::Trouble(why) => self.watch.trouble(why),
        }
    }

    fn deliver(&mut self) {
        let now = clock::now();
        for (side, link) in [&mut self.up, &mut self.down].into_iter().enumerate() {
            while let Some((tag, bytes)) = link.poll(now) {
                let Some(exits) = self.exits.get(&tag.flow) else { continue };
                // What the system does not take is lost, as on any network.
                match &exits[side] {
                    Exit::Client(socket, client) => drop(socket.try_send_to(&bytes, *client)),
                    Exit::Server(socket) => drop(socket.try_send(&bytes)),
                    Exit::Stream(writer) => drop(writer.send(Piece { bytes, _place: tag.place })),
                }
            }
        }
    }

    fn tell(&mut self) {
        let counts = [self.up.counts(), self.down.counts()];
        let now = clock::now();
        if counts != self.told && now >= self.tell_at {
            self.watch.counts(counts[0], counts[1]);
            (self.told, self.tell_at) = (counts, now + TELL_EVERY);
        }
    }
}
