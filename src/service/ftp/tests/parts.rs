//! Parts in a real folder: what is refused, what an earlier attempt left, and what has a name when.

use std::fs::File;

use super::next_tick;
use crate::report::Failure;
use crate::service::files::disk::{RealDisk, granted};
use crate::service::files::name::Rules;
use crate::service::files::root::Folder;
use crate::service::ftp::storage::assembly::Group;
use crate::service::ftp::storage::part::{Arrived, Begun, Intent, Part};
use crate::wire::Code;

const INTENT: Intent = Intent { fast: true, ..Intent::new(3, 1) };

impl Folder {
    fn begin_plain(&self, name: &str, intent: Intent) -> Result<Begun<RealDisk>, Failure> {
        self.begin(name, intent, Rules::default())
    }

    fn part(&self, name: &str, intent: Intent) -> Part<RealDisk> {
        match self.begin_plain(name, intent).unwrap() {
            Begun::Part(part) => part,
            Begun::There(_) => panic!("{name} is there"),
        }
    }
}

/// Receives a file with the content `new`.
pub(super) fn fill(mut part: Part<RealDisk>) -> Result<blake3::Hash, Failure> {
    let hash = blake3::hash(b"new");
    let group = Group { index: 0, buffer: b"new".into(), length: 3, held: None, hole: false };
    assert!(part.save(&[Arrived { group, hash: hash.into() }]).unwrap().is_empty());
    part.commit(hash.into())
}

fn root() -> (tempfile::TempDir, Folder) {
    let temp = tempfile::tempdir().unwrap();
    let folder = Folder::open(temp.path(), false).unwrap();
    (temp, folder)
}

#[test]
fn row_6_an_existing_file_is_not_touched() {
    let (temp, folder) = root();
    std::fs::write(temp.path().join("a"), "older").unwrap();
    assert_eq!(folder.begin_plain("a", INTENT).unwrap_err().code, Code::Exists);
    // The file appears only after the start: the commit still refuses.
    let part = folder.part("b", INTENT);
    std::fs::write(temp.path().join("b"), "old").unwrap();
    assert_eq!(fill(part).unwrap_err().code, Code::Exists);
    assert_eq!(std::fs::read_to_string(temp.path().join("b")).unwrap(), "old");
}

#[test]
fn row_6_a_file_of_the_same_size_may_be_the_same() {
    let (temp, folder) = root();
    std::fs::write(temp.path().join("a"), "new").unwrap();
    let Begun::There(mut there) = folder.begin_plain("a", INTENT).unwrap() else { panic!("it is there") };
    assert_eq!(there.hashes(0, 9).unwrap(), [*blake3::hash(b"new").as_bytes()]);
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1);
}

#[test]
fn row_6_what_an_attempt_left_of_a_file_that_is_there_goes() {
    let (temp, folder) = root();
    let intent = Intent { size: 3 << 20, group: 1 << 18, ..INTENT };
    let count = || std::fs::read_dir(temp.path()).unwrap().count();
    let mut under_way = folder.part("a", intent);
    let buffer = vec![0; 1 << 18];
    let hash = under_way.tree().hash(0, &buffer);
    let group = Group { index: 0, length: buffer.len(), buffer, held: None, hole: false };
    assert!(under_way.save(&[Arrived { group, hash }]).unwrap().is_empty());
    under_way.checkpoint().unwrap();
    std::fs::write(temp.path().join("a"), vec![0; 3 << 20]).unwrap();
    let there = || match folder.begin_plain("a", intent).unwrap() {
        Begun::There(there) => there,
        Begun::Part(_) => panic!("it is there"),
    };
    there().forget_left();
    assert_eq!(count(), 3, "a part that somebody receives stays, with its journal");
    drop(under_way);
    let other = Intent { modified: 7, replace: true, ..intent };
    let Begun::There(of_another) = folder.begin_plain("a", other).unwrap() else { panic!("it is there") };
    of_another.forget_left();
    assert_eq!(count(), 3, "a part of another version stays");
    there().forget_left();
    assert_eq!(count(), 1);
    there().forget_left();
    assert_eq!(std::fs::metadata(temp.path().join("a")).unwrap().len(), 3 << 20);
}

#[test]
fn row_23_a_journal_beside_a_file_that_is_there_stays_unless_it_is_ours() {
    let (temp, folder) = root();
    let at = |name: &str| temp.path().join(name);
    for name in ["ours", "link", "hard", "fifo"] {
        std::fs::write(at(name), "new").unwrap();
    }
    std::fs::write(at("target"), "keep").unwrap();
    std::fs::write(at(".ours.nls-journal"), "left by a crash").unwrap();
    std::os::unix::fs::symlink("target", at(".link.nls-journal")).unwrap();
    std::fs::hard_link(at("target"), at(".hard.nls-journal")).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, at(".fifo.nls-journal"), fifo, mode, 0).unwrap();
    for name in ["ours", "link", "hard", "fifo"] {
        assert!(matches!(folder.begin_plain(name, INTENT).unwrap(), Begun::There(_)));
        let is_left = at(&format!(".{name}.nls-journal")).symlink_metadata().is_ok();
        assert_eq!(is_left, name != "ours", "{name}");
    }
    assert_eq!(std::fs::read_to_string(at("target")).unwrap(), "keep");
}

#[test]
fn row_19_one_name_is_received_once_at_a_time() {
    let (_temp, folder) = root();
    let _first = folder.part("a", INTENT);
    let second = folder.begin_plain("a", INTENT).unwrap_err();
    assert_eq!((second.code, second.why.as_str()), (Code::Receiving, "`a` is being received already"));
}

#[test]
fn row_5_and_14_more_than_fits_is_refused_and_leaves_nothing() {
    let (temp, folder) = root();
    for size in [u64::MAX, 1 << 61, 1 << 55] {
        let failure = folder.begin_plain("a", Intent { size, ..INTENT }).unwrap_err();
        assert_eq!(failure.code, Code::Full, "{failure}");
    }
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
fn row_23_the_name_appears_at_the_commit_and_a_link_in_the_way_is_replaced_itself() {
    let (temp, folder) = root();
    let target = temp.path().join("target");
    std::fs::write(&target, "keep").unwrap();
    std::os::unix::fs::symlink(&target, temp.path().join("a")).unwrap();
    std::fs::hard_link(&target, temp.path().join("b")).unwrap();
    for name in ["a", "b"] {
        fill(folder.part(name, Intent { replace: true, ..INTENT })).unwrap();
        assert_eq!(std::fs::read_to_string(temp.path().join(name)).unwrap(), "new");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "keep");
    }
}

#[test]
fn row_23_a_part_that_is_no_plain_file_of_its_own_is_not_written_to() {
    let (temp, folder) = root();
    let target = temp.path().join("target");
    std::fs::write(&target, "keep").unwrap();
    std::os::unix::fs::symlink(&target, temp.path().join(".a.nls-part")).unwrap();
    std::fs::hard_link(&target, temp.path().join(".b.nls-part")).unwrap();
    std::os::unix::fs::symlink(&target, temp.path().join(".c.nls-journal")).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let fifo = temp.path().join(".d.nls-part");
    rustix::fs::mknodat(rustix::fs::CWD, fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    std::fs::create_dir(temp.path().join("e")).unwrap();
    for name in ["a", "b", "c", "d", "e"] {
        let large = Intent { size: 1 << 20, replace: true, ..INTENT };
        assert!(folder.begin_plain(name, large).is_err(), "{name}");
    }
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "keep");
}

#[test]
fn row_32_modes_are_never_wider_than_they_were_and_absurd_times_clamped() {
    use std::os::unix::fs::MetadataExt;
    let (temp, folder) = root();
    let now = std::time::SystemTime::now();
    let mask = 0o777 & !granted(0o777);
    for (name, mode, kept, modified) in [
        ("a", 0o755, 0o755, 1_500_000_000),
        ("b", 0o600, 0o600, u64::MAX),
        ("c", 0o777, 0o755, 7),
        ("d", 0o7777, 0o755, 7),
        ("e", 0o400, 0o400, 7),
    ] {
        fill(folder.part(name, Intent { modified, mode, ..INTENT })).unwrap();
        let metadata = std::fs::metadata(temp.path().join(name)).unwrap();
        assert_eq!(metadata.mode() & 0o7777, kept & !mask, "{name}");
        assert!(metadata.modified().unwrap() < now + std::time::Duration::from_hours(25));
        folder.make(&format!("{name}.d"), Rules::default()).unwrap();
        folder.finish(&format!("{name}.d"), 5, mode, Rules::default()).unwrap();
        let metadata = std::fs::metadata(temp.path().join(format!("{name}.d"))).unwrap();
        assert_eq!(metadata.mode() & 0o7777, kept & !mask, "{name}.d");
    }
    assert_eq!(std::fs::metadata(temp.path().join("a")).unwrap().mtime_nsec(), 500_000_000);
}

#[test]
fn row_23_what_is_no_file_is_never_replaced() {
    let (temp, folder) = root();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, temp.path().join("a"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let failure = folder.begin_plain("a", Intent { replace: true, ..INTENT }).unwrap_err();
    assert!(failure.code == Code::Exists && failure.why.contains("FIFO"), "{failure}");
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1);
}

#[test]
fn what_is_the_same_need_not_travel_to_replace_a_file() {
    let (temp, folder) = root();
    let size = 3 * crate::service::ftp::storage::hashes::tree::GROUP as usize - 7;
    let old: Vec<u8> = (0..size).map(|n| (n * 31 % 251) as u8).collect();
    std::fs::write(temp.path().join("a"), &old).unwrap();
    let mut new = old.clone();
    new[size / 2] ^= 1;
    let intent = Intent { replace: true, fast: true, ..Intent::new(size as u64, 1) };
    let Begun::There(mut there) = folder.begin_plain("a", intent).unwrap() else { panic!("it is there") };
    there.hashes(0, 9).unwrap();
    let mut part = there.into_part().unwrap();
    assert_eq!(part.have(), [0, 1, 2]);
    let buffer = new[crate::service::ftp::storage::hashes::tree::GROUP as usize..]
        [..crate::service::ftp::storage::hashes::tree::GROUP as usize]
        .to_vec();
    let hash = part.tree().hash(1, &buffer);
    let group = crate::service::ftp::storage::assembly::Group {
        index: 1,
        length: buffer.len(),
        buffer,
        held: None,
        hole: false,
    };
    assert!(part.save(&[Arrived { group, hash }]).unwrap().is_empty());
    assert_eq!(std::fs::read(temp.path().join("a")).unwrap(), old, "until it is whole");
    part.commit(blake3::hash(&new).into()).unwrap();
    assert_eq!(std::fs::read(temp.path().join("a")).unwrap(), new);
}

#[test]
fn what_an_attempt_to_replace_a_file_has_left_is_read_back_and_resumed() {
    let (temp, folder) = root();
    let group = crate::service::ftp::storage::hashes::tree::GROUP as usize;
    let (old, new) = (vec![3; 3 * group], vec![4; 3 * group]);
    std::fs::write(temp.path().join("a"), &old).unwrap();
    let intent = Intent { replace: true, fast: true, ..Intent::new(old.len() as u64, 1) };
    let Begun::There(mut there) = folder.begin_plain("a", intent).unwrap() else { panic!("it is there") };
    there.hashes(0, 9).unwrap();
    let mut part = there.into_part().unwrap();
    arrive(&mut part, 0, new[..group].to_vec());
    arrive(&mut part, 1, new[..group].to_vec());
    drop(part.keep(Failure::new(Code::Broken, "cut")));
    let left = File::options().write(true).open(temp.path().join(".a.nls-part")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&left, b"damaged", 99).unwrap();
    drop(left);
    let mut part = folder.part("a", intent);
    assert_eq!(part.have(), [0, 1, 2]);
    assert_eq!(part.tree().get(1), Some(part.tree().hash(1, &new[..group])));
    assert_eq!(part.verify(&[0, 1, 2]).unwrap(), [0]);
    arrive(&mut part, 0, new[..group].to_vec());
    arrive(&mut part, 2, new[..group].to_vec());
    part.commit(blake3::hash(&new).into()).unwrap();
    assert!(std::fs::read(temp.path().join("a")).unwrap() == new);
}

#[test]
fn a_file_that_changes_after_its_groups_were_told_is_not_the_base_of_another() {
    let (temp, folder) = root();
    let group = crate::service::ftp::storage::hashes::tree::GROUP as usize;
    std::fs::write(temp.path().join("a"), vec![3; 3 * group]).unwrap();
    let intent = Intent { replace: true, ..Intent::new(3 * group as u64, 1) };
    let Begun::There(mut there) = folder.begin_plain("a", intent).unwrap() else { panic!("it is there") };
    there.hashes(0, 9).unwrap();
    let file = File::options().write(true).open(temp.path().join("a")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"changed", 2 * group as u64).unwrap();
    let failure = there.into_part().unwrap_err();
    assert!(failure.code == Code::Changed && failure.why.contains("while it was compared"), "{failure}");
}

#[test]
fn zeros_beyond_the_end_of_a_part_stay_a_hole() {
    use std::os::unix::fs::MetadataExt;
    let (temp, folder) = root();
    let group = crate::service::ftp::storage::hashes::tree::GROUP;
    let size = 64 * group - 5;
    let mut part = folder.part("a", Intent { fast: true, ..Intent::new(size, 1) });
    let mut whole = vec![0; size as usize];
    whole[(5 * group) as usize] = 1;
    for (index, bytes) in (0..).zip(whole.chunks(group as usize)) {
        let hash = part.tree().hash(index, bytes);
        let group = crate::service::ftp::storage::assembly::Group {
            index,
            length: bytes.len(),
            buffer: bytes.to_vec(),
            held: None,
            hole: bytes.iter().all(|byte| *byte == 0),
        };
        assert!(part.save(&[Arrived { group, hash }]).unwrap().is_empty());
    }
    part.commit(blake3::hash(&whole).into()).unwrap();
    assert!(std::fs::read(temp.path().join("a")).unwrap() == whole);
    assert!(std::fs::metadata(temp.path().join("a")).unwrap().blocks() * 512 <= 2 * group);
}

/// A group arrives as its sender has it.
fn arrive(part: &mut Part<RealDisk>, index: u64, buffer: Vec<u8>) {
    let (hash, length) = (part.tree().hash(index, &buffer), buffer.len());
    let group =
        crate::service::ftp::storage::assembly::Group { index, length, buffer, held: None, hole: false };
    assert!(part.save(&[Arrived { group, hash }]).unwrap().is_empty());
}

#[test]
fn row_28_what_the_journal_covers_is_read_back_and_what_changed_comes_again() {
    let (temp, folder) = root();
    let group = crate::service::ftp::storage::hashes::tree::GROUP;
    let intent = Intent::new(4 * group, 1);
    let bytes = |index: u64| vec![index as u8 + 1; group as usize];
    let arrive = |part: &mut Part<RealDisk>, index: u64| arrive(part, index, bytes(index));
    let mut part = folder.part("a", intent);
    (0..3).for_each(|index| arrive(&mut part, index));
    drop(part.keep(Failure::new(Code::Broken, "cut")));
    let damaged = File::options().write(true).open(temp.path().join(".a.nls-part")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&damaged, b"damaged", group + 99).unwrap();
    drop(damaged);
    let mut part = folder.part("a", intent);
    assert_eq!(part.have(), [0, 1, 2]);
    assert_eq!(part.verify(&[0, 1, 2]).unwrap(), [1]);
    arrive(&mut part, 1);
    arrive(&mut part, 3);
    let whole: Vec<u8> = (0..4).flat_map(bytes).collect();
    part.commit(blake3::hash(&whole).into()).unwrap();
    assert!(std::fs::read(temp.path().join("a")).unwrap() == whole);
}

#[test]
fn row_28_what_another_program_writes_meanwhile_is_noticed_and_comes_again() {
    let (temp, folder) = root();
    let group = crate::service::ftp::storage::hashes::tree::GROUP;
    let whole = vec![7; 2 * group as usize];
    let arrive = |part: &mut Part<RealDisk>, index: u64| arrive(part, index, vec![7; group as usize]);
    for (meddled_after_all, name) in [(true, "a"), (false, "b")] {
        let mut part = folder.part(name, Intent::new(2 * group, 1));
        arrive(&mut part, 0);
        if meddled_after_all {
            arrive(&mut part, 1);
        }
        next_tick(temp.path());
        let file = temp.path().join(format!(".{name}.nls-part"));
        let foreign = File::options().write(true).open(file).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&foreign, b"damaged", 99).unwrap();
        if !meddled_after_all {
            arrive(&mut part, 1);
        }
        let failure = part.commit(blake3::hash(&whole).into()).unwrap_err();
        assert!(failure.why.contains("another program wrote to"), "{failure}");
        assert!(!temp.path().join(name).exists());
        let mut part = folder.part(name, Intent::new(2 * group, 1));
        arrive(&mut part, 0);
        part.commit(blake3::hash(&whole).into()).unwrap();
        assert!(std::fs::read(temp.path().join(name)).unwrap() == whole);
    }
}

#[test]
fn row_28_a_part_of_another_user_is_in_the_way() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root can give a file away.
    }
    let (temp, folder) = root();
    for planted in [".a.nls-part", ".b.nls-journal"] {
        std::fs::write(temp.path().join(planted), "planted").unwrap();
        std::os::unix::fs::chown(temp.path().join(planted), Some(1), Some(1)).unwrap();
    }
    for name in ["a", "b"] {
        let failure = folder.begin_plain(name, Intent::new(1 << 20, 1)).unwrap_err();
        assert!(failure.why.contains("is in the way"), "{failure}");
    }
}
