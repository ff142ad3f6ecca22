//! Commands, pure: a line of the control connection becomes a [`Command`] (RFC 959, section 5.3). What is known and
//! never done here becomes its refusal.

use super::reply::Reply;

/// Telnet's "interpret as command", which begins each of its sequences (RFC 854).
const IAC: u8 = 255;
/// WILL, WONT, DO and DONT: an option follows them.
const OPTIONS: std::ops::RangeInclusive<u8> = 251..=254;
/// The first of the codes that may follow IAC.
const FIRST_CODE: u8 = 240;
/// Most letters of a command.
const VERB_LIMIT: usize = 4;

/// What a client wants, by the names of the RFCs. A path is bytes, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// The name is of no interest: everybody is anonymous.
    User,
    /// A password is not even kept.
    Pass,
    Acct,
    Quit,
    Noop,
    Allo,
    Feat,
    Help,
    Syst,
    Opts(Vec<u8>),
    Type(Kind),
    /// MODE S or STRU F.
    Stream,
    Pwd,
    Cwd(Vec<u8>),
    Cdup,
    List(Form, Vec<u8>),
    Mlst(Vec<u8>),
    Size(Vec<u8>),
    Mdtm(Vec<u8>),
    Stat(Vec<u8>),
    Rest(u64),
    Retr(Vec<u8>),
    Stor(Vec<u8>),
    Pasv,
    Epsv(Family),
    Abor,
}

/// TYPE: what the bytes of a transfer are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, whose lines end in CR LF while they travel.
    #[default]
    Ascii,
    /// Bytes as they are.
    Image,
}

/// The form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// LIST: as `ls -l` prints it.
    Long,
    /// NLST: names.
    Names,
    /// MLSD: facts (RFC 3659).
    Facts,
}

/// What EPSV asks for (RFC 2428).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// That of the control connection.
    Same,
    V4,
    V6,
    /// From now on nothing but EPSV.
    All,
}

/// What is never done: the command, the code, and why.
const REFUSED: [(&[&str], u16, &str); 9] = [
    (&["PORT", "EPRT", "LPRT"], 502, "this server connects to nobody: use passive mode (PASV or EPSV)"),
    (&["LPSV", "SMNT", "REIN"], 502, "not here: use PASV or EPSV, or connect again"),
    (&["AUTH", "ADAT", "PBSZ", "PROT", "CCC", "MIC", "CONF", "ENC"], 502, "there is no TLS on this port"),
    (&["APPE"], 550, "files are stored whole, under new names: nothing is appended"),
    (&["STOU"], 550, "name the file: use STOR"),
    (&["DELE", "RMD", "XRMD"], 550, "nothing is removed here"),
    (&["RNFR", "RNTO"], 550, "nothing is renamed here"),
    (&["MKD", "XMKD"], 550, "no folders are made here: store into those that are there"),
    (&["MFMT", "MFCT", "MFF"], 550, "times and permissions are not changed here"),
];

/// Reads one line, without its end.
pub(super) fn parse(line: &[u8]) -> Result<Command, Reply> {
    let line = without_telnet(line);
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let argument = line.get(end + 1..).unwrap_or_default();
    let verb = &line[..end];
    if verb.is_empty() || verb.len() > VERB_LIMIT || !verb.iter().all(u8::is_ascii_alphabetic) {
        return Err(Reply::new(500, "this is no command; HELP lists those that are"));
    }
    if argument.iter().any(u8::is_ascii_control) {
        return Err(Reply::new(501, "control characters cannot be part of it"));
    }
    let verb = String::from_utf8_lossy(verb).to_ascii_uppercase();
    let simple = about_the_session(&verb, argument).or_else(|| about_data(&verb, argument));
    simple.or_else(|| about_files(&verb, argument)).unwrap_or_else(|| Err(refusal(&verb, argument)))
}

fn about_the_session(verb: &str, argument: &[u8]) -> Option<Result<Command, Reply>> {
    Some(Ok(match verb {
        "USER" => Command::User,
        "PASS" => Command::Pass,
        "ACCT" => Command::Acct,
        "QUIT" => Command::Quit,
        "NOOP" => Command::Noop,
        "ALLO" => Command::Allo,
        "FEAT" => Command::Feat,
        "HELP" => Command::Help,
        "SITE" if argument.eq_ignore_ascii_case(b"HELP") => Command::Help,
        "SYST" => Command::Syst,
        "OPTS" => Command::Opts(argument.to_vec()),
        "STAT" => Command::Stat(argument.to_vec()),
        "ABOR" => Command::Abor,
        _ => return None,
    }))
}

fn about_data(verb: &str, argument: &[u8]) -> Option<Result<Command, Reply>> {
    let word = String::from_utf8_lossy(argument).trim().to_ascii_uppercase();
    let read = match (verb, word.as_str()) {
        ("TYPE", "A" | "A N") => Ok(Command::Type(Kind::Ascii)),
        ("TYPE", "I" | "L 8") => Ok(Command::Type(Kind::Image)),
        ("TYPE", _) => Err(Reply::new(504, "the types are A, I and L 8")),
        ("MODE", "S") | ("STRU", "F") => Ok(Command::Stream),
        ("MODE" | "STRU", _) => Err(Reply::new(504, "files travel as a stream: MODE S, STRU F")),
        ("REST", word) => {
            let digits = Some(word).filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
            let offset = digits.and_then(|digits| digits.parse().ok());
            offset.map(Command::Rest).ok_or_else(|| Reply::new(501, "REST takes an offset in bytes"))
        }
        ("PASV", _) => Ok(Command::Pasv),
        ("EPSV", "") => Ok(Command::Epsv(Family::Same)),
        ("EPSV", "1") => Ok(Command::Epsv(Family::V4)),
        ("EPSV", "2") => Ok(Command::Epsv(Family::V6)),
        ("EPSV", "ALL") => Ok(Command::Epsv(Family::All)),
        ("EPSV", _) => Err(Reply::new(522, "the network protocols are (1,2)")),
        _ => return None,
    };
    Some(read)
}

fn about_files(verb: &str, argument: &[u8]) -> Option<Result<Command, Reply>> {
    let path = argument.to_vec();
    let named = |command: fn(Vec<u8>) -> Command| {
        if argument.is_empty() {
            return Err(Reply::new(501, "the name is missing"));
        }
        Ok(command(argument.to_vec()))
    };
    Some(match verb {
        "PWD" | "XPWD" => Ok(Command::Pwd),
        "CWD" | "XCWD" => Ok(Command::Cwd(path)),
        "CDUP" | "XCUP" => Ok(Command::Cdup),
        "LIST" => Ok(Command::List(Form::Long, without_options(argument))),
        "NLST" => Ok(Command::List(Form::Names, without_options(argument))),
        "MLSD" => Ok(Command::List(Form::Facts, path)),
        "MLST" => Ok(Command::Mlst(path)),
        "SIZE" => named(Command::Size),
        "MDTM" => named(Command::Mdtm),
        "RETR" => named(Command::Retr),
        "STOR" => named(Command::Stor),
        _ => return None,
    })
}

fn refusal(verb: &str, argument: &[u8]) -> Reply {
    if verb == "SITE" {
        let changes = argument.get(..5).is_some_and(|word| word.eq_ignore_ascii_case(b"CHMOD"));
        return if changes {
            Reply::new(550, "permissions are not changed here")
        } else {
            Reply::new(504, "of SITE there is only SITE HELP")
        };
    }
    let known = REFUSED.iter().find(|(verbs, ..)| verbs.contains(&verb));
    known.map_or_else(
        || Reply::new(500, format!("{verb} is not known; HELP lists what is")),
        |(_, code, why)| Reply::new(*code, *why),
    )
}

/// Without the options of `ls` that many clients send before the path, as in `LIST -la folder`.
fn without_options(argument: &[u8]) -> Vec<u8> {
    let mut rest = argument.trim_ascii_start();
    while rest.first() == Some(&b'-') {
        let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
        rest = rest[end..].trim_ascii_start();
    }
    rest.to_vec()
}

/// The line without the sequences of telnet: ABOR comes after "interrupt process" and a "data mark" (RFC 854), which
/// some systems lose on the way, so that a letter follows IAC.
fn without_telnet(line: &[u8]) -> Vec<u8> {
    let (mut out, mut bytes) = (Vec::with_capacity(line.len()), line.iter().copied().peekable());
    while let Some(byte) = bytes.next() {
        if byte != IAC {
            out.push(byte);
            continue;
        }
        match bytes.next_if(|code| *code >= FIRST_CODE) {
            Some(IAC) => out.push(IAC),
            Some(code) if OPTIONS.contains(&code) => drop(bytes.next()),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &[u8]) -> u16 {
        parse(line).unwrap_err().code
    }

    #[test]
    fn commands_are_read_in_any_case_and_names_are_kept_as_they_are() {
        for (line, command) in [
            (&b"user anonymous"[..], Command::User),
            (b"PASS secret words", Command::Pass),
            (b"RETR a b", Command::Retr(b"a b".to_vec())),
            (b"Retr  a ", Command::Retr(b" a ".to_vec())),
            (b"STOR caf\xe9", Command::Stor(b"caf\xe9".to_vec())),
            (b"LIST -la", Command::List(Form::Long, b"".to_vec())),
            (b"LIST -a -l some folder", Command::List(Form::Long, b"some folder".to_vec())),
            (b"MLSD -x", Command::List(Form::Facts, b"-x".to_vec())),
            (b"TYPE I", Command::Type(Kind::Image)),
            (b"TYPE l 8", Command::Type(Kind::Image)),
            (b"TYPE A N", Command::Type(Kind::Ascii)),
            (b"REST 18446744073709551615", Command::Rest(u64::MAX)),
            (b"EPSV", Command::Epsv(Family::Same)),
            (b"EPSV all", Command::Epsv(Family::All)),
            (b"XCUP", Command::Cdup),
            (b"SITE help", Command::Help),
        ] {
            assert_eq!(parse(line), Ok(command), "{line:?}");
        }
    }

    #[test]
    fn row_111_nothing_that_connects_elsewhere_or_changes_what_is_there_is_done() {
        for line in
            ["PORT 127,0,0,1,4,1", "EPRT |1|127.0.0.1|1025|", "LPRT 4,127,0,0,1", "AUTH TLS", "PBSZ 0"]
        {
            assert_eq!(code(line.as_bytes()), 502, "{line}");
        }
        for line in
            ["APPE a", "STOU", "DELE a", "RNFR a", "RNTO b", "MKD a", "RMD a", "SITE CHMOD 777 a", "MFMT 1 a"]
        {
            assert_eq!(code(line.as_bytes()), 550, "{line}");
        }
    }

    #[test]
    fn row_20_control_characters_and_lines_that_are_no_command_are_refused() {
        for line in
            [&b""[..], b" ", b"\0", b"RETRIEVE a", b"7 % 3", b"GET\0 x", b"\xff", b"SSH-2.0-x", b"FROB x"]
        {
            assert_eq!(code(line), 500, "{line:?}");
        }
        for line in [
            &b"RETR a\0b"[..],
            b"RETR a\rQUIT",
            b"RETR a\x1b[2J",
            b"CWD a\x7f",
            b"RETR",
            b"SIZE ",
            b"REST -1",
            b"REST 18446744073709551616",
            b"REST 1e3",
            b"REST",
        ] {
            assert_eq!(code(line), 501, "{line:?}");
        }
        for line in [&b"TYPE E"[..], b"TYPE L 36", b"MODE B", b"STRU R", b"SITE EXEC ls"] {
            assert_eq!(code(line), 504, "{line:?}");
        }
        assert_eq!(code(b"EPSV 3"), 522);
    }

    #[test]
    fn the_sequences_of_telnet_are_no_part_of_a_command() {
        for line in [
            &b"\xff\xf4\xff\xf2ABOR"[..],
            b"\xff\xf4\xffABOR",
            b"\xff\xfb\x01\xff\xfd\x0aABOR",
            b"AB\xff\xf1OR",
            b"ABOR\xff",
        ] {
            assert_eq!(parse(line), Ok(Command::Abor), "{line:?}");
        }
        assert_eq!(parse(b"RETR \xff\xffa"), Ok(Command::Retr(b"\xffa".to_vec())));
    }

    #[test]
    fn no_line_is_a_panic() {
        let mut seed = 11u64;
        for length in (0..64).cycle().take(20_000) {
            let line: Vec<u8> = (0..length)
                .map(|_| {
                    seed = crate::base::mix(seed);
                    if seed & 1 == 0 {
                        b"RETRESTYPEPSVMLSTA 128-\xff\xf4"[seed as usize / 2 % 25]
                    } else {
                        (seed >> 8) as u8
                    }
                })
                .collect();
            if let Err(reply) = parse(&line) {
                assert!((500..560).contains(&reply.code));
            }
        }
    }
}
