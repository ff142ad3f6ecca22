//! Finding a player and running it. The address is passed as one argument, never through a shell (FAULTS row 78).

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::oneshot;

use crate::base::escape;
use crate::language::lexer::{Token, tokens};
use crate::report::{Failure, reason};
use crate::session::Handle;
use crate::wire::Code;

/// Tried in this order, with what keeps them quiet.
const KNOWN: [(&str, &[&str]); 5] = [
    ("mpv", &["--really-quiet", "--no-terminal", "--force-window=no"]),
    ("ffplay", &["-autoexit", "-loglevel", "error"]),
    ("vlc", &["--play-and-exit", "--quiet"]),
    ("mplayer", &["-really-quiet", "-noconsolecontrols"]),
    ("celluloid", &[]),
];

/// Shown of what a player complains.
const COMPLAINT_LIMIT: usize = 200;
/// A grandchild may hold the pipe open after the player is gone.
const COMPLAINT_WAIT: Duration = Duration::from_millis(300);

/// What `play` asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Only count what arrives.
    None,
    First,
    Named(String),
}

impl Choice {
    pub(super) fn from_words(given: bool, text: Option<&str>) -> Self {
        match text {
            _ if !given => Self::None,
            None => Self::First,
            Some("none") => Self::None,
            Some(text) => Self::Named(text.into()),
        }
    }
}

/// A player that runs.
pub(super) struct Player {
    pub(super) name: String,
    child: Child,
    /// What it said first, once it has said all.
    complaint: Option<oneshot::Receiver<Vec<u8>>>,
    said: Vec<u8>,
}

/// The programs to try: name and arguments, with the address in its place.
fn candidates(choice: &Choice, url: &str) -> Vec<(String, Vec<String>)> {
    let known = |name: &str, flags: &[&str]| {
        (name.to_owned(), flags.iter().map(|flag| (*flag).to_owned()).chain([url.to_owned()]).collect())
    };
    match choice {
        Choice::None => Vec::new(),
        Choice::First => KNOWN.iter().map(|(name, flags)| known(name, flags)).collect(),
        Choice::Named(text) => {
            if let Some((name, flags)) = KNOWN.iter().find(|(name, _)| name == text) {
                return vec![known(name, flags)];
            }
            let mut words = split(text).into_iter().map(|word| word.replace("{url}", url));
            let name = words.next().unwrap_or_default();
            let mut arguments: Vec<String> = words.collect();
            if !text.contains("{url}") {
                arguments.push(url.into());
            }
            vec![(name, arguments)]
        }
    }
}

/// The words of a command, with the quotes of the language; never a shell.
fn split(text: &str) -> Vec<String> {
    let words: Option<Vec<String>> = tokens(text, 0)
        .into_iter()
        .map(|token| match token {
            Token::Word(word) => word.literal().map(std::borrow::Cow::into_owned),
            _ => None,
        })
        .collect();
    words.unwrap_or_else(|| text.split_whitespace().map(str::to_owned).collect())
}

/// Starts the first program that is there; `None` if nothing is to be played.
pub(super) fn start(session: &Handle, choice: &Choice, url: &str) -> Result<Option<Player>, Failure> {
    let candidates = candidates(choice, url);
    if candidates.is_empty() {
        return Ok(None);
    }
    for (name, arguments) in &candidates {
        let spawned = Command::new(name)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        match spawned {
            Ok(mut child) => {
                let complaint = child.stderr.take().map(|errors| listen(session, errors));
                return Ok(Some(Player { name: name.clone(), child, complaint, said: Vec::new() }));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Failure::new(
                    Code::Player,
                    format!("player {name} does not start: {}", reason(&error)),
                )
                .fix("name another with `play`"));
            }
        }
    }
    let names: Vec<&str> = candidates.iter().map(|(name, _)| name.as_str()).collect();
    let why = format!("player not found: {}", names.join(", "));
    Err(Failure::new(Code::Player, why).fix("install mpv, or name a command: play \"command {url}\""))
}

impl Player {
    /// Waits until it closes; a status other than 0 is a failure with what it said first. Cancel-safe.
    pub(super) async fn wait(&mut self) -> Result<(), Failure> {
        let status = self.child.wait().await.map_err(|error| Failure::io(&error, self.name.as_str()))?;
        if status.success() {
            return Ok(());
        }
        if let Some(complaint) = &mut self.complaint {
            // Waited for in place: whoever waits here may be called away and come back.
            if let Ok(Ok(said)) = tokio::time::timeout(COMPLAINT_WAIT, complaint).await {
                self.said = said;
            }
            self.complaint = None;
        }
        let said = self
            .said
            .split(|&byte| byte == b'\n')
            .find(|line| !line.is_empty())
            .map_or_else(String::new, |line| format!(": {}", escape::excerpt(line, COMPLAINT_LIMIT)));
        Err(Failure::new(Code::Player, format!("player {} ended with {}{said}", self.name, show(status))))
    }
}

/// Reads all that the player says, so that it never blocks; keeps the front.
fn listen(session: &Handle, mut errors: ChildStderr) -> oneshot::Receiver<Vec<u8>> {
    let (done, complaint) = oneshot::channel();
    session.spawn(async move {
        let (mut kept, mut buffer) = (Vec::new(), [0; 1024]);
        while let Ok(n @ 1..) = errors.read(&mut buffer).await {
            let room = (4 * COMPLAINT_LIMIT).saturating_sub(kept.len());
            kept.extend_from_slice(&buffer[..n.min(room)]);
        }
        drop(done.send(kept));
    });
    complaint
}

fn show(status: std::process::ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no status".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_gets_the_address_in_its_place_as_one_argument() {
        let url = "http://127.0.0.1:1/t/media.mp4";
        let named = |text: &str| candidates(&Choice::Named(text.into()), url).remove(0);
        assert_eq!(named("curl -o x {url}"), ("curl".into(), vec!["-o".into(), "x".into(), url.into()]));
        assert_eq!(named("sh -c 'cat \"{url}\"'").1, ["-c".to_owned(), format!("cat \"{url}\"")]);
        assert_eq!(named("cvlc"), ("cvlc".into(), vec![url.into()]));
        assert!(named("mpv").1.contains(&url.to_owned()));
        assert_eq!(candidates(&Choice::First, url)[0].0, "mpv");
    }
}
