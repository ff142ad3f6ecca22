//! Films on their way: real players show pictures while the rest is still at the server.

use std::process::Command;
use std::sync::LazyLock;

use crate::harness::{Lab, Run, has, names};

/// A film of 60 s at 50 KB/s, in containers whose index stands at the end, in front, in pieces, and nowhere.
const FILMS: [&str; 5] = ["end.mp4", "front.mp4", "film.mkv", "film.webm", "film.ts"];
/// The first 8 s of it, in those where a decoder can go on in the middle: in the last of them in fragments.
const PARTS: [&str; 6] = ["part.mp4", "part.mkv", "part.ts", "part.flv", "part.avi", "pieces.mp4"];
/// The server sends twice as fast as they are played: none can be there when the first pictures are shown.
const RATE: &str = "100KB/s";

/// Made once for all tests of a run, so that nobody drops it: it stands where cargo keeps such things, and a later run
/// removes what an earlier one left.
static MADE: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let home = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    for entry in std::fs::read_dir(home).unwrap().flatten() {
        let age = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .map(|at| at.elapsed().unwrap_or_default());
        let is_old = age.is_ok_and(|age| age > std::time::Duration::from_hours(1));
        if is_old && entry.file_name().to_string_lossy().starts_with("films-") {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
    let folder = tempfile::Builder::new().prefix("films-").tempdir_in(home).unwrap();
    let ffmpeg = |words: &str| {
        let mut command = Command::new("ffmpeg");
        command.current_dir(folder.path()).args(["-v", "error", "-y"]).args(words.split(' '));
        assert!(command.status().unwrap().success(), "{words}");
    };
    let rate = "-b:v 380k -minrate 380k -maxrate 380k -bufsize 380k";
    ffmpeg(&format!(
        "-f lavfi -i testsrc2=size=320x180:rate=25:duration=60 -f lavfi -i sine=frequency=440:duration=60 \
         -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 25 -nal-hrd cbr {rate} -c:a aac -metadata title=Test end.mp4"
    ));
    ffmpeg("-i end.mp4 -c copy -movflags +faststart front.mp4");
    ffmpeg("-i end.mp4 -c copy film.mkv");
    ffmpeg("-i end.mp4 -c copy film.ts");
    ffmpeg("-i end.mp4 -t 8 -c copy -movflags frag_keyframe+empty_moov pieces.mp4");
    ffmpeg("-i end.mp4 -t 8 -c copy -movflags +faststart part.mp4");
    for part in &PARTS[1..5] {
        ffmpeg(&format!("-i end.mp4 -t 8 -c copy {part}"));
    }
    ffmpeg(&format!("-i end.mp4 -c:v libvpx -deadline realtime -cpu-used 8 {rate} -c:a libvorbis film.webm"));
    folder
});

/// Streams each film to a player and leaves when it has shown some pictures; then the server must have more to send.
fn plays(film: &str, player: &str, until: &str) {
    let lab = Lab::new();
    let script = format!(
        "listen udp 0 stream root \"{}\" rate {RATE} as cinema\n\
         stream {film} from $cinema play '{player}' as f &\n\
         wait $f playing within 20s\n{until}\nexpect $cinema.bytes_out < $f.bytes\nstop $f\n",
        MADE.path().display()
    );
    lab.write("film.nls", script);
    // Where a browser leaves its own things when it is ended.
    let mut command = lab.command(&["film.nls"]);
    command.env("TMPDIR", lab.path(""));
    Run::of(command.spawn().unwrap()).success();
}

#[test]
fn mpv_shows_pictures_of_every_kind_of_film_before_the_rest_is_here() {
    if !has("ffmpeg") || !has("mpv") {
        return;
    }
    for film in FILMS {
        // It ends by itself behind ten pictures, and well.
        plays(
            film,
            "mpv --no-config --vo=null --ao=null --really-quiet --frames=10 {url}",
            "wait $f within 30s",
        );
    }
}

#[test]
fn ffmpeg_decodes_every_kind_of_film_before_the_rest_is_here() {
    if !has("ffmpeg") {
        return;
    }
    for film in FILMS {
        let player = "ffmpeg -v error -i {url} -map 0:v:0 -frames:v 10 -f framecrc pictures";
        plays(
            film,
            player,
            "wait $f within 30s\n!test $(grep -vc \"^#\" pictures) = 10\nexpect $last.code == 0",
        );
    }
}

#[test]
fn ffplay_shows_pictures_of_every_kind_of_film_before_the_rest_is_here() {
    if !has("ffplay") {
        return;
    }
    for film in FILMS {
        let player = "sh -c \"SDL_VIDEODRIVER=dummy SDL_AUDIODRIVER=dummy exec ffplay -nostats -vf showinfo {url} 2> shown\"";
        plays(film, player, "retry 600 every 50ms: !grep -q \"n:  10 \" shown");
    }
}

#[test]
fn a_browser_shows_a_film_on_a_page_before_the_rest_is_here() {
    if !has("ffmpeg") || !has("chromium") {
        return;
    }
    // Those that browsers play.
    for film in ["end.mp4", "front.mp4", "film.webm"] {
        let player = "chromium --headless=new --no-sandbox --disable-gpu --mute-audio --user-data-dir=chrome \
                      --autoplay-policy=no-user-gesture-required {page}";
        plays(film, player, "expect $f.frames > 10 within 25s");
    }
}

#[test]
fn a_list_tells_how_long_each_film_lasts_and_what_it_is_called() {
    if !has("ffmpeg") {
        return;
    }
    let lab = Lab::new();
    let root = MADE.path().display();
    let run = lab
        .nls(&format!(
            "listen udp 0 stream root \"{root}\" as cinema; ls $cinema as l; expect $l.length > 295s"
        ))
        .success();
    let line = |name: &str| run.out.lines().find(|line| line.contains(name)).unwrap().to_owned();
    assert!(
        line("end.mp4").contains(" 1:0")
            && line("end.mp4").contains("mp4")
            && line("end.mp4").contains("\"Test\""),
        "{}",
        run.out
    );
    assert!(
        line("film.ts").contains(" 1:00  mpegts")
            && line("film.mkv").contains("matroska")
            && line("pieces.mp4").contains(" 0:0"),
        "{}",
        run.out
    );
}

/// Names, the options that make them of pictures (`v`) and sound (`a`), and whether the title comes back.
const KINDS: [(&str, &str, bool); 37] = [
    ("a.mp4", "va -c:v mpeg4 -c:a aac", true),
    ("a.mov", "va -c:v mpeg4 -c:a aac", true),
    ("a.3gp", "va -c:v mpeg4 -c:a aac", false),
    ("pieces.mp4", "va -c:v mpeg4 -c:a aac -movflags frag_keyframe+empty_moov", true),
    ("a.m4a", "a -c:a aac", true),
    ("alac.m4a", "a -c:a alac", true),
    ("a.aac", "a -c:a aac", false),
    ("a.mkv", "va -c:v mpeg4 -c:a aac", true),
    ("a.webm", "va -c:v libvpx -deadline realtime -c:a libvorbis", true),
    ("a.avi", "va -c:v mpeg4 -c:a libmp3lame", true),
    ("silent.avi", "v -c:v mjpeg", true),
    ("a.wav", "a -c:a pcm_s16le", true),
    ("long.wav", "a -c:a pcm_s24le -rf64 always", true),
    ("a.aiff", "a -c:a pcm_s16be", true),
    ("adpcm.wav", "a -c:a adpcm_ms", true),
    ("ima.wav", "a -c:a adpcm_ima_wav", true),
    ("g722.wav", "a -ac 1 -ar 16000 -c:a g722", true),
    ("ima.aiff", "a -c:a adpcm_ima_qt", true),
    ("a.flac", "a -c:a flac", true),
    ("a.ogg", "a -c:a libvorbis", true),
    ("a.ogv", "va -c:v libtheora -c:a libvorbis", true),
    ("a.opus", "a -c:a libopus", true),
    ("a.spx", "a -c:a libspeex -ar 16000", false),
    ("a.mp3", "a -c:a libmp3lame -b:a 128k", true),
    ("plain.mp3", "a -c:a libmp3lame -b:a 128k -write_xing 0", true),
    ("variable.mp3", "a -c:a libmp3lame -q:a 5 -write_xing 0", true),
    ("slow.mp3", "a -c:a libmp3lame -ar 22050 -b:a 64k -write_xing 0", true),
    ("a.mp2", "a -c:a mp2", false),
    ("a.flv", "va -c:v flv1 -c:a libmp3lame", true),
    ("a.ts", "va -c:v mpeg2video -c:a mp2", false),
    ("a.m2ts", "va -c:v mpeg2video -c:a ac3 -f mpegts -mpegts_m2ts_mode 1", false),
    ("a.mpg", "va -c:v mpeg1video -c:a mp2", false),
    ("a.vob", "va -c:v mpeg2video -c:a mp2 -f vob", false),
    ("a.wmv", "va -c:v wmv2 -c:a wmav2", false),
    ("a.ac3", "a -c:a ac3", false),
    ("a.au", "a -c:a pcm_s16be", false),
    ("a.wv", "a -c:a wavpack", false),
];

#[test]
fn what_is_said_of_a_length_is_what_ffprobe_says_or_nothing() {
    if !has("ffmpeg") || !has("ffprobe") {
        return;
    }
    let lab = Lab::new();
    let mut make = std::process::Command::new("ffmpeg");
    lab.dress(&mut make);
    make.args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=12.02"]);
    make.args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=12.02"]);
    let mut script = "listen udp 0 stream root root as s\n".to_owned();
    for (number, (name, options, _)) in KINDS.iter().enumerate() {
        std::fs::create_dir_all(lab.path(&format!("root/{number}"))).unwrap();
        let (streams, options) = options.split_once(' ').unwrap();
        let maps = streams.chars().map(|stream| if stream == 'v' { "0:v" } else { "1:a" });
        for map in maps {
            make.args(["-map", map]);
        }
        make.args(options.split(' ')).args(["-metadata", "title=Sita"]).arg(format!("root/{number}/{name}"));
        script.push_str(&format!("ls $s {number} as l\nprint \"length {number} $l.length\"\n"));
    }
    let made = make.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    lab.write("t.nls", script);
    let run = lab.run(&["t.nls"]).success();
    let mut silent = Vec::new();
    for (number, (name, _, has_title)) in KINDS.iter().enumerate() {
        let said = run.out.lines().find_map(|line| line.strip_prefix(&format!("length {number} "))).unwrap();
        let said: f64 = said.parse().unwrap();
        let mut probe = std::process::Command::new("ffprobe");
        lab.dress(&mut probe);
        probe
            .args(["-show_entries", "format=duration", "-of", "csv=p=0"])
            .arg(format!("root/{number}/{name}"));
        let probed = probe.output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&probed.stdout), String::from_utf8_lossy(&probed.stderr));
        // It guesses where nothing in the file says it: then what was made counts.
        let guessed = err.contains("Estimating duration from bitrate");
        let expected = if guessed { 12.04 } else { out.trim().parse().unwrap() };
        assert!(said == 0.0 || (said / expected - 1.0).abs() < 0.01, "{name}: {said} for {expected}");
        let line = run.out.lines().find(|line| line.split_whitespace().any(|word| word == *name)).unwrap();
        assert_eq!(line.contains("\"Sita\""), *has_title, "{line}");
        assert!(said == 0.0 || line.contains(" 0:12 "), "{line}");
        silent.extend((said == 0.0).then_some(*name));
    }
    assert_eq!(silent, ["ima.aiff", "a.wmv", "a.ac3", "a.au", "a.wv"]);
}

#[test]
fn subtitles_beside_a_film_are_offered_to_the_player_and_to_the_browser() {
    if !has("curl") {
        return;
    }
    let lab = Lab::new();
    lab.random("root/film.mp4", 300_000, 1);
    lab.random("root/other.mp4", 100_000, 2);
    lab.write("root/film.srt", "1\n00:00:01,500 --> 00:00:02,000\nHello\n");
    let player = "sh -c 'curl -s {page} > page; curl -s {page}subtitles.vtt > vtt; curl -s {subtitles} > srt; \
                  curl -s {url} > film'";
    let script = format!(
        "listen udp 0 stream root root as c\nstream film.mp4 from $c play \"{player}\"\n\
         expect file film same as root/film.mp4\nexpect file srt same as root/film.srt\n\
         expect file vtt contains \"WEBVTT\"\nexpect file vtt contains \"00:00:01.500 --> 00:00:02.000\"\n\
         expect file page contains \"src=subtitles.vtt\"\n\
         stream other.mp4 from $c play \"sh -c 'test -z \\\"{{subtitles}}\\\"; curl -s {{page}} > page; curl -s {{url}} > film'\"\n\
         expect not file page contains \"track\"\n"
    );
    lab.write("t.nls", script);
    lab.run(&["t.nls"]).success();
}

/// faults.md row 74: one that never asks for the film is missed; one that dies says why.
#[test]
fn row_74_a_player_that_is_missing_or_dies_ends_the_session_and_says_why() {
    let lab = Lab::new();
    lab.random("film.mp4", 100_000, 1);
    let play =
        |player: &str| lab.nls(&format!("listen udp 0 stream as c; stream film.mp4 from $c play '{player}'"));
    play("no-such-player {url}").fails(1, "player not found: no-such-player");
    play("sh -c \"echo broken pipe dream >&2; exit 7\"")
        .fails(1, "player sh ended with exit status 7: broken pipe dream");
    play("sh -c \"kill -9 \\$\\$\"").fails(1, "player sh ended with signal 9");
}

/// faults.md row 75: the bytes come all the same, and the complaint is shown once, without its control characters.
#[test]
fn row_75_a_file_that_is_no_media_is_streamed_and_the_complaint_is_shown() {
    if !has("ffmpeg") {
        return;
    }
    let lab = Lab::new();
    lab.write("film.mp4", vec![b'x'; 50_000]);
    let run = lab
        .nls("listen udp 0 stream as c; stream film.mp4 from $c play 'ffmpeg -v error -i {url} -f null -'");
    let run = run.fails(1, "player ffmpeg ended with exit status");
    assert_eq!(run.err.matches("Invalid data found").count(), 1, "{}", run.err);
    lab.nls("listen udp 0 stream as c; stream film.mp4 from $c to kept.mp4; expect file kept.mp4 same as film.mp4").success();
}

/// faults.md row 77: one that stands still holds up nobody, and not the server.
#[test]
fn row_77_a_viewer_that_stands_still_does_not_hold_up_another() {
    let lab = Lab::new();
    lab.random("film.bin", 8_000_000, 1);
    lab.write(
        "slow.nls",
        "listen udp 0 stream as cinema\n\
         stream film.bin from $cinema play 'sh -c \"curl -sr 0-9 {url}; sleep 60\"' cache 4M as slow &\n\
         wait $slow playing within 10s\n\
         stream film.bin from $cinema to kept.bin as fast\n\
         expect file kept.bin same as film.bin\n\
         expect $slow.state == playing\nstop $slow\nexpect $cinema.clients == 0 within 1s\n",
    );
    if has("curl") {
        lab.run(&["slow.nls"]).success();
    }
}

/// faults.md row 77: over a path that takes half of the film, a live viewer sees parts of it, each from a key picture on, and
/// is as far as the film is; who has a good path sees it smoothly, meanwhile.
#[test]
fn row_77_live_a_viewer_behind_a_slow_path_goes_on_at_key_pictures_and_others_are_smooth() {
    if !has("ffmpeg") {
        return;
    }
    let lab = Lab::alone();
    let mut script = format!("listen udp 0 stream root \"{}\" as cinema\n", MADE.path().display());
    for (n, film) in PARTS.iter().enumerate() {
        script += &format!(
            "link udp 0 to udp $cinema rate 25KB/s as l{n}\n\
             stream {film} from udp $l{n} play 'ffmpeg -v fatal -i {{url}} -map 0:v:0 -f framecrc pictures{n}' live as f{n} &\n"
        );
    }
    script += "stream part.ts from $cinema play clock live as near &\n";
    for n in 0..PARTS.len() {
        // All of it would take 19 s.
        script += &format!("wait $f{n} within 16s\nexpect $f{n}.skipped > 50K\n");
    }
    script += "wait $near within 5s\nexpect $near.skipped == 0\nexpect $near.stalls == 0\nlog $cinema\n";
    lab.write("live.nls", script);
    let run = lab.run(&["live.nls"]).success();
    assert_eq!(run.out.matches("left out: the path was too slow").count(), PARTS.len(), "{}", run.out);
    for (n, film) in PARTS.iter().enumerate() {
        let pictures = std::fs::read_to_string(lab.path(&format!("pictures{n}"))).unwrap();
        let shown = pictures.lines().filter(|line| !line.starts_with('#')).count();
        assert!((30..185).contains(&shown), "{film}: {shown} pictures of 200");
    }
}

/// faults.md row 74.
#[test]
fn row_74_a_player_that_asks_for_nothing_is_missed_after_30_s() {
    let lab = Lab::new();
    lab.random("film.mp4", 100_000, 1);
    lab.nls("listen udp 0 stream as c; stream film.mp4 from $c play 'sh -c \"exec sleep 60\"'")
        .fails(1, "player sh asked for nothing for 30 s");
}

/// What is not kept takes no more of the disk than `cache` says, and the film is whole for who reads it.
#[test]
fn a_film_larger_than_its_cache_is_read_whole() {
    let lab = Lab::new();
    lab.random("film.bin", 24_000_000, 1);
    lab.nls("listen udp 0 stream as c; stream film.bin from $c play none cache 4M as f; expect $f.blake3 contains \"\"").success();
    if has("curl") {
        let player = "curl -s -o read.bin {url}";
        let line = format!(
            "listen udp 0 stream as c; stream film.bin from $c play '{player}' cache 4M; expect file read.bin same as film.bin"
        );
        lab.nls(&line).success();
    }
}

/// Over a poor link, with parity and without, and with small packets.
#[test]
fn a_film_is_whole_over_a_poor_link_with_parity_and_small_packets() {
    let lab = Lab::new();
    lab.random("film.bin", 1_000_000, 1);
    let run = lab.nls(
        "listen udp 0 stream mtu 1000 as c; link udp 0 to udp $c loss 5% burst 4 delay 10ms seed 7 as bad; \
         stream film.bin from udp $bad to a.bin as a; stream film.bin from udp $bad fec 10% to b.bin as b; \
         expect file a.bin same as film.bin; expect file b.bin same as film.bin; expect $b.rebuilt > 10; log $c",
    );
    let run = run.success();
    assert!(run.out.contains("cut to fit a packet"), "{}", run.out);
}

/// Live, a picture that comes too late is not waited for.
#[test]
fn live_goes_on_without_what_comes_too_late() {
    let lab = Lab::new();
    lab.random("film.bin", 3_000_000, 1);
    // What is lost comes again behind a round trip of 600 ms; a picture is waited for 500 ms, once playing has begun.
    let run = lab.nls(
        "listen udp 0 stream as c; link udp 0 to udp $c loss 10% delay 300ms seed 3 as far; \
         stream film.bin from udp $far play none live as f; expect $f.skipped > 1000; expect $f.skipped < 300K; \
         stream film.bin from $c play none live as near; expect $near.skipped == 0",
    );
    assert!(run.success().out.contains("watched film.bin"));
    lab.nls("listen udp 0 stream as c; stream film.bin from $c live to x.bin").fails(1, "take one of them");
}

/// A server that goes away is no end of the film.
#[test]
fn a_server_that_is_stopped_ends_the_viewing_with_its_reason() {
    let lab = Lab::new();
    lab.random("film.bin", 5_000_000, 1);
    let line = "listen udp 0 stream rate 100KB/s as c; stream film.bin from $c to kept.bin as f &; \
                wait $f transferring within 5s; stop $c; wait $f within 5s";
    lab.nls(line).fails(1, "stream film.bin: the server was stopped");
    let left = |name: &String| name.starts_with("kept") || name.ends_with("nls-part");
    assert!(!names(&lab.path(".")).iter().any(left), "{:?}", names(&lab.path(".")));
}

/// Ctrl-Z at the prompt stops no player, and Ctrl-C ends what it is meant for.
#[test]
fn a_player_has_a_group_of_processes_of_its_own() {
    let lab = Lab::new();
    lab.random("film.mp4", 100_000, 1);
    let player = r#"'sh -c "read -r pid name state parent group rest < /proc/\$\$/stat; test \$pid = \$group || exit 9"'"#;
    lab.nls(&format!("listen udp 0 stream as c; stream film.mp4 from $c play {player}")).success();
}

#[test]
fn where_nothing_opens_a_browser_the_address_is_shown() {
    let lab = Lab::new();
    lab.random("film.mp4", 100_000, 1);
    let script = "listen udp 0 stream as c\nstream film.mp4 from $c play browser as f &\n\
                  wait $f playing within 20s\nlog $f as told\nstop $f\n\
                  expect $told.text contains \"nothing opens a browser here; the film is at http://127.0.0.1:\"\n";
    lab.write("t.nls", script);
    let output = lab.command(&["t.nls"]).env("PATH", "").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
