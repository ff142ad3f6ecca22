//! What is typed, as UTF-8. The line editor gives up a line at the first byte that is none, with all that was typed ahead
//! of it. So while a line is read it reads from a pseudo terminal, and a thread passes on what comes from the real one:
//! what is no UTF-8 as U+FFFD.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// The rest of a character comes within this time: keys that send several bytes send them together.
const CHARACTER_MS: i64 = 100;
/// Bytes that are read at once.
const READ: usize = 1024;

/// The real terminal, and the one that the editor reads.
pub(super) struct Keyboard {
    real: OwnedFd,
    editor: OwnedFd,
    /// Read by the thread: a byte ends a turn.
    wake: OwnedFd,
    turns: Sender<()>,
    over: Receiver<()>,
}

impl Keyboard {
    /// # Errors
    /// Standard input is no terminal, or the system gives no other.
    pub(super) fn start() -> io::Result<Self> {
        let real = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
        tcgetattr(&real)?;
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let editor = rustix::fs::open(ptsname(&master, Vec::new())?, flags, Mode::empty())?;
        let mut plain = tcgetattr(&editor)?;
        plain.make_raw();
        tcsetattr(&editor, OptionalActions::Now, &plain)?;
        let (woken, wake) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let (turns, begins) = channel();
        let (ends, over) = channel();
        let from = real.try_clone()?;
        std::thread::Builder::new().name("keyboard".into()).spawn(move || {
            let mut characters = Characters::default();
            for () in begins {
                if pass_on(&from, &woken, &master, &mut characters).is_err() {
                    // The editor's end reads the end, too.
                    return;
                }
                if ends.send(()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { real, editor, wake, turns, over })
    }

    /// Reads a line with `edit` as the only reader of the terminal.
    pub(super) fn lend<T>(&self, edit: impl FnOnce() -> T) -> T {
        let Ok(before) = self.take() else { return edit() };
        let read = edit();
        self.give_back(&before);
        read
    }

    fn take(&self) -> io::Result<Termios> {
        let before = tcgetattr(&self.real)?;
        let mut keys = before.clone();
        let output = keys.output_modes;
        keys.make_raw();
        // What is written still begins each line at its start.
        keys.output_modes = output;
        tcsetattr(&self.real, OptionalActions::Now, &keys)?;
        rustix::stdio::dup2_stdin(&self.editor)?;
        let _ = self.turns.send(());
        Ok(before)
    }

    fn give_back(&self, before: &Termios) {
        // The thread may be gone with the terminal.
        if rustix::io::write(&self.wake, b".").is_ok() {
            let _ = self.over.recv();
        }
        let _ = rustix::stdio::dup2_stdin(&self.real);
        let _ = tcsetattr(&self.real, OptionalActions::Now, before);
    }
}

/// Passes on until the turn ends. An error: the terminal is gone.
fn pass_on(
    from: &OwnedFd,
    woken: &OwnedFd,
    to: &OwnedFd,
    characters: &mut Characters,
) -> Result<(), rustix::io::Errno> {
    loop {
        let (keys, end) = wait(from.as_fd(), woken.as_fd(), characters.wants_more())?;
        if end {
            rustix::io::read(woken, &mut [0; 1])?;
            return Ok(());
        }
        let mut buffer = [0; READ];
        let typed = if keys { rustix::io::retry_on_intr(|| rustix::io::read(from, &mut buffer))? } else { 0 };
        if keys && typed == 0 {
            return Err(rustix::io::Errno::IO);
        }
        // Nothing came: what began is no character.
        let text = if keys { characters.take(&buffer[..typed]) } else { characters.give_up() };
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let written = rustix::io::retry_on_intr(|| rustix::io::write(to, rest))?;
            rest = &rest[written..];
        }
    }
}

/// Whether keys came, and whether the turn is to end.
fn wait(from: BorrowedFd<'_>, woken: BorrowedFd<'_>, soon: bool) -> Result<(bool, bool), rustix::io::Errno> {
    let mut both =
        [PollFd::from_borrowed_fd(from, PollFlags::IN), PollFd::from_borrowed_fd(woken, PollFlags::IN)];
    let limit = Timespec { tv_sec: 0, tv_nsec: CHARACTER_MS * 1_000_000 };
    rustix::io::retry_on_intr(|| poll(&mut both, soon.then_some(&limit)))?;
    Ok((!both[0].revents().is_empty(), !both[1].revents().is_empty()))
}

/// Bytes → whole characters, whatever pieces they come in.
#[derive(Debug, Default)]
struct Characters {
    /// The front of a character.
    begun: Vec<u8>,
}

impl Characters {
    const fn wants_more(&self) -> bool {
        !self.begun.is_empty()
    }

    fn take(&mut self, bytes: &[u8]) -> String {
        self.begun.extend_from_slice(bytes);
        let end = match std::str::from_utf8(&self.begun) {
            Ok(_) => self.begun.len(),
            Err(_) => self.whole(),
        };
        let rest = self.begun.split_off(end);
        String::from_utf8_lossy(&std::mem::replace(&mut self.begun, rest)).into_owned()
    }

    /// Where the last character begins that is not whole.
    fn whole(&self) -> usize {
        let last = self.begun.utf8_chunks().last();
        let torn = last.map_or(0, |chunk| chunk.invalid().len());
        let begins = self.begun.len() - torn;
        // Only at the very end more may come: else it would not be the last piece.
        match std::str::from_utf8(&self.begun[begins..]) {
            Err(error) if error.error_len().is_none() => begins,
            _ => self.begun.len(),
        }
    }

    fn give_up(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.begun)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_come_whole_and_what_is_none_is_shown() {
        let all = "aé世🙂\u{1b}[A\r".as_bytes();
        for cut in 0..=all.len() {
            let mut characters = Characters::default();
            let text = characters.take(&all[..cut]) + &characters.take(&all[cut..]);
            assert!(text.as_bytes() == all && !characters.wants_more(), "{cut}: {text}");
        }
        let mut characters = Characters::default();
        assert_eq!(characters.take(b"caf\xe9"), "caf");
        assert!(characters.wants_more());
        assert_eq!(characters.take(b"\r"), "\u{fffd}\r");
        assert_eq!(characters.take(b"\x9b"), "\u{fffd}");
        assert_eq!(characters.take(b"x\xe4\xb8"), "x");
        assert_eq!(characters.give_up(), "\u{fffd}");
        assert_eq!(characters.take(b"\xff\xfe\xc3"), "\u{fffd}\u{fffd}");
        assert_eq!(characters.take(b"\xa9"), "é");
    }
}
