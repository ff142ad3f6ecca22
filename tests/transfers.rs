//! Files that really move, between real processes and in one.

use std::fmt::Write;

use crate::harness::{Lab, names};

#[test]
fn sixty_four_mebibytes_in_chunks_of_1024_arrive_the_same() {
    let lab = Lab::new();
    let big = lab.random("BIG", 64 << 20, 1);
    std::fs::create_dir(lab.path("OUT")).unwrap();
    lab.nls("listen tcp 0 ftp root OUT as f; send BIG to $f chunk 1024 as up; expect $up.chunks > 1; expect $up.acks == 65536").success();
    assert!(std::fs::read(big).unwrap() == std::fs::read(lab.path("OUT/BIG")).unwrap());
    assert_eq!(names(&lab.path("OUT")), ["BIG"]);
}

#[test]
fn sixteen_mebibytes_over_udp_both_ways_between_two_processes() {
    let lab = Lab::new();
    let big = lab.random("big", 16 << 20, 2);
    std::fs::create_dir(lab.path("root")).unwrap();
    let (_server, address) = lab.server("listen udp 0 ftp root root");
    lab.nls(&format!("send big to udp {address} as up; get big from udp {address} to back as down; expect $up.blake3 == $down.blake3")).success();
    assert!(std::fs::read(big).unwrap() == std::fs::read(lab.path("back")).unwrap());
}

#[test]
fn two_hundred_clients_at_once_get_a_mebibyte_from_one_server() {
    let lab = Lab::new();
    lab.random("root/file", 1 << 20, 3);
    for transport in ["tcp", "udp"] {
        let (_server, address) = lab.server(&format!("listen {transport} 0 ftp root root"));
        let mut script = String::new();
        for n in 0..200 {
            writeln!(script, "get file from {transport} {address} to {transport}-{n} fast as c{n} &")
                .unwrap();
        }
        for n in 0..200 {
            writeln!(script, "wait $c{n} within 50s\nexpect $c{n}.blake3 == $c0.blake3").unwrap();
        }
        lab.with_input(&["-q"], script.as_bytes()).success();
        let original = std::fs::read(lab.path("root/file")).unwrap();
        assert!((0..200).all(|n| std::fs::read(lab.path(&format!("{transport}-{n}"))).unwrap() == original));
    }
}

#[test]
fn a_window_of_one_is_stop_and_wait() {
    let lab = Lab::new();
    lab.random("a", 100_000, 4);
    std::fs::create_dir(lab.path("root")).unwrap();
    for transport in ["tcp", "udp"] {
        let script = format!(
            "listen {transport} 0 ftp root root as f; send a to $f chunk 1000 window 1 name {transport} as up; expect $up.acks == 100; expect $up.window == 1"
        );
        lab.nls(&script).success();
    }
}

#[test]
fn replace_replaces_and_modes_are_plain() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::new();
    lab.write("root/a", "old");
    let new = lab.write("a", "new");
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o4777)).unwrap();
    lab.nls("listen tcp 0 ftp root root as f; send a to $f replace").success();
    assert_eq!(std::fs::read_to_string(lab.path("root/a")).unwrap(), "new");
    assert_eq!(std::fs::metadata(lab.path("root/a")).unwrap().permissions().mode() & 0o7777, 0o755);
}

#[test]
fn files_below_folders_are_listed_and_fetched() {
    let lab = Lab::new();
    lab.write("root/sub/inner.txt", "inside");
    lab.nls("listen tcp 0 ftp root root as f; ls $f sub as l; expect $l.names == inner.txt; get sub/inner.txt from $f").success();
    assert_eq!(std::fs::read_to_string(lab.path("inner.txt")).unwrap(), "inside");
}

#[test]
fn a_seed_gives_the_same_chunks_of_a_stream() {
    let lab = Lab::new();
    lab.random("root/film", 1_000_000, 5);
    let datagrams = |seed: &str| {
        let run = lab
            .run(&[
                "--seed",
                seed,
                "-q",
                "-c",
                "listen udp 0 stream root root as m; stream film as s; print $s.datagrams",
            ])
            .success();
        run.out.trim().parse::<u64>().unwrap()
    };
    assert_eq!(datagrams("7"), datagrams("7"));
    assert!((600..750).contains(&datagrams("8")), "about 1500 bytes each");
}
