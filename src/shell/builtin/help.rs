//! `help` and `history`, from the same tables as the parser.

use super::{BARE, Builtin, next};
use crate::base::{Value, quantity};
use crate::language::statement::{Form, STATEMENTS, statement};
use crate::language::{Arguments, Field, FromArguments, Keyword, Kind, LINE_LIMIT, Param, Verb, Vocabulary};
use crate::net::udp::CONVERSATION_LIMIT;
use crate::net::{CONNECT_LIMIT, FIRST_MESSAGE_LIMIT, SILENCE_LIMIT};
use crate::record::EVENT_LIMIT;
use crate::report::{Failure, Outcome};
use crate::service::calc::expression;
use crate::service::chat::protocol::{MESSAGE_LIMIT, UDP_CHARACTER_LIMIT};
use crate::service::files::names::{LEAST, NAMES};
use crate::service::ftp::budgets::{ANSWERS, BATCHES, BLOCKS, KNOWN, PAGES, WINDOWS};
use crate::service::ftp::{ENTRY_LIMIT, FTP_DATA_LIMIT, FTP_LINE_LIMIT};
use crate::service::{PROVIDERS, Provider};
use crate::session::{CLIENT_EVENT_LIMIT, SESSION_LIMIT};
use crate::shell::run::background::BACKGROUND_LIMIT;
use crate::shell::{catalogue, errors};
use crate::wire::{CHUNK_LIMIT, FRAME_LIMIT};

pub(super) static HELP: Builtin = Builtin {
    verb: &Verb {
        name: "help",
        aliases: &["?"],
        summary: "all commands, or one",
        params: &[Param::optional("topic", Kind::Topic(TOPICS), "a command, or one of `help topics`")],
        fields: &[Field::text("text", "the text")],
        example: "help send",
        ..BARE
    },
    run: |shell, arguments| {
        let interactive = shell.settings.interactive;
        Box::pin(async move {
            let text = match HelpOptions::from_arguments(&arguments).topic {
                None => overview(),
                Some(topic) => self::topic(&topic, interactive)?,
            };
            next(Outcome::new(text.clone(), vec![("text", Value::Text(text))]))
        })
    },
};

/// `help`.
struct HelpOptions {
    topic: Option<String>,
}

impl FromArguments for HelpOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self { topic: arguments.text("topic").map(str::to_owned) }
    }
}

/// Topics besides commands and statements, and what each tells.
pub const TOPICS: &[(&str, &str)] = &[
    ("topics", "what can be asked"),
    ("script", "what a script can say beside commands"),
    ("keys", "what keys do at the prompt"),
    ("limits", "all limits, with their values"),
];

/// How a duration is written; it has two placeholders.
const TIME: &str = "a time with its unit: 200ms, 5s, 1m30s, 2h";

/// How a percentage is written, likewise.
const SHARE: &str = "a share: 5%, 0.5%";

/// How values are written, by their placeholders in usage lines, in lower case.
pub const KINDS: &[(&str, &str)] = &[
    (
        "endpoint",
        "where a server is: host:9000, 192.0.2.7:9000, [fe80::1%eth0]:9000, :9000 (this machine), $session\n  `tcp` or `udp` may be written before it",
    ),
    ("x", "a session: %2, $name, or its bare name; `sessions` lists them"),
    ("port", "0 to 65535; 0 is any free port, and only `listen` and `link` take it"),
    ("path", "a file or folder; `~` and *, ?, [a-c], [!b] are expanded unless it is quoted"),
    ("size", "bytes: 64, 64K = 64KiB = 65536, 64KB = 64000, 1M, 1G"),
    ("rate", "how fast: 10mbit, 1gbit (bits a second), 5MB/s, 500KB/s (bytes a second)"),
    ("d", TIME),
    ("time", TIME),
    ("duration", TIME),
    ("p", SHARE),
    ("percent", SHARE),
    ("n", "a whole number"),
    ("expr", "arithmetic, computed exactly: 7 % 3, (1 + 2) * 3 / 4; `%` is the remainder"),
    (
        "text",
        "the rest of the line, or in quotes; $name.field is replaced, and \\n \\t \\xHH \\u{…} in double quotes",
    ),
    ("name", "a name: letters, digits, _ and -, beginning with a letter"),
    ("re", "a regular expression, as of the crate regex: ^a.n$, \\d+; $it.1 or $m.1 is its first group"),
    ("hex", "bytes in hexadecimal, in quotes: \"be ef 00\"; ?? is any byte"),
    (
        "filter",
        "packets: words such as lost, acks, data, and comparisons such as bytes > 1000, joined by and, or, not",
    ),
    ("addr", "an address of this machine to listen on, or `any`: the whole network"),
];

/// Maximum columns of a form that has its explanation beside it.
const FORM_WIDTH: usize = 18;

/// Commands that `help` only names: a screen is small.
const NAMED_ONLY: [&str; 30] = [
    "replay", "finish", "reset", "off", "fg", "bg", "print", "sleep", "file", "cd", "pwd", "parts", "clear",
    "help", "history", "quit", "log", "attach", "plot", "diagram", "capture", "report", "view", "qr", "key",
    "hold", "step", "drop", "dup", "release",
];
/// Columns of the screen.
const COLUMNS: usize = 80;

/// `help` without a topic, within 24 lines of 80 columns.
pub fn overview() -> String {
    let mut lines = vec!["Commands (help COMMAND tells more):".to_owned()];
    let (short, long): (Vec<_>, Vec<_>) =
        catalogue::entries().map(|entry| entry.verb()).partition(|verb| NAMED_ONLY.contains(&verb.name));
    for verb in long {
        lines.push(format!("  {:<10} {}", verb.name, verb.summary));
    }
    let names = short.iter().map(|verb| format!("{}, ", verb.name));
    let mut row = "  and ".to_owned();
    for word in names.chain(["and ".into(), "!COMMAND ".into(), "of ".into(), "the ".into(), "system".into()])
    {
        if row.len() + word.trim_end().len() > COLUMNS {
            lines.push(std::mem::replace(&mut row, "  ".to_owned()).trim_end().to_owned());
        }
        row += &word;
    }
    lines.push(row);
    lines.push(format!(
        "Services: {}",
        PROVIDERS.iter().map(|provider| provider.row.name).collect::<Vec<_>>().join(", ")
    ));
    lines.push("More: help topics".into());
    lines.join("\n")
}

/// Help for one command or topic. `prefixes`: verbs may be abbreviated.
pub fn topic(topic: &str, prefixes: bool) -> Result<String, Failure> {
    match topic {
        "limits" => return Ok(limits()),
        "keys" => return Ok(KEYS.trim_end().to_owned()),
        "script" | "scripts" => return Ok(script()),
        "topics" => return Ok(topics()),
        _ => {}
    }
    if let Some(form) = statement(topic) {
        return Ok(describe_statement(form));
    }
    // Forms have their placeholders in capitals.
    let placeholder = topic.to_ascii_lowercase();
    if let Some((kind, text)) = KINDS.iter().find(|(kind, _)| *kind == placeholder) {
        return Ok(format!("{kind} - {text}"));
    }
    let vocabulary: Vocabulary = catalogue::vocabulary(prefixes);
    let service = PROVIDERS.iter().find(|provider| provider.row.name == topic);
    let Some(verb) = vocabulary.verb(topic) else {
        if let Some(provider) = service {
            return Ok(format!("{} - {}\n\n{}", topic, provider.row.summary, describe_service(provider)));
        }
        let lines = keyword(topic);
        if lines.is_empty() {
            return Err(errors::topic_missing(topic, vocabulary.nearest_verb(topic)));
        }
        return Ok(format!("{topic} - an option\n\n{}", lines.join("\n")));
    };
    let served = service.map(|provider| format!("\n\nAs a service:\n{}", describe_service(provider)));
    Ok(describe(verb) + &served.unwrap_or_default())
}

/// What a keyword means for each command and service that takes it.
fn keyword(word: &str) -> Vec<String> {
    let of_verbs = catalogue::entries()
        .map(|entry| entry.verb())
        .flat_map(|verb| verb.keywords.iter().map(move |keyword| (verb.name.to_owned(), keyword)));
    let of_services = PROVIDERS
        .iter()
        .map(|provider| &provider.row)
        .flat_map(|row| row.keywords.iter().map(move |keyword| (format!("listen … {}", row.name), keyword)));
    let rows = of_verbs.chain(of_services).filter(|(_, keyword)| keyword.word == word);
    rows.flat_map(|(of, keyword)| option_of(&format!("{of} … {}", keyword.form()), keyword)).collect()
}

/// Help for a service: how it is started, the keywords of its own, an example.
fn describe_service(provider: &Provider) -> String {
    let name = provider.row.name;
    let transports: Vec<&str> = provider.row.carriers.iter().map(|carrier| carrier.word()).collect();
    let mut lines = vec![format!("  listen {} PORT {name}", transports.join("|"))];
    lines.extend(provider.row.keywords.iter().flat_map(option));
    lines.push("  and what every service takes: help listen".into());
    lines.extend(provider.row.fields.iter().map(field));
    lines.push(format!("Example: listen {} 0 {name} as server", transports[0]));
    lines.join("\n")
}

/// Help for a verb: forms, arguments with defaults, fields, an example.
pub fn describe(verb: &Verb) -> String {
    let mut lines = vec![
        format!("{} - {}", verb.name, verb.summary),
        String::new(),
        format!("  {} [as NAME]", verb.usage()),
    ];
    if !verb.aliases.is_empty() {
        lines.push(format!("  also: {}", verb.aliases.join(", ")));
    }
    if !verb.details.is_empty() {
        lines.extend([String::new(), verb.details.to_owned()]);
    }
    if !verb.params.is_empty() || !verb.keywords.is_empty() {
        lines.push(String::new());
    }
    for param in verb.params {
        lines.extend(explained(&param.kind.placeholder_of(param.name), param.help));
    }
    lines.extend(verb.keywords.iter().flat_map(option));
    let services = || {
        let starts = verb.params.iter().any(|param| param.kind == Kind::Service);
        PROVIDERS.iter().map(|provider| &provider.row).filter(move |_| starts)
    };
    for service in services().filter(|service| !service.keywords.is_empty()) {
        lines.extend([String::new(), format!("With {}:", service.name)]);
        lines.extend(service.keywords.iter().flat_map(option));
    }
    if !verb.fields.is_empty() {
        lines.extend([String::new(), "Result:".into()]);
        lines.extend(verb.fields.iter().map(field));
    }
    for service in services().filter(|service| !service.fields.is_empty()) {
        lines.extend([String::new(), format!("Result of {}:", service.name)]);
        lines.extend(service.fields.iter().map(field));
    }
    lines.extend([String::new(), format!("Example: {}", verb.example)]);
    lines.join("\n")
}

/// An option with its default.
fn option(keyword: &Keyword) -> Vec<String> {
    option_of(&keyword.form(), keyword)
}

/// The same, with its form as it is shown.
fn option_of(form: &str, keyword: &Keyword) -> Vec<String> {
    let default = match keyword.default {
        "" => String::new(),
        default => format!(" (default: {default})"),
    };
    explained(form, &format!("{}{default}", keyword.help))
}

fn field(field: &Field) -> String {
    format!("  .{:<17} {}", field.name, field.help)
}

/// A form with its explanation beside it, or below it if it is long.
fn explained(form: &str, help: &str) -> Vec<String> {
    if form.chars().count() <= FORM_WIDTH {
        return vec![format!("  {form:<FORM_WIDTH$} {help}")];
    }
    vec![format!("  {form}"), format!("  {:<FORM_WIDTH$} {help}", "")]
}

/// Help for a statement: what it is for, its forms, an example.
pub fn describe_statement(form: &Form) -> String {
    let mut lines = vec![format!("{} - {}", form.word, form.help), String::new()];
    lines.extend(form.forms.iter().map(|shown| format!("  {shown}")));
    lines.push(String::new());
    lines.extend(form.example.lines().map(|line| format!("Example: {line}")));
    lines.join("\n")
}

/// `help script`: what a script can contain besides commands.
fn script() -> String {
    let forms = STATEMENTS.iter().flat_map(|form| form.forms).map(|shown| format!("  {shown}\n"));
    format!("{}{}", forms.collect::<String>(), SCRIPT.trim_end())
}

/// `help topics`: everything that `help` knows.
fn topics() -> String {
    let row = |word: &str, tells: &str| format!("  help {word:<10} {tells}");
    let statements: Vec<&str> = STATEMENTS.iter().map(|form| form.word).collect();
    let mut lines = vec![row("COMMAND", "its forms, arguments with defaults, results, an example")];
    lines.extend(TOPICS.iter().map(|(word, tells)| row(word, tells)));
    lines.push(format!("  and of scripts: {}", statements.join(", ")));
    let services: Vec<&str> = PROVIDERS.iter().map(|provider| provider.row.name).collect();
    lines.push(format!("  of services: {}", services.join(", ")));
    let kinds: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
    lines.push(format!("  of values: {}", kinds.join(", ")));
    lines.push("On the command line of the system: nls help man, and nls help bash, zsh or fish".into());
    lines.join("\n")
}

/// `help limits`: name and value of each limit.
pub fn limits() -> String {
    let size = |bytes: usize| quantity::show_size(bytes as u64);
    let rows = [
        ("sessions at once", SESSION_LIMIT.to_string()),
        ("commands in the background", BACKGROUND_LIMIT.to_string()),
        ("clients of a listener", "256, or `max N`; chat over udp 1".into()),
        ("clients of one address", "7 of 8 of those; on loopback all".into()),
        ("transfers over tftp", format!("{CONVERSATION_LIMIT} of a listener, or fewer with `max N`")),
        ("entries of a listing", ENTRY_LIMIT.to_string()),
        ("first answer of a server", format!("{} s", CONNECT_LIMIT.as_secs())),
        ("first message of a client", format!("{} s", FIRST_MESSAGE_LIMIT.as_secs())),
        ("command over FTP", size(FTP_LINE_LIMIT)),
        ("data connection of FTP", format!("{} s", FTP_DATA_LIMIT.as_secs())),
        ("silence in a transfer", format!("{} s", SILENCE_LIMIT.as_secs())),
        ("chunk", size(CHUNK_LIMIT as usize)),
        ("frame", size(FRAME_LIMIT)),
        (
            "events in a record of packets",
            format!(
                "{EVENT_LIMIT} for each socket, {CLIENT_EVENT_LIMIT} for each client of a raw server, or `set X record N`"
            ),
        ),
        ("line of a script", size(LINE_LIMIT)),
        ("chat message", format!("{} (udp: {UDP_CHARACTER_LIMIT} characters)", size(MESSAGE_LIMIT))),
        ("digits in calc", expression::DIGIT_LIMIT.to_string()),
        ("nesting in calc", expression::DEPTH_LIMIT.to_string()),
    ];
    let rows = memory_limits().into_iter().chain(rows);
    rows.map(|(name, value)| format!("  {name:<28} {value}")).collect::<Vec<_>>().join("\n")
}

/// What all peers together may make this process hold.
fn memory_limits() -> [(&'static str, String); 7] {
    let size = |bytes: usize| quantity::show_size(bytes as u64);
    [
        (
            "packets held at a link",
            format!("{} of {}", crate::link::HELD_LIMIT, size(crate::link::HELD_BYTES_LIMIT)),
        ),
        (
            "blocks of files in memory",
            format!("{} for all peers, and one block for each", size(BLOCKS.limit())),
        ),
        (
            "small files in memory",
            format!(
                "{} in and {} out for all peers, and a few for each",
                size(BATCHES.limit()),
                size(ANSWERS.limit())
            ),
        ),
        (
            "windows of tftp in memory",
            format!("{} for all peers, and one block for each", size(WINDOWS.limit())),
        ),
        (
            "hashes of parts in memory",
            format!("{} for all peers, and 160.0 KiB for each", size(KNOWN.limit())),
        ),
        (
            "names of lists in memory",
            format!("{} for all peers, and {} for each", size(NAMES.limit()), size(LEAST)),
        ),
        (
            "long pages in memory",
            format!("{} for all peers; more are sent as they are read", size(PAGES.limit())),
        ),
    ]
}

/// `help keys`.
pub const KEYS: &str = "  Ctrl-C   at the prompt: drop the line; in a command: end that command;
           in a chat: end it; watching a session: leave it
  Ctrl-D   on an empty line: quit; attached: leave, the session goes on
  Ctrl-Z   in a command: it goes on in the background; attached: leave;
           it never stops the servers of this shell
  Ctrl-]   attached: leave
  Ctrl-X   attached to a raw session: what passes in hexadecimal, or as text again
  Ctrl-R   search the history
  Tab      complete; twice: all that is possible, each with a few words
";

const SCRIPT: &str = "
  listen tcp 0 ftp as files            starts something and gives it a name: $files is its address
  send a.bin to $files as up           $up.chunks and the like are its results, $last those of the newest
  $tmp is a folder of your own; $1, $args, $env.NAME, $seed
  !command of the system   a; b   # comment   COMMAND & (in the background)
";

pub(super) static HISTORY: Builtin = Builtin {
    verb: &Verb {
        name: "history",
        summary: "the lines typed so far",
        fields: &[Field::count("lines", "how many")],
        example: "history",
        ..BARE
    },
    run: |shell, _| {
        Box::pin(async move {
            let lines: Vec<String> =
                shell.history.iter().enumerate().map(|(n, line)| format!("{:>5}  {line}", n + 1)).collect();
            next(Outcome::new(lines.join("\n"), vec![("lines", Value::count(lines.len() as u64))]))
        })
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_fits_a_terminal_of_24_lines_and_80_columns() {
        let text = overview();
        assert!(text.lines().count() <= 23, "{} lines", text.lines().count());
        assert!(text.lines().chain(KEYS.lines()).all(|line| line.chars().count() <= 95));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
