//! The page of `view`, asked by a small HTTP client: who is refused, what it shows, what it changes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::{LIMIT, Lab, Running, eventually};

/// A page of a shell that runs.
struct Page {
    port: u16,
    /// `/TOKEN/`
    path: String,
}

/// What was answered.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Page {
    /// Runs a script with `view none as v; print $v.url` in it.
    fn open(lab: &Lab, script: &str) -> (Running, Self) {
        let mut shell = lab.start(&["-q", "-c", &format!("{script}; view none as v; print $v.url; wait")]);
        let url = shell.line_with("http://");
        let rest = url.trim().strip_prefix("http://127.0.0.1:").expect("an address");
        let (port, path) = rest.split_once('/').expect("a path");
        (shell, Self { port: port.parse().unwrap(), path: format!("/{path}") })
    }

    fn host(&self) -> String {
        format!("Host: 127.0.0.1:{}\r\n", self.port)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut stream = self.connect();
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {length}");
        write!(stream, "{head}\r\n\r\n{body}").unwrap();
        let mut bytes = Vec::new();
        // The server may close before it has read what it refuses.
        stream.read_to_end(&mut bytes).ok();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    fn get(&self, name: &str) -> Answer {
        self.ask("GET", &format!("{}{name}", self.path), &self.host(), "")
    }

    /// As the page does it.
    fn post(&self, body: &str) -> Answer {
        let headers = format!("{}Origin: http://127.0.0.1:{}\r\n", self.host(), self.port);
        self.ask("POST", &format!("{}link", self.path), &headers, body)
    }

    fn events(&self, query: &str) -> Events {
        let mut stream = self.connect();
        write!(stream, "GET {}events?{query} HTTP/1.1\r\n{}\r\n", self.path, self.host()).unwrap();
        Events(BufReader::new(stream))
    }
}

/// The stream of a page.
struct Events(BufReader<TcpStream>);

impl Events {
    /// The next event of this name for which `wanted` holds.
    fn next(&mut self, name: &str, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let began = Instant::now();
        let mut line = String::new();
        let mut is_named = false;
        loop {
            assert!(began.elapsed() < LIMIT, "no such event: {name}");
            line.clear();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the stream ended");
            if let Some(data) = line.strip_prefix("data: ").filter(|_| is_named) {
                let data = serde_json::from_str(data).unwrap();
                if wanted(&data) {
                    return data;
                }
            }
            is_named = line.trim() == format!("event: {name}");
        }
    }
}

fn of<'a>(sessions: &'a serde_json::Value, kind: &str) -> &'a serde_json::Value {
    sessions["sessions"].as_array().unwrap().iter().find(|row| row["kind"] == kind).unwrap()
}

const LINK: &str = "listen udp 0 echo as e; link udp 0 to $e loss 0% as bad";

#[test]
fn others_are_refused() {
    let lab = Lab::new();
    let (_shell, page) = Page::open(&lab, LINK);
    let (own, path) = (page.host(), page.path.clone());
    assert_eq!(page.get("").status, 200);
    let wrong = format!("/{}/", "0".repeat(32));
    for target in ["/", wrong.as_str(), "/page.js", "/favicon.ico"] {
        assert_eq!(page.ask("GET", target, &own, "").status, 404, "{target}");
    }
    for (host, status) in [("evil.example", 421), ("127.0.0.1", 403), ("127.0.0.1:1", 403)] {
        assert_eq!(page.ask("GET", &path, &format!("Host: {host}\r\n"), "").status, status, "{host}");
    }
    let (link, wish) = (format!("{path}link"), "{\"session\": 2, \"loss\": \"100%\"}");
    assert_eq!(page.ask("POST", &link, &own, wish).status, 403);
    for origin in ["null", "http://evil.example", "http://127.0.0.1:1"] {
        let headers = format!("{own}Origin: {origin}\r\n");
        assert_eq!(page.ask("POST", &link, &headers, wish).status, 403, "{origin}");
    }
    assert_eq!(page.ask("DELETE", &path, &own, "").status, 405);
    assert_eq!(page.ask("GET", &path, &format!("{own}X: {}\r\n", "x".repeat(17_000)), "").status, 431);
    assert_eq!(page.post(&"x".repeat(5000)).status, 413);
    let sessions = page.events("").next("sessions", |_| true);
    assert_eq!(of(&sessions, "link")["link"]["loss"], 0.0);
    lab.nls("view none on any").fails(1, "would need a key").fails(1, "`ssh -L`");
}

#[test]
fn the_page_loads_nothing_from_elsewhere_and_may_not_be_framed() {
    let lab = Lab::new();
    let (_shell, page) = Page::open(&lab, LINK);
    for (name, kind) in [("", "text/html"), ("page.css", "text/css"), ("page.js", "text/javascript")] {
        let answer = page.get(name);
        assert_eq!(answer.status, 200, "{name}");
        assert!(answer.head.contains(&format!("content-type: {kind}")), "{}", answer.head);
        for header in ["default-src 'none'", "frame-ancestors 'none'", "no-referrer", "nosniff", "no-store"] {
            assert!(answer.head.contains(header), "{header}: {}", answer.head);
        }
        // The name space of SVG is no address that is loaded.
        let text = answer.body.replace("http://www.w3.org/2000/svg", "");
        for foreign in
            ["://", "src=\"/", "url(", "@import", "innerHTML", "insertAdjacent", " style=", "eval("]
        {
            assert!(!text.contains(foreign), "{name}: {foreign}");
        }
    }
}

#[test]
fn sessions_packets_and_the_diagram_are_streamed() {
    let lab = Lab::new();
    lab.random("root/a.bin", 10, 1);
    lab.random("b.bin", 60_000, 2);
    let script = "listen udp 0 ftp root root as files; link udp 0 to $files delay 1ms as bad; send b.bin to udp $bad as up";
    let (_shell, page) = Page::open(&lab, script);
    let sessions = page.events("").next("sessions", |_| true);
    let up = of(&sessions, "send b.bin");
    assert_eq!((&up["name"], &up["state"]), (&"up".into(), &"done".into()));
    assert_eq!(of(&sessions, "link")["link"]["words"], "delay 1.0 ms");
    assert_eq!(of(&sessions, "view")["state"], "listening");
    let id = &up["id"];
    let mut all = page.events(&format!("session={id}"));
    let record = all.next("record", |_| true);
    assert!(record["error"].is_null() && record["remark"].as_str().unwrap().starts_with("the last "));
    let lines = |record: &serde_json::Value| -> Vec<String> {
        let lines = record["lines"].as_array().unwrap();
        lines.iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    };
    assert!(lines(&record).len() > 10 && lines(&record)[0].contains("hello"), "{record}");
    let diagram = all.next("diagram", |_| true);
    assert_eq!(diagram["lanes"], serde_json::json!(["up", "bad", "files"]));
    let svg = diagram["svg"].as_str().unwrap().to_owned();
    assert!(svg.starts_with("<svg") && svg.contains(">bad<") && !svg.contains("<script"), "{svg}");
    let hello = page.events(&format!("session={id}&filter=kind%20%3D%3D%20hello")).next("record", |_| true);
    assert!(lines(&hello).iter().all(|line| line.contains("hello")) && !lines(&hello).is_empty(), "{hello}");
    let wrong = page.events(&format!("session={id}&filter=nonsense")).next("record", |_| true);
    assert!(wrong["error"].as_str().unwrap().contains("nonsense") && lines(&wrong).is_empty(), "{wrong}");
}

#[test]
fn the_sides_stay_where_they_are_when_the_beginning_is_out_of_sight() {
    let lab = Lab::new();
    lab.random("root/a.bin", 10, 1);
    lab.random("b.bin", 3_000_000, 2);
    let script = "listen udp 0 ftp root root as files; link udp 0 to $files delay 1ms as bad; \
        send b.bin to udp $bad chunk 1024 as up";
    let (_shell, page) = Page::open(&lab, script);
    let sessions = page.events("").next("sessions", |_| true);
    for kind in ["ftp server", "link", "send b.bin"] {
        let row = of(&sessions, kind);
        assert!(row["packets"].as_u64() > Some(1024), "{row}");
        let diagram = page.events(&format!("session={}", row["id"])).next("diagram", |_| true);
        assert_eq!(diagram["lanes"], serde_json::json!(["up", "bad", "files"]), "{kind}");
    }
}

#[test]
fn a_link_is_changed_from_the_page() {
    let lab = Lab::new();
    let (_shell, page) = Page::open(&lab, LINK);
    let mut events = page.events("");
    let before = events.next("sessions", |_| true);
    let (link, server) = (of(&before, "link")["id"].clone(), of(&before, "echo server")["id"].clone());
    let said = page.post(&format!("{{\"session\": {link}, \"loss\": \"25%\", \"delay\": \"20ms\"}}"));
    assert_eq!((said.status, said.body.as_str()), (200, "loss 25% delay 20.0 ms"));
    let after = events.next("sessions", |sessions| of(sessions, "link")["link"]["loss"] == 25.0);
    assert_eq!(of(&after, "link")["link"]["words"], "loss 25% delay 20.0 ms");
    // Packets by hand, as the commands do it.
    let by_hand = |hand: &str| page.post(&format!("{{\"session\": {link}, \"hand\": \"{hand}\"}}")).body;
    assert_eq!(by_hand("hold"), "holds what comes");
    events.next("sessions", |sessions| of(sessions, "link")["link"]["holds"] == true);
    assert_eq!(by_hand("step"), "step: 0 went");
    assert_eq!(by_hand("drop data"), "drop: the next that comes is lost");
    assert_eq!(by_hand("release"), "released: 0 went");
    events.next("sessions", |sessions| of(sessions, "link")["link"]["holds"] == false);
    for (body, why) in [
        (format!("{{\"session\": {link}, \"loss\": \"125%\"}}"), "between 0% and 100%"),
        (format!("{{\"session\": {server}, \"loss\": \"1%\"}}"), "is no link"),
        ("{\"session\": 99, \"loss\": \"1%\"}".to_owned(), "no session %99"),
        ("nonsense".to_owned(), "not what the page sends"),
    ] {
        let said = page.post(&body);
        assert!(said.status == 400 && said.body.contains(why), "{body}: {}", said.body);
    }
}

#[test]
fn pages_and_connections_are_few() {
    let lab = Lab::new();
    let (_shell, page) = Page::open(&lab, LINK);
    let mut open: Vec<Events> = (0..8).map(|_| page.events("")).collect();
    open.iter_mut().for_each(|events| drop(events.next("sessions", |_| true)));
    assert_eq!(page.get("events").status, 503);
    open.pop();
    eventually("the place is free", || page.events("").0.fill_buf().unwrap().starts_with(b"HTTP/1.1 200"));
    // More than all places: the others wait until one is free, and the page is answered then.
    let idle: Vec<TcpStream> = (0..40).map(|_| page.connect()).collect();
    drop((idle, open));
    eventually("it answers again", || page.get("").status == 200);
}

#[test]
fn stopping_it_ends_its_pages_and_the_shell_ends_in_time() {
    let lab = Lab::new();
    let (shell, page) = Page::open(&lab, LINK);
    let mut events = page.events("");
    events.next("sessions", |_| true);
    let began = Instant::now();
    shell.signal("TERM");
    let mut rest = Vec::new();
    events.0.read_to_end(&mut rest).ok();
    shell.finish();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(TcpStream::connect(("127.0.0.1", page.port)).is_err());
    let run =
        lab.nls("view none as v; expect $v.state == listening; stop $v; expect $v.state == done").success();
    assert!(
        run.out.contains("http://127.0.0.1:") && run.out.contains("as a page; `stop %1` ends it"),
        "{}",
        run.out
    );
}
