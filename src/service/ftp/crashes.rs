//! A disk that stops after each of its operations in turn. What a real one may do with what was not synced is drawn
//! from a seed: keep it, lose it, tear it. FAULTS N1 to N4 are checked at each stop, and that the next attempt ends.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::assembly::Group;
use super::disk::{Disk, Found};
use super::journal::Boot;
use super::part::{Arrived, Begun, Intent, begin};
use super::tree::Tree;
use crate::report::Failure;
use crate::wire::Code;

const GROUP: u64 = 1024;
const BLOCKS: u64 = 64;
/// So many groups are saved between two journal points.
const STEP: u64 = 8;
/// Outcomes of a crash that are drawn at each stop.
const DRAWS: u64 = 6;

#[derive(Clone, Debug, Default)]
struct Inode {
    now: Vec<u8>,
    /// What a crash certainly leaves.
    durable: Vec<u8>,
    /// Writes since the last sync: where, and what; a length alone is a truncation.
    unsynced: Vec<(u64, Option<Vec<u8>>)>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Add(String, usize),
    Remove(String),
    Rename(String, String),
}

/// What goes wrong, and at which operation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    None,
    Crash(u64),
    Fails(u64, ErrorKind),
}

#[derive(Debug)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    changes: Vec<NameChange>,
    operations: u64,
    trouble: Trouble,
    boot: u8,
}

#[derive(Clone, Debug)]
struct SimDisk(Arc<Mutex<State>>);

impl State {
    /// Counts an operation; after the one that crashes nothing happens any more.
    fn step(&mut self) -> Result<(), Error> {
        self.operations += 1;
        match self.trouble {
            Trouble::Crash(at) if self.operations > at => Err(Error::other("crash")),
            Trouble::Fails(at, kind) if self.operations == at => Err(kind.into()),
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

    /// The machine stops and starts: names keep a front of their changes, as journaling file systems do; of the data
    /// that was not synced each write is kept, lost or torn on its own.
    fn reboot(&mut self, seed: u64) {
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

    /// The program was killed, or the trouble is over: the machine lives on, and so does what it knew.
    fn resume(&mut self) {
        self.trouble = Trouble::None;
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
    fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            operations: 0,
            trouble: Trouble::None,
            boot: 1,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(name).map(|&inode| state.inodes[inode].now.clone())
    }

    /// A file that was there before, and safe.
    fn plant(&self, name: &str, bytes: &[u8]) {
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
        if !matches!(state.trouble, Trouble::Crash(_)) || done.is_ok() {
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

    fn free(&self, _file: &usize) -> u64 {
        u64::MAX
    }

    fn dress(&self, _file: &usize, _executable: bool, _modified: u64) -> Result<(), Error> {
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

fn source() -> Vec<u8> {
    (0..BLOCKS * GROUP - 7).map(|n| (n * 31 % 251) as u8).collect()
}

/// How a receive went on.
#[derive(Default)]
struct Course {
    /// Groups that were there at the start and were right.
    had: u64,
    /// Groups up to the last journal point.
    journaled: u64,
}

/// Receives the source as a server does, with a sender that compares what is there.
fn receive(disk: &SimDisk, intent: Intent, course: &mut Course) -> Result<(), Failure> {
    let source = source();
    let mut tree = Tree::new(intent.size, GROUP);
    let groups: Vec<&[u8]> = source.chunks(GROUP as usize).collect();
    for (index, bytes) in (0..).zip(&groups) {
        tree.set(index, tree.hash(index, bytes));
    }
    let mut part = match begin(disk.clone(), "a", intent)? {
        Begun::Part(part) => part,
        Begun::There(mut there) => {
            there.hashes(0, BLOCKS)?;
            let same = there.tree.root() == tree.root();
            return if same { Ok(()) } else { Err(Failure::new(Code::Exists, "another file")) };
        }
    };
    let right = |index: &u64| part.tree().get(*index) == tree.get(*index);
    let have: Vec<u64> = part.have().iter().copied().filter(right).collect();
    course.had = have.len() as u64;
    course.journaled = course.had;
    let missing: Vec<u64> = (0..BLOCKS).filter(|index| !have.contains(index)).collect();
    for step in missing.chunks(STEP as usize) {
        for &index in step {
            let buffer = groups[index as usize].to_vec();
            let group = Group { index, length: buffer.len(), buffer };
            let arrived = Arrived { group, hash: tree.get(index).unwrap() };
            match part.save(&[arrived]) {
                Ok(wrong) => assert!(wrong.is_empty()),
                Err(failure) => return Err(part.keep(failure)),
            }
        }
        if let Err(failure) = part.checkpoint() {
            return Err(part.keep(failure));
        }
        course.journaled += step.len() as u64;
    }
    part.commit(tree.root().unwrap().into()).map(drop)
}

fn intent(replace: bool, fast: bool) -> Intent {
    let size = source().len() as u64;
    Intent { group: GROUP, replace, fast, ..Intent::new(size, 5) }
}

/// How many operations it takes when nothing goes wrong.
fn operations(intent: Intent) -> u64 {
    let disk = SimDisk::new();
    receive(&disk, intent, &mut Course::default()).unwrap();
    let count = disk.state().operations;
    assert!(count > BLOCKS, "{count}");
    count
}

/// N1 and N2: what stands under the final name is the old file, the new one, or nothing if nothing was there.
fn check_name(disk: &SimDisk, old: Option<&[u8]>, what: &str) {
    match disk.content("a") {
        Some(bytes) => assert!(bytes == source() || Some(&bytes[..]) == old, "{what}: half a file"),
        None => assert!(old.is_none(), "{what}: the old file is gone"),
    }
}

/// The next attempt ends, and leaves the file and nothing else.
fn check_next(disk: &SimDisk, intent: Intent, least: u64, what: &str) {
    let there = disk.content("a").is_some_and(|bytes| bytes == source()) && !intent.replace;
    let mut course = Course::default();
    let result = receive(disk, intent, &mut course);
    assert!(result.is_ok(), "{what}: {}", result.unwrap_err());
    assert!(there || course.had >= least, "{what}: {} of {least} journaled groups are left", course.had);
    assert!(disk.content("a").unwrap() == source(), "{what}");
    let mut names: Vec<String> = disk.state().names.keys().cloned().collect();
    // Row 10: a header that was torn before the first journal point; no later crash can do that.
    names.retain(|name| name != ".a.nls-part.kept" || least > 0);
    assert_eq!(names, ["a"], "{what}");
}

const OLD: &[u8] = b"what was there before";

#[test]
fn row_11_and_13_a_power_loss_after_any_operation_keeps_n1_to_n4() {
    for replace in [false, true] {
        let intent = intent(replace, false);
        for at in 0..=operations(intent) {
            for draw in 0..DRAWS {
                let what = format!("replace {replace}, stopped after operation {at}, draw {draw}");
                let disk = SimDisk::new();
                if replace {
                    disk.plant("a", OLD);
                }
                disk.state().trouble = Trouble::Crash(at);
                let mut course = Course::default();
                let done = receive(&disk, intent, &mut course).is_ok();
                disk.state().reboot(at * DRAWS + draw);
                check_name(&disk, replace.then_some(OLD), &what);
                // Row 13: what was called done is there.
                assert!(!done || disk.content("a").unwrap() == source(), "{what}");
                let published = disk.content("a").is_some_and(|bytes| bytes == source());
                check_next(&disk, intent, if published { 0 } else { course.journaled }, &what);
            }
        }
    }
}

#[test]
fn row_11_a_kill_after_any_operation_loses_nothing_that_was_written() {
    for fast in [false, true] {
        let intent = intent(false, fast);
        for at in 0..=operations(intent) {
            let what = format!("fast {fast}, killed after operation {at}");
            let disk = SimDisk::new();
            disk.state().trouble = Trouble::Crash(at);
            let mut course = Course::default();
            drop(receive(&disk, intent, &mut course));
            disk.state().resume();
            check_name(&disk, None, &what);
            check_next(&disk, intent, course.journaled, &what);
        }
    }
}

#[test]
fn row_15_16_and_17_an_error_at_any_operation_fails_the_transfer_and_the_next_one_goes_on() {
    let intent = intent(true, false);
    for kind in [ErrorKind::StorageFull, ErrorKind::Other, ErrorKind::QuotaExceeded] {
        for at in 1..=operations(intent) {
            let what = format!("{kind:?} at operation {at}");
            let disk = SimDisk::new();
            disk.plant("a", OLD);
            disk.state().trouble = Trouble::Fails(at, kind);
            let mut course = Course::default();
            // N3: it ends, one way or the other; an error that is met after the commit is one too.
            let failure = receive(&disk, intent, &mut course).err();
            check_name(&disk, Some(OLD), &what);
            let failure = failure.unwrap_or_else(|| panic!("{what}: it was ignored"));
            let full = matches!(failure.code, Code::Full);
            assert_eq!(full, kind != ErrorKind::Other, "{what}: {failure}");
            disk.state().resume();
            check_next(&disk, intent, 0, &what);
        }
    }
}

#[test]
fn row_9_a_source_that_changed_is_not_mixed_with_the_part_of_the_old_one() {
    let intent = intent(false, false);
    let disk = SimDisk::new();
    disk.state().trouble = Trouble::Crash(operations(intent) / 2);
    drop(receive(&disk, intent, &mut Course::default()));
    disk.state().resume();
    for changed in [Intent { modified: 6, ..intent }, Intent { size: intent.size - 1, ..intent }] {
        let failure = begin(disk.clone(), "a", changed).unwrap_err();
        assert_eq!(failure.code, Code::Changed);
        assert!(
            failure.to_string().contains("kept as `.a.nls-part`; start again with `replace`"),
            "{failure}"
        );
    }
    // The old one still goes on; `replace` begins the new one.
    let Begun::Part(part) = begin(disk.clone(), "a", intent).unwrap() else { panic!() };
    assert!(part.have().len() > 10);
    let Begun::Part(part) = begin(disk, "a", Intent { modified: 6, replace: true, ..intent }).unwrap() else {
        panic!()
    };
    assert_eq!(part.have(), [0; 0]);
}

#[test]
fn row_10_a_journal_with_a_bad_header_sets_the_part_aside() {
    let intent = intent(false, false);
    let disk = SimDisk::new();
    disk.state().trouble = Trouble::Crash(operations(intent) / 2);
    drop(receive(&disk, intent, &mut Course::default()));
    disk.state().resume();
    let journal = disk.open(".a.nls-journal").unwrap();
    disk.state().inodes[journal].now[0] ^= 1;
    let kept = disk.content(".a.nls-part");
    receive(&disk, intent, &mut Course::default()).unwrap();
    assert_eq!(disk.content("a").unwrap(), source());
    assert_eq!(disk.content(".a.nls-part.kept"), kept);
}

#[test]
fn row_27_a_group_with_another_hash_is_given_back_and_not_written() {
    let disk = SimDisk::new();
    let Begun::Part(mut part) = begin(disk.clone(), "a", intent(false, false)).unwrap() else { panic!() };
    let group = Group { index: 3, buffer: vec![1; GROUP as usize], length: GROUP as usize };
    assert_eq!(part.save(&[Arrived { group, hash: [0; 32] }]).unwrap(), [3]);
    assert!(disk.content(".a.nls-part").unwrap().is_empty());
}

#[test]
fn row_28_a_whole_with_another_hash_is_kept_aside() {
    let disk = SimDisk::new();
    let small = Intent { group: GROUP, ..Intent::new(3, 1) };
    let Begun::Part(mut part) = begin(disk.clone(), "a", small).unwrap() else { panic!() };
    let group = Group { index: 0, buffer: b"abc".into(), length: 3 };
    part.save(&[Arrived { group, hash: blake3::hash(b"abc").into() }]).unwrap();
    let failure = part.commit(blake3::hash(b"abd").into()).unwrap_err();
    assert_eq!(failure.code, Code::Integrity);
    assert_eq!(disk.content(".a.nls-part.bad").unwrap(), b"abc");
    assert_eq!(disk.content("a"), None);
}

#[test]
fn row_18_a_folder_that_goes_away_is_the_reason_and_nothing_is_made_elsewhere() {
    let disk = SimDisk::new();
    let small = Intent { group: GROUP, ..Intent::new(0, 1) };
    let Begun::Part(part) = begin(disk.clone(), "a", small).unwrap() else { panic!() };
    disk.state().names.clear();
    let failure = part.commit(blake3::hash(b"").into()).unwrap_err();
    assert!(failure.to_string().contains("the folder or the part is gone"), "{failure}");
    assert!(disk.state().names.is_empty());
}
