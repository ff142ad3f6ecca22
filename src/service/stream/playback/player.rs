//! Finding a player and running it. The address is passed as one argument, never through a shell (faults.md row 78).

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use super::http::Address;
use crate::base::escape;
use crate::language::parse::lexer::{Token, tokens};
use crate::report::Failure;
use crate::service::stream::errors;
use crate::session::Handle;

/// Known players, tried in this order unless `NLS_PLAYERS` names others, with flags that keep them quiet.
const KNOWN: [KnownPlayer; 5] = [
    KnownPlayer {
        name: "mpv",
        flags: &["--really-quiet", "--no-terminal", "--force-window=no"],
        subtitles: Some("--sub-file="),
    },
    KnownPlayer { name: "ffplay", flags: &["-autoexit", "-loglevel", "error"], subtitles: None },
    KnownPlayer { name: "vlc", flags: &["--play-and-exit", "--quiet"], subtitles: Some("--input-slave=") },
    KnownPlayer { name: "mplayer", flags: &["-really-quiet", "-noconsolecontrols"], subtitles: None },
    KnownPlayer { name: "celluloid", flags: &[], subtitles: Some("--mpv-sub-file=") },
];

/// A known player and its options.
struct KnownPlayer {
    name: &'static str,
    flags: &'static [&'static str],
    /// The option for subtitles, to which their URL is appended; `None` if the player has none.
    subtitles: Option<&'static str>,
}

/// The URLs that a player may be given.
#[derive(Clone, Copy)]
struct Links<'a> {
    url: &'a str,
    page: &'a str,
    subtitles: Option<&'a str>,
}

/// Programs that open the user's browser on a page.
const BROWSERS: [&str; 3] = ["xdg-open", "open", "x-www-browser"];
/// A page that reports nothing for this long was closed; a hidden one may be allowed to report only once a minute.
const CLOSED_AFTER: Duration = Duration::from_secs(75);
/// Time limit for the first request of a player.
const ASK_LIMIT: Duration = Duration::from_secs(30);

/// Time limit for the first request of a page that the user must open by hand.
const OPEN_LIMIT: Duration = Duration::from_mins(10);

/// Maximum characters shown of a player's standard error.
const COMPLAINT_LIMIT: usize = 200;
/// How long to wait for the end of standard error: a grandchild may hold the pipe open after the player has ended.
const COMPLAINT_WAIT: Duration = Duration::from_millis(300);

/// What `play` asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PlayerChoice {
    /// Only count what arrives.
    None,
    /// No player, but the speed of one: for tests.
    Clock,
    /// The first player found.
    First,
    /// A player's name, `browser`, or a command.
    Named(String),
}

impl PlayerChoice {
    /// From the value of `play`, if it has one.
    pub(crate) fn from_word(text: Option<&str>) -> Self {
        match text {
            None => Self::First,
            Some("none") => Self::None,
            Some("clock") => Self::Clock,
            Some(text) => Self::Named(text.into()),
        }
    }
}

/// A running player.
pub(crate) struct Player {
    pub(crate) name: String,
    session: Handle,
    /// `None`: no program runs; the page is open elsewhere, or the user may open it.
    child: Option<Child>,
    address: Address,
    /// It opens a page elsewhere and ends; the page itself reports how long it is open.
    is_opener: bool,
    is_asked: bool,
    asks_until: Instant,
    /// The first bytes of its standard error, once that is closed.
    complaint: Option<oneshot::Receiver<Vec<u8>>>,
    said: Vec<u8>,
}

/// A program to try, with the URLs filled in.
#[derive(Debug, PartialEq, Eq)]
struct Candidate {
    name: String,
    arguments: Vec<String>,
    is_opener: bool,
}

/// The programs to try, in order. `configured`: names and commands, separated by commas; `has_screen`: a browser can
/// show something.
fn candidates(
    choice: &PlayerChoice,
    configured: Option<&str>,
    links: Links<'_>,
    has_screen: bool,
) -> Vec<Candidate> {
    match (choice, configured) {
        (PlayerChoice::None | PlayerChoice::Clock, _) => Vec::new(),
        (PlayerChoice::First, Some(list)) if !list.trim().is_empty() => {
            list.split(',').flat_map(|text| named(text.trim(), links)).collect()
        }
        (PlayerChoice::First, _) => {
            let players = KNOWN.iter().flat_map(|known| named(known.name, links));
            players.chain(named("browser", links).into_iter().filter(|_| has_screen)).collect()
        }
        (PlayerChoice::Named(text), _) => named(text, links),
    }
}

/// The programs to try for a player's name, `browser`, or a command.
fn named(text: &str, Links { url, page, subtitles }: Links<'_>) -> Vec<Candidate> {
    if text == "browser" {
        let opener =
            |name: &&str| Candidate { name: (*name).into(), arguments: vec![page.into()], is_opener: true };
        return BROWSERS.iter().map(opener).collect();
    }
    let known = KNOWN.iter().find(|known| known.name == text);
    let (name, arguments) = if let Some(KnownPlayer { name, flags, subtitles: option }) = known {
        let flags = flags.iter().map(|flag| (*flag).to_owned());
        let subtitles = option.zip(subtitles).map(|(option, subtitles)| format!("{option}{subtitles}"));
        ((*name).to_owned(), flags.chain(subtitles).chain([url.to_owned()]).collect())
    } else {
        let put = |word: String| {
            let word = word.replace("{url}", url).replace("{page}", page);
            word.replace("{subtitles}", subtitles.unwrap_or_default())
        };
        let mut words = split(text).into_iter().map(put);
        let name = words.next().unwrap_or_default();
        let mut arguments: Vec<String> = words.collect();
        if !text.contains("{url}") && !text.contains("{page}") {
            arguments.push(url.into());
        }
        (name, arguments)
    };
    vec![Candidate { name, arguments, is_opener: false }]
}

fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// True if there is a display. Without one, a browser would open in the terminal, or not at all.
fn has_screen() -> bool {
    cfg!(target_os = "macos")
        || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some())
}

/// Splits a command into words, with the quotes of the nls language; no shell is involved.
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

/// Starts the first program that is installed. `known_only`: only a known player. What opens a browser is not one, as it
/// may run any command that the environment names; the page can be opened by hand.
pub(crate) fn start(
    session: &Handle,
    choice: &PlayerChoice,
    address: Address,
    known_only: bool,
) -> Result<Player, Failure> {
    let configured = std::env::var("NLS_PLAYERS").ok().filter(|_| !known_only);
    if known_only {
        check_known(choice)?;
    }
    let links = Links { url: &address.url, page: &address.page, subtitles: address.subtitles.as_deref() };
    let candidates = candidates(choice, configured.as_deref(), links, has_screen());
    let allowed = candidates.iter().filter(|candidate| !(known_only && candidate.is_opener));
    for Candidate { name, arguments, is_opener } in allowed {
        match run(name, arguments) {
            Ok(mut child) => {
                let complaint = Some(listen(session, &mut child));
                if *is_opener {
                    session.tell("player", format!("opening {}", address.page));
                }
                let mut player = Player::new(session, name, address, *is_opener, ASK_LIMIT);
                (player.child, player.complaint) = (Some(child), complaint);
                return Ok(player);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(errors::player_does_not_start(name, &error));
            }
        }
    }
    if candidates.iter().any(|candidate| candidate.is_opener) && *choice != PlayerChoice::First {
        let why =
            if known_only { "no browser is opened: `--no-shell`" } else { "nothing opens a browser here" };
        session.tell("player", format!("{why}; the film is at {}", address.page));
        return Ok(Player::new(session, "browser", address, true, OPEN_LIMIT));
    }
    Err(not_found(&candidates))
}

fn run(name: &str, arguments: &[String]) -> std::io::Result<Child> {
    Command::new(name)
        .args(arguments)
        .stdin(Stdio::null())
        // Some tell what is wrong there, as mpv does.
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        // Ctrl-Z and Ctrl-C at the prompt must not reach the player.
        .process_group(0)
        .spawn()
}

/// A command that plays may be a script: what it started ends with it.
impl Drop for Player {
    fn drop(&mut self) {
        let group = self.child.as_ref().filter(|_| !self.is_opener).and_then(Child::id);
        if let Some(group) = group.and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
            // It may be gone already.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::TERM);
        }
    }
}

/// Refuses a command that is no known player and no browser.
fn check_known(choice: &PlayerChoice) -> Result<(), Failure> {
    let PlayerChoice::Named(text) = choice else { return Ok(()) };
    if text == "browser" || KNOWN.iter().any(|known| known.name == text) {
        return Ok(());
    }
    let known: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
    Err(errors::player_not_allowed(text, &known))
}

fn not_found(candidates: &[Candidate]) -> Failure {
    let names: Vec<&str> = candidates.iter().map(|candidate| candidate.name.as_str()).collect();
    let there: Vec<&str> = KNOWN.iter().map(|known| known.name).filter(|name| is_installed(name)).collect();
    errors::player_not_found(&names, &there)
}

impl Player {
    /// A player without a program that runs.
    fn new(session: &Handle, name: &str, address: Address, is_opener: bool, patience: Duration) -> Self {
        Self {
            name: name.to_owned(),
            session: session.clone(),
            child: None,
            address,
            is_opener,
            is_asked: false,
            asks_until: Instant::now() + patience,
            complaint: None,
            said: Vec::new(),
        }
    }

    /// Frames that it has shown; `None` if it does not report them.
    pub(crate) fn frames(&self) -> Option<u64> {
        self.address.frames()
    }

    /// Waits until it ends. An exit status other than 0 is a failure with the first line of its standard error; it is
    /// also a failure if it never requests the film. Cancel-safe.
    pub(crate) async fn wait(&mut self) -> Result<(), Failure> {
        if !self.is_asked {
            tokio::select! {
                biased;
                asked = tokio::time::timeout_at(self.asks_until.into(), self.address.is_asked()) => {
                    asked.map_err(|_| self.asked_nothing())?;
                    self.is_asked = true;
                }
                status = ended(&mut self.child) => {
                    // A child that has ended gives the same status again: this wait may be cancelled and repeated.
                    if !self.is_opener {
                        return self.ended(status).await;
                    }
                    self.child = None;
                    if !status.is_ok_and(|status| status.success()) {
                        let page = &self.address.page;
                        self.session.tell("player", format!("no browser opens here; the film is at {page}"));
                        self.asks_until = Instant::now() + OPEN_LIMIT;
                    }
                    return Box::pin(self.wait()).await;
                }
            }
        }
        if self.is_opener {
            self.address.is_quiet(CLOSED_AFTER).await;
            return Ok(());
        }
        let status = ended(&mut self.child).await;
        self.ended(status).await
    }

    fn asked_nothing(&self) -> Failure {
        let limit = if self.child.is_some() { ASK_LIMIT } else { OPEN_LIMIT };
        errors::player_idle(&self.name, limit)
    }

    async fn ended(&mut self, status: std::io::Result<std::process::ExitStatus>) -> Result<(), Failure> {
        let status = status.map_err(|error| Failure::io(&error, self.name.as_str()))?;
        if status.success() {
            return Ok(());
        }
        if let Some(complaint) = &mut self.complaint {
            // It stays in `self` while it is awaited: this wait may be cancelled and repeated.
            if let Ok(Ok(said)) = tokio::time::timeout(COMPLAINT_WAIT, complaint).await {
                self.said = said;
            }
            self.complaint = None;
        }
        let said = last_words(&self.said).map(|line| escape::excerpt(line, COMPLAINT_LIMIT));
        Err(errors::player_failed(&self.name, &show(status), said.as_deref()))
    }
}

/// The exit status; never resolves if no program runs. Cancel-safe.
async fn ended(child: &mut Option<Child>) -> std::io::Result<std::process::ExitStatus> {
    match child {
        Some(child) => child.wait().await,
        None => std::future::pending().await,
    }
}

/// Reads all that the player writes, so that it never blocks on it; keeps the last bytes of both streams.
fn listen(session: &Handle, child: &mut Child) -> oneshot::Receiver<Vec<u8>> {
    let (done, complaint) = oneshot::channel();
    let (out, errors) = (child.stdout.take(), child.stderr.take());
    session.spawn(async move {
        let (out, errors) = tokio::join!(tail(out), tail(errors));
        drop(done.send([out, errors].concat()));
    });
    complaint
}

/// The last bytes of a stream, when it ends.
async fn tail(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let (mut kept, mut buffer) = (Vec::new(), [0; 1024]);
    let Some(mut stream) = stream else { return kept };
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..n]);
        kept.drain(..kept.len().saturating_sub(4 * COMPLAINT_LIMIT));
    }
    kept
}

/// The last line that tells of an error, or else the last one.
fn last_words(said: &[u8]) -> Option<&[u8]> {
    const SIGNS: [&str; 6] = ["error", "fail", "cannot", "can't", "invalid", "not found"];
    let lines =
        || said.split(|&byte| byte == b'\n' || byte == b'\r').filter(|line| !line.trim_ascii().is_empty());
    let tells = |line: &&[u8]| {
        let line = String::from_utf8_lossy(line).to_lowercase();
        SIGNS.iter().any(|sign| line.contains(sign))
    };
    lines().rfind(tells).or_else(|| lines().next_back())
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
        let links = Links {
            url: "http://127.0.0.1:1/t/media.mp4",
            page: "http://127.0.0.1:1/t/",
            subtitles: Some("http://127.0.0.1:1/t/subtitles.srt"),
        };
        let chosen = |text: &str| {
            let one = candidates(&PlayerChoice::Named(text.into()), None, links, false).remove(0);
            (one.name, one.arguments)
        };
        let url = links.url;
        assert_eq!(chosen("curl -o x {url}"), ("curl".into(), vec!["-o".into(), "x".into(), url.into()]));
        assert_eq!(chosen("sh -c 'cat \"{url}\"'").1, ["-c".to_owned(), format!("cat \"{url}\"")]);
        assert_eq!(chosen("cvlc"), ("cvlc".into(), vec![url.into()]));
        assert_eq!(chosen("chromium --headless {page}").1, ["--headless", links.page]);
        assert!(chosen("mpv").1.contains(&url.to_owned()));
        assert!(chosen("mpv").1.contains(&"--sub-file=http://127.0.0.1:1/t/subtitles.srt".to_owned()));
        assert_eq!(chosen("show {url} {subtitles}").1[1], links.subtitles.unwrap());
    }

    #[test]
    fn players_are_tried_as_configured_else_in_the_known_order_and_a_browser_last() {
        let links = Links { url: "u", page: "p", subtitles: None };
        let names = |configured, has_screen| -> Vec<String> {
            candidates(&PlayerChoice::First, configured, links, has_screen)
                .into_iter()
                .map(|one| one.name)
                .collect()
        };
        assert_eq!(names(None, false), ["mpv", "ffplay", "vlc", "mplayer", "celluloid"]);
        assert_eq!(names(None, true)[5..], BROWSERS);
        assert_eq!(names(Some("vlc, mplayer -zoom {url}"), true), ["vlc", "mplayer"]);
    }
}
