//! A simulated disk that crashes, or fails, at any of its operations. What a crash does to unsynced data is drawn from
//! a seed: it is kept, lost or torn.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::report::Failure;
use crate::service::files::disk::{Disk, Found};
use crate::service::ftp::storage::journal::Boot;

#[derive(Clone, Debug, Default)]
pub(crate) struct Inode {
    pub(crate) now: Vec<u8>,
    /// Content that is certain to survive a crash.
    durable: Vec<u8>,
    /// Writes since the last sync: offset and bytes; without bytes, the file was set to that length.
    unsynced: Vec<(u64, Option<Vec<u8>>)>,
}

#[derive(Clone, Debug)]
pub(crate) enum NameChange {
    Add(String, usize),
    Remove(String),
    Rename(String, String),
}

/// What goes wrong, and at which operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum DiskFault {
    None,
    Crash(u64),
    Fails(u64, ErrorKind),
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) inodes: Vec<Inode>,
    pub(crate) names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    changes: Vec<NameChange>,
    pub(crate) operations: u64,
    pub(crate) trouble: DiskFault,
    boot: u8,
}

#[derive(Clone, Debug)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

impl State {
    /// Counts an operation; after the crash all operations fail.
    fn step(&mut self) -> Result<(), Error> {
        self.operations += 1;
        match self.trouble {
            DiskFault::Crash(at) if self.operations > at => Err(Error::other("crash")),
            DiskFault::Fails(at, kind) if self.operations == at => Err(kind.into()),
            _ => Ok(()),
        }
    }

    fn apply(names: &mut BTreeMap<String, usize>, change: &NameChange) {
        match change {
            NameChange::Add(name, inode) => drop(names.insert(name.clone(), *inode)),
            NameChange::Remove(name) => drop(names.remove(name)),
            NameChange::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
        }
    }

    fn change(&mut self, change: NameChange) {
        Self::apply(&mut self.names, &change);
        self.changes.push(change);
    }

    /// The machine crashes and restarts. Of the changes of names a prefix survives, as on a journaling file system;
    /// each unsynced write is kept, lost or torn on its own.
    pub(crate) fn reboot(&mut self, seed: u64) {
        let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
        let kept = dice.random_range(0..=self.changes.len());
        for change in self.changes.drain(..).take(kept) {
            Self::apply(&mut self.durable_names, &change);
        }
        self.names = self.durable_names.clone();
        for inode in &mut self.inodes {
            for (at, write) in inode.unsynced.drain(..) {
                match (dice.random_range(0..3), write) {
                    (0, _) => {}
                    (_, None) => inode.durable.resize(at as usize, 0),
                    (fate, Some(bytes)) => {
                        let length = if fate == 1 { bytes.len() } else { dice.random_range(0..=bytes.len()) };
                        put(&mut inode.durable, at, &bytes[..length]);
                    }
                }
            }
            inode.now = inode.durable.clone();
        }
        self.resume();
        self.boot += 1;
    }

    /// The program was killed, or the fault is over: the machine goes on, with its unsynced data.
    pub(crate) fn resume(&mut self) {
        self.trouble = DiskFault::None;
        self.operations = 0;
    }
}

fn put(file: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let end = at as usize + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[at as usize..end].copy_from_slice(bytes);
}

impl SimDisk {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            operations: 0,
            trouble: DiskFault::None,
            boot: 1,
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(name).map(|&inode| state.inodes[inode].now.clone())
    }

    /// Adds a file that was there before and is durable.
    pub(crate) fn plant(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        state.inodes.push(Inode { now: bytes.into(), durable: bytes.into(), unsynced: Vec::new() });
        let inode = state.inodes.len() - 1;
        state.names.insert(name.into(), inode);
        state.durable_names.insert(name.into(), inode);
    }
}

impl Disk for SimDisk {
    type File = usize;

    fn find(&self, name: &str) -> Option<Found> {
        let state = self.state();
        state.names.get(name).map(|&inode| Found::File { size: state.inodes[inode].now.len() as u64 })
    }

    fn claim(&self, name: &str) -> Result<usize, Failure> {
        let mut state = self.state();
        if let Some(&inode) = state.names.get(name) {
            return Ok(inode);
        }
        state.step().map_err(|error| Failure::io(&error, name))?;
        state.inodes.push(Inode::default());
        let inode = state.inodes.len() - 1;
        state.change(NameChange::Add(name.into(), inode));
        Ok(inode)
    }

    fn open(&self, name: &str) -> Result<usize, Error> {
        self.state().names.get(name).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn read_at(&self, file: &usize, at: u64, buffer: &mut [u8]) -> Result<(), Error> {
        let state = self.state();
        let bytes = &state.inodes[*file].now;
        let end = at as usize + buffer.len();
        buffer.copy_from_slice(bytes.get(at as usize..end).ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, file: &usize, at: u64, bytes: &[u8]) -> Result<(), Error> {
        let mut state = self.state();
        let done = state.step();
        // A write that fails may have written a part.
        let part = if done.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        if !matches!(state.trouble, DiskFault::Crash(_)) || done.is_ok() {
            let inode = &mut state.inodes[*file];
            put(&mut inode.now, at, part);
            inode.unsynced.push((at, Some(part.into())));
        }
        done
    }

    fn length(&self, file: &usize) -> Result<u64, Error> {
        Ok(self.state().inodes[*file].now.len() as u64)
    }

    fn set_length(&self, file: &usize, length: u64) -> Result<(), Error> {
        let mut state = self.state();
        state.step()?;
        let inode = &mut state.inodes[*file];
        inode.now.resize(length as usize, 0);
        inode.unsynced.push((length, None));
        Ok(())
    }

    fn claim_space(&self, _file: &usize, _bytes: u64) -> Result<crate::service::files::disk::Space, Failure> {
        Ok(crate::service::files::disk::Space::default())
    }

    fn free(&self, _file: &usize) -> u64 {
        u64::MAX
    }

    fn dress(
        &self,
        _file: &usize,
        _mode: crate::service::ftp::protocol::Mode,
        _modified: u64,
    ) -> Result<(), Error> {
        self.state().step()
    }

    fn sync(&self, file: &usize) -> Result<(), Error> {
        let mut state = self.state();
        state.step()?;
        let inode = &mut state.inodes[*file];
        inode.durable = inode.now.clone();
        inode.unsynced.clear();
        Ok(())
    }

    fn rename(&self, from: &str, to: &str, replace: bool) -> Result<(), Error> {
        let mut state = self.state();
        state.step()?;
        if !state.names.contains_key(from) {
            return Err(ErrorKind::NotFound.into());
        }
        if !replace && state.names.contains_key(to) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        state.change(NameChange::Rename(from.into(), to.into()));
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        let mut state = self.state();
        state.step()?;
        state.change(NameChange::Remove(name.into()));
        Ok(())
    }

    fn sync_names(&self) -> Result<(), Error> {
        let mut state = self.state();
        state.step()?;
        let changes = std::mem::take(&mut state.changes);
        changes.iter().for_each(|change| State::apply(&mut state.durable_names, change));
        Ok(())
    }

    fn boot(&self) -> Boot {
        [self.state().boot; 16]
    }
}
