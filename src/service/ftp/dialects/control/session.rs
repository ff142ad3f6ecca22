//! What a client has said so far, and the answers that follow from it alone. Pure.

use super::command::{Command, Family, Kind};
use super::lines::Facts;
use super::path::Path;
use super::reply::Reply;

/// The state of one conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Session {
    login: Login,
    /// Where the client is.
    pub(super) folder: Path,
    pub(super) kind: Kind,
    /// What MLSD and MLST tell.
    pub(super) facts: Facts,
    /// Where the next transfer begins: REST.
    offset: u64,
    /// EPSV ALL came: no other way to a data connection is accepted any more (RFC 2428, section 4).
    only_epsv: bool,
}

/// How far the login is. Everybody is let in; a client that forgets it would not expect what follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Login {
    #[default]
    Nobody,
    Named,
    Known,
}

impl Session {
    /// The answer to a command that needs neither a file nor a data connection; `None` for the others.
    pub(super) fn answer(&mut self, command: &Command) -> Option<Reply> {
        if self.login != Login::Known && needs_login(command) {
            return Some(Reply::new(530, "log in first: USER anonymous, PASS with any word"));
        }
        self.about_the_client(command).or_else(|| self.about_data(command))
    }

    fn about_the_client(&mut self, command: &Command) -> Option<Reply> {
        Some(match command {
            Command::User => {
                self.login = Login::Named;
                Reply::new(331, "any password will do")
            }
            Command::Pass => self.password(),
            Command::Acct | Command::Allo => Reply::new(202, "not needed here"),
            Command::Noop => Reply::new(200, "here"),
            Command::Syst => Reply::new(215, "UNIX Type: L8"),
            Command::Feat => self.features(),
            Command::Help => help(),
            Command::Opts(words) => self.options(words),
            Command::Pwd => Reply::new(257, [&self.folder.quoted()[..], b" is the current folder"].concat()),
            Command::Cdup => {
                self.folder = self.folder.parent();
                Reply::new(250, self.folder.shown())
            }
            Command::Stat(path) if path.is_empty() => self.status(),
            Command::Stat(_) => Reply::new(502, "use MLST or LIST"),
            _ => return None,
        })
    }

    /// What is agreed before a transfer.
    fn about_data(&mut self, command: &Command) -> Option<Reply> {
        Some(match command {
            Command::Type(kind) => {
                (self.kind, self.offset) = (*kind, 0);
                Reply::new(200, if *kind == Kind::Ascii { "lines end in CR LF" } else { "bytes as they are" })
            }
            Command::Stream => Reply::new(200, "as a stream"),
            Command::Rest(offset) => self.restart(*offset),
            Command::Size(_) if self.kind == Kind::Ascii => {
                Reply::new(550, "the size of text while it travels is not known: use TYPE I")
            }
            Command::Stor(_) if std::mem::take(&mut self.offset) > 0 => {
                Reply::new(554, "files are stored from their beginning: there is no REST before STOR")
            }
            Command::Epsv(Family::All) => {
                self.only_epsv = true;
                Reply::new(200, "from now on EPSV only")
            }
            Command::Pasv if self.only_epsv => Reply::new(503, "after EPSV ALL only EPSV is accepted"),
            _ => return None,
        })
    }

    /// Where the transfer that begins now starts; the next one starts at 0 again.
    pub(super) const fn take_offset(&mut self) -> u64 {
        std::mem::replace(&mut self.offset, 0)
    }

    fn password(&mut self) -> Reply {
        if self.login == Login::Nobody {
            return Reply::new(503, "USER comes first");
        }
        self.login = Login::Known;
        Reply::new(230, "welcome")
    }

    /// RFC 3659, section 5.3: an offset counts bytes of the file, which do not travel one by one as text.
    fn restart(&mut self, offset: u64) -> Reply {
        if self.kind == Kind::Ascii && offset > 0 {
            return Reply::new(504, "REST needs TYPE I");
        }
        self.offset = offset;
        Reply::new(350, format!("the next transfer begins at {offset}"))
    }

    fn options(&mut self, words: &[u8]) -> Reply {
        let words = String::from_utf8_lossy(words).to_ascii_uppercase();
        match words.split_once(' ').unwrap_or((&words, "")) {
            ("UTF8" | "UTF-8", "" | "ON") => Reply::new(200, "names are bytes, and UTF-8 is usual"),
            ("UTF8" | "UTF-8", _) => Reply::new(504, "names are bytes as they are"),
            ("MLST", facts) => {
                self.facts = Facts::named(facts);
                Reply::new(200, format!("MLST OPTS {}", self.facts).trim_end())
            }
            _ => Reply::new(501, "the options are UTF8 ON and MLST"),
        }
    }

    fn features(&self) -> Reply {
        let facts = format!("MLST {}", self.facts.of_all());
        let features = ["EPSV", "MDTM", &facts, "PASV", "REST STREAM", "SIZE", "TVFS", "UTF8"];
        Reply::of_lines(211, "features:", features.map(|feature| feature.as_bytes().to_vec()), "end")
    }

    fn status(&self) -> Reply {
        let login = if self.login == Login::Known { "logged in" } else { "not logged in" };
        let kind = if self.kind == Kind::Ascii { "TYPE A" } else { "TYPE I" };
        let lines = [login.into(), kind.into(), [&b"in "[..], &self.folder.shown()].concat()];
        Reply::of_lines(211, "nls: files", lines, "no transfer")
    }
}

fn help() -> Reply {
    let lines = [
        "USER PASS QUIT NOOP FEAT OPTS SYST STAT HELP TYPE MODE STRU ALLO",
        "PWD CWD CDUP LIST NLST MLSD MLST SIZE MDTM",
        "PASV EPSV REST RETR STOR ABOR",
    ];
    let last = "new files are stored whole; nothing is changed or removed";
    Reply::of_lines(214, "the commands:", lines.map(|line| line.as_bytes().to_vec()), last)
}

const fn needs_login(command: &Command) -> bool {
    !matches!(
        command,
        Command::User
            | Command::Pass
            | Command::Acct
            | Command::Quit
            | Command::Noop
            | Command::Feat
            | Command::Help
            | Command::Syst
            | Command::Opts(_)
            | Command::Stat(_)
            | Command::Abor
    )
}

#[cfg(test)]
mod tests {
    use super::super::command::parse;
    use super::*;

    /// The codes of the answers; 0 where there is none yet.
    fn codes(session: &mut Session, lines: &[&str]) -> Vec<u16> {
        let answer = |line: &&str| match parse(line.as_bytes()) {
            Ok(command) => session.answer(&command).map_or(0, |reply| reply.code),
            Err(reply) => reply.code,
        };
        lines.iter().map(answer).collect()
    }

    fn known() -> Session {
        let mut session = Session::default();
        assert_eq!(codes(&mut session, &["USER anonymous", "PASS x"]), [331, 230]);
        session
    }

    #[test]
    fn nothing_is_read_before_the_login_and_everybody_is_let_in() {
        let mut session = Session::default();
        let before = ["LIST", "RETR a", "CWD a", "PWD", "PASV", "TYPE I", "SIZE a", "STOR a", "REST 1"];
        assert_eq!(codes(&mut session, &before), [530; 9]);
        let open = ["FEAT", "SYST", "NOOP", "HELP", "OPTS UTF8 ON", "STAT", "PASS x"];
        assert_eq!(codes(&mut session, &open), [211, 215, 200, 214, 200, 211, 503]);
        assert_eq!(
            codes(&mut session, &["USER x", "LIST", "PASS y", "PWD", "USER z", "PWD"]),
            [331, 530, 230, 257, 331, 530]
        );
        assert!(!format!("{:?}", parse(b"PASS secret")).contains("secret"));
    }

    #[test]
    fn an_offset_is_for_one_transfer_of_bytes() {
        let mut session = known();
        assert_eq!(codes(&mut session, &["REST 5", "SIZE a", "REST 0"]), [504, 550, 350]);
        assert_eq!(codes(&mut session, &["TYPE I", "SIZE a", "REST 5", "RETR a"]), [200, 0, 350, 0]);
        assert_eq!((session.take_offset(), session.take_offset()), (5, 0));
        assert_eq!(codes(&mut session, &["REST 5", "STOR a", "STOR a"]), [350, 554, 0]);
        assert_eq!(codes(&mut session, &["REST 5", "TYPE A"]), [350, 200]);
        assert_eq!(session.take_offset(), 0);
    }

    #[test]
    fn row_111_after_epsv_all_there_is_no_other_way() {
        let mut session = known();
        assert_eq!(
            codes(&mut session, &["PASV", "EPSV ALL", "PASV", "PORT 1,2,3,4,5,6", "EPSV"]),
            [0, 200, 503, 502, 0]
        );
    }

    #[test]
    fn features_and_options_are_those_of_the_rfcs() {
        let mut session = known();
        let features = String::from_utf8(session.answer(&Command::Feat).unwrap().encode()).unwrap();
        assert!(features.starts_with("211-features:\r\n EPSV\r\n"), "{features}");
        assert!(features.contains("\r\n MLST type*;size*;modify*;perm*;unix.mode*;\r\n"), "{features}");
        assert!(features.ends_with("\r\n211 end\r\n"), "{features}");
        let opts = |session: &mut Session, words: &str| {
            let reply = session.answer(&Command::Opts(words.into())).unwrap();
            String::from_utf8(reply.encode()).unwrap()
        };
        assert_eq!(opts(&mut session, "MLST Type;frob;size;"), "200 MLST OPTS type;size;\r\n");
        assert!(session.features().encode().windows(24).any(|part| part == b"type*;size*;modify;perm;"));
        assert_eq!(opts(&mut session, "mlst"), "200 MLST OPTS\r\n");
        assert_eq!(&opts(&mut session, "utf8 on")[..3], "200");
        assert_eq!(&opts(&mut session, "FROB")[..3], "501");
    }

    #[test]
    fn the_way_up_ends_at_the_root() {
        let mut session = known();
        session.folder = session.folder.resolve(b"a/b");
        assert_eq!(codes(&mut session, &["CDUP", "CDUP", "XCUP", "PWD"]), [250, 250, 250, 257]);
        assert_eq!(session.folder, Path::default());
    }
}
