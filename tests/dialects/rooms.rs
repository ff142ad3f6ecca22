//! The calculator and the room over HTTP, beside clients of other kinds.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use super::browser::Browser;
use super::{answer_in_reserve, exchange, prints, run, status};
use crate::harness::{LIMIT, Lab, Running, eventually, has};

/// A member that hears the room.
struct Events(BufReader<TcpStream>);

impl Events {
    /// Joins; HTTP/1.0, which knows no chunks.
    fn join(address: &str, query: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        write!(stream, "GET /events?{query} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
        Self(BufReader::new(stream))
    }

    /// The next event of this name.
    #[track_caller]
    fn next(&mut self, name: &str) -> Value {
        let (began, mut is_named, mut line) = (Instant::now(), false, String::new());
        loop {
            assert!(began.elapsed() < LIMIT, "no such event: {name}");
            line.clear();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the stream ended before {name}");
            if let Some(data) = line.strip_prefix("data: ").filter(|_| is_named) {
                return serde_json::from_str(data).unwrap();
            }
            is_named = line.trim() == format!("event: {name}") || is_named && line.starts_with("id: ");
        }
    }

    /// The token of its welcome.
    fn token(&mut self) -> String {
        self.next("welcome")["token"].as_str().unwrap().to_owned()
    }
}

/// POST; the status and the object of the answer.
fn post(address: &str, target: &str, fields: &str, body: &str) -> (u16, Value) {
    let length = body.len();
    let request = format!(
        "POST {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
    );
    let answer = exchange(address, request.as_bytes());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status(&answer), serde_json::from_str(body).unwrap_or_default())
}

fn say(address: &str, token: &str, text: &str) -> (u16, Value) {
    post(address, &format!("/say?token={token}"), "", text)
}

/// A script that runs; what it tells comes with its results.
fn plays(lab: &Lab, name: &str, script: &str) -> Running {
    lab.write(name, script);
    let mut command = Command::new("sh");
    lab.dress(&mut command);
    Running::of(command.args(["-c", "exec nls \"$0\" 2>&1", name]).spawn().unwrap())
}

/// A room, and its address.
fn room(lab: &Lab, words: &str) -> (Running, String) {
    let mut room = plays(lab, "room.nls", &format!("listen tcp 0 chat {words} as room\nwait $room\n"));
    let line = room.line_with("listening");
    let address = line.split_whitespace().nth(3).unwrap().trim_end_matches(':').to_owned();
    (room, address)
}

/// A person at `nc`.
fn nc(lab: &Lab, address: &str) -> Running {
    let (host, port) = address.rsplit_once(':').unwrap();
    let mut command = Command::new("nc");
    lab.dress(&mut command);
    Running::of(command.args([host, port]).stdin(Stdio::piped()).spawn().unwrap())
}

fn types(running: &mut Running, line: &str) {
    running.child.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
}

#[test]
fn curl_nc_and_nls_talk_in_one_room() {
    if !has("curl") || !has("nc") {
        return;
    }
    let lab = Lab::new();
    let (mut host, address) = room(&lab, "relay");
    let url = format!("http://{address}");
    let mut command = Command::new("curl");
    lab.dress(&mut command);
    let mut bob = Running::of(command.args(["-sN", &format!("{url}/events?name=bob")]).spawn().unwrap());
    let welcome = bob.line_with("data: {").split_once("data: ").unwrap().1.to_owned();
    let welcome: Value = serde_json::from_str(&welcome).unwrap();
    assert_eq!((&welcome["name"], &welcome["turns"]), (&"bob".into(), &true.into()));
    host.line_with("bob joined");
    let mut guest = nc(&lab, &address);
    types(&mut guest, "hello from nc\n");
    assert!(bob.line_with("hello from nc").contains("\"from\":\"guest\""));
    let script = format!(
        "chat tcp {address} name ann as ann\nexpect $ann says \"from curl\" within 20s\n\
         expect $ann says \"psst\" within 20s\nsay $ann \"hello from nls\"\nwait $ann\n"
    );
    let mut ann = plays(&lab, "ann.nls", &script);
    bob.line_with("ann joined");
    let say = format!("{url}/say?token={}", welcome["token"].as_str().unwrap());
    let answer = prints(&lab, "curl", &["-s", "-d", "hello from curl", &say]);
    assert!(answer.contains("\"said\":true") && answer.contains("\"turn\":false"), "{answer}");
    assert_eq!(guest.line_with("bob: "), "bob: hello from curl");
    ann.line_with("hello from curl");
    assert!(prints(&lab, "curl", &["-s", "-d", "/who", &say]).contains("here: ann, bob, guest"));
    assert!(prints(&lab, "curl", &["-s", "--data-raw", "@ann psst", &say]).contains("ann was told"));
    ann.line_with("psst");
    // She answers only now, so that it was not yet bob's turn above.
    assert!(bob.line_with("hello from nls").contains("\"from\":\"ann\""));
    // A page that is closed is missed at once.
    drop(bob);
    guest.line_with("* bob left");
    host.line_with("bob left");
}

#[test]
fn who_speaks_out_of_turn_is_told_why_and_when_it_may() {
    let lab = Lab::new();
    let (_host, address) = room(&lab, "relay");
    let (mut ann, mut ben) = (Events::join(&address, "name=ann"), Events::join(&address, "name=ben"));
    let (one, two) = (ann.token(), ben.token());
    assert_eq!(ann.next("turn")["yours"], true);
    assert_eq!(say(&address, &one, "hello").0, 200);
    assert_eq!(ann.next("turn")["yours"], false);
    let (status, answer) = say(&address, &one, "anybody?");
    assert!(
        status == 409 && answer["error"].as_str().unwrap().starts_with("it is not your turn"),
        "{answer}"
    );
    assert_eq!(ben.next("message")["text"], "hello");
    assert_eq!(say(&address, &two, "hello ann").0, 200);
    assert_eq!(ann.next("message"), serde_json::json!({ "from": "ben", "text": "hello ann", "id": 1 }));
    assert_eq!(ann.next("turn")["yours"], true);
    for (text, status, why) in [
        ("", 400, "an empty message"),
        ("/frob", 400, "is not a chat command"),
        (&"x".repeat(5000), 413, "Too long"),
        (&"x".repeat(50_000), 413, "more than"),
    ] {
        let answer = say(&address, &one, text);
        assert!(answer.0 == status && answer.1["error"].as_str().unwrap().contains(why), "{answer:?}");
    }
    assert_eq!(say(&address, "0123456789abcdef", "hello").0, 404);
    // What somebody else wrote is shown as on a terminal.
    assert_eq!(say(&address, &one, "a\u{1b}[2J\u{202e}b").0, 200);
    let text = ben.next("message")["text"].as_str().unwrap().to_owned();
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
    // Another form: with a field, as of a page without a script.
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    assert_eq!(post(&address, "/say", form, &format!("token={two}&text=a+form")).0, 200);
    assert_eq!(ann.next("message")["text"], "a form");
}

#[test]
fn row_81_names_are_checked_and_changed_over_http_too() {
    let lab = Lab::new();
    let (mut host, address) = room(&lab, "relay");
    for name in ["host", "a%20b", "", "%1b%5b31m", &"x".repeat(40)] {
        let request = format!("GET /events?name={name} HTTP/1.0\r\nHost: {address}\r\n\r\n");
        let answer = exchange(&address, request.as_bytes());
        assert!(status(&answer) == 403 && answer.contains("the name is refused"), "{name}: {answer}");
    }
    let mut ann = Events::join(&address, "name=ann");
    let token = ann.token();
    let mut other = Events::join(&address, "name=Ann");
    assert_eq!(other.next("welcome")["name"], "Ann-2");
    assert_eq!(ann.next("members")["names"], serde_json::json!(["ann"]));
    assert_eq!(ann.next("members")["names"], serde_json::json!(["Ann-2", "ann"]));
    assert_eq!(post(&address, &format!("/name?token={token}"), "", "zoe").1["name"], "zoe");
    host.line_with("ann is now zoe");
    assert_eq!(ann.next("welcome")["name"], "zoe");
    assert_eq!(say(&address, &token, "/name all").0, 403);
    let (status, answer) = say(&address, &token, "/name Eva");
    assert!(status == 200 && answer["notice"] == "you are Eva", "{answer}");
    assert_eq!(say(&address, &token, "/quit").1["left"], true);
    assert_eq!(ann.next("end")["reason"], "you left");
    host.line_with("Eva left");
}

#[test]
fn row_111_a_page_of_another_site_neither_joins_nor_speaks() {
    let lab = Lab::new();
    let (mut host, address) = room(&lab, "relay");
    let mut ann = Events::join(&address, "name=ann");
    let token = ann.token();
    host.line_with("ann joined");
    for fields in ["Origin: http://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        assert_eq!(post(&address, &format!("/say?token={token}"), fields, "spam").0, 403, "{fields}");
        let request =
            format!("GET /events?name=eve HTTP/1.1\r\nHost: {address}\r\n{fields}Connection: close\r\n\r\n");
        assert_eq!(status(&exchange(&address, request.as_bytes())), 403, "{fields}");
    }
    let request =
        format!("POST /say?token={token} HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 4\r\n\r\nspam");
    assert_eq!(status(&exchange(&address, request.as_bytes())), 421);
    let own = format!("Origin: http://{address}\r\n");
    assert_eq!(post(&address, &format!("/say?token={token}"), &own, "hello").0, 200);
    assert!(host.line_with("ann: ").ends_with("ann: hello"));
    assert_eq!(post(&address, &format!("/frob?token={token}"), &own, "").0, 404);
    assert_eq!(post(&address, "/", "", "").0, 405);
}

#[test]
fn row_84_who_comes_back_with_its_token_is_the_same_member_in_the_same_place() {
    let lab = Lab::new();
    let (mut host, address) = room(&lab, "max 1 turns off");
    let mut first = Events::join(&address, "name=ann");
    let token = first.token();
    host.line_with("ann joined");
    let refused =
        exchange(&address, format!("GET /events?name=ben HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes());
    assert!(status(&refused) == 503 && refused.contains("busy: 1 of 1"), "{refused}");
    // As a browser does it by itself.
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "GET /events?name=x HTTP/1.0\r\nHost: {address}\r\nLast-Event-ID: {token}\r\n\r\n")
        .unwrap();
    let mut again = Events(BufReader::new(stream));
    let welcome = again.next("welcome");
    assert!(welcome["name"] == "ann" && welcome["token"] != token, "{welcome}");
    assert!(first.next("end")["reason"].as_str().unwrap().contains("from another place"));
    host.line_with("ann came back");
    assert_eq!(say(&address, &token, "hello").0, 404, "the token was for one visit");
    let token = welcome["token"].as_str().unwrap().to_owned();
    assert_eq!(say(&address, &token, "hello").0, 200);
    host.line_with("ann: hello");
    // Its goodbye ends the conversation for two.
    assert_eq!(post(&address, &format!("/leave?token={token}"), "", "").1["left"], true);
    assert_eq!(again.next("end")["reason"], "you left");
    host.line_with("ann left");
    host.finish();
}

#[test]
fn row_83_who_says_too_much_at_once_is_refused_and_told() {
    let lab = Lab::new();
    let (_host, address) = room(&lab, "turns off");
    let mut ann = Events::join(&address, "name=ann");
    let token = ann.token();
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let one =
        format!("POST /say?token={token} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 5\r\n\r\nhello");
    let last = one.replace("Host", "Connection: close\r\nHost");
    stream.write_all((one.repeat(200) + &last).as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    let (said, refused) = (answers.matches("\"said\":true").count(), answers.matches("HTTP/1.1 429").count());
    assert!(said >= 50 && refused > 0 && said + refused == 201, "{said} {refused}");
    assert!(answers.contains("at most 20 messages per second"));
}

#[test]
fn row_110_who_says_nothing_hears_everything_and_is_no_ghost() {
    let lab = Lab::new();
    let (mut host, address) = room(&lab, "relay");
    let mut ann = Events::join(&address, "name=ann");
    let token = ann.token();
    host.line_with("ann joined");
    let silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let mut readers: Vec<BufReader<TcpStream>> = silent
        .iter()
        .map(|stream| {
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            BufReader::new(stream.try_clone().unwrap())
        })
        .collect();
    let line = |reader: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line
    };
    for reader in &mut readers {
        assert!(line(reader).starts_with("* a room"));
        assert!(line(reader).starts_with("* you are guest"));
    }
    assert_eq!(say(&address, &token, "hello").0, 200);
    for reader in &mut readers {
        assert_eq!(line(reader), "ann: hello\n");
    }
    assert!(say(&address, &token, "/who").1["notice"] == "here: ann");
    // One of them speaks, and is there.
    (&silent[7]).write_all(b"good day\n").unwrap();
    assert!(host.line_with("joined").contains("guest"));
    assert_eq!(ann.next("message")["text"], "good day");
    // Everybody knew that it is there before it was heard. What is not read when it leaves would make that a reset.
    assert!(line(&mut readers[7]).ends_with(" joined\n"));
    let here = say(&address, &token, "/who").1["notice"].as_str().unwrap().to_owned();
    assert_eq!(here.matches("guest").count(), 1, "{here}");
    drop((silent, readers));
    assert!(host.line_with("left").contains("guest"));
    lab.nls(&format!("ls {address} as who; expect $who.entries == 1")).success();
}

#[test]
fn row_110_a_connection_that_a_browser_kept_in_reserve_is_answered_when_it_asks() {
    let lab = Lab::new();
    let (mut host, address) = room(&lab, "max 1 turns off");
    // Here is where browsers come from.
    let ask = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nUser-Agent: Mozilla/5.0\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(status(&exchange(&address, ask.as_bytes())), 200);
    let answer = answer_in_reserve(&address, &ask);
    assert!(status(&answer) == 200 && answer.contains("<title>"), "{answer}");
    // One that is never used keeps nobody out of a conversation for two, and does not end it.
    let unused = TcpStream::connect(&address).unwrap();
    eventually("it is a listener", || {
        lab.nls(&format!("connect tcp {address} as c; expect $c says busy within 2s")).code == Some(0)
    });
    let mut ann = Events::join(&address, "name=ann");
    ann.next("welcome");
    host.line_with("ann joined");
    drop(unused);
    assert_eq!(say(&address, "0123456789abcdef", "x").0, 404, "the room goes on");
    // What was greeted cannot be answered: it is closed, so that a browser asks again on another.
    drop(host);
    let (_host, address) = room(&lab, "relay");
    let mut spoiled = TcpStream::connect(&address).unwrap();
    spoiled.set_read_timeout(Some(LIMIT)).unwrap();
    let mut reader = BufReader::new(spoiled.try_clone().unwrap());
    reader.read_line(&mut String::new()).unwrap();
    spoiled.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("HTTP"), "{rest}");
}

#[test]
fn curl_asks_the_calculator_in_text_and_in_json() {
    if !has("curl") {
        return;
    }
    let lab = Lab::new();
    let (_server, address) = lab.server("listen tcp 0 calc");
    let url = format!("http://{address}/");
    let get = |query: &str| format!("{url}?q={query}");
    assert_eq!(prints(&lab, "curl", &["-s", &get("7%20%25%203")]), "1\n");
    assert_eq!(prints(&lab, "curl", &["-s", "-d", "7 % 3", &url]), "1\n");
    assert_eq!(
        prints(&lab, "curl", &["-sG", "--data-urlencode", "q=1/3 + 1", &url]),
        "4/3 ≈ 1.333333333333333\n"
    );
    let json =
        |arguments: &[&str]| -> Value { serde_json::from_str(&prints(&lab, "curl", arguments)).unwrap() };
    let expected = serde_json::json!({ "expression": "2*3", "value": "6" });
    assert_eq!(json(&["-s", "-H", "Accept: application/json", &get("2*3")]), expected);
    assert_eq!(json(&["-s", &get("2*3&json")]), expected);
    let wrong = json(&["-s", &get("1/0&json")]);
    assert!(wrong["error"] == "division by zero at column 2" && wrong["column"] == 2, "{wrong}");
    let answer = String::from_utf8(run(&lab, "curl", &["-si", &get("1/0")]).stdout).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.ends_with("\r\n\r\ndivision by zero at column 2\n"),
        "{answer}"
    );
    assert!(prints(&lab, "curl", &["-s", &get("1+2")]).contains("%2B"));
    let head = prints(&lab, "curl", &["-sI", &get("9*9")]);
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("Content-Length: 3"), "{head}");
    assert!(prints(&lab, "curl", &["-s", &url]).contains("curl -d"));
    for (arguments, code) in [
        (&["-X", "DELETE", url.as_str()][..], 405),
        (&[&format!("{url}other")], 404),
        (&["-d", &"1".repeat(60_000), &url], 413),
        (&["-d", &format!("{0}*{0}*100", "9".repeat(5000)), &url], 400),
        (&["-d", &"(".repeat(2000), &url], 400),
    ] {
        let answer =
            run(&lab, "curl", &[&["-s", "-o", "body", "-w", "%{http_code}"][..], arguments].concat());
        assert_eq!(String::from_utf8_lossy(&answer.stdout), code.to_string(), "{arguments:.40?}");
    }
    // Without a script the form asks, and the page has the answer; foreign text in it stays text.
    let page = prints(&lab, "curl", &["-s", "-H", "Accept: text/html", &get("%3Cb%3E7%20%25%203")]);
    assert!(page.contains("&lt;b&gt;7 % 3") && !page.contains("<b>7"), "{page}");
    assert!(page.contains("is not part of arithmetic at column 1"), "{page}");
    lab.nls(&format!("calc 6*7 at {address} as r; expect $r.value == 42")).success();
}

#[test]
fn a_browser_computes() {
    if !has("chromium") {
        return;
    }
    let lab = Lab::new();
    let (_server, address) = lab.server("listen tcp 0 calc");
    let mut page = Browser::open(&lab, &format!("http://{address}/"));
    page.eventually("document.getElementById('keys').children.length === 8");
    page.submit("q", "(2+3) × 4");
    page.eventually("document.querySelector('#results li output').textContent === '20'");
    page.submit("q", "1/0");
    page.eventually(
        "document.querySelector('#results .bad output').textContent === 'division by zero at column 2'",
    );
    assert_eq!(page.value("document.querySelector('#results pre').textContent"), "1/0\n ^");
    assert_eq!(page.value("document.querySelectorAll('#results li').length"), 2);
}

#[test]
fn a_browser_joins_the_room_speaks_and_hears_and_is_the_same_member_when_it_is_loaded_again() {
    if !has("chromium") || !has("nc") {
        return;
    }
    let lab = Lab::new();
    let (mut host, address) = room(&lab, "relay");
    let mut guest = nc(&lab, &address);
    guest.line_with("you are guest");
    let mut page = Browser::open(&lab, &format!("http://{address}/"));
    page.eventually("document.getElementById('name').form.id === 'join'");
    page.submit("name", "host");
    page.eventually("document.getElementById('refusal').textContent.includes('it is reserved')");
    page.submit("name", "eva");
    page.eventually("document.getElementById('dot').className === 'on'");
    host.line_with("eva joined");
    page.submit("text", "hello <b>nc</b>");
    assert_eq!(guest.line_with("eva: "), "eva: hello <b>nc</b>");
    page.eventually("document.querySelector('#log .own').textContent.startsWith('hello <b>nc</b>')");
    page.eventually("document.getElementById('hint').textContent.startsWith('Wait')");
    page.eventually("document.getElementById('send').disabled");
    types(&mut guest, "hello <i>eva</i>\n");
    page.eventually("document.querySelector('#log .other').textContent.includes('hello <i>eva</i>')");
    page.eventually("document.getElementById('hint').textContent === 'Your turn.'");
    page.eventually("document.getElementById('here').textContent === 'here: eva (you), guest'");
    page.value("location.reload()");
    page.eventually("performance.getEntriesByType('navigation')[0].type === 'reload' && document.getElementById('dot').className === 'on'");
    page.submit("text", "/who");
    page.eventually("document.getElementById('log').textContent.includes('here: eva, guest')");
    page.value("document.getElementById('leave').click()");
    page.eventually("!document.getElementById('join').hidden");
    host.line_with("eva left");
}
