//! The members of a room, whose turn it is, and who receives which message. No sockets here.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use super::command::{self, HELP, Line};
use super::errors;
use super::protocol::Message;
use super::server::announcements::Announcements;
use super::server::flood::Buckets;
use super::server::outbox::{AT_REST, BUSY, Outbox, Queue, calm};
use super::text::HOST;
use super::text::{check, look, unique};
use super::turn::{Stamp, TurnError, Turns};
use crate::base::escape::escape_line;
use crate::base::{Transport, Value};
use crate::report::Failure;
use crate::session::Handle;

/// How long the host waits for clients whose queue is full, before it drops them.
const GRACE: Duration = Duration::from_millis(100);
/// Events within this time are announced together (faults.md row 83).
const NEWS_DELAY: Duration = Duration::from_millis(100);
/// Maximum names shown; more are only counted.
const SHOWN_NAMES: usize = 50;

struct Member {
    turns: Turns,
    /// Ids of the host's messages that the client has not confirmed (faults.md row 85).
    unconfirmed: BTreeSet<u64>,
    outbox: Outbox,
    /// A client that reconnects proves with this token that it is the same.
    token: u64,
    messages: u64,
    /// It has said nothing yet, and may never: it hears everything, and nobody is told of it.
    is_silent: bool,
}

#[derive(Default)]
struct Members {
    by_name: BTreeMap<String, Member>,
    /// What the members' names look like.
    taken: HashSet<String>,
    sent: u64,
    received: u64,
}

/// Settings of a room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) transport: Transport,
    /// No turns (`turns off`): everybody may speak at any time.
    pub(super) free: bool,
    /// A conversation between two: it ends when the client leaves.
    pub(super) for_two: bool,
    /// Clients receive each other's messages.
    pub(super) relay: bool,
}

pub(super) struct Room {
    pub(super) rules: Rules,
    members: Mutex<Members>,
    /// Events that are not announced yet, and when they are due.
    news: Mutex<Option<(Instant, Announcements)>>,
    has_news: Notify,
    /// Changes with those who are there.
    attendance: watch::Sender<()>,
    pub(super) buckets: Buckets,
    /// Those who wait until they may speak, and those of them who say much.
    speakers: Semaphore,
    talkers: Semaphore,
}

/// A client that has joined.
pub(super) struct Admitted {
    pub(super) name: String,
    pub(super) token: u64,
    pub(super) queue: Queue,
    /// True if it replaced its own lost connection.
    pub(super) again: bool,
}

impl Room {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            members: Mutex::default(),
            news: Mutex::default(),
            has_news: Notify::new(),
            attendance: watch::Sender::default(),
            buckets: Buckets::default(),
            speakers: Semaphore::new(1),
            talkers: Semaphore::new(1),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a member under this name, or with a number added if it is taken. A client with the token of a member
    /// replaces that member (faults.md row 84).
    pub(super) fn enter(&self, name: &str, proof: u64) -> Admitted {
        let admitted = self.admit(name, proof, false);
        if !admitted.again {
            self.announce(|news| news.joined.push(admitted.name.clone()));
        }
        admitted
    }

    /// Adds a member of whom nobody is told before [`Self::appear`].
    pub(super) fn enter_silently(&self, name: &str) -> Admitted {
        self.admit(name, 0, true)
    }

    /// A silent member has begun to speak: from now on it is there for everybody.
    pub(super) fn appear(&self, name: &str, token: u64) {
        match self.lock().member(name, token) {
            Some(member) => member.is_silent = false,
            None => return,
        }
        self.announce(|news| news.joined.push(name.to_owned()));
    }

    fn admit(&self, name: &str, proof: u64, is_silent: bool) -> Admitted {
        let (outbox, queue) = Outbox::new();
        let token = u64::from_be_bytes(crate::net::random::random()).max(1);
        let mut members = self.lock();
        let again = proof != 0 && members.by_name.get(name).is_some_and(|member| member.token == proof);
        let name = if again { name.to_owned() } else { members.take_name(name) };
        let turns = Turns::new(self.rules.free);
        let member = Member { turns, unconfirmed: BTreeSet::new(), outbox, token, messages: 0, is_silent };
        if let Some(ghost) = members.by_name.insert(name.clone(), member) {
            ghost.outbox.kick();
        }
        drop(members);
        Admitted { name, token, queue, again }
    }

    /// Removes a member. Returns the number of messages that it has not confirmed; `None` if another connection has
    /// taken its place.
    pub(super) fn leave(&self, name: &str, token: u64, how: &str) -> Option<usize> {
        let mut members = self.lock();
        if members.by_name.get(name).is_none_or(|member| member.token != token) {
            return None;
        }
        let member = members.by_name.remove(name)?;
        members.taken.remove(&look(name));
        drop(members);
        if !member.is_silent {
            self.announce(|news| news.left.push(format!("{name} {how}")));
        }
        Some(member.unconfirmed.len())
    }

    /// Renames a member and returns its name from now on: with a number added if `name` is taken, `before` if another
    /// connection has taken its place.
    pub(super) fn rename(&self, before: &str, token: u64, name: &str) -> String {
        let mut members = self.lock();
        if members.member(before, token).is_none() {
            return before.to_owned();
        }
        let Some(member) = members.by_name.remove(before) else { return before.to_owned() };
        members.taken.remove(&look(before));
        let name = members.take_name(name);
        members.by_name.insert(name.clone(), member);
        drop(members);
        self.announce(|news| news.renamed.push(format!("{before} is now {name}")));
        name
    }

    /// Each member, with the number of messages it has sent.
    pub(super) fn members(&self) -> Vec<(String, u64)> {
        let members = self.lock();
        members.seen().map(|(name, member)| (name.clone(), member.messages)).collect()
    }

    /// The members' names, at most `SHOWN_NAMES` of them, and how many more there are.
    pub(super) fn present(&self) -> (Vec<String>, usize) {
        let members = self.lock();
        let names = members.seen().map(|(name, _)| name.clone()).take(SHOWN_NAMES).collect::<Vec<_>>();
        let more = members.seen().count() - names.len();
        (names, more)
    }

    /// The same in one text.
    pub(super) fn names(&self) -> String {
        match self.present() {
            (shown, 0) => shown.join(", "),
            (shown, more) => format!("{} and {more} others", shown.join(", ")),
        }
    }

    /// Tells when somebody came, left or took another name.
    pub(super) fn attendance(&self) -> watch::Receiver<()> {
        self.attendance.subscribe()
    }

    /// True if the member may say something now; `None` if it is not there any more.
    pub(super) fn may_speak(&self, name: &str, token: u64) -> Option<bool> {
        self.lock().member(name, token).map(|member| member.turns.is_theirs())
    }

    pub(super) fn show_members(&self, session: &Handle) {
        session.set("peer", Value::text(self.names()));
    }

    pub(super) fn confirmed(&self, name: &str, token: u64, id: u64) {
        if let Some(member) = self.lock().member(name, token) {
            member.unconfirmed.remove(&id);
        }
    }

    /// Sends a message of the host to everybody whose turn allows it, or with `@name` to one member.
    pub(super) async fn say(&self, session: &Handle, text: &str) -> Result<(), Failure> {
        let (name, text) = match command::read(text)? {
            Line::Say(text) => (None, text),
            Line::Whisper(name, text) => (Some(name), text),
            Line::Who => {
                session.noticed(&format!("here: {}", self.names()));
                return Ok(());
            }
            Line::Help => {
                session.noticed(HELP);
                return Ok(());
            }
            Line::Name(_) | Line::Quit => {
                return Err(errors::command_for_clients(&session.label()));
            }
        };
        check(text, self.rules.transport)?;
        let (full, sent) = self.queue_message(session, name, text)?;
        session.set("sent", Value::count(sent));
        // Everybody else has the message. A kicked client is closed by its own task.
        let until = Instant::now() + GRACE;
        for (outbox, message) in full {
            if tokio::time::timeout_at(until, outbox.put_later(message, text.len())).await.is_err() {
                outbox.kick();
            }
        }
        Ok(())
    }

    /// Queues a message of the host for one member, or with `None` for everybody whose turn allows it. Returns those
    /// whose queue is full, and the number of messages so far.
    fn queue_message(
        &self,
        session: &Handle,
        name: Option<&str>,
        text: &str,
    ) -> Result<(Vec<(Outbox, Message)>, u64), Failure> {
        let mut members = self.lock();
        let mut full = Vec::new();
        // Under the lock, like clients' messages: each client must receive the ids in order.
        for (outbox, message) in members.address(name, text)? {
            session.count_out(text.len() as u64);
            match outbox.put(message, text.len()) {
                Ok(()) => {}
                Err(_) if self.rules.relay => outbox.kick(),
                Err(message) => full.push((outbox, message)),
            }
        }
        members.sent += 1;
        Ok((full, members.sent))
    }

    /// A message from a text client, which sends no numbers: its stamp is made here.
    pub(super) fn heard_plain(
        &self,
        session: &Handle,
        (name, token): (&str, u64),
        text: &str,
    ) -> Result<(), TurnError> {
        let stamp = self.lock().member(name, token).map(|member| member.turns.stamp_of_plain());
        self.heard(session, (name, token), stamp.ok_or(TurnError::Impossible)?, text)
    }

    /// Checks a client's message against the turns. A valid one is shown to the host, and with `relay` sent to all
    /// others.
    pub(super) fn heard(
        &self,
        session: &Handle,
        (name, token): (&str, u64),
        stamp: Stamp,
        text: &str,
    ) -> Result<(), TurnError> {
        self.introduce(name);
        let received = {
            let mut members = self.lock();
            let member = members.member(name, token).ok_or(TurnError::Impossible)?;
            member.turns.receive(stamp)?;
            member.messages += 1;
            members.received += 1;
            if self.rules.relay {
                members.relay(name, text);
            }
            members.received
        };
        session.count_in(text.len() as u64);
        let text = escape_line(text).into_owned();
        session.set_all([("received", Value::count(received)), ("last", Value::text(text.clone()))]);
        session.heard(name, &text);
        Ok(())
    }

    /// Passes a private message from one client to another, or to the host. It uses up nobody's turn.
    pub(super) fn whisper(&self, session: &Handle, from: &str, to: &str, text: &str) -> Result<(), Failure> {
        let author = format!("{from}, to you");
        if to == HOST {
            session.count_in(text.len() as u64);
            session.heard(&author, &escape_line(text));
            return Ok(());
        }
        if !self.rules.relay {
            return Err(errors::no_relay());
        }
        let mut members = self.lock();
        let Some(member) = members.by_name.get_mut(to) else {
            drop(members);
            return Err(errors::no_such_member(to, &self.names()));
        };
        let Stamp { id, seen } = member.turns.relay();
        let message = Message::Relayed { id, seen, from: author, text: text.to_owned() };
        if member.outbox.put(message, text.len()).is_err() {
            member.outbox.kick();
        }
        Ok(())
    }

    /// Resolves when those who read have room for more of what clients say to each other. One that reads nothing is not
    /// waited for: its queue fills, and it is dropped (faults.md row 82). Who says much, or has of late, waits until
    /// almost all is read, in a row of its own: a burst of many delays nobody else.
    pub(super) async fn turn_to_speak(&self, is_much: bool) {
        if !self.rules.relay {
            return;
        }
        let (row, limit) = if is_much { (&self.talkers, AT_REST) } else { (&self.speakers, BUSY) };
        // One at a time: all that wait for calm would speak at once when it comes.
        let _turn = row.acquire().await;
        calm(limit, || self.lock().by_name.values().map(|member| member.outbox.clone()).collect()).await;
    }

    fn announce(&self, note: impl FnOnce(&mut Announcements)) {
        self.attendance.send_replace(());
        if self.rules.relay {
            let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
            note(&mut news.get_or_insert_with(|| (Instant::now() + NEWS_DELAY, Announcements::default())).1);
            self.has_news.notify_one();
        }
    }

    /// Resolves when an announcement is due. Cancel-safe.
    pub(super) async fn news_are_due(&self) {
        loop {
            let due = self.news.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(due, _)| *due);
            match due {
                Some(due) => return tokio::time::sleep_until(due).await,
                None => self.has_news.notified().await,
            }
        }
    }

    /// Whoever speaks has joined for everybody who hears it.
    fn introduce(&self, name: &str) {
        let news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = news.as_ref().is_some_and(|(_, news)| news.joined.iter().any(|joined| joined == name));
        drop(news);
        if is_new {
            self.tell_news();
        }
    }

    /// Announces the collected events to everybody.
    pub(super) fn tell_news(&self) {
        let news = self.news.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((_, news)) = news else { return };
        let lines = news.lines();
        for member in self.lock().by_name.values() {
            for line in &lines {
                // A member whose queue is full misses the notice.
                drop(member.outbox.put(Message::Notice { text: line.clone() }, line.len()));
            }
        }
    }
}

impl Members {
    /// The member of this name, unless another connection has taken its place.
    fn member(&mut self, name: &str, token: u64) -> Option<&mut Member> {
        self.by_name.get_mut(name).filter(|member| member.token == token)
    }

    /// Those that others are told of.
    fn seen(&self) -> impl Iterator<Item = (&String, &Member)> {
        self.by_name.iter().filter(|(_, member)| !member.is_silent)
    }

    fn take_name(&mut self, name: &str) -> String {
        let name = unique(name, |taken| self.taken.contains(taken));
        self.taken.insert(look(&name));
        name
    }

    /// Queues a client's message for all others; a member whose queue is full is dropped at once (faults.md row 82).
    fn relay(&mut self, from: &str, text: &str) {
        for (_, member) in self.by_name.iter_mut().filter(|(name, _)| *name != from) {
            let Stamp { id, seen } = member.turns.relay();
            let message = Message::Relayed { id, seen, from: from.to_owned(), text: text.to_owned() };
            if member.outbox.put(message, from.len() + text.len()).is_err() {
                member.outbox.kick();
            }
        }
    }

    /// Stamps a message of the host for `name`, or for everybody, as far as their turns allow it now.
    fn address(&mut self, name: Option<&str>, text: &str) -> Result<Vec<(Outbox, Message)>, Failure> {
        if self.by_name.is_empty() {
            return Err(errors::empty_room());
        }
        let known: Vec<String> = self.seen().map(|(name, _)| name.clone()).collect();
        if let Some(name) = name.filter(|name| !self.by_name.contains_key(*name)) {
            return Err(errors::no_such_member(name, &known.join(", ")));
        }
        let mut messages = Vec::new();
        for (_, member) in self.by_name.iter_mut().filter(|(n, _)| name.is_none_or(|name| name == n.as_str()))
        {
            if let Some(Stamp { id, seen }) = member.turns.send() {
                member.unconfirmed.insert(id);
                messages.push((member.outbox.clone(), Message::Say { id, seen, text: text.into() }));
            }
        }
        if messages.is_empty() {
            return Err(errors::not_your_turn(name.unwrap_or(if known.len() == 1 {
                &known[0]
            } else {
                "everybody else"
            })));
        }
        Ok(messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(relay: bool) -> Room {
        Room::new(Rules { transport: Transport::Tcp, free: false, for_two: false, relay })
    }

    #[test]
    fn row_81_names_are_unique_whatever_their_case_and_free_again_afterwards() {
        let room = room(false);
        let (ann, other) = (room.enter("Ann", 0), room.enter("ann", 0));
        assert_eq!((ann.name.as_str(), other.name.as_str()), ("Ann", "ann-2"));
        room.leave("Ann", ann.token, "left");
        assert_eq!(room.rename("ann-2", other.token, "ANN"), "ANN");
        // Cyrillic, and in full width.
        let (third, fourth) = (room.enter("АИИ", 0), room.enter("ａｎｎ", 0));
        assert_eq!((third.name.as_str(), fourth.name.as_str()), ("АИИ", "ａｎｎ-2"));
        assert_eq!(room.enter("аии", 0).name, "аии-2");
        assert_eq!(room.leave("ANN", other.token, "left"), Some(0));
        assert_eq!(room.enter("ann", 0).name, "ann");
    }

    #[test]
    fn row_84_a_ghost_is_replaced_by_who_has_its_token_and_by_nobody_else() {
        let room = room(true);
        let ghost = room.enter("ann", 0);
        let stranger = room.enter("ann", ghost.token + 1);
        assert_eq!((stranger.name.as_str(), stranger.again), ("ann-2", false));
        let again = room.enter("ann", ghost.token);
        assert!(again.again && again.name == "ann" && again.token != ghost.token);
        assert_eq!(room.leave("ann", ghost.token, "left"), None, "the ghost takes nobody with it");
        assert_eq!(room.rename("ann", ghost.token, "zoe"), "ann", "nor does it rename anybody");
        assert_eq!(room.names(), "ann, ann-2");
        assert_eq!(room.leave("ann", again.token, "left"), Some(0));
    }

    #[test]
    fn row_83_a_thousand_that_join_are_announced_in_one_line() {
        let room = room(true);
        let entries: Vec<Admitted> = (0..1000).map(|_| room.enter("guest", 0)).collect();
        assert_eq!(entries[999].name, "guest-1000");
        let news = room.news.lock().unwrap().as_ref().unwrap().1.lines();
        assert_eq!(news, ["guest, guest-2, guest-3 and 997 others joined"]);
    }

    #[test]
    fn row_110_who_says_nothing_is_not_announced_and_hears_everything() {
        let room = room(true);
        let ann = room.enter("ann", 0);
        room.tell_news();
        let mut silent = room.enter_silently("guest");
        room.tell_news();
        assert_eq!((room.names().as_str(), room.members().len()), ("ann", 1));
        room.lock().relay("ann", "hello");
        let heard = silent.queue.try_next().unwrap();
        assert!(matches!(heard, Message::Relayed { .. }), "{heard:?}");
        room.leave(&silent.name, silent.token, "left");
        assert!(room.news.lock().unwrap().is_none(), "nor does anybody hear that it left");
        let other = room.enter_silently("guest");
        room.appear(&other.name, other.token);
        assert_eq!(room.news.lock().unwrap().as_ref().unwrap().1.lines(), ["guest joined"]);
        assert_eq!(room.names(), "ann, guest");
        room.leave(&ann.name, ann.token, "left");
    }

    #[test]
    fn a_member_knows_when_it_may_speak() {
        let room = room(true);
        let (ann, ben) = (room.enter("ann", 0), room.enter("ben", 0));
        let may = |member: &Admitted| room.may_speak(&member.name, member.token);
        assert_eq!(may(&ann), Some(true));
        let stamp = room.lock().member("ann", ann.token).unwrap().turns.stamp_of_plain();
        room.lock().member("ann", ann.token).unwrap().turns.receive(stamp).unwrap();
        assert_eq!(may(&ann), Some(false));
        room.lock().relay(&ben.name, "an answer");
        assert_eq!(may(&ann), Some(true));
        room.leave("ann", ann.token, "left");
        assert_eq!(may(&ann), None);
    }
}
