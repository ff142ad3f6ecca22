//! `wait`, `stop`, `sleep`, `quit`.

use std::sync::Arc;
use std::time::Duration;

use super::{BARE, Builtin, next};
use crate::base::Value;
use crate::language::{Arguments, Field, FromArguments, Keyword, Kind, Param, SessionRef, Verb};
use crate::report::{Failure, Outcome};
use crate::session::state::STATE_WORDS;
use crate::session::{Session, State};
use crate::shell::run::expect::with_events;
use crate::shell::{Flow, Shell, errors, stopping};

/// How long `stop` waits for a session to end.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Maximum stopped sessions that are named; of more, only the number is shown.
const NAMED_LIMIT: usize = 20;

pub(super) static WAIT: Builtin = Builtin {
    verb: &Verb {
        name: "wait",
        summary: "wait for a session to end, or for a state",
        details: "Without a session it waits until it is interrupted: that keeps a server up. Waiting for the end of a session that fails is a failure.",
        params: &[
            Param::optional("session", Kind::Session, "which one, or all"),
            Param::optional("state", Kind::Choice(STATE_WORDS), "the state to wait for"),
        ],
        keywords: &[Keyword::new("within", Kind::Duration, "how long at most")],
        fields: &[
            Field::state("state", "the state it came to"),
            Field::seconds("seconds", "how long it took"),
        ],
        example: "wait $up within 10s",
        ..BARE
    },
    run: |shell, arguments| Box::pin(wait(shell, arguments)),
};

/// `wait`.
struct WaitOptions {
    /// `None`: until an interrupt.
    session: Option<SessionRef>,
    /// `None`: any final state.
    state: Option<String>,
    within: Option<Duration>,
}

impl FromArguments for WaitOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self {
            session: arguments.session("session").cloned(),
            state: arguments.text("state").map(str::to_owned),
            within: arguments.duration("within"),
        }
    }
}

async fn wait(shell: &mut Shell, arguments: Arguments) -> Result<(Outcome, Flow), Failure> {
    let began = tokio::time::Instant::now();
    let WaitOptions { session, state, within: limit } = WaitOptions::from_arguments(&arguments);
    let state = state.as_deref();
    let sessions = match &session {
        None => return endlessly(limit).await,
        Some(SessionRef::All) => shell.registry.live(),
        Some(one) => vec![shell.session(one)?],
    };
    let mut reached = "done";
    for session in &sessions {
        let rest = limit.map(|limit| limit.saturating_sub(began.elapsed()));
        let suspend = shell.suspend.clone();
        let waited = tokio::select! {
            waited = one(session, state, rest, shell.settings.events) => waited,
            () = suspend.notified() => return next(goes_on(session, began.elapsed())),
        };
        shell.has_waited_for(session);
        reached = waited?;
    }
    let fields = vec![("state", Value::text(reached)), ("seconds", Value::seconds(began.elapsed()))];
    next(Outcome::new(String::new(), fields))
}

/// Ctrl-Z: nothing is waited for any more.
fn goes_on(session: &Session, waited: Duration) -> Outcome {
    let fields = vec![("state", Value::text(session.state().word())), ("seconds", Value::seconds(waited))];
    Outcome::new(format!("{} goes on in the background", session.label()), fields)
}

/// Waits for an interrupt, or until `limit` is over.
async fn endlessly(limit: Option<Duration>) -> Result<(Outcome, Flow), Failure> {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
    next(Outcome::default())
}

async fn one(
    session: &Arc<Session>,
    wanted: Option<&str>,
    limit: Option<Duration>,
    events: usize,
) -> Result<&'static str, Failure> {
    let matches = |state: &State| match wanted {
        None | Some("ended") => state.has_ended(),
        Some(word) => state.word() == word,
    };
    let until = session.until(|state| matches(state) || state.has_ended());
    let state = match limit {
        None => until.await,
        Some(limit) => tokio::time::timeout(limit, until).await.map_err(|_| {
            let failure = errors::wait_timed_out(&session.label(), session.state().word(), limit);
            with_events(failure, std::slice::from_ref(session), events)
        })?,
    };
    match state {
        State::Failed(failure) if wanted.is_none() => {
            Err(with_events(failure.of(session.kind.clone()), std::slice::from_ref(session), events))
        }
        state if matches(&state) => Ok(state.word()),
        state => {
            let wanted = wanted.unwrap_or("ended");
            let failure = errors::state_never_reached(&session.label(), state.word(), wanted);
            Err(with_events(failure, std::slice::from_ref(session), events))
        }
    }
}

pub(super) static STOP: Builtin = Builtin {
    verb: &Verb {
        name: "stop",
        aliases: &["close", "kill"],
        summary: "stop a session, or all",
        params: &[Param::required("session", Kind::Session, "which one, or all")],
        fields: &[Field::count("stopped", "how many were stopped")],
        example: "stop $files",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let sessions = match &StopOptions::from_arguments(&arguments).session {
                Some(SessionRef::All) | None => shell.registry.live(),
                Some(one) => vec![shell.session(one)?],
            };
            let live: Vec<_> = sessions.into_iter().filter(|session| !session.has_ended()).collect();
            stopping::stop(&live).await;
            for session in &live {
                drop(tokio::time::timeout(STOP_LIMIT, session.ended()).await);
            }
            let labels: Vec<String> = live.iter().map(|session| session.label()).collect();
            let text = match labels.len() {
                0 => "nothing to stop".to_owned(),
                1..=NAMED_LIMIT => format!("stopped {}", labels.join(", ")),
                many => format!("stopped {many} sessions"),
            };
            next(Outcome::new(text, vec![("stopped", Value::count(live.len() as u64))]))
        })
    },
};

/// `stop`.
struct StopOptions {
    session: Option<SessionRef>,
}

impl FromArguments for StopOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self { session: arguments.session("session").cloned() }
    }
}

pub(super) static SLEEP: Builtin = Builtin {
    verb: &Verb {
        name: "sleep",
        summary: "do nothing for a while",
        details: "To wait for something, use `expect … within` or `wait`: they end as soon as it is there.",
        params: &[Param::required("time", Kind::Duration, "how long")],
        example: "sleep 10ms",
        ..BARE
    },
    run: |_, arguments| {
        Box::pin(async move {
            tokio::time::sleep(SleepOptions::from_arguments(&arguments).time).await;
            next(Outcome::default())
        })
    },
};

/// `sleep`.
struct SleepOptions {
    time: Duration,
}

impl FromArguments for SleepOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self { time: arguments.duration("time").unwrap_or_default() }
    }
}

pub(super) static QUIT: Builtin = Builtin {
    verb: &Verb {
        name: "quit",
        aliases: &["exit", "q"],
        summary: "end the shell and every session in it",
        details: "At the prompt, with live work, it lists what is alive, and ends only when repeated, or as `quit now`.",
        params: &[Param::optional("now", Kind::Choice(&["now"]), "without asking")],
        example: "quit",
        ..BARE
    },
    run: |_, _| Box::pin(async move { Ok((Outcome::default(), Flow::Quit)) }),
};
