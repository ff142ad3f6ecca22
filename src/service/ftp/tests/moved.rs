//! Folders that somebody moves, and exchanges for others, while a file comes to them: what is called stored is found
//! under its name, in each of the ways in which files come (faults.md row 18).

use std::fs;
use std::sync::Arc;

use crate::report::Failure;
use crate::service::files::disk::RealDisk;
use crate::service::files::name::Rules;
use crate::service::files::root::Folder;
use crate::service::ftp::protocol::{Flags, Label, Message};
use crate::service::ftp::storage::part::{Begun, Intent};
use crate::service::ftp::storage::quota::Quota;
use crate::service::ftp::storage::small::BatchWriter;
use crate::service::ftp::storage::upload::Upload;
use crate::wire::Code;

const CONTENT: &str = "new";
const FLAGS: Flags = Flags { replace: false, fast: false };

/// A root with the folder `d`.
struct Place {
    temp: tempfile::TempDir,
    folder: Arc<Folder>,
}

impl Place {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("root/d")).unwrap();
        let folder = Arc::new(Folder::open(&temp.path().join("root"), false).unwrap());
        Self { temp, folder }
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.temp.path().join(name)
    }

    /// Moves the folder; another takes its place that has `content` as `d/a`.
    fn exchange(&self, to: &str, content: Option<&str>) {
        fs::rename(self.at("root/d"), self.at(to)).unwrap();
        fs::create_dir(self.at("root/d")).unwrap();
        content.into_iter().for_each(|content| fs::write(self.at("root/d/a"), content).unwrap());
    }

    fn batch(&self) -> BatchWriter {
        BatchWriter::new(self.folder.clone(), Rules::default(), Arc::new(Quota::new(None)))
    }

    fn upload(&self, name: &str) -> Upload {
        let quota = Arc::new(Quota::new(None));
        let size = Some(CONTENT.len() as u64);
        let mut upload = Upload::begin(&self.folder, Rules::default(), &quota, name, size).unwrap();
        upload.write(CONTENT.as_bytes()).unwrap();
        upload
    }

    fn begun(&self, name: &str) -> Begun<RealDisk> {
        self.folder.begin(name, Intent::new(CONTENT.len() as u64, 1), Rules::default()).unwrap()
    }
}

fn small(name: &str, fast: bool) -> Message {
    let hash = blake3::hash(CONTENT.as_bytes()).into();
    let label = Label { flags: Flags { fast, ..FLAGS }, mode: 0o644, modified: 5, hash, name: name.into() };
    Message::Small { label, bytes: CONTENT.into() }
}

fn offer(name: &str) -> Message {
    let Message::Small { label, bytes } = small(name, false) else { unreachable!() };
    Message::Offer { label, size: bytes.len() as u64 }
}

fn is_gone(failure: &Failure) -> bool {
    failure.to_string().contains("gone") || failure.code == Code::Changed
}

#[test]
fn row_18_what_came_to_a_folder_that_was_moved_is_not_called_stored() {
    for to in ["root/e", "outside"] {
        let place = Place::new();
        let mut batch = place.batch();
        assert!(batch.take(vec![small("d/a", false)]).is_empty() && batch.has_pending());
        let upload = place.upload("d/b");
        let Begun::Part(part) = place.begun("d/c") else { panic!("it is new") };
        place.exchange(to, None);
        let denied = batch.settle();
        assert!(matches!(&denied[..], [(0, failure)] if is_gone(failure)), "{denied:?}");
        let failure = upload.finish(|| true).unwrap_err();
        assert!(is_gone(&failure), "{failure}");
        let failure = super::parts::fill(part).unwrap_err();
        assert!(is_gone(&failure), "{failure}");
        // What comes now goes to the folder that has the name.
        assert_eq!(batch.take(vec![small("d/a", false), small("d/e", true)]), []);
        assert_eq!(batch.settle(), []);
        let names = |folder: &str| {
            let names = fs::read_dir(place.at(folder)).unwrap().map(|entry| entry.unwrap().file_name());
            names.filter(|name| !name.to_string_lossy().starts_with('.')).count()
        };
        assert_eq!((names(to), names("root/d")), (0, 2));
    }
}

#[test]
fn row_6_what_was_in_a_folder_that_was_moved_is_not_called_there() {
    for content in [None, Some("old"), Some(CONTENT)] {
        let place = Place::new();
        fs::write(place.at("root/d/a"), CONTENT).unwrap();
        let mut batch = place.batch();
        assert!(batch.take(vec![offer("d/a")]).is_empty() && batch.same == 1);
        let (upload, begun) = (place.upload("d/a"), place.begun("d/a"));
        let Begun::There(mut there) = begun else { panic!("it is there") };
        there.hashes(0, 1).unwrap();
        place.exchange("root/e", content);
        let failure = upload.finish(|| true).unwrap_err();
        assert!(is_gone(&failure), "{failure}");
        let failure = there.confirm().unwrap_err();
        assert!(is_gone(&failure), "{failure}");
        let refused = batch.take(vec![offer("d/a")]);
        assert_eq!(refused.len(), usize::from(content == Some("old")), "{refused:?}");
        assert_eq!(batch.same, 1 + u64::from(content == Some(CONTENT)), "not that of the other folder");
    }
}

#[test]
fn row_18_a_root_that_was_removed_is_gone_although_another_has_its_name() {
    let place = Place::new();
    fs::remove_dir_all(place.at("root")).unwrap();
    fs::create_dir_all(place.at("root/d")).unwrap();
    let listed = place.folder.names("", 10, |_| {}).unwrap_err();
    let begun = place.folder.begin("d/a", Intent::new(3, 1), Rules::default()).unwrap_err();
    assert!(is_gone(&listed) && is_gone(&begun), "{listed}; {begun}");
    assert_eq!(fs::read_dir(place.at("root/d")).unwrap().count(), 0);
}
