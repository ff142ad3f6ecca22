//! What touches the system has its places; elsewhere it is not found.

use super::source::{Source, product};

const PURE: [&str; 6] = ["base", "language", "wire", "reliable", "link", "report"];
/// What a pure layer must not name.
const IMPURE: [&str; 9] = [
    "std::net::Tcp",
    "std::net::Udp",
    "std::fs::",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "tokio",
    "println!",
    "std::env",
];

struct Rule {
    what: &'static str,
    words: &'static [&'static str],
    /// Starts of paths.
    places: &'static [&'static str],
}

const RULES: [Rule; 6] = [
    Rule {
        what: "opens sockets",
        words: &[
            "TcpStream::",
            "TcpListener::",
            "TcpSocket::",
            "UdpSocket::",
            "UnixStream::",
            "UnixListener::",
            "UnixDatagram::",
            "Socket::new",
            "socketpair(",
        ],
        places: &["src/net/"],
    },
    Rule {
        what: "starts tasks",
        words: &["tokio::spawn(", "tokio::task::spawn", "spawn_local(", "JoinSet::new"],
        // The registry and its handles own all tasks of sessions; a relay and a race of addresses end theirs with
        // themselves; the command line starts what lives as long as the program.
        places: &[
            "src/session/registry.rs",
            "src/session/handle.rs",
            "src/net/relay/",
            "src/net/connect/resolve.rs",
            "src/cli/",
        ],
    },
    Rule {
        what: "starts threads",
        words: &["thread::Builder", "thread::spawn", "thread::scope"],
        // The line editor, the keyboard and the one writer of the terminal must not wait for a task.
        places: &[
            "src/prompt/editor.rs",
            "src/prompt/utf8_input.rs",
            "src/output/sink.rs",
            "src/output/writer/above_line.rs",
            "src/service/ftp/storage/hashes/in_shares.rs", // helps a thread that may block
            "src/service/ftp/client/standard_streams.rs", // reads standard input, which nothing can interrupt
            "src/cli/",
        ],
    },
    Rule {
        what: "starts processes",
        words: &["Command::new("],
        places: &[
            "src/shell/run/system.rs",
            "src/service/stream/playback/player.rs",
            "src/shell/builtin/see/view/browser.rs", // opens the page
        ],
    },
    Rule {
        // Time limits, rates and what a journal says must not depend on it: it jumps (row 35 of docs/faults.md).
        what: "asks for the time of day",
        words: &["SystemTime::now", "Zoned::now", "Timestamp::now"],
        places: &[
            "src/service/files/disk/real.rs",          // clamps times from peers
            "src/service/ftp/storage/hashes/cache.rs", // a file that was just changed has no hash that can be believed
            "src/service/ftp/storage/leftovers.rs",    // how old a part is
            "src/service/contract/transcript.rs",      // when something was said
            "src/service/ftp/dialects/control/transfers/list.rs", // how old a file is, in a list
            "src/net/raw/tls/certificate.rs",          // how long it is valid
            "src/shell/builtin/see/capture.rs",        // the time of a packet in a file
            "src/output/human/mod.rs",                 // when something was said
            "src/service/http/exchange.rs",            // the date of an answer
            "src/shell/builtin/see/report/mod.rs",     // when a report was made
        ],
    },
    Rule { what: "writes to the standard streams", words: &["println!", "print!("], places: &[] },
];

fn broken(source: &Source, words: &[&str]) -> Vec<String> {
    let lines = source.code().filter(|(_, line)| {
        let code = line.split("//").next().unwrap_or(line);
        words.iter().any(|word| code.contains(word))
    });
    lines.map(|(number, line)| format!("{}:{number}: {}", source.path, line.trim())).collect()
}

#[test]
fn pure_layers_touch_no_system() {
    let pure = |source: &Source| {
        source.layer().is_some_and(|layer| PURE.contains(&layer)) || source.path.ends_with("/protocol.rs")
    };
    let wrong: Vec<String> =
        product().iter().filter(|source| pure(source)).flat_map(|source| broken(source, &IMPURE)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn row_35_sockets_tasks_threads_processes_and_the_wall_clock_are_only_where_they_belong() {
    let mut wrong = Vec::new();
    for rule in &RULES {
        let elsewhere = |source: &&Source| !rule.places.iter().any(|place| source.path.starts_with(place));
        let lines = product()
            .iter()
            .filter(elsewhere)
            .flat_map(|source| broken(source, rule.words))
            .collect::<Vec<_>>();
        wrong.extend(lines.into_iter().map(|line| format!("{} outside its place: {line}", rule.what)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_place_of_a_rule_needs_it() {
    let sources = product();
    for rule in &RULES {
        for place in rule.places {
            let mut inside = sources.iter().filter(|source| source.path.starts_with(place));
            assert!(
                inside.any(|source| !broken(source, rule.words).is_empty()),
                "nothing in {place} {}",
                rule.what
            );
        }
    }
}
