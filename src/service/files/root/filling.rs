//! Folders and links that peers make.

use std::io::{self, ErrorKind};

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _};
use rustix::io::Errno;

use super::Folder;
use crate::base::escape::escape_line;
use crate::report::Failure;
use crate::service::contract::errors::file_exists;
use crate::service::files::disk::{RealDisk, granted, os, set_look};
use crate::service::files::errors;
use crate::service::files::name::{Rules, components, raw, stays_inside};
use crate::service::ftp::protocol::Mode;

/// Mode of a folder while a transfer fills it: for its owner only, with the sticky bit as a mark (without effect on a
/// folder that only its owner enters). A later attempt recognises the folder by it, and no peer can widen the
/// permissions of a folder that existed before.
const FILLING: u32 = 0o1700;

impl Folder {
    /// Creates a folder that is about to be filled; if it exists, checks that no link leads to it. True if it existed.
    pub(crate) fn make(&self, path: &str, rules: Rules) -> Result<bool, Failure> {
        let what = || format!("folder {}", escape_line(path));
        let failed = |error: &io::Error| Failure::io(error, what()).fix("choose another name");
        let (parts, (RealDisk { dir, .. }, last)) = (components(path)?, self.place(path, rules)?);
        self.root.check_no_links(&parts[..parts.len() - 1]).map_err(|error| failed(&error))?;
        match dir.create_dir_with(os(last), DirBuilder::new().mode(FILLING)) {
            Ok(()) => Ok(false),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.real_folder(path).map(|_| true).map_err(|_| failed(&error))
            }
            Err(error) => Err(failed(&error)),
        }
    }

    /// Opens a folder; fails if the folder or one of its parents is a symbolic link.
    fn real_folder(&self, path: &str) -> io::Result<Dir> {
        let parts = components(path).map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
        self.root.check_no_links(&parts)?;
        self.root.descend(&parts)
    }

    /// Sets the time of a filled folder, and its permissions if a transfer created it. Those of other folders stay.
    pub(crate) fn finish(&self, path: &str, modified: u64, mode: Mode, rules: Rules) -> Result<(), Failure> {
        rules.check(path, &components(path)?)?;
        let failed = |error: io::Error| Failure::io(&error, format!("folder {}", escape_line(path)));
        let made = self.real_folder(path).map_err(failed)?;
        set_look(&made, modified, is_filling(&made).then(|| granted(mode))).map_err(failed)
    }

    /// Creates a symbolic link with the sender's target, which must stay inside. True if the same link existed already.
    pub(crate) fn link(
        &self,
        path: &str,
        target: &str,
        replace: bool,
        rules: Rules,
    ) -> Result<bool, Failure> {
        let parts = components(path)?;
        let target = raw(target)
            .filter(|inside| stays_inside(&parts, inside, rules.hidden))
            .ok_or_else(|| errors::link_leads_out(path, target))?;
        self.root
            .check_no_links(&parts[..parts.len() - 1])
            .map_err(|error| Failure::io(&error, "the folder of a link"))?;
        let (RealDisk { dir, .. }, last) = self.place(path, rules)?;
        let name = os(last);
        let failed = |error: io::Error| Failure::io(&error, format!("link {}", escape_line(path)));
        match dir.read_link_contents(&name) {
            Ok(there) if there.as_os_str() == target => return Ok(true),
            Ok(_) if replace => dir.remove_file(&name).map_err(failed)?,
            _ => {}
        }
        rustix::fs::symlinkat(&target, &dir, &name).map_err(|errno| match errno {
            Errno::EXIST => file_exists(escape_line(path)),
            errno => failed(errno.into()),
        })?;
        Ok(false)
    }
}

fn is_filling(dir: &Dir) -> bool {
    rustix::fs::fstat(dir).is_ok_and(|stat| stat.st_mode & 0o7777 == FILLING)
}
