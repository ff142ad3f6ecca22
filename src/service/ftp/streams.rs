//! `get X to -` and `send -`: standard input and output in place of a file. Received data is written out only when the
//! file is complete and verified; input is read to its end before it is sent.

use std::io::{Read, Write};

use super::client;
use crate::base::Value;
use crate::language::{Arguments, Datum};
use crate::report::{Failure, Outcome};
use crate::service::{Context, Job};
use crate::session::Handle;
use crate::wire::Code;

/// Means standard input or output; a file of that name is `./-`.
const STREAM: &str = "-";
/// Bytes that are read and written at once.
const BLOCK: usize = 256 << 10;

pub(super) fn get(session: Handle, arguments: Arguments, context: Context) -> Job {
    if arguments.text("to") != Some(STREAM) {
        return client::get(session, arguments, context);
    }
    Box::pin(async move {
        let output = context.streams.output.clone().ok_or_else(|| {
            Failure::new(Code::Usage, "standard output is a terminal, or is taken by results in JSON")
                .fix("`to FILE`; or from a shell of the system, `nls -c 'get X from … to -' > FILE`")
        })?;
        let failed = |error: std::io::Error| Failure::io(&error, "the file until it is whole");
        let folder = tempfile::tempdir().map_err(failed)?;
        let path = folder.path().join("file");
        let shown = path.display().to_string();
        let arguments = with(arguments, "to", &shown);
        let outcome = client::get(session.clone(), arguments, context).await?;
        if path.is_dir() {
            return Err(Failure::new(Code::Usage, "a folder does not go to standard output")
                .fix("`to PATH`, or name one of its files"));
        }
        session.set("path", Value::text(STREAM));
        session.tell("got", outcome.text.replace(&shown, "standard output"));
        let written = session.block(move || {
            let _until_it_is_out = folder;
            let mut file = std::fs::File::open(path)?;
            let mut block = vec![0; BLOCK];
            loop {
                match file.read(&mut block)? {
                    0 => return Ok(true),
                    length if output(block[..length].to_vec()) => {}
                    _ => return Ok(false),
                }
            }
        });
        if !written.await?.map_err(failed)? {
            return Err(Failure::new(Code::Broken, "nobody reads standard output any more"));
        }
        Ok(Outcome::default())
    })
}

pub(super) fn send(session: Handle, arguments: Arguments, context: Context) -> Job {
    if arguments.texts("path").all(|path| path != STREAM) {
        return client::send(session, arguments, context);
    }
    Box::pin(async move {
        let usage = |why: &str, fix: &str| Err(Failure::new(Code::Usage, why.to_owned()).fix(fix.to_owned()));
        if arguments.texts("path").count() > 1 || !arguments.flag("name") {
            return usage("standard input goes alone and needs a name", "send - to … name NAME");
        }
        if !context.streams.input {
            return usage("standard input is taken by the commands", "give them with `-c` or in a file");
        }
        let failed = |error: std::io::Error| Failure::io(&error, "standard input");
        let read = session.block(|| {
            let mut file = tempfile::NamedTempFile::new()?;
            std::io::copy(&mut std::io::stdin().lock(), &mut file)?;
            file.flush()?;
            Ok(file)
        });
        // Cancelling does not wait for the end of the input.
        let file = session.unless_cancelled(async { read.await?.map_err(failed) }).await?;
        let arguments = with(arguments, "path", &file.path().display().to_string());
        let outcome = client::send(session.clone(), arguments, context).await;
        session.set("path", Value::text(STREAM));
        outcome
    })
}

/// The same arguments with another path for `name`.
fn with(arguments: Arguments, name: &str, path: &str) -> Arguments {
    let other = |(known, datum)| {
        if known == name { (known, Datum::Path(path.to_owned(), false)) } else { (known, datum) }
    };
    Arguments(arguments.0.into_iter().map(other).collect())
}
