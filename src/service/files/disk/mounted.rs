//! Whether the file system of an open folder is still mounted. What is written to one that was detached while it was in
//! use (`umount -l`) succeeds, and is nowhere to be found (faults.md row 18).

#[cfg(target_os = "linux")]
pub(super) use linux::Mount;
#[cfg(not(target_os = "linux"))]
pub(super) use other::Mount;

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::{CStr, CString};
    use std::os::fd::{AsFd, AsRawFd as _};
    use std::sync::OnceLock;

    use cap_std::fs::Dir;
    use rustix::fs::{AtFlags, CWD, StatxFlags, readlinkat, statx};

    /// The mount of a folder. Asked once for each file, so what was found is kept.
    #[derive(Debug, Default)]
    pub(crate) struct Mount(OnceLock<Option<Known>>);

    #[derive(Debug)]
    struct Known {
        number: u64,
        /// Where the folder was when it was looked for.
        path: CString,
    }

    impl Mount {
        /// True if the folder is on a file system that is mounted, or if the system does not say so.
        pub(crate) fn is_there(&self, folder: &Dir) -> bool {
            let known = self.0.get_or_init(|| Known::of(folder));
            known.as_ref().is_none_or(|known| {
                known.leads_back()
                    || Known::of(folder).is_some_and(|now| now.leads_back())
                    || is_listed(known.number)
            })
        }
    }

    impl Known {
        fn of(folder: &Dir) -> Option<Self> {
            let number = mount_at(folder, c"", AtFlags::EMPTY_PATH)?;
            let path = readlinkat(CWD, format!("/proc/self/fd/{}", folder.as_raw_fd()), Vec::new()).ok()?;
            Some(Self { number, path })
        }

        /// The kernel gives the path of a folder also without a mount: then it is that of something else, or of nothing.
        fn leads_back(&self) -> bool {
            mount_at(CWD, &self.path, AtFlags::empty()) == Some(self.number)
        }
    }

    /// The number of the mount on which the path is (statx, from Linux 5.8).
    fn mount_at(folder: impl AsFd, path: &CStr, flags: AtFlags) -> Option<u64> {
        // What is asked for is known without asking a server of files.
        let flags = flags | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
        let known = statx(folder, path, flags, StatxFlags::MNT_ID).ok()?;
        (known.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(known.stx_mnt_id)
    }

    /// True if the mount is in the kernel's list (proc(5), `mountinfo`), which takes longer to read: something is mounted
    /// over the folder.
    fn is_listed(mount: u64) -> bool {
        let list = std::fs::read_to_string("/proc/self/mountinfo");
        let number = mount.to_string();
        list.map_or(true, |list| list.lines().any(|line| line.split(' ').next() == Some(&number)))
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    /// The mount of a folder, of which this system says nothing.
    #[derive(Debug, Default)]
    pub(crate) struct Mount;

    impl Mount {
        pub(crate) const fn is_there(&self, _: &cap_std::fs::Dir) -> bool {
            true
        }
    }
}
