//! `get X to -` and `send -`: standard input and output in place of a file. Received data is written out only when the
//! file is complete and verified; input is read to its end before it is sent.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd as _;

use tokio::sync::oneshot;

use crate::base::Value;
use crate::report::{Failure, Outcome};
use crate::service::files::temporary;
use crate::service::ftp::client;
use crate::service::ftp::errors;
use crate::service::ftp::options::{GetOptions, SendOptions, TransferOptions};
use crate::service::{Context, Job};
use crate::session::Handle;
use crate::wire::Code;

/// Means standard input or output; a file of that name is `./-`.
const STREAM: &str = "-";
/// Bytes that are read and written at once.
const BLOCK: usize = 256 << 10;

pub(crate) fn get(session: Handle, options: GetOptions, context: Context) -> Job {
    if options.to.as_deref() != Some(STREAM) {
        return client::get(session, options, context);
    }
    Box::pin(async move {
        let output = context.streams.output.clone().ok_or_else(errors::standard_output_taken)?;
        let failed = |error: std::io::Error| errors::temporary_file_failed(&error);
        let folder = session.block(temporary::make).await?.map_err(failed)?;
        let path = folder.path().join("file");
        let shown = path.display().to_string();
        let transfer = TransferOptions { passes: true, ..options.transfer };
        let options = GetOptions { to: Some(shown.clone()), transfer, ..options };
        let outcome = client::get(session.clone(), options, context).await;
        let outcome =
            outcome.map_err(|failure| stopped(errors::temporary_place(failure), "nothing of it is kept"))?;
        session.set("path", Value::text(STREAM));
        let written = session.block(move || {
            let _until_it_is_out = folder;
            let mut file = std::fs::File::open(path).map_err(failed)?;
            let mut block = vec![0; BLOCK];
            loop {
                match file.read(&mut block).map_err(failed)? {
                    0 => return output.flush().map_err(|why| errors::standard_output_failed(&why)),
                    length if output.write(block[..length].to_vec()) => {}
                    _ => return Err(errors::standard_output_closed()),
                }
            }
        });
        written.await??;
        session.tell("got", outcome.text.replace(&shown, "standard output"));
        Ok(Outcome::default())
    })
}

pub(crate) fn send(session: Handle, options: SendOptions, context: Context) -> Job {
    if options.paths.iter().all(|path| path != STREAM) {
        return client::send(session, options, context);
    }
    Box::pin(async move {
        if options.paths.len() > 1 || options.name.is_none() {
            return Err(errors::standard_input_unnamed());
        }
        if !context.streams.input {
            return Err(errors::standard_input_taken());
        }
        let read = session.unless_cancelled(input()).await;
        let file = read.map_err(|failure| stopped(failure, "nothing was sent"))?;
        let path = format!("/dev/fd/{}", file.as_raw_fd());
        let transfer = TransferOptions { passes: true, ..options.transfer };
        let options = SendOptions { paths: vec![path], transfer, ..options };
        let outcome = client::send(session.clone(), options, context).await;
        session.set("path", Value::text(STREAM));
        outcome.map_err(|failure| Failure { what: format!("send {STREAM}"), ..failure })
    })
}

/// A command that was stopped says what is left of it.
fn stopped(failure: Failure, left: &str) -> Failure {
    match failure.code {
        Code::Cancelled => Failure { why: format!("{}; {left}", failure.why), ..failure },
        _ => failure,
    }
}

/// Standard input, read to its end by a thread that nobody waits for if the command is stopped meanwhile: nothing ends a
/// read from a terminal.
async fn input() -> Result<File, Failure> {
    let (done, kept) = oneshot::channel();
    let reading = move || drop(done.send(keep(&mut std::io::stdin().lock())));
    let thread = std::thread::Builder::new().name("input".into()).spawn(reading);
    thread.map_err(|error| Failure::io(&error, "standard input"))?;
    kept.await.unwrap_or_else(|_| Err(Failure::of_worker()))
}

/// Reads the input to its end into a file without a name, of which nothing is left however this process ends.
fn keep(input: &mut impl Read) -> Result<File, Failure> {
    let failed = |error: std::io::Error| errors::temporary_file_failed(&error);
    let mut file = tempfile::tempfile().map_err(failed)?;
    let mut block = vec![0; BLOCK];
    loop {
        match input.read(&mut block) {
            Ok(0) => return Ok(file),
            Ok(length) => file.write_all(&block[..length]).map_err(failed)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::io(&error, "standard input")),
        }
    }
}
