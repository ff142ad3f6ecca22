//! Whether the file system of an open folder is still mounted. What is written to one that was detached while it was in
//! use (`umount -l`) succeeds, and is nowhere to be found (faults.md row 18).

use cap_std::fs::Dir;

/// True if the folder is on a file system that is mounted, or if the system does not say so.
#[cfg(target_os = "linux")]
pub(super) fn is_mounted(folder: &Dir) -> bool {
    use rustix::fs::{AtFlags, CWD, readlinkat};
    use std::os::fd::AsRawFd as _;

    let Some(mount) = mount_at(folder, c"", AtFlags::EMPTY_PATH) else { return true };
    // The kernel gives the path of a folder also without a mount: then it is that of something else, or of nothing.
    let link = format!("/proc/self/fd/{}", folder.as_raw_fd());
    let path = readlinkat(CWD, link, Vec::new());
    let leads_back = path.is_ok_and(|path| mount_at(CWD, &path, AtFlags::empty()) == Some(mount));
    leads_back || is_listed(mount)
}

/// The number of the mount on which the path is (statx, from Linux 5.8).
#[cfg(target_os = "linux")]
fn mount_at(
    folder: impl std::os::fd::AsFd,
    path: &std::ffi::CStr,
    flags: rustix::fs::AtFlags,
) -> Option<u64> {
    use rustix::fs::{AtFlags, StatxFlags, statx};

    // What is asked for is known without asking a server of files.
    let flags = flags | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
    let known = statx(folder, path, flags, StatxFlags::MNT_ID).ok()?;
    (known.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(known.stx_mnt_id)
}

/// True if the mount is in the kernel's list (proc(5), `mountinfo`), which takes longer: a folder was moved meanwhile, or
/// something is mounted over it.
#[cfg(target_os = "linux")]
fn is_listed(mount: u64) -> bool {
    let list = std::fs::read_to_string("/proc/self/mountinfo");
    let number = mount.to_string();
    list.map_or(true, |list| list.lines().any(|line| line.split(' ').next() == Some(&number)))
}

#[cfg(not(target_os = "linux"))]
pub(super) const fn is_mounted(_: &Dir) -> bool {
    true
}
