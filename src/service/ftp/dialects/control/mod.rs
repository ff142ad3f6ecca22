//! The File Transfer Protocol (RFC 959, 2389, 2428, 3659): lftp, curl, wget, file managers. Anonymous and passive only:
//! this side connects to nobody.
//!
//! | file | holds |
//! |---|---|
//! | `command` | pure: a line becomes a command |
//! | `reply` | pure: codes and texts |
//! | `path` | pure: where a client is, and what its paths mean |
//! | `session` | pure: what a client has said so far, and the answers that need no file |
//! | `lines` | pure: the lines of LIST, NLST and MLSD |
//! | `line_reader` | the control connection: commands in, replies out |
//! | `data` | the data connection, which the client makes |
//! | `answers` | the answers that need a file, but no data connection |
//! | `driver` | the conversation |
//! | `transfers` | what moves data: RETR, STOR, LIST |
//! | `errors` | the errors of all that |

mod answers;
mod command;
mod data;
mod driver;
mod errors;
mod line_reader;
mod lines;
mod path;
mod reply;
mod session;
mod transfers;

pub(crate) use self::data::DATA_ACCEPT_LIMIT;
pub(super) use self::driver::converse;
pub(crate) use self::line_reader::LINE_LIMIT;
pub(in crate::service::ftp) use self::reply::GREETING;

use self::command::{Command, Form};
use self::path::Path;

/// Reads what a client may send, for the fuzzer: whatever path it names is below the root, and told on one line.
pub(super) fn read_commands(bytes: &[u8]) {
    let (mut buffer, mut here) = (bytes.into(), Path::default());
    while let Some(line) = line_reader::take_line(&mut buffer) {
        match command::parse(&line) {
            Ok(Command::Cwd(path) | Command::Retr(path) | Command::Stor(path)) => {
                here = here.resolve_escaped(&path).unwrap_or_else(|| here.resolve(&path));
                let below = !here.name().split('/').any(|part| part == "..");
                assert!(below && !here.quoted().iter().any(u8::is_ascii_control), "{here:?}");
            }
            Ok(Command::List(Form::Names, pattern)) => drop(lines::matches(&pattern, &here.shown())),
            Ok(_) => {}
            Err(reply) => drop(reply.encode()),
        }
    }
}
