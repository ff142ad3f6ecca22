//! FTP: curl, wget, lftp, ftplib and busybox as they are, and clients that nobody would write.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::harness::{LIMIT, Lab, Running, eventually, has, names};

/// A client that says exactly what a test wants.
pub(super) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects and says nothing.
    pub(super) fn knock(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Connects and logs in, without waiting to be greeted.
    pub(super) fn new(address: &str) -> Self {
        let mut client = Self::knock(address);
        client.say(b"USER anonymous\r\nPASS x\r\nTYPE I\r\n");
        for code in ["220", "331", "230", "200"] {
            client.hear(code);
        }
        client
    }

    pub(super) fn say(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// The next reply, of one line or several.
    pub(super) fn reply(&mut self) -> String {
        let (mut all, mut first) = (String::new(), String::new());
        loop {
            let mut line = Vec::new();
            self.stream.read_until(b'\n', &mut line).expect("a reply");
            assert!(line.ends_with(b"\r\n"), "closed after {all:?} {line:?}");
            let line = String::from_utf8_lossy(&line).into_owned();
            all.push_str(&line);
            first = if first.is_empty() { line[..3].to_owned() } else { first };
            if line.starts_with(&format!("{first} ")) {
                return all;
            }
        }
    }

    /// The next reply, which must have this code.
    #[track_caller]
    pub(super) fn hear(&mut self, code: &str) -> String {
        let reply = self.reply();
        assert!(reply.starts_with(code), "{code}: {reply}");
        reply
    }

    #[track_caller]
    pub(super) fn ask(&mut self, line: impl AsRef<[u8]>, code: &str) -> String {
        self.say(&[line.as_ref(), b"\r\n"].concat());
        self.hear(code)
    }

    /// Nothing more comes.
    fn is_closed(&mut self) -> bool {
        self.stream.read(&mut [0]).map_or(true, |count| count == 0)
    }

    fn passive(&mut self) -> SocketAddr {
        let reply = self.ask("PASV", "227");
        let numbers: Vec<u16> =
            reply[4..].split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
        let [a, b, c, d, high, low] = numbers[..] else { panic!("{reply}") };
        format!("{a}.{b}.{c}.{d}:{}", high * 256 + low).parse().unwrap()
    }

    fn data(&mut self) -> TcpStream {
        let data = TcpStream::connect(self.passive()).unwrap();
        data.set_read_timeout(Some(LIMIT)).unwrap();
        data
    }

    /// Sends a command whose answer is data, which comes over the connection returned.
    #[track_caller]
    pub(super) fn begin(&mut self, line: impl AsRef<[u8]>) -> TcpStream {
        let data = self.data();
        self.ask(line, "150");
        data
    }

    /// Sends a command whose answer is data.
    #[track_caller]
    pub(super) fn get(&mut self, line: impl AsRef<[u8]>) -> Vec<u8> {
        let mut data = self.begin(line);
        let mut bytes = Vec::new();
        data.read_to_end(&mut bytes).unwrap();
        self.hear("226");
        bytes
    }

    /// Sends a file; the last reply.
    pub(super) fn put(&mut self, name: &str, bytes: &[u8]) -> String {
        let mut data = self.data();
        self.say(format!("STOR {name}\r\n").as_bytes());
        let reply = self.reply();
        if !reply.starts_with("150") {
            return reply;
        }
        data.write_all(bytes).ok();
        drop(data);
        self.reply()
    }
}

pub(super) fn server(lab: &Lab, words: &str) -> (Running, String) {
    std::fs::create_dir_all(lab.path("root")).unwrap();
    lab.server(&format!("listen tcp 0 ftp root root {words}"))
}

#[test]
fn row_110_where_nobody_speaks_first_but_ours_a_client_is_greeted_at_once() {
    use std::io::BufRead as _;
    let lab = Lab::new();
    lab.write("root/a", "x");
    let (_server, address) = lab.server("listen tcp 0 ftp root root dialects own,ftp");
    let (began, rounds) = (std::time::Instant::now(), 20);
    for _ in 0..rounds {
        let mut reader = std::io::BufReader::new(std::net::TcpStream::connect(&address).unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.starts_with("220 "), "{line}");
        lab.nls(&format!("get a from {address} to b replace")).success();
    }
    // Each would have waited for 400 ms of silence.
    assert!(began.elapsed() < rounds * std::time::Duration::from_millis(400), "{:?}", began.elapsed());
}

#[test]
fn row_110_a_silent_client_is_greeted_and_one_that_speaks_first_too() {
    let lab = Lab::new();
    let (_server, address) = server(&lab, "");
    let mut silent = Client::knock(&address);
    assert_eq!(silent.reply(), "220 nls: files; anonymous is welcome\r\n");
    silent.ask("USER ftp", "331");
    silent.ask("LIST", "530");
    silent.ask("PASS me@example.org", "230");
    silent.ask("QUIT", "221");
    assert!(silent.is_closed());
    // Lines as people's programs end them.
    let mut hasty = Client::knock(&address);
    hasty.say(b"USER x\nPASS y\nNOOP\nQUIT\n");
    for code in ["220", "331", "230", "200", "221"] {
        hasty.hear(code);
    }
}

#[test]
fn files_and_the_rest_of_them_come_as_bytes_or_as_text() {
    let lab = Lab::new();
    let big = std::fs::read(lab.random("root/d/big.bin", 9_000_000, 1)).unwrap();
    lab.write("root/text", "a\nb\r\n");
    lab.write("root/empty", "");
    let (_server, address) = server(&lab, "");
    let mut client = Client::new(&address);
    assert!(client.get("RETR d/big.bin") == big);
    client.ask("REST 8999990", "350");
    assert_eq!(client.get("RETR d/big.bin"), big[8_999_990..]);
    assert!(client.get("RETR d/big.bin") == big, "an offset is for one transfer");
    client.ask("REST 9000000", "350");
    assert_eq!(client.get("RETR d/big.bin"), b"");
    client.ask("REST 9000001", "350");
    client.passive();
    client.ask("RETR d/big.bin", "554");
    assert_eq!(client.ask("SIZE d/big.bin", "213"), "213 9000000\r\n");
    assert_eq!(client.get("RETR empty"), b"");
    client.ask("CWD d", "250 /d");
    client.ask("CDUP", "250 /\r\n");
    client.ask("TYPE A", "200");
    assert_eq!(client.get("RETR text"), b"a\r\nb\r\r\n");
    client.ask("SIZE text", "550");
    client.ask("RETR text", "425");
    assert!(client.put("copy", b"a\r\nb\r\r\nc\r").starts_with("226 "));
    assert_eq!(std::fs::read(lab.path("root/copy")).unwrap(), b"a\nb\r\nc\r");
    client.ask("EPSV 2", "522");
    client.ask("EPSV", "229");
    client.ask("EPSV ALL", "200");
    client.ask("PASV", "503");
}

#[test]
fn row_6_and_58_new_names_only_and_the_same_content_counts_as_success() {
    let lab = Lab::new();
    lab.write("root/old", "old");
    let (_server, address) = server(&lab, "");
    let mut client = Client::new(&address);
    assert!(client.put("new", b"fresh").starts_with("226 stored: 5 B"));
    assert!(client.put("new", b"fresh").starts_with("226 already there"));
    for other in ["other", "fres", "fresher"] {
        let reply = client.put("new", other.as_bytes());
        assert!(reply.starts_with("553 `new` exists"), "{reply}");
    }
    assert_eq!(std::fs::read(lab.path("root/new")).unwrap(), b"fresh");
    for (name, reply) in
        [(".hidden", "553"), ("none/a", "553"), ("/", "553"), ("..", "553"), ("a/../b", "226")]
    {
        let said = client.put(name, b"x");
        assert!(said.starts_with(reply), "{name}: {said}");
    }
    client.ask("REST 1", "350");
    client.passive();
    client.ask("STOR again", "554");
    for line in ["DELE old", "RNFR old", "MKD d", "RMD d", "APPE old", "SITE CHMOD 777 old"] {
        client.ask(line, "550");
    }
    assert_eq!(names(&lab.path("root")), ["b", "new", "old"]);
    let (_readonly, address) = server(&lab, "readonly");
    let reply = Client::new(&address).put("more", b"x");
    assert!(reply.starts_with("550 the server is read-only"), "{reply}");
}

#[test]
fn row_5_a_quota_holds_for_uploads() {
    let lab = Lab::new();
    let (_server, address) = server(&lab, "quota 100K");
    let mut client = Client::new(&address);
    let reply = client.put("large", &vec![7; 300_000]);
    assert!(reply.starts_with("552 over the quota"), "{reply}");
    assert!(client.put("small", &vec![7; 50_000]).starts_with("226"));
    assert_eq!(names(&lab.path("root")), ["small"]);
}

#[test]
fn row_12_an_upload_that_breaks_leaves_nothing() {
    let lab = Lab::new();
    let (_server, address) = server(&lab, "");
    let mut client = Client::new(&address);
    let mut data = client.data();
    client.ask("STOR a", "150");
    data.write_all(b"half").unwrap();
    eventually("the part is there", || !names(&lab.path("root")).is_empty());
    let data = socket2::Socket::from(data);
    data.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(data);
    client.hear("426");
    assert_eq!(names(&lab.path("root")), [""; 0]);
    // The control connection is the client: when it goes, so does the transfer.
    let mut data = client.data();
    client.ask("STOR b", "150");
    data.write_all(b"half").unwrap();
    eventually("the part is there", || !names(&lab.path("root")).is_empty());
    drop(client);
    eventually("the part is gone", || names(&lab.path("root")).is_empty());
}

#[test]
fn row_12_what_a_client_was_sending_when_it_was_killed_is_not_published() {
    if !has("curl") {
        return;
    }
    let lab = Lab::new();
    let (_server, address) = server(&lab, "");
    lab.random("big", 20_000_000, 1);
    let log = || lab.path("root");
    for round in 0..4 {
        let mut client = Command::new("curl")
            .args(["-q", "-s", "--limit-rate", "2M", "-T"])
            .arg(lab.path("big"))
            .arg(format!("ftp://{address}/k{round}"))
            .spawn()
            .unwrap();
        eventually("some of it is here", || {
            let parts = std::fs::read_dir(log()).unwrap().flatten();
            parts.into_iter().any(|entry| entry.metadata().is_ok_and(|part| part.len() > 100_000))
        });
        client.kill().unwrap();
        client.wait().unwrap();
        eventually("nothing of it is left", || names(&log()).is_empty());
    }
}

/// A folder, a file in it, and beside them everything that nobody may see.
pub(super) fn not_to_be_seen(lab: &Lab) {
    lab.write("secret", "secret");
    lab.write("root/.hidden", "hidden");
    lab.write("root/d/a", "a");
    symlink("/etc", lab.path("root/out")).unwrap();
    symlink("../secret", lab.path("root/link")).unwrap();
    let fifo = Command::new("mkfifo").arg(lab.path("root/fifo")).status().unwrap();
    assert!(fifo.success());
}

#[test]
fn row_20_to_22_and_57_nothing_outside_of_the_folder_is_seen() {
    let lab = Lab::new();
    not_to_be_seen(&lab);
    let (_server, address) = server(&lab, "");
    let mut client = Client::new(&address);
    for name in [
        "../secret",
        "../../../../../../etc/passwd",
        "/etc/passwd",
        "/../secret",
        "out/passwd",
        "link",
        ".hidden",
        "fifo",
        "d",
        "\\x2e\\x2e/secret",
        "..\\secret",
        "d/../../secret",
        "~root/secret",
    ] {
        client.passive();
        client.ask(format!("RETR {name}"), "550");
        client.ask(format!("SIZE {name}"), "550");
    }
    for folder in ["out", "../..", "..", "/", ".hidden", "d/a", "link"] {
        client.say(format!("CWD {folder}\r\n").as_bytes());
        let reply = client.reply();
        assert!(reply == "250 /\r\n" || reply.starts_with("550"), "{folder}: {reply}");
    }
    assert_eq!(client.ask("PWD", "257"), "257 \"/\" is the current folder\r\n");
    assert_eq!(client.get("NLST"), b"d\r\n");
    assert_eq!(client.get("NLST ../.."), b"../../d\r\n");
    client.passive();
    client.ask("LIST out", "550");
}

#[test]
fn row_21_and_111_names_never_end_a_line_and_all_of_them_can_be_fetched() {
    use std::os::unix::ffi::OsStrExt;
    let lab = Lab::new();
    std::fs::create_dir_all(lab.path("root/x\r\n226 y")).unwrap();
    for name in [&b"a\r\n550 b"[..], b"caf\xe9", b"back\\slash", b" (5 bytes) ", "f\u{fc}r".as_bytes()] {
        std::fs::write(lab.path("root").join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    let (_server, address) = server(&lab, "");
    let mut client = Client::new(&address);
    let listed = client.get("NLST");
    let mut lines: Vec<&[u8]> = listed.split(|byte| *byte == b'\n').collect();
    assert_eq!(lines.pop(), Some(&b""[..]));
    assert_eq!(lines.len(), 6);
    for line in lines {
        let name = line.strip_suffix(b"\r").unwrap();
        if name.starts_with(b"x") {
            assert_eq!(client.ask([b"CWD ", name].concat(), "250"), "250 /x\\r\\n226 y\r\n");
            client.ask("PWD", "257 \"/x\\r\\n226 y\"");
            client.ask("CWD /", "250");
            continue;
        }
        let bytes = client.get([b"RETR ", name].concat());
        let expected: &[u8] = if name.starts_with(b"a") { b"a\r\n550 b" } else { name };
        assert_eq!(bytes, expected);
    }
    // Two lines are two commands, and neither is part of a name.
    client.passive();
    client.say(b"RETR a\r\nQUIT\r\n");
    client.hear("550");
    client.hear("221");
}

#[test]
fn row_111_who_else_connects_to_the_data_port_gets_nothing() {
    let lab = Lab::new();
    lab.write("root/a", "for the client");
    let (_server, address) = server(&lab, "");
    let mut client = Client::new(&address);
    let port = client.passive();
    let thief = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    thief.bind(&"127.0.0.2:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    thief.connect(&port.into()).unwrap();
    let mut thief = TcpStream::from(thief);
    thief.set_read_timeout(Some(LIMIT)).unwrap();
    client.ask("RETR a", "150");
    assert!(thief.read(&mut [0; 64]).map_or(true, |count| count == 0), "the thief got data");
    let mut data = TcpStream::connect(port).unwrap();
    let mut text = String::new();
    data.read_to_string(&mut text).unwrap();
    assert_eq!(text, "for the client");
    client.hear("226");
    // Each port is for one transfer.
    assert!(TcpStream::connect(port).is_err());
}

#[test]
fn row_111_this_side_connects_to_nobody() {
    let lab = Lab::new();
    lab.write("root/a", "x");
    let (_server, address) = server(&lab, "");
    let bait = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    bait.set_nonblocking(true).unwrap();
    let port = bait.local_addr().unwrap().port();
    let mut client = Client::new(&address);
    client.ask(format!("PORT 127,0,0,1,{},{}", port / 256, port % 256), "502");
    client.ask(format!("EPRT |1|127.0.0.1|{port}|"), "502");
    client.ask("LPRT 4,127,0,0,1,2,0,1", "502");
    client.ask("AUTH TLS", "502");
    client.ask("RETR a", "425");
    assert!(bait.accept().is_err(), "it connected");
}

#[test]
fn row_61_to_63_hostile_lines_end_with_a_word() {
    let lab = Lab::new();
    let (_server, address) = server(&lab, "");
    let mut client = Client::new(&address);
    client.ask(b"RETR a\0b", "501");
    client.ask(b"\x01\x02", "500");
    client.ask("", "500");
    client.ask("FROB", "500");
    client.ask(b"CWD \xff\xfe\x01..", "250");
    client.ask(format!("RETR {}", "a/".repeat(3000)), "425");
    client.passive();
    client.ask(format!("RETR {}", "a/".repeat(3000)), "550");
    client.say(&vec![b'A'; 20_000]);
    client.hear("500 a command is longer than 8192 bytes");
    assert!(client.is_closed());
}

#[test]
fn row_60_a_client_too_many_is_told_so() {
    let lab = Lab::new();
    let (_server, address) = server(&lab, "max 1");
    let mut first = Client::new(&address);
    let mut second = Client::knock(&address);
    second.say(b"USER x\r\n");
    second.hear("421 busy: 1 of 1 clients");
    first.ask("NOOP", "200");
}

/// A file of so many MiB of zeroes that takes no space.
fn large(lab: &Lab, name: &str, mebibytes: u64) -> std::path::PathBuf {
    let path = lab.write(name, "");
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(mebibytes << 20).unwrap();
    path
}

#[test]
fn a_transfer_is_asked_about_and_aborted_with_urgent_data() {
    let lab = Lab::new();
    large(&lab, "root/large", 256);
    let (_server, address) = server(&lab, "");
    let mut client = Client::new(&address);
    let mut data = client.data();
    client.ask("RETR large", "150");
    data.read_exact(&mut [0; 1000]).unwrap();
    let status = client.ask("STAT", "213 large: ");
    assert!(status.contains(" of 268435456 bytes"), "{status}");
    client.say(b"NOOP\r\n\xff\xf4\xff");
    // The data mark, and then the last byte of the line, are urgent: as telnet does it, and as ftplib does.
    let socket = socket2::SockRef::from(client.stream.get_ref());
    socket.send_out_of_band(b"\xf2").unwrap();
    socket.send_out_of_band(b"ABOR\r\n").unwrap();
    client.hear("426");
    client.hear("226");
    client.hear("200");
    let mut rest = Vec::new();
    assert!(data.read_to_end(&mut rest).is_err(), "the data connection was closed as if all had come");
    client.ask("ABOR", "226");
    client.ask("QUIT", "221");
}

#[test]
fn row_2_a_file_that_shrinks_while_it_is_sent_is_no_success() {
    let lab = Lab::new();
    let path = large(&lab, "root/log", 256);
    let (_server, address) = server(&lab, "");
    let mut client = Client::new(&address);
    let mut data = client.data();
    client.ask("RETR log", "150");
    data.read_exact(&mut [0; 1000]).unwrap();
    std::fs::write(&path, "").unwrap();
    let mut rest = Vec::new();
    assert!(data.read_to_end(&mut rest).is_err(), "it looked like the end of the file");
    assert!(client.hear("451").contains("the file changed while reading"));
    client.ask("NOOP", "200");
}

#[test]
fn lists_are_read_by_people_and_by_programs() {
    let lab = Lab::new();
    for name in ["a.txt", "b.txt", "c.bin"] {
        lab.write(&format!("root/d/{name}"), name);
    }
    let (_server, address) = server(&lab, "");
    let mut client = Client::new(&address);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let long = text(client.get("LIST -la d"));
    assert!(long.lines().all(|line| line.starts_with("-rw")), "{long}");
    assert!(long.lines().next().unwrap().ends_with(" a.txt"), "{long}");
    assert_eq!(text(client.get("NLST d/*.txt")), "d/a.txt\r\nd/b.txt\r\n");
    assert_eq!(text(client.get("NLST d")), "d/a.txt\r\nd/b.txt\r\nd/c.bin\r\n");
    assert_eq!(text(client.get("NLST d/a.txt")), "d/a.txt\r\n");
    let facts = text(client.get("MLSD /d/"));
    assert!(facts.lines().all(|line| line.starts_with("type=file;size=5;modify=20")), "{facts}");
    client.passive();
    client.ask("MLSD d/a.txt", "501");
    client.ask("LIST none", "425");
    let one = client.ask("MLST d", "250");
    assert!(one.contains("\r\n type=dir;") && one.contains("; /d\r\n250 "), "{one}");
    client.ask("OPTS MLST size;", "200 MLST OPTS size;");
    assert!(client.ask("MLST d/a.txt", "250").contains("\r\n size=5; /d/a.txt\r\n"));
    assert_eq!(client.ask("MDTM d/a.txt", "213").len(), "213 20260101000000\r\n".len());
}

#[test]
fn a_server_that_stops_says_so() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("root")).unwrap();
    let script = "listen tcp 0 ftp root root as files; print $files.port; \
                  expect $files.served == 1 within 20s; stop $files";
    let mut running = lab.start(&["-q", "-c", script]);
    let port = running.line();
    let mut client = Client::knock(&format!("127.0.0.1:{port}"));
    client.say(b"USER x\r\n");
    while !client.reply().starts_with("421 the server was stopped") {}
    assert!(client.is_closed());
    running.finish().success();
}

/// A command of a shell, in the lab; what it printed.
#[track_caller]
fn shell(lab: &Lab, script: &str) -> String {
    let mut command = Command::new("sh");
    lab.dress(&mut command);
    let output = command.args(["-c", script]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}: {out}\n{err}");
    out.into_owned()
}

#[track_caller]
fn same(lab: &Lab, one: &str, other: &str) {
    let read = |name: &str| std::fs::read(lab.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(read(one) == read(other), "{one} and {other} differ");
}

#[test]
fn curl_lists_fetches_resumes_and_stores() {
    if !has("curl") {
        return;
    }
    let lab = Lab::new();
    lab.random("root/d/a b.bin", 5_000_000, 2);
    let (_server, address) = server(&lab, "");
    let url = format!("ftp://{address}");
    assert_eq!(shell(&lab, &format!("curl -sS -l {url}/d/")), "a b.bin\n");
    assert!(shell(&lab, &format!("curl -sS {url}/")).starts_with("drwx"));
    shell(&lab, &format!("curl -sS -o whole '{url}/d/a%20b.bin'"));
    same(&lab, "whole", "root/d/a b.bin");
    shell(&lab, &format!("head -c 1234567 whole > part; curl -sS -C - -o part '{url}/d/a%20b.bin'"));
    same(&lab, "whole", "part");
    shell(
        &lab,
        &format!(
            "curl -sS -r 100-199 '{url}/d/a%20b.bin' > got; tail -c +101 whole | head -c 100 | cmp - got"
        ),
    );
    shell(&lab, &format!("curl -sS -r 4999000- '{url}/d/a%20b.bin' > tail; tail -c 1000 whole | cmp - tail"));
    shell(&lab, &format!("curl -sS -T whole {url}/d/new.bin"));
    same(&lab, "whole", "root/d/new.bin");
    shell(&lab, &format!("curl -sS -T whole {url}/d/new.bin"));
    let other = shell(&lab, &format!("echo x >> part; curl -sS -T part {url}/d/new.bin 2>&1; echo $?"));
    assert!(other.contains("553"), "{other}");
    same(&lab, "whole", "root/d/new.bin");
    assert!(shell(&lab, &format!("curl -sS -I '{url}/d/a%20b.bin'")).contains("Content-Length: 5000000"));
    assert!(shell(&lab, &format!("curl -sS {url}/none 2>&1; echo $?")).ends_with("78\n"));
}

#[test]
fn wget_fetches_a_tree() {
    if !has("wget") {
        return;
    }
    let lab = Lab::new();
    for (name, size) in [("root/a", 1000), ("root/d/b", 2000), ("root/d/e/c", 300_000)] {
        lab.random(name, size, size as u64);
    }
    let (_server, address) = server(&lab, "");
    shell(&lab, &format!("wget -q -r -nH -P copy ftp://{address}/"));
    shell(&lab, "rm -f copy/.listing copy/*/.listing; diff -r root copy");
    shell(&lab, &format!("head -c 1000 copy/d/e/c > c; wget -q -c ftp://{address}/d/e/c; cmp c root/d/e/c"));
}

#[test]
fn lftp_mirrors_in_both_directions_and_resumes() {
    if !has("lftp") {
        return;
    }
    let lab = Lab::new();
    for n in 0..20 {
        lab.random(&format!("root/d{}/f{n}", n % 3), 10_000 * n + 1, n as u64);
        lab.random(&format!("up/g{n}"), 5000 * n + 1, n as u64);
    }
    lab.random("root/big", 8_000_000, 9);
    std::fs::create_dir(lab.path("root/in")).unwrap();
    let (_server, address) = server(&lab, "");
    let lftp = |commands: &str| {
        let set = "set cmd:fail-exit yes; set net:max-retries 2; set net:timeout 20";
        shell(&lab, &format!("lftp -c '{set}; open ftp://{address}; {commands}'"))
    };
    lftp("mirror / one");
    shell(&lab, "diff -r root one");
    lftp("mirror --parallel=4 / two");
    shell(&lab, "diff -r root two");
    lftp("pget -n 3 big -o three");
    same(&lab, "root/big", "three");
    shell(&lab, "head -c 3000000 three > four");
    lftp("get -c big -o four");
    same(&lab, "root/big", "four");
    lftp("mirror -R up in");
    shell(&lab, "diff -r up root/in");
    assert!(lftp("cls -1 d0").contains("f0"));
    assert!(lftp("ls").contains("big"));
}

#[test]
fn busybox_gets_and_puts() {
    if !has("busybox") {
        return;
    }
    let lab = Lab::new();
    lab.random("root/a", 400_000, 5);
    let (_server, address) = server(&lab, "");
    let (host, port) = address.rsplit_once(':').unwrap();
    shell(&lab, &format!("busybox ftpget -P {port} {host} copy a"));
    same(&lab, "copy", "root/a");
    shell(&lab, &format!("busybox ftpput -P {port} {host} b copy"));
    same(&lab, "copy", "root/b");
}

/// What a program in Python does, with the standard library.
const FTPLIB: &str = r#"
import ftplib, io, sys
host, port = sys.argv[1].rsplit(":", 1)
ftp = ftplib.FTP()
ftp.connect(host, int(port), timeout=30)
assert ftp.login().startswith("230")
assert "MLST" in ftp.sendcmd("FEAT")
facts = {name: facts for name, facts in ftp.mlsd("/")}
assert facts["a"]["size"] == "300000" and facts["a"]["type"] == "file", facts
assert facts["d"]["type"] == "dir", facts
assert ftp.nlst() == ["a", "d", "large"], ftp.nlst()
ftp.voidcmd("TYPE I")
assert ftp.size("a") == 300000
assert len(ftp.voidcmd("MDTM a")) == 18
whole = io.BytesIO(); ftp.retrbinary("RETR a", whole.write)
rest = io.BytesIO(); ftp.retrbinary("RETR a", rest.write, rest=299000)
assert whole.getvalue()[299000:] == rest.getvalue() and len(whole.getvalue()) == 300000
ftp.cwd("d"); assert ftp.pwd() == "/d"
assert ftp.storbinary("STOR new", io.BytesIO(b"hello")).startswith("226")
assert ftp.storlines("STOR text", io.BytesIO(b"a\nb\n")).startswith("226")
lines = []; ftp.retrlines("RETR text", lines.append); assert lines == ["a", "b"]
for command, code in (("DELE new", "550"), ("MKD x", "550"), ("PORT 127,0,0,1,1,1", "502"), ("FROB", "500"), ("RETR none", "425")):
    try:
        ftp.sendcmd(command); raise SystemExit(command + " was done")
    except ftplib.Error as error:
        assert str(error).startswith(code), (command, error)
try:
    ftp.storbinary("STOR new", io.BytesIO(b"other")); raise SystemExit("stored over")
except ftplib.error_perm as error:
    assert str(error).startswith("553"), error
ftp.set_pasv(True); ftp.cwd("/")
data = ftp.transfercmd("RETR large"); data.recv(1000)
assert ftp.abort()[:3] == "426"
assert ftp.getresp()[:3] == "226"
data.close()
assert ftp.voidcmd("NOOP").startswith("200")
ftp.quit()
"#;

#[test]
fn python_does_everything_that_ftplib_knows() {
    if !has("/usr/bin/python3") {
        return;
    }
    let lab = Lab::new();
    lab.random("root/a", 300_000, 6);
    std::fs::create_dir_all(lab.path("root/d")).unwrap();
    large(&lab, "root/large", 256);
    let (_server, address) = server(&lab, "");
    lab.write("client.py", FTPLIB);
    shell(&lab, &format!("/usr/bin/python3 client.py {address}"));
    assert_eq!(std::fs::read(lab.path("root/d/text")).unwrap(), b"a\nb\n");
    assert_eq!(std::fs::read(lab.path("root/d/new")).unwrap(), b"hello");
}

#[test]
fn over_ipv6_there_is_epsv() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let lab = Lab::new();
    lab.write("root/a", "six");
    let (_server, address) = server(&lab, "on ::1");
    let mut client = Client::new(&address);
    client.ask("PASV", "425");
    client.ask("EPSV 1", "522");
    let reply = client.ask("EPSV 2", "229");
    let port: u16 = reply.split('|').nth(3).unwrap().parse().unwrap();
    let mut data = TcpStream::connect(("::1", port)).unwrap();
    client.ask("RETR a", "150");
    let mut text = String::new();
    data.read_to_string(&mut text).unwrap();
    assert_eq!(text, "six");
    client.hear("226");
}
