//! Files that really move, between real processes and in one.

use std::fmt::Write;

use crate::harness::Lab;

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
                "listen udp 0 stream root root as m; stream film play none as s; print $s.datagrams",
            ])
            .success();
        run.out.trim().parse::<u64>().unwrap()
    };
    assert_eq!(datagrams("7"), datagrams("7"));
    assert!((600..750).contains(&datagrams("8")), "about 1500 bytes each");
}

#[test]
fn a_name_of_a_peer_with_a_line_end_is_shown_in_one_line() {
    let lab = Lab::new();
    lab.write("root/nl\nline", "x");
    let run = lab.nls("listen tcp 0 ftp root root as f; get 'nl\\nline' from $f").success();
    assert!(lab.path("nl\nline").exists());
    assert!(
        run.out.lines().all(|line| line.starts_with("listening") || line.starts_with("got ")),
        "{}",
        run.out
    );
}

#[test]
fn over_udp_a_file_is_replaced_although_blocks_overtake_what_they_are_for() {
    let lab = Lab::new();
    std::fs::create_dir_all(lab.path("root")).unwrap();
    let (mut server, _) = lab.server(
        "listen udp 0 ftp root root as f; link udp 0 to udp $f loss 10% reorder 30% delay 3ms jitter 3ms",
    );
    let address = server.line_with("link udp").split_whitespace().nth(2).unwrap().to_owned();
    for round in 0..8 {
        lab.random("large", 4 * 262_144 + 1234, round);
        lab.nls(&format!("send large to udp {address} replace")).success();
        assert!(std::fs::read(lab.path("large")).unwrap() == std::fs::read(lab.path("root/large")).unwrap());
    }
}
