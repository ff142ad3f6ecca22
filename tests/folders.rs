//! Trees, sent and fetched.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::harness::{Lab, names};

/// Files small and large, empty folders, a program, a link out.
fn tree(lab: &Lab) {
    for n in 0..300 {
        lab.random(&format!("tree/many/file {n:03}.txt"), n * 7, n as u64);
    }
    lab.random("tree/large.bin", 3 << 20, 1);
    lab.random("tree/deep/er/medium", 70_000, 2);
    lab.write("tree/empty file", "");
    lab.write("tree/run.sh", "#!/bin/sh\n");
    std::fs::create_dir_all(lab.path("tree/empty/inner")).unwrap();
    std::fs::set_permissions(lab.path("tree/run.sh"), Permissions::from_mode(0o6711)).unwrap();
    symlink("/etc/passwd", lab.path("tree/out")).unwrap();
    lab.write("tree/.hidden", "secret");
    let old = SystemTime::UNIX_EPOCH + Duration::from_millis(1_234_567_890_123);
    for name in ["tree/run.sh", "tree/large.bin", "tree/deep", "tree/empty"] {
        std::fs::File::open(lab.path(name)).unwrap().set_modified(old).unwrap();
    }
}

/// Names, contents, modes and times are the same; what is not carried is not there.
fn check(original: &Path, copy: &Path) {
    let carried = |name: &String| !name.starts_with('.') && name != "out";
    let expected: Vec<String> = names(original).into_iter().filter(carried).collect();
    assert_eq!(names(copy), expected, "{}", copy.display());
    for name in expected {
        let (from, to) = (original.join(&name), copy.join(&name));
        let (before, after) = (std::fs::metadata(&from).unwrap(), std::fs::metadata(&to).unwrap());
        assert_eq!(before.modified().unwrap(), after.modified().unwrap(), "{}", to.display());
        if before.is_dir() {
            check(&from, &to);
            continue;
        }
        assert!(std::fs::read(&from).unwrap() == std::fs::read(&to).unwrap(), "{}", to.display());
        assert_eq!(after.mode() & 0o7777, before.mode() & 0o755, "{}", to.display());
    }
}

#[test]
fn row_22_and_32_a_tree_goes_and_comes_back_the_same_without_what_leads_out() {
    let lab = Lab::new();
    tree(&lab);
    for (transport, fast) in [("tcp", "fast"), ("udp", "")] {
        std::fs::create_dir_all(lab.path(&format!("{transport}/root"))).unwrap();
        let (_server, address) = lab.server(&format!("listen {transport} 0 ftp root {transport}/root"));
        let run = lab
            .nls(&format!(
                "send tree to {transport} {address} {fast} as up
                 expect $up.files == 304
                 expect $up.folders == 5
                 get tree/ from {transport} {address} to {transport}/back {fast} as down
                 expect $down.blake3 == $up.blake3
                 expect $down.bytes == $up.bytes"
            ))
            .success();
        assert!(run.out.contains("left out: 1 link, 1 hidden file"), "{}", run.out);
        check(&lab.path("tree"), &lab.path(&format!("{transport}/root/tree")));
        check(&lab.path("tree"), &lab.path(&format!("{transport}/back")));
    }
}

#[test]
fn row_103_a_tree_sent_again_changes_nothing_and_one_that_differs_is_told_file_by_file() {
    let lab = Lab::new();
    tree(&lab);
    std::fs::create_dir(lab.path("root")).unwrap();
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    lab.nls(&format!("send tree to {address}; send tree to {address} as again; expect $again.files == 304"))
        .success();
    lab.write("root/tree/many/file 007.txt", "mine");
    let large = lab.random("root/tree/large.bin", 3 << 20, 99);
    let mine = std::fs::read(&large).unwrap();
    lab.nls(&format!("send tree to {address}"))
        .fails(1, "2 of 304 were refused: large.bin: another file of that name exists; many/file 007.txt: `file 007.txt` exists");
    assert_eq!(std::fs::read_to_string(lab.path("root/tree/many/file 007.txt")).unwrap(), "mine");
    assert!(std::fs::read(&large).unwrap() == mine);
    lab.nls(&format!("send tree to {address} replace")).success();
    check(&lab.path("tree"), &lab.path("root/tree"));
}

#[test]
fn row_24_how_much_a_folder_brings_is_said_first_and_can_be_limited() {
    let lab = Lab::new();
    tree(&lab);
    let (_server, address) = lab.server("listen tcp 0 ftp");
    for limit in ["accept 100", "max 1M"] {
        lab.nls(&format!("get tree/ from {address} to back {limit}")).fails(1, "has more than is accepted");
        assert!(!lab.path("back").exists(), "nothing is made");
    }
    let run = lab.nls(&format!("get tree/ from {address} to back accept 400 max 10M")).success();
    assert!((run.out + &run.err).contains("tree: 304 files in 5 folders, 3."));
}

#[test]
fn folders_of_every_count_around_a_page_travel_both_ways_over_both_transports() {
    use std::fmt::Write as _;
    let lab = Lab::new();
    let mut script = String::from("listen tcp 0 ftp root root as t\nlisten udp 0 ftp root root as u\n");
    std::fs::create_dir_all(lab.path("root")).unwrap();
    for count in [0, 1, 255, 256, 257, 511, 512, 513, 1024, 2000] {
        let folder = lab.path(&format!("d{count}"));
        std::fs::create_dir(&folder).unwrap();
        (0..count).for_each(|n| std::fs::write(folder.join(format!("f{n}")), [n as u8]).unwrap());
        for place in ["tcp $t", "udp $u"] {
            let name = format!("{}{count}", &place[..3]);
            writeln!(script, "send d{count} to {place} name {name} fast as up\nexpect $up.files == {count}")
                .unwrap();
            writeln!(script, "ls {place} {name} as there\nexpect $there.entries == {count}").unwrap();
            writeln!(script, "get {name}/ from {place} to back-{name} fast as down").unwrap();
            writeln!(script, "expect $down.files == {count}\nexpect $down.blake3 == $up.blake3").unwrap();
        }
    }
    lab.nls(&script).success();
}

#[test]
fn a_client_that_does_not_want_the_folder_tells_the_server_why() {
    let lab = Lab::new();
    lab.write("root/tree/a", "x");
    for transport in ["tcp", "udp"] {
        // The server notes the end of a client when it is not counted any more; its own end is behind that.
        let run = lab
            .nls(&format!(
                "listen {transport} 0 ftp root root as f; expect error \"is a folder\": get tree from {transport} $f to back; \
                 expect $f.clients == 0 within 5s; stop $f; log $f"
            ))
            .success();
        assert!(run.out.contains("a file was asked for") && !run.out.contains("malformed"), "{}", run.out);
    }
}
