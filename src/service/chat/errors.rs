//! The errors of a chat.

use std::time::Duration;

use super::protocol::{MESSAGE_LIMIT, UDP_CHARACTER_LIMIT};
use crate::report::Failure;
use crate::wire::Code;

// The command.

pub(super) fn relay_to_network() -> Failure {
    let why = "what clients say would be passed on to everybody who can reach this machine";
    Failure::new(Code::Policy, why).fix("add `open` if that is meant, or leave `on` out")
}

// What somebody types.

/// `known`: the commands that there are.
pub(super) fn unknown_command(word: &str, known: &str) -> Failure {
    Failure::new(Code::Usage, format!("`{word}` is not a chat command, and was not sent")).fix(known)
}

/// `room`: the session of the server.
pub(super) fn command_for_clients(room: &str) -> Failure {
    Failure::new(Code::Usage, "that is for clients; this is the server's side")
        .fix(format!("`stop {room}` ends it for everybody"))
}

/// Row 80, as the next two.
pub(super) fn empty_message() -> Failure {
    Failure::new(Code::Usage, "an empty message is not sent")
}

pub(super) fn too_many_characters(characters: usize) -> Failure {
    let why = format!(
        "the message has {characters} characters; over udp at most {UDP_CHARACTER_LIMIT} are sent. Too long, not sent"
    );
    Failure::new(Code::Limit, why).fix("say it in two")
}

pub(super) fn too_many_bytes(bytes: usize) -> Failure {
    let why = format!("the message has {bytes} bytes; at most {MESSAGE_LIMIT} are sent. Too long, not sent");
    Failure::new(Code::Limit, why).fix("say it in two, or `send` it as a file")
}

// Whom it is for, and whose turn it is.

pub(super) fn not_your_turn(peer: &str) -> Failure {
    Failure::new(Code::Turn, format!("it is the turn of {peer}: your last message was not answered yet"))
        .fix("wait for the answer")
}

pub(super) fn out_of_turn() -> Failure {
    let why = "it is not your turn: a message must be answered before you may send the next";
    Failure::new(Code::Turn, why)
}

pub(super) fn empty_room() -> Failure {
    Failure::new(Code::Missing, "nobody is here to hear it").fix("wait until somebody joined")
}

/// `here`: who is.
pub(super) fn no_such_member(name: &str, here: &str) -> Failure {
    Failure::new(Code::Missing, format!("nobody is called {name}")).fix(format!("here are: {here}"))
}

pub(super) fn no_relay() -> Failure {
    Failure::new(Code::Policy, "clients do not receive each other's messages here").fix("@host TEXT")
}

// Names (row 81).

/// As one sentence.
const NAME_RULES: &str =
    "a name has 1 to 32 letters, digits, _ - or . of one alphabet, and is not a reserved word";

fn name_refused(why: &str) -> Failure {
    Failure::new(Code::Policy, format!("the name is refused: {why}")).fix(NAME_RULES)
}

pub(super) fn name_empty() -> Failure {
    name_refused("it is empty")
}

pub(super) fn name_too_long() -> Failure {
    name_refused("it is too long")
}

pub(super) fn name_with_other_characters() -> Failure {
    name_refused("it has other characters")
}

pub(super) fn name_mixes_alphabets() -> Failure {
    name_refused("it mixes alphabets")
}

pub(super) fn name_reserved() -> Failure {
    name_refused("it is reserved, or looks like a name that is")
}

// Clients that are sent away.

pub(super) fn client_does_not_read(limit: Duration) -> Failure {
    let limit = limit.as_secs();
    let why = format!("the client does not read: its queue is full, or a message waited for {limit} s");
    Failure::new(Code::Timeout, why)
}

pub(super) fn place_needed() -> Failure {
    let why = "somebody else needs your place, and you have said nothing so far";
    Failure::new(Code::Busy, why).fix("come again later, and say something")
}

/// A page or a program that speaks without having joined, or after it has left.
pub(super) fn not_here() -> Failure {
    Failure::new(Code::Missing, "you are not in this room, or not any more")
        .fix("join with `GET /events?name=NAME`")
}

pub(super) fn too_fast() -> Failure {
    Failure::new(Code::Busy, crate::service::chat::server::flood::TEXT).fix("wait a second and say it again")
}

pub(super) fn came_back_elsewhere() -> Failure {
    Failure::new(Code::Cancelled, "you came back from another place")
}

// The peer breaks the protocol.

pub(super) fn block_in_chat() -> Failure {
    Failure::new(Code::Misbehaved, "unexpected data block in a chat")
}

pub(super) fn name_expected() -> Failure {
    Failure::new(Code::Misbehaved, "unexpected message from the client: it must be its name")
}

pub(super) fn welcome_expected() -> Failure {
    Failure::new(Code::Misbehaved, "unexpected message from the server: it must be a welcome")
}

pub(super) fn message_of_a_server() -> Failure {
    Failure::new(Code::Misbehaved, "unexpected message from the client: only a server sends it")
}

pub(super) fn message_of_a_client() -> Failure {
    Failure::new(Code::Misbehaved, "unexpected message from the server: only a client sends it")
}

pub(super) fn numbers_inconsistent() -> Failure {
    Failure::new(Code::Misbehaved, "the peer's message numbers are inconsistent")
}
