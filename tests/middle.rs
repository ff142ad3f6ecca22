//! Row 113: a program on the way between a client and a server that have the same key. It changes, repeats, reorders,
//! cuts and exchanges what they say; nothing of that is accepted, and it ends no session that it should not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::harness::{LIMIT, Lab, Run, eventually};

/// Bytes of both first messages with their prefaces (docs/protocol.md, 2.7).
const HANDSHAKE: [usize; 2] = [8 + 48, 8 + 56];
/// Larger datagrams are lost, so that there are many.
const DATAGRAM_MOST: usize = 1400;
/// Datagrams with data, each of which is changed once.
const DATAGRAMS: usize = 10_000;

/// Some bytes on their way.
struct Piece {
    /// Which connection, from 0.
    connection: usize,
    from_client: bool,
    /// Bytes of this direction before them.
    at: usize,
    bytes: Vec<u8>,
}

/// What arrives instead; `None` ends the connection.
type Change = dyn Fn(Piece) -> Option<Vec<u8>> + Send + Sync;

/// Where the script of the test has written the address of its server.
struct Server(PathBuf);

impl Server {
    fn address(&self) -> SocketAddr {
        let mut text = String::new();
        eventually("the server has an address", || {
            text = std::fs::read_to_string(&self.0).unwrap_or_default();
            text.ends_with('\n')
        });
        text.trim().parse().unwrap()
    }
}

/// A program between the clients and the server over TCP; its address.
fn over_tcp(server: Server, change: Arc<Change>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (connection, client) in listener.incoming().enumerate() {
            let (client, other) = (client.unwrap(), TcpStream::connect(server.address()).unwrap());
            for from_client in [true, false] {
                let (from, to) = if from_client { (&client, &other) } else { (&other, &client) };
                let (from, to, change) = (from.try_clone().unwrap(), to.try_clone().unwrap(), change.clone());
                std::thread::spawn(move || pass(connection, from_client, (from, to), &*change));
            }
        }
    });
    address
}

fn pass(connection: usize, from_client: bool, (mut from, mut to): (TcpStream, TcpStream), change: &Change) {
    let (mut buffer, mut at) = (vec![0; 64 << 10], 0);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let piece = Piece { connection, from_client, at, bytes: buffer[..count].to_vec() };
        at += count;
        let Some(bytes) = change(piece) else {
            from.shutdown(std::net::Shutdown::Both).ok();
            break;
        };
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    to.shutdown(std::net::Shutdown::Write).ok();
}

/// Flips a bit of the byte at `place`, if it is among these.
fn flip(piece: &mut Piece, place: usize, bit: usize) {
    if let Some(byte) = place.checked_sub(piece.at).and_then(|place| piece.bytes.get_mut(place)) {
        *byte ^= 1 << (bit % 8);
    }
}

/// A server with a key and a file, and `commands` of clients that find it at `$env.MIDDLE`.
fn script(lab: &Lab, transport: &str, middle: impl FnOnce(Server) -> SocketAddr, commands: &str) -> Run {
    std::fs::create_dir(lab.path("root")).ok();
    if !lab.path("root/a.bin").exists() {
        lab.random("root/a.bin", DATAGRAMS * 1200, 9);
        lab.nls("key new to team.key").success();
    }
    std::fs::remove_file(lab.path("addr")).ok();
    let address = middle(Server(lab.path("addr")));
    let text = format!("listen {transport} 0 ftp root root key team.key as f\n!echo $f > addr\n{commands}");
    lab.write("s.nls", text);
    let mut command = lab.command(&["s.nls"]);
    command.env("MIDDLE", address.to_string());
    Run::of(command.spawn().unwrap())
}

/// A client whose bytes pass as they are, and so many of which none may be served, whatever they are told.
fn refused(count: usize) -> String {
    let begin = |n| format!("ls tcp $env.MIDDLE key team.key as c{n} &\n");
    let end = |n| format!("expect error: wait $c{n}\n");
    let lines: String = (0..count).map(begin).chain((0..count).map(end)).collect();
    format!("ls tcp $env.MIDDLE key team.key\n{lines}expect $f.served == 1\n")
}

#[test]
fn row_113_whoever_changes_a_byte_of_the_handshake_over_tcp_is_not_served_and_believed_by_nobody() {
    let lab = Lab::new();
    let change = |mut piece: Piece| {
        // A connection for each byte of both sides.
        let Some(nth) = piece.connection.checked_sub(1) else { return Some(piece.bytes) };
        let place = match nth.checked_sub(HANDSHAKE[0]) {
            None if piece.from_client => nth,
            Some(place) if !piece.from_client => place,
            _ => return Some(piece.bytes),
        };
        flip(&mut piece, place, nth);
        Some(piece.bytes)
    };
    let commands = refused(HANDSHAKE.iter().sum());
    script(&lab, "tcp", |server| over_tcp(server, Arc::new(change)), &commands).success();
}

#[test]
fn row_113_older_versions_no_key_and_the_own_words_sent_back_are_believed_by_nobody() {
    let lab = Lab::new();
    let sent = Mutex::new(vec![0; 0]);
    let change = move |mut piece: Piece| {
        match (piece.connection, piece.from_client) {
            // Both are told that the other speaks an older version.
            (1, _) => piece.bytes[4] -= 1,
            (2, false) => piece.bytes[4] -= 1,
            // Encryption is not asked for; not agreed to.
            (3, true) => piece.bytes[6] = 0,
            (4, false) => piece.bytes[6] = 0,
            // The client's own words as the server's.
            (5, true) => sent.lock().unwrap().extend(&piece.bytes),
            (5, false) => piece.bytes.clone_from(&sent.lock().unwrap()),
            _ => {}
        }
        Some(piece.bytes)
    };
    script(&lab, "tcp", |server| over_tcp(server, Arc::new(change)), &refused(5)).success();
}

#[test]
fn row_113_a_file_whose_records_are_changed_cut_repeated_or_of_another_session_is_not_published() {
    let lab = Lab::new();
    let first = Mutex::new(Vec::new());
    let change = move |mut piece: Piece| {
        let far = 300_000;
        let is_there = !piece.from_client && (piece.at..piece.at + piece.bytes.len()).contains(&far);
        match piece.connection {
            // Seen, and let through.
            0 if !piece.from_client => first.lock().unwrap().extend(&piece.bytes),
            1 if !piece.from_client => flip(&mut piece, far, 3),
            2 if is_there => return None,
            3 if is_there => piece.bytes.extend_from_within(..),
            // From there on what the server said in the first connection.
            4 if !piece.from_client && piece.at + piece.bytes.len() > HANDSHAKE[1] => {
                let known = first.lock().unwrap();
                let keeps = HANDSHAKE[1].saturating_sub(piece.at);
                let range = piece.at + keeps..(piece.at + piece.bytes.len()).min(known.len());
                piece.bytes.truncate(keeps);
                piece.bytes.extend_from_slice(known.get(range).unwrap_or_default());
            }
            _ => {}
        }
        Some(piece.bytes)
    };
    let get = |n: usize| format!("get a.bin from tcp $env.MIDDLE to copy{n} key team.key as c{n}\n");
    let mut commands = get(0) + "expect file copy0 same as root/a.bin\n";
    for (n, why) in
        [(1, "changed on the way"), (2, "cut off"), (3, "changed on the way"), (4, "changed on the way")]
    {
        commands += &format!("expect error \"{why}\": {}expect not file copy{n} exists\n", get(n));
    }
    commands += "get a.bin from $f to copy5 key team.key\nexpect file copy5 same as root/a.bin\n";
    script(&lab, "tcp", |server| over_tcp(server, Arc::new(change)), &commands).success();
}

#[test]
fn row_113_what_a_client_said_is_served_once() {
    let lab = Lab::new();
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = said.clone();
    let change = move |piece: Piece| {
        if piece.from_client {
            heard.lock().unwrap().extend(&piece.bytes);
        }
        Some(piece.bytes)
    };
    lab.nls("key new to team.key").success();
    let (_server, address) = lab.server("listen tcp 0 ftp key team.key");
    let place = Server(lab.write("addr", format!("{address}\n")));
    let middle = over_tcp(place, Arc::new(change));
    lab.nls(&format!("ls {middle} key team.key")).success();
    let said = said.lock().unwrap().clone();
    assert!(said.len() > HANDSHAKE[0] + 18, "a request, too: {} bytes", said.len());
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(&said).unwrap();
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    // The server's part of a handshake, and an empty record as the end of it: nothing that was asked for.
    assert!(answer.len() <= HANDSHAKE[1] + 18, "{} bytes", answer.len());
}

/// A program between one client and the server over UDP: each datagram comes changed, then as it was; some come again
/// later, some in another order, some back to who sent them. Counts the changed ones with data.
fn over_udp(server: Server, changed: Arc<AtomicUsize>) -> SocketAddr {
    let [front, back] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let address = front.local_addr().unwrap();
    let client: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
    for from_client in [true, false] {
        let (from, to) = if from_client { (&front, &back) } else { (&back, &front) };
        let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let (client, changed, path) = (client.clone(), changed.clone(), server.0.clone());
        std::thread::spawn(move || {
            let (mut buffer, mut old, mut late) = (vec![0; 1 << 16], Vec::new(), None);
            for n in 0.. {
                let Ok((count, peer)) = from.recv_from(&mut buffer) else { return };
                if from_client {
                    *client.lock().unwrap() = Some(peer);
                }
                if count > DATAGRAM_MOST {
                    continue;
                }
                let there = if from_client {
                    Server(path.clone()).address()
                } else {
                    client.lock().unwrap().unwrap()
                };
                let send = |bytes: &[u8]| drop(to.send_to(bytes, there));
                let bytes = buffer[..count].to_vec();
                let mut other = bytes.clone();
                other[n / 8 % count] ^= 1 << (n % 8);
                send(&other);
                changed.fetch_add(usize::from(bytes[0] > 0x0a && count > 1000), Ordering::Relaxed);
                match n % 16 {
                    // One place later.
                    3 => late = Some(bytes.clone()),
                    5 => drop(from.send_to(&bytes, peer)),
                    7 => old.iter().for_each(|bytes: &Vec<u8>| send(bytes)),
                    _ => {}
                }
                if n % 16 != 3 {
                    send(&bytes);
                    late.take().iter().for_each(|bytes: &Vec<u8>| send(bytes));
                }
                if n % 64 == 0 {
                    old.truncate(2);
                    old.insert(0, bytes);
                }
            }
        });
    }
    address
}

#[test]
fn row_113_over_udp_ten_thousand_packets_that_are_changed_repeated_and_sent_back_change_nothing() {
    let lab = Lab::new();
    let changed = Arc::<AtomicUsize>::default();
    let commands = "get a.bin from udp $env.MIDDLE to copy key team.key as down\nexpect file copy same as root/a.bin\n\
        expect $f.served == 1\nexpect $f.clients == 0 within 5s\n\
        send copy to udp $env.MIDDLE name b.bin key team.key\nexpect file root/b.bin same as copy\n";
    script(&lab, "udp", |server| over_udp(server, changed.clone()), commands).success();
    let changed = changed.load(Ordering::Relaxed);
    assert!(changed > DATAGRAMS, "{changed}");
}
