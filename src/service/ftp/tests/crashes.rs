//! Stops a receive after each operation of a simulated disk in turn. At each stop faults.md N1 to N4 are checked, and that
//! the next attempt succeeds.

use std::io::ErrorKind;

use super::simdisk::{DiskFault, SimDisk};
use crate::report::Failure;
use crate::service::files::disk::Disk;
use crate::service::ftp::storage::assembly::Group;
use crate::service::ftp::storage::hashes::tree::HashTree;
use crate::service::ftp::storage::part::{Arrived, Begun, Intent, begin};
use crate::wire::Code;

const GROUP: u64 = 1024;
const BLOCKS: u64 = 64;
/// Groups that are saved between two checkpoints of the journal.
const STEP: u64 = 8;
/// Random outcomes of a crash that are tried at each stop.
const DRAWS: u64 = 6;

fn source() -> Vec<u8> {
    (0..BLOCKS * GROUP - 7).map(|n| (n * 31 % 251) as u8).collect()
}

/// The progress of a receive.
#[derive(Default)]
struct Course {
    /// Groups that were there at the start and were right.
    had: u64,
    /// Groups that were in the journal at its last checkpoint.
    journaled: u64,
}

/// Receives the source as a server does, with a sender that compares what is there.
fn receive(disk: &SimDisk, intent: Intent, course: &mut Course) -> Result<(), Failure> {
    let source = source();
    let mut tree = HashTree::new(intent.size, GROUP);
    let groups: Vec<&[u8]> = source.chunks(GROUP as usize).collect();
    for (index, bytes) in (0..).zip(&groups) {
        tree.set(index, tree.hash(index, bytes));
    }
    let mut part = match begin(disk.clone(), "a", intent)? {
        Begun::Part(part) => part,
        Begun::There(mut there) => {
            there.hashes(0, BLOCKS)?;
            match there.tree.root() == tree.root() {
                true => return there.confirm(),
                false if intent.replace => there.into_part()?,
                false => return Err(Failure::new(Code::Exists, "another file")),
            }
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
            let group = Group { index, length: buffer.len(), buffer, held: None, hole: false };
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

/// How many disk operations a receive takes if nothing goes wrong.
fn operations(intent: Intent) -> u64 {
    let disk = SimDisk::new();
    if intent.replace {
        disk.plant("a", OLD);
    }
    receive(&disk, intent, &mut Course::default()).unwrap();
    let count = disk.state().operations;
    assert!(count > BLOCKS, "{count}");
    count
}

/// N1 and N2: the final name has the old file, the new one, or nothing if nothing was there.
fn check_name(disk: &SimDisk, old: Option<&[u8]>, what: &str) {
    match disk.content("a") {
        Some(bytes) => assert!(bytes == source() || Some(&bytes[..]) == old, "{what}: half a file"),
        None => assert!(old.is_none(), "{what}: the old file is gone"),
    }
}

/// The next attempt succeeds, and leaves the file and nothing else.
fn check_next(disk: &SimDisk, intent: Intent, least: u64, what: &str) {
    let there = disk.content("a").is_some_and(|bytes| bytes == source());
    let mut course = Course::default();
    let result = receive(disk, intent, &mut course);
    assert!(result.is_ok(), "{what}: {}", result.unwrap_err());
    assert!(there || course.had >= least, "{what}: {} of {least} journaled groups are left", course.had);
    assert!(disk.content("a").unwrap() == source(), "{what}");
    let mut names: Vec<String> = disk.state().names.keys().cloned().collect();
    // Row 10: a header that was torn before the first checkpoint; no later crash can tear it.
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
                disk.state().trouble = DiskFault::Crash(at);
                let mut course = Course::default();
                let done = receive(&disk, intent, &mut course).is_ok();
                disk.state().reboot(at * DRAWS + draw);
                check_name(&disk, replace.then_some(OLD), &what);
                // Row 13: a file whose receive reported success is there.
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
            disk.state().trouble = DiskFault::Crash(at);
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
            disk.state().trouble = DiskFault::Fails(at, kind);
            let mut course = Course::default();
            // N3: the receive ends, with success or an error; an error after the commit is reported too.
            let failure = receive(&disk, intent, &mut course).err();
            check_name(&disk, Some(OLD), &what);
            // The last operation removes the journal: the file has its final name already, and the disk has it.
            let last = at == operations(intent);
            assert_eq!(failure.is_none(), last, "{what}: it was ignored");
            let Some(failure) = failure else {
                assert!(disk.content("a").unwrap() == source(), "{what}");
                continue;
            };
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
    disk.state().trouble = DiskFault::Crash(operations(intent) / 2);
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
    // The old version can still be resumed; `replace` begins the new one.
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
    disk.state().trouble = DiskFault::Crash(operations(intent) / 2);
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
    let group =
        Group { index: 3, buffer: vec![1; GROUP as usize], length: GROUP as usize, held: None, hole: false };
    assert_eq!(part.save(&[Arrived { group, hash: [0; 32] }]).unwrap(), [3]);
    assert!(disk.content(".a.nls-part").unwrap().is_empty());
}

#[test]
fn row_28_a_whole_with_another_hash_is_kept_aside() {
    let disk = SimDisk::new();
    let small = Intent { group: GROUP, ..Intent::new(3, 1) };
    let Begun::Part(mut part) = begin(disk.clone(), "a", small).unwrap() else { panic!() };
    let group = Group { index: 0, buffer: b"abc".into(), length: 3, held: None, hole: false };
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
