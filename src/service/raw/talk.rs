//! A raw conversation: what comes is kept for expectations, what is said goes out. Both directions run at once, so that a
//! peer that does not read cannot stop what it sends.

use bytes::Bytes;
use tokio::sync::Mutex;

use super::answering::{self, Answering};
use super::options::Eol;
use super::shown::Shown;
use crate::base::{Carrier, Secrets, Value, quantity};
use crate::net::errors::cancelled;
use crate::net::raw::errors::already_finished;
use crate::net::raw::{RawConnection, Reader, Writer};
use crate::net::take_turns;
use crate::report::{Failure, Outcome};
use crate::service::contract::transcript::Transcript;
use crate::session::handlers::HandlerEvent;
use crate::session::{Handle, Order, Utterance};

/// How a session talks.
pub(super) struct Manner {
    pub(super) eol: Eol,
    pub(super) transcript: Option<Transcript>,
    /// After the peer has sent its end, this side may go on sending, until it finishes too.
    pub(super) stays: bool,
    /// The server whose client this is: bytes count there, too.
    pub(super) server: Option<Handle>,
    pub(super) secrets: Secrets,
}

/// What both directions write to.
struct Record {
    shown: Shown,
    transcript: Option<Transcript>,
}

struct Talk<'a> {
    session: &'a Handle,
    peer: String,
    carrier: Carrier,
    eol: Eol,
    server: Option<Handle>,
    record: Mutex<Record>,
}

/// Why the sending direction ended.
enum Sent {
    /// The end was sent.
    Finished,
    /// The connection is cut.
    Reset,
}

/// Talks until both sides have ended, or the session is stopped.
pub(super) async fn talk(
    session: &Handle,
    connection: RawConnection,
    manner: Manner,
) -> Result<Outcome, Failure> {
    let RawConnection { mut reader, mut writer, peer, carrier, facts, .. } = connection;
    let Manner { eol, transcript, stays, server, secrets } = manner;
    session.set_peer(peer.clone());
    session.reacts();
    session.set_all([
        ("transport", Value::text(carrier.word())),
        ("last", Value::text("")),
        ("answers", Value::count(0)),
    ]);
    session.set_all(facts);
    session.takes_bytes();
    session.running("connected");
    let record = Mutex::new(Record { shown: Shown::new(secrets), transcript });
    let talk = Talk { session, peer, carrier, eol, server, record };
    let result = tokio::select! {
        () = session.cancelled() => Err(cancelled()),
        result = talk.both_ways(&mut reader, &mut writer, stays) => result,
    };
    // What was said is on its way, unless the connection was cut.
    if !matches!(result, Ok(Sent::Reset)) {
        drop(writer.finish().await);
    }
    let mut record = talk.record.into_inner();
    record.shown.tell_skipped(session);
    let result = record.transcript.iter().fold(result, |result, transcript| transcript.check(result));
    let (came, left) = (quantity::show_size(session.bytes_in()), quantity::show_size(session.bytes_out()));
    result.map(|_| {
        Outcome::new(format!("closed {carrier} {}: {came} received, {left} sent", talk.peer), Vec::new())
    })
}

impl Talk<'_> {
    async fn both_ways(
        &self,
        reader: &mut Reader,
        writer: &mut Writer,
        stays: bool,
    ) -> Result<Sent, Failure> {
        let (due, waiting) = answering::queue();
        let whole = self.carrier == Carrier::UDP;
        let answers = Answering::new(self.session.clone(), self.server.clone(), whole, due);
        let mut receiving = std::pin::pin!(self.receive(reader, answers));
        let mut sending = std::pin::pin!(self.send(writer));
        let mut working = std::pin::pin!(answering::work(self.session, self.server.as_ref(), waiting));
        let (mut received, mut finished, mut answered) = (false, false, false);
        // What answers by itself has nothing more to say once the peer has ended and all is answered.
        let answers_alone = || !answering::handlers(self.session, self.server.as_ref()).is_empty();
        loop {
            if received && answered && (finished || !stays || answers_alone()) {
                return Ok(Sent::Finished);
            }
            tokio::select! {
                end = &mut receiving, if !received => {
                    end?;
                    received = true;
                    self.session.running("half-closed");
                }
                end = &mut sending, if !finished => match end? {
                    Sent::Reset => return Ok(Sent::Reset),
                    Sent::Finished => finished = true,
                },
                () = &mut working, if !answered => answered = true,
                (_, answer) = self.session.next_order(), if finished => {
                    drop(answer.send(Err(already_finished())));
                }
            }
        }
    }

    /// Takes what comes until the peer ends. `answers` is dropped then: nothing more is to be answered.
    async fn receive(&self, reader: &mut Reader, mut answers: Answering) -> Result<(), Failure> {
        answers.happened(|event| matches!(event, HandlerEvent::Joins)).await;
        loop {
            let next = tokio::select! {
                next = reader.next() => next?,
                () = answers.changed() => {
                    answers.look().await;
                    continue;
                }
            };
            let Some(bytes) = next else { break };
            self.session.count_in(bytes.len() as u64);
            if let Some(server) = &self.server {
                server.count_in(bytes.len() as u64);
            }
            let shown = self.note(&bytes, true).await;
            if let Some(text) = shown {
                self.session.set("last", Value::text(text));
            }
            self.session.heard_bytes(&bytes);
            answers.came(&bytes).await;
            take_turns(bytes.len() as u64).await;
        }
        self.session.heard_end();
        answers.ended().await;
        Ok(())
    }

    async fn send(&self, writer: &mut Writer) -> Result<Sent, Failure> {
        loop {
            let (what, answer): Order = self.session.next_order().await;
            let done = self.obey(writer, what).await;
            let (result, end) = match done {
                Ok(end) => (Ok(()), end),
                Err(failure) => (Err(failure), None),
            };
            // The caller may have stopped waiting for the result.
            drop(answer.send(result));
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// Sends what is said; `Some` if nothing can be said after it.
    async fn obey(&self, writer: &mut Writer, what: Utterance) -> Result<Option<Sent>, Failure> {
        let bytes = match what {
            Utterance::Line(text) => Bytes::from([text.as_bytes(), self.eol.bytes()].concat()),
            Utterance::Bytes(bytes) => bytes,
            Utterance::Finish => {
                writer.finish().await?;
                self.session.log("finished", "the sending side is shut down");
                return Ok(Some(Sent::Finished));
            }
            Utterance::Reset => {
                writer.reset()?;
                self.session.log("reset", "the connection is cut");
                return Ok(Some(Sent::Reset));
            }
        };
        writer.send(&bytes).await?;
        self.session.count_out(bytes.len() as u64);
        if let Some(server) = &self.server {
            server.count_out(bytes.len() as u64);
        }
        self.note(&bytes, false).await;
        Ok(None)
    }

    /// Shows what passed, and writes it down.
    async fn note(&self, bytes: &[u8], came: bool) -> Option<String> {
        let mut record = self.record.lock().await;
        if let Some(transcript) = &mut record.transcript {
            let line = format!("{} {}", if came { "<" } else { ">" }, bytes.escape_ascii());
            transcript.add(self.session, &self.peer, &line);
        }
        let shown = &mut record.shown;
        if came {
            return shown.received(self.session, bytes);
        }
        shown.sent(self.session, bytes);
        None
    }
}
