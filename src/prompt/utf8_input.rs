//! Makes the typed bytes valid UTF-8. The line editor discards a line, with everything typed ahead, at the first byte
//! that is not UTF-8. So while it reads a line it reads from a pseudo-terminal, to which a thread forwards the input of
//! the real one, with invalid bytes replaced by U+FFFD.
//!
//! Between two lines the terminal has its own attributes again, so that a command can be interrupted and can read from
//! it; an end of input that nobody read is passed on as its key. While a session is attached no command runs: there what
//! is typed before the next line is read is kept as it is, also the keys that leave the session.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

/// Time limit for the rest of a multi-byte character: a key sends all its bytes together.
const CHARACTER_MS: i64 = 100;
/// Maximum bytes of one read.
const READ: usize = 1024;
/// What the key for the end of the input sends.
const END_KEY: u8 = 4;
/// The value of a special character that no key has (POSIX, section 11.1.9: `_POSIX_VDISABLE`).
const NO_KEY: u8 = if cfg!(target_os = "macos") { 0xff } else { 0 };

/// The real terminal, and the pseudo-terminal that the editor reads.
pub(super) struct Keyboard {
    real: OwnedFd,
    editor: OwnedFd,
    /// A byte written here makes the thread stop forwarding.
    wake: OwnedFd,
    /// How many bytes of each turn were typed before it, as lines.
    turns: Sender<u64>,
    over: Receiver<()>,
    /// The attributes of the real terminal, from the first line of a conversation until after its last.
    before: Option<Termios>,
}

impl Keyboard {
    /// # Errors
    /// Standard input is not a terminal, or no pseudo-terminal can be opened.
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
            for ahead in begins {
                if pass_on(&from, &woken, &master, &mut characters, ahead).is_err() {
                    // `master` is dropped, so the editor reads the end of the input too.
                    return;
                }
                if ends.send(()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { real, editor, wake, turns, over, before: None })
    }

    /// Runs `edit` with the pseudo-terminal as standard input, while the thread forwards to it. If `continues` is true
    /// afterwards, what is typed until the next line is kept, and only Ctrl-C has an effect before.
    pub(super) fn lend<T>(&mut self, edit: impl FnOnce() -> T, continues: impl FnOnce() -> bool) -> T {
        let Ok(before) = self.take() else { return edit() };
        let read = edit();
        self.give_back(before, continues());
        read
    }

    fn take(&mut self) -> io::Result<Termios> {
        let kept = self.before.take();
        let are_lines = kept.is_none();
        let before = kept.map_or_else(|| tcgetattr(&self.real), Ok)?;
        let mut keys = before.clone();
        let output = keys.output_modes;
        keys.make_raw();
        // Keep output processing: a newline must still return the cursor to the first column.
        keys.output_modes = output;
        tcsetattr(&self.real, OptionalActions::Now, &keys)?;
        rustix::stdio::dup2_stdin(&self.editor)?;
        let ahead = if are_lines { rustix::io::ioctl_fionread(&self.real).unwrap_or(0) } else { 0 };
        let _ = self.turns.send(ahead);
        Ok(before)
    }

    fn give_back(&mut self, before: Termios, continues: bool) {
        // If the terminal is gone, so is the thread.
        if rustix::io::write(&self.wake, b".").is_ok() {
            let _ = self.over.recv();
        }
        let _ = rustix::stdio::dup2_stdin(&self.real);
        let until = if continues { keeping(before.clone()) } else { before.clone() };
        let _ = tcsetattr(&self.real, OptionalActions::Now, &until);
        self.before = continues.then_some(before);
    }
}

/// The attributes with which what is typed waits as it is, apart from the key that interrupts.
fn keeping(mut attributes: Termios) -> Termios {
    attributes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    attributes.input_modes.remove(InputModes::ICRNL | InputModes::IXON);
    attributes.special_codes[SpecialCodeIndex::VSUSP] = NO_KEY;
    attributes
}

/// Forwards input until told to stop. An error means that the terminal is gone.
fn pass_on(
    from: &OwnedFd,
    woken: &OwnedFd,
    to: &OwnedFd,
    characters: &mut Characters,
    mut ahead: u64,
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
        let lines = typed.min(usize::try_from(ahead).unwrap_or(usize::MAX));
        restore_end_keys(&mut buffer[..lines]);
        ahead -= lines as u64;
        // The time limit has passed: the incomplete character is replaced.
        let text = if keys { characters.take(&buffer[..typed]) } else { characters.give_up() };
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let written = rustix::io::retry_on_intr(|| rustix::io::write(to, rest))?;
            rest = &rest[written..];
        }
    }
}

/// The kernel keeps an end of input as a zero byte among the lines that nobody has read (Linux, `n_tty`).
fn restore_end_keys(lines: &mut [u8]) {
    for byte in lines.iter_mut().filter(|byte| **byte == 0) {
        *byte = END_KEY;
    }
}

/// Waits; returns whether there is input, and whether to stop. `soon`: wait no longer than [`CHARACTER_MS`].
fn wait(from: BorrowedFd<'_>, woken: BorrowedFd<'_>, soon: bool) -> Result<(bool, bool), rustix::io::Errno> {
    let mut both =
        [PollFd::from_borrowed_fd(from, PollFlags::IN), PollFd::from_borrowed_fd(woken, PollFlags::IN)];
    let limit = Timespec { tv_sec: 0, tv_nsec: CHARACTER_MS * 1_000_000 };
    rustix::io::retry_on_intr(|| poll(&mut both, soon.then_some(&limit)))?;
    Ok((!both[0].revents().is_empty(), !both[1].revents().is_empty()))
}

/// Assembles whole characters from bytes that arrive in arbitrary pieces.
#[derive(Debug, Default)]
struct Characters {
    /// The bytes of an incomplete character.
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

    /// Where an incomplete last character begins; the length if there is none.
    fn whole(&self) -> usize {
        let last = self.begun.utf8_chunks().last();
        let torn = last.map_or(0, |chunk| chunk.invalid().len());
        let begins = self.begun.len() - torn;
        // `error_len` is `None` if the bytes are incomplete rather than invalid.
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
