//! The folder that a server serves, and its rules: what all of its clients share, whatever they speak.

use std::sync::Arc;

use super::errors;
use super::options::ServerOptions;
use super::storage::hashes::known::KnownHashes;
use super::storage::quota::Quota;
use super::storage::small::BatchWriter;
use super::transfer::told_rate::Senders;
use crate::language::{Arguments, FromArguments};
use crate::report::Failure;
use crate::service::Context;
use crate::service::files::disk::Space;
use crate::service::files::name::Rules;
use crate::service::files::root::Folder;
use crate::service::files::walk::size_below;
use crate::service::listen::options::ListenOptions;
use crate::session::Handle;

/// The folder that a server serves, and its rules.
pub(crate) struct FileServer {
    pub(super) folder: Arc<Folder>,
    readonly: bool,
    pub(super) rules: Rules,
    pub(super) quota: Arc<Quota>,
    /// The port is open to the network and `open` was not given: clients may not write.
    guarded: bool,
    /// The word `open`, or keys: other users of this machine are admitted, too.
    pub(super) open: bool,
    /// Hashes of files that came in other protocols.
    pub(super) hashes: KnownHashes,
    /// Clients that send files.
    pub(super) senders: Senders,
}

impl FileServer {
    /// As `listen … ftp` says.
    pub(super) fn new(
        session: &Handle,
        listen: &ListenOptions,
        arguments: &Arguments,
        context: &Context,
    ) -> Result<Self, Failure> {
        let options = ServerOptions::from_arguments(arguments);
        let folder = Arc::new(options.root.open(&context.directory)?);
        let guarded = listen.is_guarded();
        if guarded && !options.readonly {
            session.tell(
                "warning",
                "everyone who can reach this port may read the folder; writing to it needs the word `open`",
            );
        }
        Ok(Self {
            folder,
            readonly: options.readonly,
            rules: options.rules,
            quota: Arc::new(Quota::new(options.quota)),
            guarded,
            open: listen.open || listen.is_keyed(),
            hashes: KnownHashes::default(),
            senders: Senders::default(),
        })
    }

    /// A folder that is only read. `open`: on loopback, by every user of this machine.
    pub(crate) fn of_films(folder: Arc<Folder>, open: bool) -> Self {
        Self {
            folder,
            readonly: true,
            rules: Rules::default(),
            quota: Arc::new(Quota::new(None)),
            guarded: false,
            open,
            hashes: KnownHashes::default(),
            senders: Senders::default(),
        }
    }

    /// Clients may only read.
    pub(super) fn takes_nothing(&self) -> bool {
        self.readonly || self.guarded
    }

    /// Why the server accepts no files; `None` if it does.
    pub(super) fn objection(&self) -> Option<Failure> {
        if self.readonly {
            return Some(errors::read_only());
        }
        self.guarded.then(errors::uploads_closed)
    }

    /// Claims space for a tree of `bytes` bytes, or refuses one that does not fit; what is there already needs no more
    /// space. True if a folder of that name exists.
    pub(super) fn claim_room(&self, bytes: u64, name: &str) -> Result<(bool, Space), Failure> {
        self.folder.place(name, self.rules)?;
        self.folder.check_writable()?;
        let there = self.folder.folder(name).and_then(Result::ok);
        let lacking = bytes.saturating_sub(there.as_ref().map_or(0, |dir| size_below(dir, 0)));
        if self.quota.reserve(lacking).is_none() {
            return Err(self.quota.refusal(lacking));
        }
        Ok((there.is_some(), self.folder.claim_space(lacking)?))
    }

    pub(super) fn keeper(&self) -> BatchWriter {
        BatchWriter::new(self.folder.clone(), self.rules, self.quota.clone())
    }
}
