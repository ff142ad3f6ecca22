//! Transfers that are stopped on their way, and go on.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::harness::{Lab, PROGRAM, eventually, has, missing, names};

const SIZE: u64 = 48 << 20;
/// Slow enough to be met on its way, and over in half a second.
const RATE: &str = "100MB/s";

/// Moments that look random and are the same each time: bytes by which the part has to grow until somebody is killed.
fn moments(count: u64) -> impl Iterator<Item = u64> {
    let mut state = 0x5eed_u64;
    (0..count).map(move |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1 + (state >> 33) % (SIZE / (2 * count))
    })
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// N1: nothing, or the whole.
fn check_name(lab: &Lab, original: &[u8]) {
    if let Ok(bytes) = std::fs::read(lab.path("root/big")) {
        assert!(bytes == original, "half a file stands under its name");
    }
}

#[test]
fn row_7_and_11_a_receiver_that_is_killed_25_times_goes_on_each_time() {
    let lab = Lab::new();
    let original = std::fs::read(lab.random("big", SIZE as usize, 1)).unwrap();
    std::fs::create_dir(lab.path("root")).unwrap();
    let part = lab.path("root/.big.nls-part");
    for (n, growth) in moments(25).enumerate() {
        let moment = length(&part) + growth;
        let (mut server, address) = lab.server("listen tcp 0 ftp root root");
        // Every second one trusts the system with what it wrote.
        let fast = if n % 2 == 0 { "fast" } else { "" };
        let sender =
            lab.command(&["-c", &format!("send big to {address} rate {RATE} {fast}")]).spawn().unwrap();
        eventually("the part grows", || length(&part) >= moment);
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        let output = sender.wait_with_output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(words.contains("peer"), "{words}");
        check_name(&lab, &original);
    }
    let before = length(&part);
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    let script = format!("send big to {address} as up; print \"$up.resumed\"");
    let run = lab.nls(&script).success();
    assert!(run.out.contains("resuming big at") || run.err.contains("resuming big at"), "{run:?}");
    let resumed: u64 = run.out.lines().last().unwrap().parse().unwrap();
    // All that stands in the part as whole groups is read again at most, and nothing of it travels again.
    assert!(resumed + (1 << 20) >= before, "{resumed} of {before}");
    assert!(std::fs::read(lab.path("root/big")).unwrap() == original);
    assert_eq!(names(&lab.path("root")), ["big"]);
}

#[test]
fn row_12_a_sender_that_is_killed_25_times_goes_on_each_time() {
    let lab = Lab::new();
    let original = std::fs::read(lab.random("big", SIZE as usize, 2)).unwrap();
    std::fs::create_dir(lab.path("root")).unwrap();
    let part = lab.path("root/.big.nls-part");
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    for growth in moments(25) {
        let moment = length(&part) + growth;
        let send = format!("send big to {address} rate {RATE}");
        // The server may still be busy with the attempt before: it says so, and the sender comes again.
        let mut sender = lab.command(&["-c", &send]).spawn().unwrap();
        eventually("the part grows", || {
            if sender.try_wait().unwrap().is_some() {
                sender = lab.command(&["-c", &send]).spawn().unwrap();
            }
            length(&part) >= moment
        });
        sender.kill().unwrap();
        sender.wait().unwrap();
        check_name(&lab, &original);
    }
    eventually("the same command ends", || lab.nls(&format!("send big to {address}")).code == Some(0));
    assert!(std::fs::read(lab.path("root/big")).unwrap() == original);
    assert_eq!(names(&lab.path("root")), ["big"]);
}

#[test]
fn a_get_goes_on_over_either_transport_and_after_either() {
    let lab = Lab::new();
    let original = std::fs::read(lab.random("root/big", SIZE as usize, 3)).unwrap();
    let part = lab.path(".big.nls-part");
    let (_tcp, tcp) = lab.server("listen tcp 0 ftp root root");
    let (_udp, udp) = lab.server("listen udp 0 ftp root root");
    for (transport, address, moment) in [("tcp", &tcp, SIZE / 3), ("udp", &udp, SIZE / 2)] {
        let get = format!("get big from {transport} {address} rate {RATE}");
        let mut getter = lab.command(&["-c", &get]).spawn().unwrap();
        eventually("the part grows", || length(&part) >= moment);
        getter.kill().unwrap();
        getter.wait().unwrap();
        assert!(!lab.path("big").exists());
    }
    let script = format!("get big from {tcp} as down; expect $down.resumed > 20000000");
    lab.nls(&script).success();
    assert!(std::fs::read(lab.path("big")).unwrap() == original);
}

#[test]
fn row_9_a_source_that_changed_says_so_and_replace_begins_anew() {
    let lab = Lab::new();
    lab.random("big", 8 << 20, 4);
    std::fs::create_dir(lab.path("root")).unwrap();
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    let part = lab.path("root/.big.nls-part");
    let mut sender = lab.command(&["-c", &format!("send big to {address} rate 10MB/s")]).spawn().unwrap();
    eventually("the part grows", || length(&part) > 1 << 20);
    sender.kill().unwrap();
    sender.wait().unwrap();
    let changed = std::fs::read(lab.random("big", 8 << 20, 5)).unwrap();
    eventually("the server lets go", || {
        let run = lab.nls(&format!("send big to {address}"));
        assert_eq!(run.code, Some(1));
        run.err.contains("the source changed") && run.err.contains("start again with `replace`")
    });
    lab.nls(&format!("send big to {address} replace")).success();
    assert!(std::fs::read(lab.path("root/big")).unwrap() == changed);
}

/// Runs a script with root's powers over a name space of its own, where file systems can be mounted.
fn in_name_space(lab: &Lab, script: &str) -> Option<std::process::Output> {
    if !has("unshare") {
        return None;
    }
    let mut command = Command::new("unshare");
    lab.dress(&mut command);
    Some(command.args(["-rm", "sh", "-ec", script, "sh", PROGRAM]).output().unwrap())
}

#[test]
fn row_14_15_and_17_a_full_or_read_only_disk_is_told_and_the_transfer_goes_on_when_there_is_room() {
    let lab = Lab::new();
    lab.random("big", 6 << 20, 8);
    std::fs::create_dir(lab.path("root")).unwrap();
    let script = r#"
        mount -t tmpfs -o size=8m none root
        # Another file takes the room while this one travels: full midway.
        "$1" -c 'listen tcp 0 ftp root root as f; send big to $f rate 10MB/s as up &
            expect $up.bytes_out > 0 within 5s
            !head -c 4M /dev/zero > root/filler
            wait $up' && exit 10
        test ! -e root/big && test -s root/.big.nls-part && test -s root/.big.nls-journal
        # At the start: nothing is made.
        "$1" -c 'listen tcp 0 ftp root root as f; send big to $f name other' && exit 11
        test ! -e root/.other.nls-part
        rm root/filler
        "$1" -c 'listen tcp 0 ftp root root as f; send big to $f as up; expect $up.resumed > 1000000'
        cmp big root/big
        # Two that fit alone, but not together: the second is refused, and the first is not hurt.
        rm root/big
        "$1" -c 'listen tcp 0 ftp root root as f; send big to $f name one rate 8MB/s as one &
            expect $one.bytes_out > 0 within 5s
            expect error "not enough space": send big to $f name two
            wait $one'
        cmp big root/one
        test ! -e root/two && test ! -e root/.two.nls-part
        # So it is for folders.
        rm root/one; mkdir ta tb; split -b 1M big ta/; split -b 1M big tb/
        "$1" -c 'listen tcp 0 ftp root root as f; send ta to $f rate 8MB/s as one &
            expect $one.bytes_out > 0 within 5s
            expect error "not enough space": send tb to $f
            wait $one'
        diff -r ta root/ta && test ! -e root/tb
        mount -o remount,ro root
        "$1" -c 'listen tcp 0 ftp root root as f; send big to $f name third' && exit 12
        mkdir tree; for n in 1 2 3; do echo $n > tree/$n; done
        "$1" -c 'listen tcp 0 ftp root root as f; expect error "read-only file system": send tree to $f
            send tree to $f' 2> tree.err && exit 13
        ! grep -q "refused\|no such file" tree.err
        exit 0
    "#;
    let Some(output) = in_name_space(&lab, script) else { return };
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{words}\n{}", String::from_utf8_lossy(&output.stdout));
    for reason in ["no space left", "not enough space", "cannot be written to: read-only file system"] {
        assert!(words.to_lowercase().contains(reason), "`{reason}` is not in: {words}");
    }
}

#[test]
fn row_16_a_sync_that_fails_is_told_of_each_file_that_waited_for_it_and_no_part_is_left() {
    if !has("strace") {
        return;
    }
    for (call, kept) in [("fsync", 5), ("syncfs", 0)] {
        let lab = Lab::new();
        let files = ["a/1", "a/2", "b/1", "b/2", "b/3"];
        files.iter().for_each(|file| drop(lab.write(&format!("tree/{file}"), *file)));
        std::fs::create_dir(lab.path("root")).unwrap();
        let mut command = Command::new("strace");
        lab.dress(&mut command);
        let inject = format!("inject={call}:error=EIO");
        command.args([
            "-f",
            "-qq",
            "-o",
            "trace",
            "-e",
            &format!("trace={call}"),
            "-e",
            &inject,
            PROGRAM,
            "-c",
        ]);
        let output = command.arg("listen tcp 0 ftp root root as f; send tree to $f").output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success());
        for file in files {
            assert!(words.contains(file), "{call}: {file} is not in: {words}");
        }
        let there = ["root/tree/a", "root/tree/b"].map(|folder| names(&lab.path(folder))).concat();
        assert!(there.len() == kept && !there.iter().any(|name| name.contains("part")), "{call}: {there:?}");
    }
}

#[test]
fn row_28_what_is_written_to_a_part_during_its_last_sync_is_noticed() {
    if !has("strace") {
        return;
    }
    let lab = Lab::new();
    let size = 1 << 20;
    lab.random("big", size, 28);
    std::fs::create_dir(lab.path("root")).unwrap();
    let mut command = Command::new("strace");
    lab.dress(&mut command);
    let inject = "inject=fsync:delay_enter=1000000";
    command.args(["-f", "-qq", "-o", "trace", "-e", "trace=fsync", "-e", inject, PROGRAM, "-c"]);
    let script = "listen tcp 0 ftp root root as f; expect error \"another program wrote to\": send big to $f";
    let child = command.arg(script).spawn().unwrap();
    let part = lab.path("root/.big.nls-part");
    let written = || std::fs::metadata(&part).ok().filter(|part| part.len() == size as u64)?.modified().ok();
    eventually("all of it is written", || written().is_some());
    // The sync takes a second. Within one tick of its clock the file system does not tell two writes apart.
    let time = || {
        std::fs::write(lab.path("probe"), "").unwrap();
        std::fs::metadata(lab.path("probe")).unwrap().modified().unwrap()
    };
    let first = time();
    eventually("some ticks of the clock", || time() > first + std::time::Duration::from_millis(100));
    let meddled = std::fs::File::options().write(true).open(&part).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&meddled, b"damaged", 99).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!lab.path("root/big").exists());
}

#[test]
fn row_17_a_limit_on_the_size_of_files_is_a_reason_and_no_death() {
    let lab = Lab::new();
    lab.random("big", 3 << 20, 9);
    std::fs::create_dir(lab.path("root")).unwrap();
    let mut command = Command::new("sh");
    lab.dress(&mut command);
    let script = "ulimit -f 2048; exec \"$1\" -c 'listen tcp 0 ftp root root as f; send big to $f'";
    let output = command.args(["-c", script, "sh", PROGRAM]).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("file too large") && words.contains("are kept as"), "{words}");
}

#[test]
fn row_18_a_folder_that_goes_away_fails_the_transfer_and_nothing_is_made_again() {
    let lab = Lab::new();
    lab.random("big", 6 << 20, 10);
    std::fs::create_dir(lab.path("root")).unwrap();
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    let part = lab.path("root/.big.nls-part");
    let sender = lab.command(&["-c", &format!("send big to {address} rate 20MB/s")]).spawn().unwrap();
    eventually("the part grows", || length(&part) > 1 << 20);
    std::fs::remove_dir_all(lab.path("root")).unwrap();
    let output = sender.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("is gone"), "{words}");
    assert!(!lab.path("root").exists());
    lab.nls(&format!("send big to {address}")).fails(1, "the folder is gone");
}

#[test]
fn row_18_a_file_system_that_is_unmounted_midway_fails_the_transfer_and_later_ones() {
    let lab = Lab::new();
    lab.random("big", 6 << 20, 10);
    lab.random("little", 10, 11);
    std::fs::create_dir(lab.path("root")).unwrap();
    let script = r#"
        mount -t tmpfs none root
        "$1" -c 'listen tcp 0 ftp root root as f; send big to $f rate 20MB/s as up &
            expect $up.bytes_out > 0 within 5s
            !umount -l root
            expect error "is gone": wait $up
            expect error "is gone": send big to $f name other
            expect error "is gone": send little to $f'
        test -z "$(ls -A root)"
        # Into a folder on this side: where one is, and by a path that leads to it.
        here=$PWD
        for from in root .; do
            mount -t tmpfs none root
            (cd $from
            "$1" -c 'listen tcp 0 ftp root "'"$here"'" as f
                get big from $f to "'"$(test $from = root && echo . || echo root)"'" rate 20MB/s as down &
                expect $down.bytes_in > 0 within 5s
                !umount -l "'"$here"'/root"
                expect error "is gone": wait $down')
            test -z "$(ls -A root)"
        done
        # Another mounted over it hides it, and nothing is lost.
        mount -t tmpfs none root; cp big source
        "$1" -c 'listen tcp 0 ftp root root as f; send source to $f rate 20MB/s as up &
            expect $up.bytes_out > 0 within 5s
            !mount -t tmpfs none root
            wait $up'
        umount root; cmp big root/source
        # What is got is not called so where no path leads to it.
        mkdir to
        "$1" -c 'listen tcp 0 ftp as f; get big from $f to to/ rate 20MB/s as down &
            expect $down.bytes_in > 0 within 5s
            !mount -t tmpfs none to
            expect error "mounted over": wait $down'
        umount to; cmp big to/big"#;
    let Some(output) = in_name_space(&lab, script) else { return };
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
}

#[test]
fn row_102_a_tree_that_stops_at_a_file_says_how_many_are_behind_it() {
    let lab = Lab::new();
    (1..=3).for_each(|n| drop(lab.random(&format!("tree/{n}/big"), 2 << 20, n)));
    std::fs::create_dir(lab.path("root")).unwrap();
    let (server, address) = lab.server("listen tcp 0 ftp root root");
    let part = lab.path("root/tree/1/.big.nls-part");
    let sender = lab.command(&["-c", &format!("send tree to {address} rate 4MB/s")]).spawn().unwrap();
    eventually("the part grows", || length(&part) > 1 << 18);
    drop(server);
    let output = sender.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("1/big: "), "{words}");
    assert!(words.contains("2 files behind it were not sent"), "{words}");
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    lab.nls(&format!("send tree to {address}")).success();
    for n in 1..=3 {
        let name = format!("{n}/big");
        let of = |folder: &str| std::fs::read(lab.path(folder).join(&name)).unwrap();
        assert!(of("tree") == of("root/tree"));
    }
}

#[test]
fn row_102_a_file_that_cannot_be_written_to_its_end_does_not_hold_up_the_others() {
    let lab = Lab::new();
    // Each of the two sides writes files of at most 2 or 4 MiB: the unit of `ulimit -f` depends on the shell.
    for (n, megabytes) in [(1, 1), (2, 5), (3, 1), (4, 6), (5, 2)] {
        lab.random(&format!("tree/{n}"), megabytes << 20, n);
    }
    let script = r#"
        ulimit -f 4096
        for by in tcp udp; do
            mkdir root
            "$1" -c "listen $by 0 ftp root root as f; send tree to $by \$f" 2> words && exit 10
            grep '2 of 5 were refused: 2: file too large; .* are kept as .*; 4: file too large; .* the others are stored' words
            "$1" -c "listen $by 0 ftp root root as f; send tree/1 tree/2 tree/3 to $by \$f" 2> words && exit 11
            grep '1 of 3 was refused: 2: file too large' words
            "$1" -c "listen $by 0 ftp as f; get tree/ from $by \$f to root/to" 2> words && exit 12
            grep '2 of 5 were refused: 2: file too large; .* are kept as .*; 4: file too large; .* the others are stored' words
            for n in 1 3 5; do cmp tree/$n root/tree/$n; cmp tree/$n root/to/$n; done
            for n in 1 3; do cmp tree/$n root/$n; done
            test "$(ls root)" = "$(printf '1\n3\nto\ntree')"
            rm -r root
        done"#;
    let mut command = Command::new("sh");
    lab.dress(&mut command);
    let output = command.args(["-xec", script, "sh", PROGRAM]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn row_14_what_a_command_writes_is_whole_or_not_there() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("full")).unwrap();
    let script = r#"
        mount -t tmpfs -o size=16k none full
        # No room, and room for the beginning of a page.
        for taken in 16384 8192; do
            head -c $taken /dev/zero > full/filler
            for command in 'report $c to full/a' 'plot $c to full/a.svg' 'diagram $c to full/a.svg' 'capture $c to full/a'; do
                test $taken = 16384 || test "$command" = 'report $c to full/a' || continue
                "$1" -c "listen tcp 0 calc as c; calc 1+1 at \$c; $command" && exit 10
                test "$(ls -A full)" = filler
            done
        done"#;
    let Some(output) = in_name_space(&lab, script) else { return };
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn row_14_what_could_not_all_be_written_is_not_called_well_done() {
    let lab = Lab::new();
    lab.random("big", 100_000, 12);
    std::fs::create_dir(lab.path("full")).unwrap();
    let script = r#"
        mount -t tmpfs -o size=16k none full
        # A transcript ends, and the conversation goes on; but it was not all written down.
        head -c 16384 /dev/zero > full/filler
        for end in 'expect $r.1 says hello within 2s; stop $r.1; wait $c within 5s' 'stop $c; wait $c within 5s'; do
            "$1" -c "listen tcp 0 raw as r; connect tcp \$r to full/log as c; say \$c hello; $end" 2> words && exit 10
            grep 'full/log: no space left' words
        done
        # What goes to a file that has no room was not got.
        rm full/*
        "$1" -c 'listen tcp 0 ftp as f; get big from $f to -' > full/out 2> words && exit 11
        ! grep '^got' words"#;
    let Some(output) = in_name_space(&lab, script) else { return };
    assert!(output.status.success(), "{output:?}");
}

/// Bytes that a process has read so far, from files and from sockets.
fn bytes_read(process: u32) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{process}/io")).unwrap();
    io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

/// A file of some 150 MB whose hashes are remembered: nothing in it changed for a minute, which cannot be said of any that a
/// test has written.
fn large_and_old() -> Option<std::path::PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().ok()?;
    let folder = Path::new(String::from_utf8(output.stdout).ok()?.trim_end()).join("lib");
    let files = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    files.filter(|path| path.metadata().is_ok_and(|file| file.is_file() && file.len() >= 128 << 20)).min()
}

/// True if the file is on a file system of which hashes are remembered.
fn notes_mapped_writes(file: &Path) -> bool {
    let known = Command::new("stat").args(["-f", "-c", "%T"]).arg(file).output().unwrap();
    let kind = String::from_utf8_lossy(&known.stdout);
    ["ext2/ext3", "xfs", "btrfs", "f2fs", "zfs"].contains(&kind.trim())
}

#[test]
fn row_8_going_on_with_a_large_file_reads_what_is_there_once_and_little_of_the_source() {
    let lab = Lab::new();
    let Some(old) = large_and_old() else {
        missing("a compiler with a large file");
        return;
    };
    if !notes_mapped_writes(&old) {
        eprintln!("skipped: {} is on a file system of which no hashes are remembered", old.display());
        return;
    }
    let size = old.metadata().unwrap().len();
    std::os::unix::fs::symlink(&old, lab.path("big")).unwrap();
    std::fs::create_dir(lab.path("root")).unwrap();
    let part = lab.path("root/.big.nls-part");
    let (mut server, address) = lab.server("listen tcp 0 ftp root root");
    let sender = lab.command(&["-c", &format!("send big to {address} rate 500MB/s fast")]).spawn().unwrap();
    eventually("the part grows", || length(&part) >= 110 << 20);
    server.child.kill().unwrap();
    drop(server);
    sender.wait_with_output().unwrap();
    let (server, address) = lab.server("listen tcp 0 ftp root root");
    let script = format!("send big to {address} fast as up; print $up.resumed; !cat /proc/$PPID/io");
    let run = lab.nls(&script).success();
    let resumed: u64 = run.out.lines().find_map(|line| line.parse().ok()).unwrap();
    assert!(resumed >= 64 << 20, "{resumed}");
    // 64 MiB since the last journal point, what travels, and some for the programs themselves.
    let most = (64 << 20) + (size - resumed) + (4 << 20);
    // The receiver reads what was there back, once: it says that the whole is verified.
    assert!(bytes_read(server.child.id()) <= most + resumed, "{}", bytes_read(server.child.id()));
    let sender = run.out.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
    assert!(sender.parse::<u64>().unwrap() <= most, "{sender} of {most}");
}

#[test]
fn row_27_a_group_that_arrives_damaged_is_asked_for_again_three_times() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("root")).unwrap();
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    // Damaged twice it still arrives; four times it does not.
    for (damaged, name) in [(2, "good"), (4, "bad")] {
        let bytes = b"what is sent".as_slice();
        let mut stream = crate::faults::connect(&address, crate::faults::PREFACE_FTP);
        stream.write_all(&crate::faults::put(64, 8, bytes.len() as u64, name)).unwrap();
        assert_eq!(crate::faults::read_frame(&mut stream).0, 0x13, "READY");
        let mut asked = 0;
        let outcome = loop {
            stream.write_all(&crate::faults::hashes(bytes)).unwrap();
            let sent = if asked < damaged { b"what is sens" } else { bytes };
            stream.write_all(&crate::faults::block(sent)).unwrap();
            match crate::faults::answer(&mut stream) {
                (0x1b, _) => asked += 1,
                other => break other,
            }
            if asked == 1 {
                stream.write_all(&crate::faults::end(bytes)).unwrap();
            }
        };
        if damaged < 4 {
            assert_eq!((outcome.0, asked), (0x17, 2), "STORED");
            assert_eq!(std::fs::read(lab.path("root/good")).unwrap(), bytes);
        } else {
            assert_eq!((outcome.0, asked), (0x02, 3), "ERROR");
            let words = String::from_utf8_lossy(&outcome.1).into_owned();
            assert!(words.contains("at offset 0 arrived damaged 4 times"), "{words}");
            assert!(!lab.path("root/bad").exists());
        }
    }
}

#[test]
fn what_a_killed_get_to_standard_output_left_goes_with_the_next() {
    let lab = Lab::new();
    lab.random("root/big", 8 << 20, 3);
    lab.write("root/small", "x");
    std::fs::create_dir(lab.path("tmp")).unwrap();
    let (_server, address) = lab.server("listen tcp 0 ftp root root");
    let get = |name: &str, more: &str| {
        let mut get = lab.command(&["-c", &format!("get {name} from {address} to - {more}")]);
        get.env("TMPDIR", lab.path("tmp"));
        get
    };
    let mut killed = get("big", "rate 1MB/s").spawn().unwrap();
    let received = || {
        let folders = names(&lab.path("tmp")).into_iter().map(|name| lab.path(&format!("tmp/{name}")));
        folders.filter(|path| path.is_dir()).flat_map(|folder| names(&folder)).count()
    };
    eventually("the file comes", || received() > 0);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(received(), 1);
    assert_eq!(get("small", "").output().unwrap().stdout, b"x");
    assert_eq!(names(&lab.path("tmp")), [""; 0]);
}
