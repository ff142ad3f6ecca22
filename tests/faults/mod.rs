//! docs/faults.md, row by row, where it takes a real process or a real socket. The others stand beside the code that
//! keeps them: search for `row_`.
//!
//! | file | holds |
//! |---|---|
//! | `files` | what of files and folders is sent, and where it is put |
//! | `given_up` | a file that one side gives up, and those behind it |
//! | `connections` | what a network and a peer do to them |
//! | `servers` | limits, and many or hostile clients |
//! | `services` | conversations, calculations and players |
//! | `process` | the program as a process: signals, descriptors, threads, sessions |

mod connections;
mod files;
mod given_up;
mod process;
mod servers;
mod services;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const PREFACE_CALC: &[u8] = b"\x8bNLS\x07\x02\0\0";

pub const PREFACE_FTP: &[u8] = b"\x8bNLS\x07\x01\0\0";

/// A frame as `docs/protocol.md` describes it, written without the program's own code.
pub fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = (body.len() as u32 + 1).to_be_bytes().to_vec();
    out.push(kind);
    out.extend(body);
    if kind != 0x01 {
        out.extend(crc32c(&out).to_be_bytes());
    }
    out
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

pub fn put(chunk: u32, window: u32, size: u64, name: &str) -> Vec<u8> {
    let head = [
        &chunk.to_be_bytes()[..],
        &window.to_be_bytes(),
        &[0, 1, 0o244],
        &size.to_be_bytes(),
        &0u64.to_be_bytes(),
    ]
    .concat();
    frame(0x10, &[head, text(name)].concat())
}

/// The first bytes of a file.
pub fn block(bytes: &[u8]) -> Vec<u8> {
    frame(0x01, &[&0u64.to_be_bytes()[..], bytes].concat())
}

/// The hash of a file of one group.
pub fn hashes(bytes: &[u8]) -> Vec<u8> {
    frame(0x19, &[&0u64.to_be_bytes()[..], blake3::hash(bytes).as_bytes()].concat())
}

/// The end of such a file.
pub fn end(bytes: &[u8]) -> Vec<u8> {
    frame(0x16, &[&blake3::hash(bytes).as_bytes()[..], &[0; 17]].concat())
}

pub fn read_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut header = [0; 5];
    stream.read_exact(&mut header).expect("a frame");
    let mut body = vec![0; u32::from_be_bytes(header[..4].try_into().unwrap()) as usize - 1];
    stream.read_exact(&mut body).expect("its body");
    if header[4] != 0x01 {
        let mut check = [0; 4];
        stream.read_exact(&mut check).expect("its check sum");
        assert_eq!(u32::from_be_bytes(check), crc32c(&[&header[..], &body].concat()));
    }
    (header[4], body)
}

/// The next frame that is no acknowledgement.
pub fn answer(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    std::iter::repeat_with(|| read_frame(stream)).find(|(kind, _)| *kind != 0x15).unwrap()
}

pub fn connect(address: &str, preface: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(preface).unwrap();
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer[..5], &preface[..5]);
    stream
}

fn error_text(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[4..]).into_owned()
}
