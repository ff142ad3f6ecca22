//! Files over HTTP: curl, wget and lftp fetch them, go on where they stopped, and store new ones.

use super::browser::Browser;
use super::{exchange, prints, run, status};
use crate::harness::{Lab, has, names};

/// A file server with some files below `root`, and its URL.
fn site(lab: &Lab, words: &str) -> (crate::harness::Running, String, String) {
    lab.write("root/a.txt", "hello\n");
    lab.write("root/sub/für alle.txt", "für alle\n");
    lab.random("root/large.bin", 3_000_000, 7);
    let (server, address) = lab.server(&format!("listen tcp 0 ftp root root {words}"));
    let url = format!("http://{address}");
    (server, address, url)
}

#[test]
fn curl_fetches_ranges_and_goes_on_where_it_stopped() {
    if !has("curl") {
        return;
    }
    let lab = Lab::new();
    let (_server, _, url) = site(&lab, "");
    let file = format!("{url}/large.bin");
    let large = std::fs::read(lab.path("root/large.bin")).unwrap();
    assert_eq!(prints(&lab, "curl", &["-sf", &format!("{url}/a.txt")]), "hello\n");
    assert_eq!(prints(&lab, "curl", &["-sf", "-r", "1-3", &format!("{url}/a.txt")]), "ell");
    assert_eq!(prints(&lab, "curl", &["-sf", "-r", "-3", &format!("{url}/a.txt")]), "lo\n");
    assert_eq!(prints(&lab, "curl", &["-sf", &format!("{url}/sub/f%C3%BCr%20alle.txt")]), "für alle\n");
    lab.write("part.bin", &large[..1_000_000]);
    prints(&lab, "curl", &["-sf", "-C", "-", "-o", "part.bin", &file]);
    assert!(std::fs::read(lab.path("part.bin")).unwrap() == large);
    let parts = prints(&lab, "curl", &["-sf", "-r", "0-1,4-5", &format!("{url}/a.txt")]);
    assert!(
        parts.contains("bytes 0-1/6") && parts.contains("bytes 4-5/6") && parts.contains("he"),
        "{parts}"
    );
    let past = run(&lab, "curl", &["-sf", "-r", "99-", &format!("{url}/a.txt")]);
    assert_eq!(past.status.code(), Some(22), "416");
}

#[test]
fn what_a_client_has_already_does_not_travel_again() {
    if !has("curl") {
        return;
    }
    let lab = Lab::new();
    let (_server, _, url) = site(&lab, "");
    let file = format!("{url}/a.txt");
    let code = ["-s", "-o", "out", "-w", "%{http_code}"];
    let ask = |more: &[&str]| prints(&lab, "curl", &[&code[..], more, &[&file[..]]].concat());
    assert_eq!(ask(&["--etag-save", "tag"]), "200");
    assert_eq!(ask(&["--etag-compare", "tag"]), "304");
    assert_eq!(ask(&["-R"]), "200");
    assert_eq!(ask(&["-z", "out"]), "304");
    lab.write("root/a.txt", "other\n");
    assert_eq!(ask(&["--etag-compare", "tag"]), "200");
    let tag = std::fs::read_to_string(lab.path("tag")).unwrap();
    let old = ["-H", &format!("If-Match: {}", tag.trim())].map(ToString::to_string);
    assert_eq!(ask(&[&old[0], &old[1]]), "412");
    // A part of the old state is not joined with one of the new.
    let range = format!("If-Range: {}", tag.trim());
    assert_eq!(ask(&["-r", "1-2", "-H", &range]), "200");
}

#[test]
fn new_files_are_stored_whole_and_only_under_new_names() {
    if !has("curl") {
        return;
    }
    let lab = Lab::new();
    let (_server, _, url) = site(&lab, "quota 5M");
    let large = lab.path("root/large.bin");
    let large = large.to_str().unwrap();
    let put = |name: &str, file: &str| {
        let code = ["-s", "-o", "answer", "-w", "%{http_code}", "-T", file, &format!("{url}/{name}")]
            .map(str::to_owned);
        let code: Vec<&str> = code.iter().map(String::as_str).collect();
        prints(&lab, "curl", &code)
    };
    assert_eq!(put("new.bin", large), "201");
    assert!(std::fs::read(lab.path("root/new.bin")).unwrap() == std::fs::read(large).unwrap());
    assert_eq!(put("new.bin", large), "200", "the same is there already");
    lab.write("other", "other");
    assert_eq!(put("new.bin", "other"), "409");
    assert_eq!(put("sub/deep.txt", "other"), "201");
    assert_eq!(put("nowhere/deep.txt", "other"), "404");
    assert_eq!(put("more.bin", large), "507", "the quota");
    assert_eq!(put(".hidden", "other"), "403");
    let answer = std::fs::read_to_string(lab.path("answer")).unwrap();
    assert!(answer.contains("hidden"), "{answer}");
    assert_eq!(names(&lab.path("root")), ["a.txt", "large.bin", "new.bin", "sub"]);
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let lab = Lab::new();
    let (_server, address, _) = site(&lab, "");
    let head = "PUT /new HTTP/1.1\r\nHost: 127.0.0.1\r\n";
    for body in [
        "Content-Length: 10\r\n\r\nhalf",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nx\r\n",
    ] {
        let answer = exchange(&address, format!("{head}{body}").as_bytes());
        assert_eq!(status(&answer), 400, "{answer}");
        assert_eq!(names(&lab.path("root")), ["a.txt", "large.bin", "sub"]);
    }
}

#[test]
fn an_upload_that_does_not_say_how_long_it_is_is_no_empty_file() {
    let lab = Lab::new();
    let (_server, address, _) = site(&lab, "");
    for request in ["PUT /new HTTP/1.0\r\n\r\nhello", "PUT /new HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"] {
        let answer = exchange(&address, request.as_bytes());
        assert!(status(&answer) == 411 && answer.contains("Content-Length"), "{answer}");
        assert!(!lab.path("root/new").exists(), "{request}");
    }
    let empty = "PUT /new HTTP/1.0\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(status(&exchange(&address, empty.as_bytes())), 201);
}

#[test]
fn a_server_that_takes_nothing_says_so_before_the_body() {
    let lab = Lab::new();
    let (_server, address, _) = site(&lab, "readonly");
    let head =
        "PUT /new HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999999999\r\nExpect: 100-continue\r\n\r\n";
    let answer = exchange(&address, head.as_bytes());
    assert!(status(&answer) == 403 && answer.contains("Connection: close"), "{answer}");
    assert!(!answer.contains("100 Continue"), "{answer}");
}

#[test]
fn wget_and_lftp_mirror_a_folder() {
    let lab = Lab::new();
    let (_server, _, url) = site(&lab, "");
    if has("wget") {
        prints(
            &lab,
            "wget",
            &["-q", "-r", "-np", "-nH", "-P", "got", "--reject-regex", "[?]", &format!("{url}/")],
        );
        assert!(
            std::fs::read(lab.path("got/large.bin")).unwrap()
                == std::fs::read(lab.path("root/large.bin")).unwrap()
        );
        assert_eq!(std::fs::read_to_string(lab.path("got/sub/für alle.txt")).unwrap(), "für alle\n");
    }
    if has("lftp") {
        let line = format!("mirror --parallel=4 {url}/ copy; bye");
        prints(&lab, "lftp", &["-c", &line]);
        assert_eq!(std::fs::read_to_string(lab.path("copy/sub/für alle.txt")).unwrap(), "für alle\n");
    }
}

#[test]
fn a_folder_comes_as_json_and_as_a_tar_archive() {
    if !has("curl") {
        return;
    }
    let lab = Lab::new();
    let (_server, _, url) = site(&lab, "");
    let json = prints(&lab, "curl", &["-sf", "-H", "Accept: application/json", &format!("{url}/")]);
    let folder: serde_json::Value = serde_json::from_str(&json).unwrap();
    let entry = |n: usize, key: &str| folder["entries"][n][key].clone();
    assert_eq!(
        (entry(0, "name"), entry(0, "size"), entry(2, "href")),
        ("a.txt".into(), 6.into(), "./sub/".into())
    );
    prints(&lab, "curl", &["-sf", "-o", "all.tar", &format!("{url}/?tar")]);
    let list = prints(&lab, "tar", &["tf", "all.tar"]);
    assert_eq!(list.lines().collect::<Vec<_>>().len(), 4, "{list}");
    prints(&lab, "tar", &["xf", "all.tar"]);
    assert!(
        std::fs::read(lab.path("files/large.bin")).unwrap()
            == std::fs::read(lab.path("root/large.bin")).unwrap()
    );
}

#[test]
fn a_film_is_a_page_and_seeks_at_once() {
    if !has("curl") {
        return;
    }
    let lab = Lab::new();
    lab.random("root/film.mp4", 500_000, 3);
    lab.write("root/film.vtt", "WEBVTT\n");
    let (_server, address) = lab.server("listen udp 0 stream root root web");
    let url = format!("http://{address}");
    let page = prints(&lab, "curl", &["-sf", &format!("{url}/film.mp4?play")]);
    assert!(page.contains("<video src=\"./film.mp4\"") && page.contains("./film.vtt"), "{page}");
    let head = prints(&lab, "curl", &["-sfI", "-r", "400000-", &format!("{url}/film.mp4")]).to_lowercase();
    assert!(
        head.contains("content-range: bytes 400000-499999/500000") && head.contains("video/mp4"),
        "{head}"
    );
    let put = prints(
        &lab,
        "curl",
        &["-s", "-o", "out", "-w", "%{http_code}", "-T", "root/film.vtt", &format!("{url}/x")],
    );
    assert_eq!(put, "403", "films are only read");
}

#[test]
fn errors_are_text_for_curl_and_a_page_for_a_browser() {
    let lab = Lab::new();
    let (_server, address, _) = site(&lab, "");
    let ask = |accept: &str| {
        exchange(
            &address,
            format!("GET /none HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        )
    };
    let (text, page) = (ask("*/*"), ask("text/html,application/xhtml+xml"));
    assert!(status(&text) == 404 && text.contains("text/plain") && text.contains("no file `none`"), "{text}");
    assert!(status(&page) == 404 && page.contains("<h1>404"), "{page}");
}

#[test]
fn a_browser_uploads_files_and_is_told_which_one_was_not_taken() {
    if !has("chromium") {
        return;
    }
    let lab = Lab::new();
    let (_server, _, url) = site(&lab, "");
    lab.write("a.txt", "another one of that name");
    lab.write("new name & more.txt", "from the page\n");
    lab.random("photo.jpg", 2_000_000, 5);
    let mut page = Browser::open(&lab, &format!("{url}/sub/"));
    page.eventually("document.querySelectorAll('tbody .file').length === 1");
    page.choose("files", &[&lab.path("new name & more.txt"), &lab.path("photo.jpg")]);
    // All were stored: the page shows them.
    page.eventually("document.querySelectorAll('tbody .file').length === 3");
    assert_eq!(std::fs::read_to_string(lab.path("root/sub/new name & more.txt")).unwrap(), "from the page\n");
    assert!(
        std::fs::read(lab.path("root/sub/photo.jpg")).unwrap()
            == std::fs::read(lab.path("photo.jpg")).unwrap()
    );
    drop(page);
    let mut page = Browser::open(&lab, &url);
    page.eventually("document.querySelectorAll('tbody .folder').length === 1");
    page.choose("files", &[&lab.path("a.txt")]);
    page.eventually("document.querySelector('#uploads .bad').textContent.includes('exists')");
    assert_eq!(std::fs::read_to_string(lab.path("root/a.txt")).unwrap(), "hello\n");
}

#[test]
fn a_browser_plays_a_film_and_jumps_in_it() {
    if !has("chromium") || !has("ffmpeg") {
        return;
    }
    let lab = Lab::new();
    std::fs::create_dir_all(lab.path("root")).unwrap();
    let film = [
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc=duration=20:size=320x240:rate=10",
        "-c:v",
        "libvpx",
        "-b:v",
        "2M",
        "root/film.webm",
    ];
    assert!(run(&lab, "ffmpeg", &film).status.success());
    let (_server, address) = lab.server("listen udp 0 stream root root web");
    let mut page = Browser::open(&lab, &format!("http://{address}/film.webm?play"));
    page.eventually("document.querySelector('video').readyState >= 2");
    page.value("document.querySelector('video').currentTime = 15");
    page.eventually(
        "!document.querySelector('video').seeking && document.querySelector('video').currentTime >= 15",
    );
    assert!(page.value("document.querySelector('video').duration").as_f64().unwrap() > 19.0);
}
