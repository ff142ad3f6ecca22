//! `replay FILE as server|client`: one side of a recorded conversation.
//!
//! | file | holds |
//! |---|---|
//! | `dialogue` | the recorded script, read as conversations |
//! | `play` | one side of a conversation, over a session |

mod dialogue;
mod play;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::dialogue::{Recording, Side};
use self::play::play;
use super::options::{ConnectOptions, VERB};
use super::{CONNECT, client, errors};
use crate::base::{Transport, Value};
use crate::language::verb::Lasting;
use crate::language::{
    Action, Argument, Arguments, Datum, Field, FromArguments, Keyword, Kind, Param, Scope, Source, Verb,
    Vocabulary,
};
use crate::report::{Failure, Outcome};
use crate::service::contract::{Client, Context, Run};
use crate::service::listen;
use crate::session::handlers::{Handler, HandlerEvent, Parts, Reacting, Reaction};
use crate::session::{Handle, Request, Session, State};

const SERVER: &str = "server";

pub static REPLAY: Client = Client {
    verb: &Verb {
        name: "replay",
        aliases: &[],
        summary: "play one side of a recorded conversation",
        details: "As a server it answers each client with what the server said, and is strict: a client that says something else is cut off, and counted in `deviated`. As a client it says what the client said, and expects the same answers; `nls test FILE` does that, too. What was recorded as a pattern is answered with a text of that shape.",
        params: &[Param::required("file", Kind::Path, "a script made by `record`, or one like it")],
        keywords: &[
            Keyword::new("as", Kind::Choice(&[SERVER, "client"]), "the side to play").required(),
            Keyword::new("port", Kind::Port, "as a server: where to listen").default("any free port"),
            Keyword::new("to", Kind::Endpoint, "as a client: another server than the recorded one"),
        ],
        fields: &[
            Field::count("turns", "how many turns the recording has"),
            Field::count("played", "conversations that went as recorded"),
            Field::count("deviated", "conversations that did not"),
            Field::text("addr", "as a server: the address it listens on"),
            Field::count("port", "as a server: the port"),
            Field::text("transport", "tcp, udp, tls or unix"),
            Field::text("service", "as a server: raw"),
            Field::count("clients", "as a server: connected now"),
            Field::count("served", "as a server: connected so far"),
            Field::text("newest", "as a server: the newest client"),
            Field::count("answers", "as a server: how often it began to play"),
            Field::text("fingerprint", "over tls: SHA-256 of the certificate, for `pin`"),
            Field::size("bytes_in", "bytes received"),
            Field::size("bytes_out", "bytes sent"),
            Field::state("state", "listening, done, failed or cancelled"),
            Field::text("error", "why it failed"),
            Field::count("id", "the number of the session"),
        ],
        example: "replay mail.nls as server as mock",
        next: "",
        lasting: Lasting::Service,
        capabilities: &[],
    },
    place: None,
    transport: Transport::Tcp,
    run: Run::Session {
        kind: |arguments| {
            let ReplayOptions { file, server, .. } = ReplayOptions::from_arguments(arguments);
            format!("replay {file} as {}", if server { SERVER } else { "client" })
        },
        start: |session, arguments, context| {
            let options = ReplayOptions::from_arguments(&arguments);
            Box::pin(async move { run(session, options, context).await })
        },
    },
};

struct ReplayOptions {
    file: String,
    server: bool,
    /// 0: any free one.
    port: u16,
    to: Option<String>,
}

impl FromArguments for ReplayOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        let port = arguments.0.iter().find_map(|(name, datum)| match datum {
            Datum::Port(port) if *name == "port" => Some(*port),
            _ => None,
        });
        Self {
            file: arguments.text("file").unwrap_or_default().to_owned(),
            server: arguments.text("as") == Some(SERVER),
            port: port.unwrap_or(0),
            to: arguments.endpoint("to").map(ToString::to_string),
        }
    }
}

async fn run(session: Handle, options: ReplayOptions, context: Context) -> Result<Outcome, Failure> {
    if (options.server && options.to.is_some()) || (!options.server && options.port != 0) {
        return Err(errors::option_of_other_side(options.server));
    }
    let (file, directory) = (options.file.clone(), context.directory.clone());
    let recording = session.block(move || load(&file, &directory)).await??;
    let turns: usize = recording.dialogues.iter().map(|dialogue| dialogue.turns.len()).sum();
    session.set_all([
        ("turns", Value::count(turns as u64)),
        ("played", Value::count(0)),
        ("deviated", Value::count(0)),
    ]);
    if recording.left_out > 0 {
        let count = recording.left_out;
        session.log("left out", format!("{count} statements of {} belong to no conversation", options.file));
    }
    if options.server {
        serve(session, recording, &options, context).await
    } else {
        ask(session, recording, &options, context).await
    }
}

fn load(file: &str, directory: &Path) -> Result<Recording, Failure> {
    let path = directory.join(file);
    let text = std::fs::read_to_string(&path).map_err(|error| Failure::io(&error, file.to_owned()))?;
    dialogue::read(&Source::new(file, text), directory)
}

/// Listens, and plays the server with each client: the first conversation with the first client, and so on; the last one
/// with all others.
async fn serve(
    session: Handle,
    recording: Recording,
    options: &ReplayOptions,
    context: Context,
) -> Result<Outcome, Failure> {
    let carrier = recording.dialogues[0].carrier;
    if recording.dialogues.iter().any(|dialogue| dialogue.carrier != carrier) {
        return Err(errors::mixed_carriers(&options.file));
    }
    let event = ("joins".to_owned(), HandlerEvent::Joins);
    let reaction = player(session.clone(), recording, context.registry.clone());
    let handler = Handler::new(event, std::time::Duration::ZERO, None, reaction);
    session.reacts();
    session.session().add_handler(handler).map_err(|why| errors::pattern_refused(&why))?;
    let arguments = Arguments(vec![
        ("transport", Datum::Carrier(carrier)),
        ("port", Datum::Port(options.port)),
        ("service", Datum::Text("raw".into())),
    ]);
    listen::start(session, arguments, context).await
}

fn player(session: Handle, recording: Recording, registry: Arc<crate::session::Registry>) -> Reaction {
    let (dialogues, next) = (Arc::new(recording.dialogues), Arc::new(AtomicUsize::new(0)));
    Reaction::Run(Box::new(move |id: u64, _: Parts| -> Reacting {
        let (dialogues, next, session) = (dialogues.clone(), next.clone(), session.clone());
        let client = registry.by_id(id);
        Box::pin(async move {
            let Some(client) = client else { return Ok(()) };
            let number = next.fetch_add(1, Ordering::Relaxed).min(dialogues.len() - 1);
            let played = play(&client, Side::Server, &dialogues[number].turns).await;
            count(&session, &client.label(), &played);
            if played.is_err() {
                client.cancel.cancel();
            }
            // It was told above.
            Ok(())
        })
    }))
}

fn count(session: &Handle, who: &str, played: &Result<(), Failure>) {
    match played {
        Ok(()) => {
            session.add("played", 1);
            session.inform("played", format!("{who}: as recorded"));
        }
        Err(failure) => {
            session.add("deviated", 1);
            session.tell("deviated", format!("{who}: {failure}"));
        }
    }
}

/// Connects, and plays the client, in each conversation of the recording.
async fn ask(
    session: Handle,
    recording: Recording,
    options: &ReplayOptions,
    context: Context,
) -> Result<Outcome, Failure> {
    for dialogue in &recording.dialogues {
        session.set("transport", Value::text(dialogue.carrier.word()));
        let connect = arguments_of(&dialogue.connect(options.to.as_deref()), &options.file)?;
        let request = Request {
            verb: VERB,
            kind: format!("client of {}", session.label()),
            name: None,
            background: false,
            parent: Some(session.id()),
        };
        let (directory, registry) = (context.clone(), &context.registry);
        let child = registry.start(request, move |handle| client::connect(handle, connect, directory))?;
        let played = session.unless_cancelled(converse(&child, &dialogue.turns)).await;
        child.cancel.cancel();
        child.ended().await;
        session.set_bytes(session.bytes_in() + child.bytes_in(), session.bytes_out() + child.bytes_out());
        played?;
        session.add("played", 1);
    }
    let turns: usize = recording.dialogues.iter().map(|dialogue| dialogue.turns.len()).sum();
    Ok(Outcome::new(format!("{turns} turns went as recorded"), Vec::new()))
}

async fn converse(child: &Arc<Session>, turns: &[dialogue::Turn]) -> Result<(), Failure> {
    match child.until(|state| *state != State::Starting).await {
        State::Failed(failure) => Err(failure),
        _ => play(child, Side::Client, turns).await,
    }
}

/// Reads a `connect` as the shell does.
fn arguments_of(line: &str, file: &str) -> Result<ConnectOptions, Failure> {
    let vocabulary = Vocabulary { verbs: vec![CONNECT.verb], ..Vocabulary::default() };
    let source = Source::new(file, line);
    let no_files = |_: &str, _: &Source| Err(String::new());
    let plan = crate::language::plan(&source, &vocabulary, &mut Scope::builtin(0), &no_files);
    let steps = plan.map(|plan| plan.setup).unwrap_or_default();
    let ready = steps.into_iter().find_map(|step| match step.action {
        Action::Command(invocation) => {
            let ready = invocation.arguments.into_iter().map(|(name, argument, _)| match argument {
                Argument::Ready(datum) => Some((name, datum)),
                Argument::Later(..) => None,
            });
            ready.collect::<Option<Vec<_>>>()
        }
        _ => None,
    });
    let arguments = Arguments(ready.ok_or_else(|| errors::address_unknown(line))?);
    let options = ConnectOptions::from_arguments(&arguments);
    if options.endpoint.is_none() && options.path.is_empty() {
        return Err(errors::address_unknown(line));
    }
    Ok(options)
}
