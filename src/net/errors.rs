//! All errors of the network, side by side.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::limits::{CONNECT_LIMIT, FIRST_MESSAGE_LIMIT, SILENCE_LIMIT};
use crate::base::{Endpoint, Transport, escape};
use crate::report::{Failure, reason};
use crate::wire::dialect::{self, Dialect, Dialects};
use crate::wire::{Code, DecodeError, Frame};

const RUN_AGAIN: &str = "run the command again";
const STOPPED: &str = "the other side may have been stopped; run the command again";
const SAME_VERSION: &str = "both sides should run the same version of nls";
const NO_SERVER_OF_NLS: &str = "is it an nls server? nls speaks its own protocol there";

// Resolving a name

pub(super) fn name_not_resolved(name: &str, error: &io::Error) -> Failure {
    unresolved(name, reason(error).trim_start_matches("failed to lookup address information: "))
}

pub(super) fn name_server_timed_out(name: &str) -> Failure {
    unresolved(name, "no answer in time")
}

pub(super) fn name_without_address(name: &str) -> Failure {
    unresolved(name, "it has no address")
}

fn unresolved(name: &str, why: &str) -> Failure {
    Failure::new(Code::Missing, format!("the name `{name}` does not resolve: {why}"))
        .fix("check the spelling, or write the address")
}

pub(super) fn no_address_to_try() -> Failure {
    Failure::new(Code::Missing, "there is no address to try")
}

pub(super) fn interface_missing(zone: &str) -> Failure {
    Failure::new(Code::Missing, format!("this machine has no interface `{zone}`"))
        .fix("`!ip -br link` lists the interfaces")
}

// Connecting to a server

/// Connection refused (row 36): the most common error, so the hint depends on the likely cause. `is_on_other`: something
/// on this machine listens there over the other transport.
pub(super) fn nobody_listens(endpoint: &Endpoint, transport: Transport, is_on_other: bool) -> Failure {
    let other = transport.other();
    let hint = if is_on_other {
        format!("something listens on {other}: put `{other}` before the address: {other} {endpoint}")
    } else if endpoint.host.is_loopback() {
        format!("start a server here first: listen {transport} {} SERVICE", endpoint.port)
    } else {
        format!(
            "if the server runs there, it may be bound to loopback: listen {transport} {} SERVICE on any; or it is \
             served over {other}: {other} {endpoint}",
            endpoint.port
        )
    };
    Failure::new(Code::Refused, format!("nothing is listening on {transport} {endpoint}")).fix(hint)
}

/// ICMP "port unreachable", before the endpoint is known; [`nobody_listens`] replaces it.
pub(super) fn port_unreachable() -> Failure {
    Failure::new(Code::Refused, "nothing is listening")
}

/// The system cannot connect, for a local reason or because of the network.
pub(super) fn cannot_reach(endpoint: &Endpoint, error: &io::Error) -> Failure {
    let fix = match rustix::io::Errno::from_io_error(error) {
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
            "stop some sessions, or raise the limit: ulimit -n"
        }
        _ => "check the address and the network",
    };
    Failure::new(Code::Broken, format!("cannot reach {endpoint}: {}", reason(error))).fix(fix)
}

pub(super) fn connect_timed_out(endpoint: &Endpoint, transport: Transport) -> Failure {
    let why = format!("no answer from {transport} {endpoint} within {} s", CONNECT_LIMIT.as_secs());
    Failure::new(Code::Timeout, why).fix("check the address, and whether a firewall drops the packets")
}

/// `packet`: the bytes that a path must carry.
pub(super) fn path_too_narrow(endpoint: &Endpoint, packet: u64) -> Failure {
    let why = format!(
        "the path to udp {endpoint} does not carry packets of {packet} bytes (reported by the kernel)"
    );
    Failure::new(Code::Limit, why).fix("use tcp there, or raise the MTU of the path")
}

/// ICMP "packet too big", before the endpoint is known; [`path_too_narrow`] replaces it.
pub(super) fn packet_too_big() -> Failure {
    Failure::new(Code::Limit, "the path is too narrow")
}

// A server that does not speak the protocol

pub(super) fn server_sent_nothing(endpoint: &Endpoint) -> Failure {
    let why =
        format!("{endpoint} accepted the connection but sent nothing for {} s", CONNECT_LIMIT.as_secs());
    Failure::new(Code::Protocol, why).fix(NO_SERVER_OF_NLS)
}

pub(super) fn server_closed_at_once() -> Failure {
    Failure::new(Code::Protocol, "the server closed the connection without sending anything")
        .fix(NO_SERVER_OF_NLS)
}

/// The peer speaks another protocol, with a guess which one (row 43).
pub(super) fn foreign_protocol(front: &[u8]) -> Failure {
    let why = format!(
        "this looks like {} (`{}`); nls speaks its own protocol",
        dialect::guess(front),
        escape::excerpt(front, 48)
    );
    Failure::new(Code::Protocol, why).fix("check the port")
}

pub(super) fn version_mismatch(server: u8, client: u8) -> Failure {
    let older = if server < client { "the server" } else { "the client" };
    Failure::new(Code::Version, format!("the server speaks version {server}, the client {client}"))
        .fix(format!("upgrade {older}"))
}

pub(super) fn refused_without_reason() -> Failure {
    Failure::new(Code::Protocol, "the server refused without a reason")
}

// Binding a port (row 64)

pub(super) fn port_taken_by_this_program(port: u16) -> Failure {
    Failure::new(Code::Exists, format!("port {port} is taken by another session of this program")).fix(
        "stop that one first; tests that run in parallel cannot share a port: use port 0, or `test \"…\" serial`",
    )
}

pub(super) fn port_taken(port: u16, transport: Transport) -> Failure {
    Failure::new(Code::Exists, format!("port {port} is taken by another program"))
        .fix(format!("listen {transport} 0 takes any free port"))
}

pub(super) fn port_privileged(port: u16) -> Failure {
    Failure::new(Code::Policy, format!("port {port} needs privileges")).fix("use a port from 1024 on")
}

pub(super) fn address_not_local(address: IpAddr) -> Failure {
    Failure::new(Code::Missing, format!("{address} is not an address of this machine"))
        .fix("use `on any` or leave `on` out")
}

pub(super) fn cannot_bind(error: &io::Error) -> Failure {
    Failure::new(Code::Other, reason(error)).fix("try another address or port")
}

// A client that is turned away; it sees only the reason, so that this also says what to do

pub(super) fn server_full(max: usize) -> Failure {
    Failure::new(Code::Busy, format!("busy: {max} of {max} clients, retry in 5 s"))
}

/// `most`: the places for one address, of `max`.
pub(super) fn too_many_from_one_address(most: usize, max: usize) -> Failure {
    Failure::new(Code::Busy, format!("busy: {most} of {max} clients are from your address, retry in 5 s"))
}

pub(super) fn out_of_descriptors() -> Failure {
    Failure::new(Code::Busy, "busy: out of file descriptors, retry in 5 s")
}

pub(super) fn other_service(service: &str) -> Failure {
    Failure::new(Code::Service, format!("this port serves {service}"))
}

// A client that is dropped without a word; for the log of the server

pub(super) fn too_many_half_open(waiting: usize) -> Failure {
    Failure::new(Code::Busy, format!("dropped: one of {waiting} half-open connections"))
}

pub(super) fn first_message_timed_out() -> Failure {
    Failure::new(Code::Timeout, format!("sent nothing for {} s", FIRST_MESSAGE_LIMIT.as_secs()))
}

/// A browser that was greeted on a connection that it had kept in reserve.
pub(super) fn asked_after_greeting() -> Failure {
    let why = "it was greeted, because it said nothing, and asked then for a page; closed, it asks again";
    Failure::new(Code::Protocol, why)
}

/// A client that was greeted.
pub(super) fn greeted_in_vain(limit: Duration) -> Failure {
    Failure::new(Code::Timeout, format!("said nothing for {} s", limit.as_secs()))
}

/// A client wants TLS where there is none.
pub(super) fn no_tls_here() -> Failure {
    Failure::new(Code::Protocol, "the client wants TLS; this port has none")
        .fix("use `http://`, not `https://`")
}

/// A dialect that the service does not speak, or that was turned off.
pub(super) fn dialect_is_off(service: &str, dialect: Dialect, spoken: Dialects) -> Failure {
    let why = format!("this port serves {service} and does not speak {}", dialect.name());
    Failure::new(Code::Protocol, why).fix(format!("use one of: {}", spoken.names().join(", ")))
}

pub(super) fn client_closed_at_once() -> Failure {
    Failure::new(Code::Broken, "closed, sent nothing")
}

/// A plain-text client over UDP.
pub(crate) fn idle_client_replaced() -> Failure {
    Failure::new(Code::Busy, "idle for too long, replaced by another client")
}

// A connection that breaks

/// Row 36, from the side of a server: the system of the client said so (ICMP).
pub(super) fn client_port_closed() -> Failure {
    let why = "the client is gone: nothing is there at its port any more";
    Failure { told: true, ..Failure::new(Code::Broken, why) }
}

/// Whoever hears of it waits for the answer to that request.
pub(super) fn request_replaced() -> Failure {
    let why = "the client made another request from the same port instead";
    Failure { told: true, ..Failure::new(Code::Cancelled, why) }
}

pub(super) fn connection_reset() -> Failure {
    Failure::new(Code::Broken, "the peer reset the connection: it was stopped, or it crashed").fix(RUN_AGAIN)
}

pub(super) fn peer_closed() -> Failure {
    Failure::new(Code::Broken, "the peer closed the connection").fix(RUN_AGAIN)
}

/// Inside a frame of `size` bytes, after its first `at` (row 41).
pub(super) fn peer_closed_early(at: usize, size: usize, received: u64) -> Failure {
    let why = format!("the peer closed early, at byte {at} of {size} of a frame, after {received} bytes");
    Failure::new(Code::Broken, why).fix(STOPPED)
}

/// `what`: the expected message.
pub(super) fn peer_closed_before(what: &str) -> Failure {
    Failure::new(Code::Broken, format!("the peer closed the connection before {what}")).fix(STOPPED)
}

pub(super) fn connection_closed() -> Failure {
    Failure::new(Code::Broken, "the connection is closed").fix(RUN_AGAIN)
}

pub(super) fn connection_broke(received: u64, error: &io::Error) -> Failure {
    Failure::new(Code::Broken, format!("the connection broke after {received} bytes: {}", reason(error)))
        .fix(RUN_AGAIN)
}

/// The socket failed before anything was received, or it serves many peers.
pub(super) fn socket_failed(error: &io::Error) -> Failure {
    Failure::new(Code::Broken, reason(error))
}

// A peer that is silent

/// TCP: the peer does not acknowledge.
pub(super) fn peer_lost(received: u64, limit: Duration) -> Failure {
    let why = format!("lost the peer after {received} bytes: no acknowledgement for {} s", limit.as_secs());
    Failure::new(Code::Broken, why).fix(RUN_AGAIN)
}

/// Reliable UDP: nothing comes from the peer (row 46).
pub(super) fn peer_silent(after: Duration, sent: u64, acknowledged: u64) -> Failure {
    let why =
        format!("no answer for {:.0} s; sent {sent} bytes, acknowledged {acknowledged}", after.as_secs_f64());
    Failure::new(Code::Timeout, why).fix("the peer or the network is gone; run the command again")
}

/// The peer is still connected but no longer reads (row 40).
pub(super) fn stopped_reading() -> Failure {
    Failure::new(Code::Timeout, format!("the peer stopped reading for {} s", SILENCE_LIMIT.as_secs()))
        .fix("the peer may be hung or overloaded")
}

/// `what`: the expected message.
pub fn nothing_came(what: &str, limit: Duration) -> Failure {
    Failure::new(Code::Timeout, format!("no {what} for {} s", limit.as_secs()))
        .fix("the peer may be gone, or too busy")
}

// A peer that breaks the protocol

/// This message is not possible now.
pub fn unexpected(peer: &str) -> Failure {
    Failure::new(Code::Misbehaved, format!("unexpected message from {peer}")).fix(SAME_VERSION)
}

/// `what`: the expected frame.
pub(super) fn block_instead_of(what: &str) -> Failure {
    Failure::new(Code::Misbehaved, format!("the peer sent a block instead of {what}")).fix(SAME_VERSION)
}

pub(super) fn protocol_violation(how: &str) -> Failure {
    Failure::new(Code::Misbehaved, format!("the peer broke the protocol: {how}")).fix(SAME_VERSION)
}

pub fn malformed(error: DecodeError) -> Failure {
    let code = match error {
        DecodeError::Oversize { .. } => Code::Limit,
        DecodeError::Checksum => {
            return Failure::new(Code::Integrity, "a message arrived damaged, and TCP did not notice").fix(
                "try again; if it happens again, a device between you and the peer changes what passes",
            );
        }
        _ => Code::Malformed,
    };
    Failure::new(code, format!("the peer sent malformed data: {error}")).fix(SAME_VERSION)
}

/// A line from a plain-text client; `limit` in bytes.
pub(super) fn line_too_long(limit: usize) -> Failure {
    Failure::new(Code::Limit, format!("a line is longer than {limit} bytes"))
}

// What the other side, or the user here, decided

/// The failure as an ERROR frame, with what can be done about it.
pub fn as_frame(failure: &Failure) -> Frame {
    match &failure.fix {
        Some(fix) => Frame::error(failure.code, &format!("{}; {fix}", failure.why)),
        None => Frame::error(failure.code, &failure.why),
    }
}

/// Converts an ERROR frame from the peer into a failure.
pub fn told(frame: &Frame) -> Failure {
    match frame.read_error() {
        Ok((code, text)) => told_in_words(code, &text),
        Err(error) => malformed(error),
    }
}

/// A failure that the peer reported. Its `Cancelled` becomes `Broken` here: the peer was cancelled, not this side.
pub fn told_in_words(code: Code, text: &str) -> Failure {
    let code = if code == Code::Cancelled { Code::Broken } else { code };
    let failure = Failure { told: true, ..Failure::new(code, escape::escape_line(text).into_owned()) };
    // Our own servers tell it themselves.
    match code {
        Code::Missing if !text.contains("`ls`") => failure.fix("`ls` shows what there is"),
        Code::Service => failure.fix("use a command of that service, or the port of the other one"),
        _ => failure,
    }
}

/// The user stopped the session or the command.
pub fn cancelled() -> Failure {
    Failure::new(Code::Cancelled, "stopped")
}
