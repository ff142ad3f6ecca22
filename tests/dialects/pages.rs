//! Every line of the page about clients is run, as it stands, against the server that stands above it.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::path::Path;

use super::{exchange, run};
use crate::harness::{Lab, Running, has};

/// The address of the page.
const HOST: &str = "192.168.1.7";

/// A fenced block: what it is, and its lines.
fn blocks(page: &str) -> Vec<(String, Vec<String>)> {
    let mut blocks = Vec::new();
    for part in page.split("\n```").skip(1).step_by(2) {
        let (kind, lines) = part.split_once('\n').unwrap_or((part, ""));
        blocks.push((kind.to_owned(), lines.lines().map(str::to_owned).collect()));
    }
    blocks
}

/// The line of the page as a server of the test: any free port, this machine only.
fn serve(lab: &Lab, line: &str) -> (Running, String, String) {
    let words: Vec<&str> = line.split(' ').collect();
    let local = line.replacen(words[2], "0", 1).replace(" on any", "").replace(" open", "");
    let local = local.rsplit_once(" as ").map_or(local.as_str(), |(front, _)| front).to_owned();
    let (server, address) = lab.server(&local);
    let port = address.rsplit_once(':').unwrap().1.to_owned();
    (server, words[2].to_owned(), port)
}

/// The programs that a line starts, outside of its quotes.
fn programs(line: &str) -> Vec<String> {
    let outside: String = line.split('\'').step_by(2).collect();
    let words = outside.split(['|', '(', ';']).filter_map(|part| part.split_whitespace().next());
    words
        .filter(|word| !["echo", "printf", "test", "true", "sleep"].contains(word))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_line_of_the_page_about_clients_works() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients.md");
    let page = std::fs::read_to_string(page).unwrap();
    let lab = Lab::new();
    film(&lab);
    lab.write("shared/notes.txt", "notes\n");
    lab.random("photo.jpg", 30_000, 4);
    let (mut servers, mut ports, mut count) = (Vec::new(), HashMap::new(), 0);
    for (kind, lines) in blocks(&page) {
        for line in lines {
            match kind.as_str() {
                "server" => {
                    let (server, shown, port) = serve(&lab, &line);
                    servers.push(server);
                    ports.insert(shown, port);
                }
                "client" if programs(&line).iter().all(|program| has(program)) => {
                    works(&lab, &line, &ports);
                    count += 1;
                }
                _ => {}
            }
        }
    }
    assert!(count > 0 && servers.len() == 5, "{count} lines, {} servers", servers.len());
    let same = |copy: &str, file: &str| {
        std::fs::read(lab.path(copy)).is_ok_and(|copy| copy == std::fs::read(lab.path(file)).unwrap())
    };
    if has("curl") {
        assert!(same("film.mp4", "shared/film.mp4") && same("shared/photo.jpg", "photo.jpg"));
    }
}

/// Runs a line of the page in a folder of its own beside the files, so that no line finds what another left.
#[track_caller]
fn works(lab: &Lab, line: &str, ports: &HashMap<String, String>) {
    let mut local = line.replace(HOST, "127.0.0.1");
    for (shown, port) in ports {
        for (front, end) in [(":", ""), (" ", ""), (", ", ")")] {
            local = local.replace(&format!("{front}{shown}{end}"), &format!("{front}{port}{end}"));
        }
    }
    let output = run(lab, "timeout", &["30", "sh", "-c", &local]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{local}\n{:?}\n{out}\n{err}", output.status);
    if line.contains("7 %") || line.contains("7%20") {
        assert!(out.lines().any(|answer| answer.trim() == "1"), "{local}\n{out}\n{err}");
    }
}

/// A second of film, where it can be made; else something of that name.
fn film(lab: &Lab) {
    std::fs::create_dir_all(lab.path("shared")).unwrap();
    let make = [
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc=duration=1:size=160x120:rate=25",
        "-pix_fmt",
        "yuv420p",
        "shared/film.mp4",
    ];
    if has("ffmpeg") {
        assert!(run(lab, "ffmpeg", &make).status.success());
    } else {
        lab.random("shared/film.mp4", 100_000, 2);
    }
}

#[test]
fn row_101_who_reads_no_long_page_keeps_nobody_from_reading_it() {
    let lab = Lab::new();
    for n in 0..10_000 {
        lab.write(&format!("root/long/{n:05}{}", "n".repeat(200)), "");
    }
    let (_server, address) = lab.server("listen tcp 0 ftp root root open");
    let ask = b"GET /long/?sort=size HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    let deaf: Vec<_> = (0..8)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(&address).unwrap();
            stream.write_all(ask).unwrap();
            // Its page begins: the entries are held for it.
            stream.read_exact(&mut [0; 1000]).unwrap();
            stream
        })
        .collect();
    let page = exchange(&address, ask);
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("in the order of the names"));
    assert_eq!(page.matches("<tr class=file>").count(), 10_000);
    assert!(page.contains("0\r\n\r\n"), "it is whole");
    drop(deaf);
}

#[test]
fn row_40_who_reads_a_long_page_slowly_is_not_taken_for_one_who_stopped() {
    let lab = Lab::new();
    for n in 0..5_000 {
        lab.write(&format!("root/long/{n:05}{}", "n".repeat(200)), "");
    }
    let (_server, address) = lab.server("listen tcp 0 ftp root root open");
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address: std::net::SocketAddr = address.parse().unwrap();
    socket.connect(&address.into()).unwrap();
    let mut stream = std::net::TcpStream::from(socket);
    stream.write_all(b"GET /long/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    // 6 KB/s: the system takes no more of the page meanwhile, for longer than a peer may be silent.
    let (began, mut bytes) = (std::time::Instant::now(), [0; 1500]);
    while began.elapsed() < std::time::Duration::from_secs(37) {
        assert!(stream.read(&mut bytes).unwrap() > 0);
        std::thread::sleep(std::time::Duration::from_millis(250));
    }
}
