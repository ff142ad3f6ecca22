//! The `chat` client: one conversation with a chat server.

use crate::service::chat::resume_tokens::Tickets;
use std::collections::BTreeSet;
use std::time::Duration;

use super::command::{self, HELP, Line};
use super::errors;
use super::protocol::{Message, Welcome};
use super::text::{check, check_name, login_name};
use super::turn::{Stamp, TurnError, Turns};
use crate::base::escape::escape_line;
use crate::base::{Transport, Value};
use crate::language::{Arguments, FromArguments, Target};
use crate::net::Message as Wire;
use crate::net::errors::{cancelled, malformed, told};
use crate::net::{Connection, FIRST_MESSAGE_LIMIT, udp};
use crate::report::{Failure, Outcome};
use crate::service::contract::keys::ClientChoice;
use crate::service::contract::transcript::Transcript;
use crate::service::{Context, Job, connect_with};
use crate::session::Handle;
use crate::wire::{Code, frame};

/// How long an outage a UDP conversation survives: at least 30 s. A dead peer is noticed within 45 s, of which 10 s
/// pass before a quiet connection is probed.
pub(super) const PATIENCE: Duration = Duration::from_secs(33);

/// Time limit for saying goodbye, including the last confirmations.
const PARTING_LIMIT: Duration = Duration::from_millis(500);

struct Conversation {
    session: Handle,
    connection: Connection,
    turns: Turns,
    welcome: Welcome,
    transcript: Option<Transcript>,
    /// Ids of our messages that the other side has not confirmed (faults.md row 85).
    unconfirmed: BTreeSet<u64>,
    /// `/quit` was typed.
    quits: bool,
}

/// `chat`.
pub(super) struct ChatOptions {
    server: Option<Target>,
    /// `None`: the login name.
    name: Option<String>,
    /// The file of the transcript.
    to: Option<String>,
    key: ClientChoice,
}

impl FromArguments for ChatOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self {
            server: arguments.target("server"),
            name: arguments.text("name").map(str::to_owned),
            to: arguments.text("to").map(str::to_owned),
            key: ClientChoice::from_arguments(arguments),
        }
    }
}

pub(super) fn chat(session: Handle, options: ChatOptions, context: Context) -> Job {
    Box::pin(async move {
        let ChatOptions { server, name, to, key } = options;
        let name = name.unwrap_or_else(login_name);
        check_name(&name).map_err(|failure| failure.of("chat"))?;
        let transcript = to.map(|path| Transcript::open(&context.directory.join(path), &context.secrets));
        let transcript = transcript.transpose().map_err(|failure| failure.of("chat"))?;
        let key = context.key(&key).map_err(|failure| failure.of("chat"))?;
        let options = udp::Options { give_up: PATIENCE, ..udp::Options::default() };
        let mut connection =
            connect_with(&session, server.as_ref(), crate::service::chat::protocol::ID, key, options)
                .await
                .map_err(|failure| failure.of("chat"))?;
        let place = (connection.peer.to_string(), name.clone());
        let (name, token) = context.kept.get::<Tickets>().take(&place).unwrap_or((name, 0));
        let welcome = session.unless_cancelled(join(&mut connection, token, name)).await;
        let welcome = welcome.map_err(|failure| failure.of("chat"))?;
        show_joined(&session, &welcome, connection.transport);
        session.listens();
        session.running("connected");
        let mut conversation = Conversation {
            turns: Turns::new(welcome.free),
            session,
            connection,
            welcome,
            transcript,
            unconfirmed: BTreeSet::new(),
            quits: false,
        };
        let result = conversation.run().await;
        // The connection was lost without a goodbye: keep the token, so that the next `chat` resumes the same place.
        if result.as_ref().is_err_and(|failure| matches!(failure.code, Code::Broken | Code::Timeout)) {
            let Welcome { name, token, .. } = conversation.welcome;
            context.kept.get::<Tickets>().keep(place, name, token);
        }
        conversation.transcript.iter().fold(result, |result, transcript| transcript.check(result))
    })
}

fn show_joined(session: &Handle, welcome: &Welcome, transport: Transport) {
    session.set_all([
        ("peer", Value::text(welcome.host.clone())),
        ("name", Value::text(welcome.name.clone())),
        ("sent", Value::count(0)),
        ("received", Value::count(0)),
        ("last", Value::text("")),
        ("unconfirmed", Value::count(0)),
        ("mark", Value::text("")),
        ("transport", Value::text(transport.word())),
    ]);
    let room = if welcome.relay { "; everybody here sees what you say" } else { "" };
    session.log("joined", format!("you are {}, with {}{room}", welcome.name, welcome.host));
}

/// Sends our name and waits for the server's welcome.
async fn join(connection: &mut Connection, token: u64, name: String) -> Result<Welcome, Failure> {
    connection.request([Message::Join { token, name }.encode()]).await?;
    match Message::decode(&connection.incoming.frame(FIRST_MESSAGE_LIMIT, "welcome").await?)
        .map_err(malformed)?
    {
        Message::Welcome(welcome) => Ok(escaped(welcome)),
        _ => Err(errors::welcome_expected()),
    }
}

fn escaped(welcome: Welcome) -> Welcome {
    let (name, host) = (escape_line(&welcome.name).into_owned(), escape_line(&welcome.host).into_owned());
    Welcome { name, host, ..welcome }
}

impl Conversation {
    async fn run(&mut self) -> Result<Outcome, Failure> {
        let result = loop {
            let session = self.session.clone();
            tokio::select! {
                () = session.cancelled() => {
                    drop(tokio::time::timeout(PARTING_LIMIT, self.leave("left")).await);
                    break Err(cancelled());
                }
                message = self.connection.incoming.next() => match self.receive(message).await {
                    Ok(None) => {}
                    Ok(Some(outcome)) => break Ok(outcome),
                    Err(failure) => break Err(failure.of("chat")),
                },
                (text, answer) = session.next_outgoing_line() => {
                    let said = self.say(text).await;
                    // The caller may have stopped waiting for the result.
                    drop(answer.send(said));
                    if self.quits {
                        drop(tokio::time::timeout(PARTING_LIMIT, self.leave("left")).await);
                        break Ok(self.over("you left"));
                    }
                }
            }
        };
        self.connection.outgoing.close(Code::Other, "").await;
        for id in &self.unconfirmed {
            self.session
                .tell("unconfirmed", format!("message {id} was not confirmed by {}", self.welcome.host));
        }
        if !self.unconfirmed.is_empty() {
            self.session.set("mark", Value::text("not confirmed"));
        }
        result
    }

    /// Says goodbye and takes confirmations that are still in flight, until the other side closes.
    async fn leave(&mut self, reason: &str) -> Result<(), Failure> {
        self.connection.outgoing.send_now(Message::Leave { reason: reason.into() }.encode()).await?;
        while let Some(Wire::Frame(frame)) = self.connection.incoming.next().await? {
            match Message::decode(&frame) {
                Ok(Message::Delivered { id }) => {
                    self.unconfirmed.remove(&id);
                }
                // Both said goodbye at once: nothing more comes.
                Ok(Message::Leave { .. }) => break,
                _ => {}
            }
        }
        Ok(())
    }

    async fn say(&mut self, text: String) -> Result<(), Failure> {
        let text = match command::read(&text)? {
            Line::Say(text) => text.to_owned(),
            Line::Name(name) => {
                check_name(name)?;
                let again = Message::Join { token: 0, name: name.to_owned() };
                return self.connection.outgoing.send_now(again.encode()).await;
            }
            Line::Quit => {
                self.quits = true;
                return Ok(());
            }
            Line::Help => {
                self.session.noticed(HELP);
                return Ok(());
            }
            Line::Whisper(_, said) => {
                check(said, self.connection.transport)?;
                return self.connection.outgoing.send_now(Message::Ask { text }.encode()).await;
            }
            Line::Who => return self.connection.outgoing.send_now(Message::Ask { text }.encode()).await,
        };
        check(&text, self.connection.transport)?;
        let Some(stamp) = self.turns.send() else { return Err(errors::not_your_turn(&self.welcome.host)) };
        self.session.count_out(text.len() as u64);
        self.write_down(&self.welcome.name.clone(), &escape_line(&text));
        self.connection
            .outgoing
            .send_now(Message::Say { id: stamp.id, seen: stamp.seen, text }.encode())
            .await?;
        self.unconfirmed.insert(stamp.id);
        self.session.set_all([
            ("sent", Value::count(stamp.id)),
            ("unconfirmed", Value::count(self.unconfirmed.len() as u64)),
            ("mark", Value::text("sent")),
        ]);
        Ok(())
    }

    /// Handles a message from the server; `Some` if the conversation is over.
    async fn receive(&mut self, message: Result<Option<Wire>, Failure>) -> Result<Option<Outcome>, Failure> {
        let frame = match message? {
            Some(Wire::Frame(frame)) if frame.kind == frame::ERROR => return Err(told(&frame)),
            Some(Wire::Frame(frame)) => frame,
            Some(Wire::Block { .. }) => return Err(errors::block_in_chat()),
            None => return Ok(Some(self.over("the connection was closed"))),
        };
        match Message::decode(&frame).map_err(malformed)? {
            Message::Say { id, seen, text } => self.heard(Stamp { id, seen }, &text).await?,
            Message::Relayed { id, seen, from, text } => {
                let judged = self.turns.receive_relayed(Stamp { id, seen });
                judged.map_err(|_| errors::numbers_inconsistent())?;
                self.show(&escape_line(&from), &text, id);
            }
            Message::Delivered { id } => self.confirmed(id),
            Message::Notice { text } => self.session.noticed(&escape_line(&text)),
            Message::Leave { reason } => {
                return Ok(Some(self.over(&format!("{} {}", self.welcome.host, escape_line(&reason)))));
            }
            Message::Welcome(welcome) => {
                self.welcome = escaped(welcome);
                self.session.set("name", Value::text(self.welcome.name.clone()));
                self.session.tell("renamed", format!("you are {}", self.welcome.name));
            }
            Message::Join { .. } | Message::Ask { .. } => {
                return Err(errors::message_of_a_client());
            }
        }
        Ok(None)
    }

    /// The other side has our message with this id.
    fn confirmed(&mut self, id: u64) {
        self.unconfirmed.remove(&id);
        let mark = if self.turns.is_ours() { "answered" } else { "delivered" };
        self.session.set_all([
            ("unconfirmed", Value::count(self.unconfirmed.len() as u64)),
            ("mark", Value::text(mark)),
        ]);
        self.session.log("delivered", format!("message {id}"));
    }

    fn over(&self, how: &str) -> Outcome {
        self.session.tell("left", how);
        Outcome::new(format!("chat over: {how}"), Vec::new())
    }

    async fn heard(&mut self, stamp: Stamp, text: &str) -> Result<(), Failure> {
        let reply = match self.turns.receive(stamp) {
            Ok(()) => {
                let host = self.welcome.host.clone();
                self.show(&host, text, stamp.id);
                Message::Delivered { id: stamp.id }
            }
            Err(TurnError::OutOfTurn) => {
                Message::Notice { text: "it is not your turn: wait for an answer".into() }
            }
            Err(TurnError::Impossible) => return Err(errors::numbers_inconsistent()),
        };
        self.connection.outgoing.send_now(reply.encode()).await
    }

    /// Adds a line to the transcript, if there is one.
    fn write_down(&mut self, who: &str, text: &str) {
        if let Some(transcript) = &mut self.transcript {
            transcript.add(&self.session, who, text);
        }
    }

    /// Shows the `count`th received message, and marks ours as answered if it is our turn again.
    fn show(&mut self, from: &str, text: &str, count: u64) {
        self.session.count_in(text.len() as u64);
        let text = escape_line(text).into_owned();
        self.write_down(from, &text);
        let mut fields = vec![("received", Value::count(count)), ("last", Value::text(text.clone()))];
        if self.turns.is_ours() && self.unconfirmed.is_empty() {
            fields.push(("mark", Value::text("answered")));
        }
        self.session.set_all(fields);
        self.session.heard(from, &text);
    }
}
