//! One file with a key, in either form: plain, small, and nobody else's business.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use super::{errors, memory};
use crate::base::Key;
use crate::base::open::{NO_WAIT, NO_WAIT_NO_LINK};
use crate::base::secrets::key::{BadKey, TEXT_LIMIT};
use crate::report::Failure;

/// Permission bits of the group and of all others.
const OTHERS: u32 = 0o077;

/// Reads a key that is kept: as ssh does, only if nobody else could read or change it.
pub fn read(path: &Path) -> Result<Key, Failure> {
    let mut file = open(path)?;
    check(path, &file)?;
    text(path, &mut file)
}

/// Reads a key that came from elsewhere, and says why [`read`] would refuse the file; `None`: it would not.
pub fn read_foreign(path: &Path) -> Result<(Key, Option<Failure>), Failure> {
    let mut file = open(path)?;
    let refusal = check(path, &file).err();
    Ok((text(path, &mut file)?, refusal))
}

/// Writes a key to a new file of mode 0600. It is there whole or not at all, and replaces nothing.
pub fn create(path: &Path, key: &Key) -> Result<(), Failure> {
    memory::protect();
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => errors::key_exists(path),
        _ => Failure::io(&error, path.display().to_string()),
    };
    let folder = folder(path);
    let written = tempfile::Builder::new().prefix(".key-").tempfile_in(folder).and_then(|mut file| {
        file.write_all(key.text().as_bytes())?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        Ok(file)
    });
    written.map_err(failed)?.persist_noclobber(path).map_err(|error| failed(error.error))?;
    sync(folder);
    Ok(())
}

/// Overwrites a file and removes it. A copy may remain where the system writes elsewhere than before, as on flash.
pub fn erase(path: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::io(&error, path.display().to_string());
    let mut options = OpenOptions::new();
    // A link is not followed: what it names is not ours to overwrite.
    let mut file = options.write(true).custom_flags(NO_WAIT_NO_LINK).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(errors::not_a_plain_file(path));
    }
    let length = metadata.len().min(TEXT_LIMIT as u64) as usize;
    file.write_all(&vec![0; length]).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::remove_file(path).map_err(failed)?;
    sync(folder(path));
    Ok(())
}

/// Opens without waiting: a FIFO in its place must not delay anything.
fn open(path: &Path) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(NO_WAIT).open(path);
    file.map_err(|error| Failure::io(&error, path.display().to_string()))
}

/// Looks at the file that is open: the name may mean another one by now.
fn check(path: &Path, file: &File) -> Result<(), Failure> {
    let metadata = file.metadata().map_err(|error| Failure::io(&error, path.display().to_string()))?;
    if !metadata.is_file() {
        return Err(errors::not_a_plain_file(path));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(errors::of_another_user(path));
    }
    match metadata.mode() & 0o777 {
        mode if mode & OTHERS != 0 => Err(errors::readable_by_others(path, mode)),
        _ => Ok(()),
    }
}

fn text(path: &Path, file: &mut File) -> Result<Key, Failure> {
    let what = || path.display().to_string();
    let failed = |error: std::io::Error| Failure::io(&error, what());
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(errors::not_a_plain_file(path));
    }
    memory::protect();
    read_text(file).map_err(failed)?.map_err(|bad| errors::no_key_in(&bad).of(what()))
}

/// Reads a key and nothing else. Of a longer input only the beginning is looked at.
pub fn read_text(from: &mut impl Read) -> std::io::Result<Result<Key, BadKey>> {
    // Its room is known, so that it does not move and leave a copy.
    let mut bytes = Zeroizing::new(Vec::with_capacity(TEXT_LIMIT + 1));
    from.take(TEXT_LIMIT as u64 + 1).read_to_end(&mut bytes)?;
    let text = std::str::from_utf8(&bytes).unwrap_or("\u{fffd}");
    Ok(Key::read(text))
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Makes a new name, or that one is gone, outlive a crash, where the system can.
fn sync(folder: &Path) {
    drop(File::open(folder).and_then(|folder| folder.sync_all()));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::net::random;

    fn key() -> Key {
        Key::made_by(random::fill)
    }

    #[test]
    fn a_key_is_written_for_its_owner_only_and_read_again() {
        let temp = tempfile::tempdir().unwrap();
        let (path, key) = (temp.path().join("a.key"), key());
        create(&path, &key).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(read(&path).unwrap(), key);
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1, "nothing else is left");
        let failure = create(&path, &key).unwrap_err().to_string();
        assert!(failure.contains("never replaced"), "{failure}");
        assert!(!failure.contains(&*key.text()));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_fix_and_can_be_imported() {
        let temp = tempfile::tempdir().unwrap();
        let (path, key) = (temp.path().join("a.key"), key());
        create(&path, &key).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o677] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let failure = read(&path).unwrap_err().to_string();
            assert!(failure.contains("chmod 600") && failure.contains(&format!("{mode:o}")), "{failure}");
            let (read, refusal) = read_foreign(&path).unwrap();
            assert!(read == key && refusal.is_some());
        }
    }

    #[test]
    fn what_is_no_plain_small_file_with_a_key_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a.key");
        let failure = |path: &Path| read(path).unwrap_err().to_string();
        assert!(failure(temp.path()).contains("no plain file"));
        assert!(failure(&path).contains("no such file"), "{}", failure(&path));
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(failure(&path).contains("no plain file"), "{}", failure(&path));
        for (name, bytes) in
            [("text", &b"hunter2"[..]), ("large", &[b'q'; 9000]), ("bytes", &[0xff; 62]), ("empty", b"")]
        {
            let path = temp.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            assert!(failure(&path).contains("key new"), "{}", failure(&path));
            assert!(!failure(&path).contains("hunter2"));
        }
    }

    #[test]
    fn a_file_is_overwritten_before_it_is_removed() {
        let temp = tempfile::tempdir().unwrap();
        let (path, link) = (temp.path().join("a.key"), temp.path().join("b.key"));
        create(&path, &key()).unwrap();
        std::fs::hard_link(&path, &link).unwrap();
        erase(&path).unwrap();
        assert!(!path.exists());
        assert!(std::fs::read(&link).unwrap().iter().all(|byte| *byte == 0));
        std::os::unix::fs::symlink(&link, &path).unwrap();
        assert!(erase(&path).is_err() && link.exists(), "a link is not followed");
    }
}
