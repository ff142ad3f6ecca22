//! The script that shows Wireshark this protocol, `docs/nls.lua`: the tables of `layout` and the numbers of `wire`, then
//! `dissector.lua`, which reads packets by them.

use super::layout::{DATAGRAMS, FRAMES, Field, Form, PREFACE, Row, TCP_FRAMES};
use crate::wire::preface::{self, MAGIC};
use crate::wire::{BLOCK_LIMIT, Code, ack, datagram, frame};

/// What reads packets; the tables stand before it.
const PROGRAM: &str = include_str!("dissector.lua");

/// The script for Wireshark.
pub fn lua() -> String {
    let mut out = String::from(
        "-- Made by `record::capture::lua` from the tables of the program. Do not edit: change the tables, then run\n\
         -- NLS_BLESS=1 cargo test --lib the_script_for_wireshark\n\
         --\n\
         -- wireshark -X lua_script:docs/nls.lua FILE.pcapng\n\
         --\n\
         -- At a port that Wireshark knows for another protocol, also:\n\
         -- -o tcp.try_heuristic_first:TRUE -o udp.try_heuristic_first:TRUE\n\n",
    );
    for (name, value) in [
        ("UNIT", datagram::UNIT),
        ("CRC_BYTES", datagram::CRC),
        ("FIRST_SEALED", datagram::DATA_SEALED as usize),
        ("COOKIE_LIMIT", datagram::COOKIE_LIMIT),
        ("RANGE_LIMIT", ack::RANGE_LIMIT),
        ("BITMAP_LIMIT", ack::BITMAP_LIMIT),
        ("BLOCK", usize::from(frame::BLOCK)),
        ("BLOCK_LIMIT", BLOCK_LIMIT),
        ("PREFACE_BYTES", preface::SIZE),
        ("MAGIC", u32::from_be_bytes(MAGIC) as usize),
        ("FLAGS", preface::FLAGS),
        ("SEALED", usize::from(preface::SEALED)),
        ("FIRST_MESSAGE", preface::FIRST),
        ("SECOND_MESSAGE", preface::SECOND),
        ("RECORD_HEADER", preface::RECORD_HEADER),
    ] {
        push(&mut out, format_args!("local {name} = {value}\n"));
    }
    push_codes(&mut out);
    push_fields(&mut out);
    push_rows(&mut out, "datagrams", DATAGRAMS);
    push_rows(&mut out, "frames", FRAMES);
    push(&mut out, format_args!("local preface = {}\n", names(PREFACE)));
    push_rows(&mut out, "tcp_frames", TCP_FRAMES);
    out + PROGRAM
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.push_str(&text.to_string());
}

fn push_codes(out: &mut String) {
    out.push_str("local codes = {\n");
    for code in Code::ALL {
        let (number, word, sentence) = (code.number(), code.word(), code.sentence());
        push(out, format_args!("  [{number}] = {:?},\n", format!("{word}: {sentence}")));
    }
    out.push_str("}\n");
}

/// Each field once: its name, its type for Wireshark, and its name for people.
fn push_fields(out: &mut String) {
    out.push_str("local fields = {\n");
    let rows = [DATAGRAMS, FRAMES, TCP_FRAMES].into_iter().flatten().flat_map(|row| row.fields);
    let mut known: Vec<&str> = Vec::new();
    for (name, form, label) in rows.chain(PREFACE) {
        if !known.contains(name) {
            known.push(name);
            push(out, format_args!("  {{ {name:?}, {:?}, {label:?} }},\n", kind(*form)));
        }
    }
    out.push_str("}\n");
}

fn push_rows(out: &mut String, table: &str, rows: &[Row]) {
    push(out, format_args!("local {table} = {{\n"));
    for Row { number, name, fields } in rows {
        push(out, format_args!("  [0x{number:02x}] = {{ name = {name:?}, fields = {} }},\n", names(fields)));
    }
    out.push_str("}\n");
}

fn names(fields: &[Field]) -> String {
    let pairs: Vec<String> =
        fields.iter().map(|(name, form, _)| format!("{{ {name:?}, {:?} }}", word(*form))).collect();
    if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
}

/// The name of a form in the script.
const fn word(form: Form) -> &'static str {
    match form {
        Form::U8 => "u8",
        Form::U16 => "u16",
        Form::U64 => "u64",
        Form::Code => "code",
        Form::Varint => "varint",
        Form::Bytes => "bytes",
        Form::Text => "text",
        Form::Rest => "rest",
        Form::Frames => "frames",
        Form::Ranges => "ranges",
        Form::Bitmap => "bitmap",
    }
}

/// The type of a field in Wireshark.
const fn kind(form: Form) -> &'static str {
    match form {
        Form::U8 => "uint8",
        Form::U16 => "uint16",
        Form::U64 | Form::Varint => "uint64",
        Form::Code => "code",
        Form::Bytes | Form::Rest | Form::Frames => "bytes",
        Form::Text | Form::Ranges | Form::Bitmap => "string",
    }
}
