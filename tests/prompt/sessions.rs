//! What runs while one types: commands in the foreground and in the background, conversations, pictures.

use super::{END, INTERRUPT, LEAVE, SUSPEND, Terminal};
use crate::harness::Lab;

/// How often a race is run.
const ROUNDS: usize = 10;

#[test]
fn two_prompts_chat_through_a_bad_network_and_ctrl_c_in_one_ends_it_in_both() {
    // TCP hides what is lost: there the link is slow.
    for (transport, network) in [("tcp", "delay 20ms"), ("udp", "loss 20%")] {
        let (here, there) = (Lab::new(), Lab::new());
        let mut bob = Terminal::new(&here, &[], None);
        bob.run(&format!("listen {transport} 0 chat max 1 as bob"), "a conversation for two");
        bob.run(&format!("link {transport} 0 to $bob {network} as bad"), "to ");
        bob.run("print through $bad.addr", "\nthrough 127.0.0.1:");
        let text = bob.text();
        let address = text.rsplit("\nthrough ").next().unwrap().split_whitespace().next().unwrap().to_owned();
        bob.line("attach bob");
        bob.see("the other prompt", |screen| screen.ends_with("say>"));
        let mut alice = Terminal::new(&there, &[], None);
        alice.line(&format!("chat {transport} {address} name alice"));
        alice.see("attached", |screen| screen.ends_with("say>"));
        alice.line("hello bob");
        bob.see("the message", |screen| screen.contains("alice: hello bob"));
        alice.line("are you there");
        alice.see("the rule, and the line as it was", |screen| {
            screen.contains("it is the turn of host")
                && screen.lines().last().unwrap().starts_with("say> are you there")
        });
        bob.line("hello alice");
        alice.see("the answer above the line", |screen| {
            screen.contains("host: hello alice")
                && screen.lines().last().unwrap().starts_with("say> are you there")
        });
        if transport == "udp" {
            alice.see("how much may still be typed", |screen| screen.ends_with("987 left"));
        }
        alice.keys("\r");
        bob.see("what stayed on the line", |screen| screen.contains("alice: are you there"));
        alice.see("an empty line", |screen| screen.ends_with("say>"));
        alice.keys(INTERRUPT);
        alice.see("its own prompt", |screen| screen.ends_with("nls>"));
        bob.see("who left, and its own prompt", |screen| {
            screen.contains("alice left") && screen.ends_with("nls>")
        });
        bob.run("print still here", "\nstill here\n");
    }
}

#[test]
fn quitting_with_live_work_is_asked_for_twice() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 chat as room", "a conversation");
    terminal.run("chat tcp $room name a as a &", "in the background");
    terminal.run("quit", "still running");
    terminal.keys("quit\r");
    terminal.ends();
}

#[test]
fn ctrl_z_sends_the_command_to_the_background_fg_brings_it_back_and_nothing_stops() {
    let lab = Lab::new();
    lab.random("root/big", 6_000_000, 1);
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 ftp root root as files", "files of");
    terminal.line("get big from $files to copy rate 3MB/s as down");
    terminal.see("the bar", |screen| screen.contains("5.72 MiB") || screen.contains("5.7"));
    terminal.keys(SUSPEND);
    terminal.see("the prompt", |screen| {
        screen.contains("down get big goes on in the background") && screen.ends_with("nls>")
    });
    terminal.run("sessions", "transferring");
    terminal.run("bg", "down get big goes on");
    terminal.line("fg");
    terminal.see("the end", |screen| screen.contains("got big as") && screen.ends_with("nls>"));
    assert_eq!(terminal.text().matches("got big as").count(), 1, "its end is told once");
    terminal.run("bg", "nothing works in the background");
    terminal.run("sessions", " ago");
    terminal.run("sessions clear", "1 session forgotten");
    terminal.run("cd root", "/root");
    terminal.run("file big", "6000000 bytes");
    terminal.run("!kill -TSTP $$; echo it went on", "it went on");
    assert!(std::fs::read(lab.path("copy")).unwrap() == std::fs::read(lab.path("root/big")).unwrap());
}

#[test]
fn ctrl_z_ends_the_waiting_for_a_session_and_what_has_none_says_that_it_stays() {
    let lab = Lab::new();
    lab.random("root/big", 6_000_000, 1);
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 ftp root root as files", "files of");
    terminal.line("get big from $files to copy rate 100KB/s as down &");
    terminal.line("print gone; wait $down");
    terminal.press_until(SUSPEND, "down goes on in the background");
    terminal.line("print again; sleep 60s");
    terminal.press_until(SUSPEND, "this command cannot go on in the background");
    terminal.interrupt();
    terminal.see("the prompt", |screen| screen.ends_with("nls>"));
}

#[test]
fn a_server_tells_at_its_prompt_what_clients_send_and_get_and_what_broke() {
    let lab = Lab::new();
    lab.random("big", 6_000_000, 1);
    lab.write("root/small", "small");
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 ftp root root as files", "files of");
    terminal.run("get small from $files to here", "[files] 127.0.0.1");
    terminal.line("send big to $files rate 3MB/s as up &");
    terminal.see("how it begins", |screen| screen.contains("sends big: 5.7 MiB"));
    terminal.run("sessions $files", " %");
    terminal.line("expect $files.bytes_in > 2M within 10s; stop $up");
    terminal.see("how it ends", |screen| {
        screen.lines().filter(|line| line.starts_with("[files] 127.0.0.1")).count() >= 3
            && screen.ends_with("nls>")
    });
    terminal.run("parts root", ".big.nls-part");
    terminal.run("parts root remove", "removed");
    terminal.run("parts root", "nothing is left behind here");
}

#[test]
fn a_server_of_films_tells_at_its_prompt_who_opens_which() {
    let lab = Lab::new();
    lab.random("root/film", 100_000, 1);
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen udp 0 stream root root as cinema", "media of");
    terminal.run("stream film from $cinema to copy", "[cinema] 127.0.0.1");
    terminal.run("log $cinema", "opens film, 100000 bytes");
}

#[test]
fn what_a_guest_says_comes_before_its_end_while_a_line_is_edited() {
    use std::io::Write as _;
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 chat turns off as room", "a conversation with many");
    let mut guest = std::net::TcpStream::connect(terminal.address()).unwrap();
    guest.write_all(b"first words\nlast words\n").unwrap();
    guest.shutdown(std::net::Shutdown::Write).unwrap();
    terminal.see("its end", |screen| screen.contains("left") && screen.contains("last words"));
    let screen = terminal.text();
    let place = |words| screen.find(words).unwrap();
    assert!(place("first words") < place("last words"), "{screen}");
    assert!(place("last words") < place("guest left"), "{screen}");
}

#[test]
fn a_session_typed_at_the_prompt_is_recorded_and_plays_again() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("record lesson.nls", "recording to lesson.nls");
    terminal.run("listen tcp 0 calc", "a calculator");
    terminal.run("calc 7 % 3", "\n1\n");
    terminal.run("listen tcp 0 chat as room", "a conversation with many");
    terminal.line("chat tcp $room name ann as ann");
    terminal.see("attached", |screen| screen.ends_with("say>"));
    terminal.line("hello room");
    terminal.see("the message", |screen| screen.contains("ann: hello room"));
    terminal.see("the prompt of the chat", |screen| screen.ends_with("say>"));
    terminal.keys(END);
    terminal.see("the prompt", |screen| screen.ends_with("nls>"));
    terminal.run("say $room \"hi ann\"", "host: hi ann");
    terminal.run("record", "recorded 6 commands");
    terminal.line("quit now");
    terminal.ends();
    lab.run(&["test", "lesson.nls", "--repeat", "100", "--jobs", "4"]).success();
}

#[test]
fn an_interrupt_that_ends_a_conversation_is_recorded_too() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("record lesson.nls", "recording to lesson.nls");
    terminal.run("listen tcp 0 chat as room", "a conversation with many");
    terminal.line("chat tcp $room name ann as ann");
    terminal.see("attached", |screen| screen.ends_with("say>"));
    terminal.keys(INTERRUPT);
    terminal.see("the prompt", |screen| screen.contains("ended") && screen.ends_with("nls>"));
    terminal.run("say $room hi", "nobody is here");
    terminal.run("record", "recorded 4 commands");
    terminal.line("quit now");
    terminal.ends();
    let text = std::fs::read_to_string(lab.path("lesson.nls")).unwrap();
    assert!(text.contains("\nstop $ann\n"), "{text}");
    lab.run(&["test", "lesson.nls"]).success();
}

#[test]
fn row_33_an_interrupt_ends_the_command_and_not_the_shell() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 calc as c", "a calculator");
    terminal.keys("half a li");
    terminal.see("the line", |screen| screen.ends_with("half a li"));
    terminal.interrupt();
    terminal.line("print go; wait $c");
    terminal.see("the command runs", |screen| screen.ends_with("\ngo"));
    terminal.keys(INTERRUPT);
    terminal.see("the prompt", |screen| screen.contains("interrupted") && screen.ends_with("nls>"));
    terminal.run("calc 6*7", "\n42\n");
    terminal.keys(END);
    terminal.ends();
}

#[test]
fn row_86_output_of_sessions_leaves_the_typed_line_whole() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 chat as room", "a conversation");
    terminal.keys("print half a line");
    terminal.see("the line", |screen| screen.ends_with("nls> print half a line"));
    let address = terminal.address();
    lab.nls(&format!("chat tcp {address} name guest as g; say $g hello")).success();
    terminal.see("the message above the line", |screen| {
        screen.contains("guest: hello") && screen.ends_with("nls> print half a line")
    });
    terminal.keys(" goes on\r");
    terminal.see("the whole line", |screen| screen.contains("\nhalf a line goes on\n"));
}

#[test]
fn commands_run_and_the_prompt_comes_back() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("lis tcp 0 calc as c", "a calculator");
    terminal.run("calc 7 % 3", "\n1\n");
    terminal.run("calc 1/0", "division by zero at column 2");
    terminal.run("sned x", "did you mean `send`?");
    terminal.run("sessions", "calc server");
    terminal.keys("quit\r");
    terminal.ends();
}

#[test]
fn a_verb_in_the_first_place_enters_the_conversation_at_once() {
    let lab = Lab::new();
    let (_server, address) = lab.server("listen tcp 0 echo");
    let mut command = std::process::Command::new(crate::harness::PROGRAM);
    lab.dress(&mut command);
    command.env("NLS_HISTFILE", "").env("NO_COLOR", "1").args(["-n", "connect", "tcp", &address]);
    let mut terminal = Terminal::spawn(command);
    terminal.see("the conversation", |screen| screen.ends_with("say>"));
    terminal.line("hello");
    terminal.see("what comes back", |screen| screen.contains("< hello"));
    terminal.keys(END);
    terminal.see("the prompt", |screen| screen.ends_with("nls>"));
}

#[test]
fn a_script_can_come_before_the_prompt() {
    let lab = Lab::new();
    lab.write("first.nls", "listen tcp 0 calc as c\nlet x = 5\n");
    let mut terminal = Terminal::new(&lab, &["-i", "first.nls"], None);
    terminal.run("calc $x + 1", "\n6\n");
}

#[test]
fn a_raw_session_is_typed_to_and_shown_in_hexadecimal_on_a_key() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 echo as e", "an echo");
    terminal.line("connect tcp $e as c");
    terminal.see("its prompt", |screen| screen.ends_with("say>"));
    terminal.keys("hello\r");
    terminal.see("the answer as text", |screen| screen.contains("\n[c] < hello\n"));
    // What was typed so far stays on the line.
    terminal.keys("more\u{18}");
    terminal.see("the new form", |screen| {
        screen.contains("shown in hexadecimal; Ctrl-X changes it") && screen.ends_with("say> more")
    });
    terminal.keys("\r");
    terminal.see("both directions", |screen| {
        screen.contains("> 00000006  6d 6f 72 65 0a ") && screen.contains("< 00000006  6d 6f 72 65 0a ")
    });
    terminal.keys("\u{18}text\r");
    terminal
        .see("text again", |screen| screen.contains("shown as text") && screen.contains("\n[c] < text\n"));
    terminal.keys(LEAVE);
    terminal.see("the prompt", |screen| screen.ends_with("nls>"));
    terminal.line("attach e");
    terminal.keys("\u{18}");
    terminal.see("why not", |screen| screen.contains("e is no raw session"));
}

#[test]
fn row_93_a_secret_on_two_lines_of_a_dump_is_masked() {
    let lab = Lab::new();
    let variables = [("NLS_HISTFILE", ""), ("NO_COLOR", "1"), ("TOK", "hunter2-Passwort")];
    let mut terminal = Terminal::with(&lab, &[], &variables);
    terminal.run("secret TOK", "nls>");
    terminal.run("listen tcp 0 echo as e", "an echo");
    terminal.line("connect tcp $e as c");
    terminal.see("its prompt", |screen| screen.ends_with("say>"));
    terminal.keys("\u{18}");
    terminal.see("the form", |screen| screen.contains("shown in hexadecimal"));
    terminal.keys(LEAVE);
    terminal.see("the prompt", |screen| screen.ends_with("nls>"));
    terminal.line("say c \"user: $TOK\"");
    terminal.see("what was sent, and the answer", |screen| {
        screen.matches("75 73 65 72 3a 20 ** ** ** ** ** ** ** ** ** **  user: **********").count() == 2
            && screen.matches("** ** ** ** ** ** 0a").count() == 2
    });
    terminal.run("log c", "nls>");
    assert!(!terminal.text().contains("68 75 6e"), "{}", terminal.text());
}

#[test]
fn attach_shows_what_happens_in_a_server_and_each_key_leaves_it_alive() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 calc as c", "a calculator");
    let address = terminal.address();
    for leave in [LEAVE, SUSPEND, END, INTERRUPT] {
        terminal.line("attach c");
        terminal.see("its prompt", |screen| {
            screen.contains("watching c (calc server)") && screen.ends_with("see>")
        });
        lab.nls(&format!("calc 1+1 at {address}")).success();
        terminal.see("who came and left, above the prompt", |screen| {
            let after = screen.rsplit("watching c").next().unwrap();
            after.contains("connected") && after.contains(" left") && screen.ends_with("see>")
        });
        terminal.keys("hello\r");
        terminal.see("that nobody hears it", |screen| {
            screen.rsplit("watching c").next().unwrap().contains("c does not accept input")
        });
        // What is typed right behind the key is kept.
        terminal.keys(&format!("{leave}print left with {}\r", leave.len()));
        terminal.see("the prompt", |screen| screen.ends_with("\nleft with 1\nnls>"));
        terminal.run("calc 2+3 at $c", "\n5\n");
        terminal.forget();
    }
    terminal.run("sessions", "listening");
}

#[test]
fn a_key_that_comes_between_two_lines_of_a_conversation_is_not_lost() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 calc as c", "a calculator");
    // Whoever waits for the answer, and not for the next prompt, often types before the editor reads again.
    for _ in 0..ROUNDS {
        for leave in [SUSPEND, END, INTERRUPT] {
            terminal.line("attach c");
            terminal.see("its prompt", |screen| screen.ends_with("see>"));
            terminal.keys("hello\r");
            terminal.see_at_once("c does not accept input");
            terminal.keys(leave);
            terminal
                .see("the prompt", |screen| screen.contains("detached from c") && screen.ends_with("nls>"));
            terminal.forget();
        }
    }
}

#[test]
fn the_end_that_comes_right_behind_an_answer_is_not_lost() {
    let lab = Lab::new();
    for _ in 0..ROUNDS {
        let mut terminal = Terminal::new(&lab, &[], None);
        terminal.keys("print 77\r");
        terminal.see_at_once("\r\n77\r\n");
        terminal.keys(END);
        terminal.ends();
    }
}

#[test]
fn sessions_watch_draws_in_place_and_an_interrupt_is_its_usual_end() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 chat as room max 9 turns off", "a conversation");
    terminal.run("chat tcp $room name ann as ann &", "in the background");
    terminal.line("sessions watch 50ms");
    let ages = |screen: &str| screen.matches("chat server").count() == 1 && screen.contains("rate");
    terminal.see("the table, once", ages);
    let first = terminal.text();
    terminal.see("another table in its place", |screen| screen != first && ages(screen));
    terminal.keys(INTERRUPT);
    terminal.see("the prompt, and no error", |screen| {
        screen.ends_with("nls>") && !screen.contains("interrupted") && ages(screen)
    });
    // Narrow: columns give way, and no line is broken.
    terminal.resize(50, 30);
    terminal.keys("\u{c}");
    terminal.line("sessions");
    terminal.see("a table that fits", |screen| {
        let lines: Vec<&str> = screen.lines().collect();
        lines.len() == 4
            && lines[1].starts_with("id ")
            && lines[2].starts_with("%1 ")
            && lines[3].starts_with("%2 ")
            || lines.len() == 5 && lines[4] == "nls>"
    });
    assert!(!terminal.text().contains("age"), "{}", terminal.text());
}

#[test]
fn plot_draws_in_braille_in_ascii_and_as_a_table() {
    let lab = Lab::new();
    lab.random("root/big", 3_000_000, 1);
    let script = "listen udp 0 ftp root root as files; link udp 0 to $files loss 5% delay 5ms as bad; \
                  get big from $bad to copy rate 6MB/s as down";
    for (locale, dot) in [("C.UTF-8", "⣿"), ("C", "###")] {
        let mut terminal = Terminal::with(&lab, &[], &[("LC_ALL", locale), ("NO_COLOR", "1")]);
        terminal.keys(&format!("{script}\r"));
        terminal.see("the file", |screen| screen.contains("got big") && screen.ends_with("nls>"));
        terminal.keys("\u{c}");
        terminal.line("plot files");
        terminal.see("the picture", |screen| {
            ["out", "round trip", "sent again", "MiB/s", dot].iter().all(|part| screen.contains(part))
                && screen.ends_with("nls>")
        });
        terminal.run("set $bad loss 20%", "loss 20%");
        terminal.run("log $bad last 1", "set          loss 20%");
        terminal.keys("\u{c}");
        terminal.line("plot bad");
        terminal.see("what was lost, and the change", |screen| {
            ["dropped", "set ^", ": loss 20%"].iter().all(|part| screen.contains(part))
                && screen.ends_with("nls>")
        });
        std::fs::remove_file(lab.path("copy")).unwrap();
    }
    let run =
        lab.nls(&format!("{script}; plot $files as p; expect $p.peak > 1000; expect $p.retransmitted > 0"));
    assert!(run.success().out.contains("until"), "a table");
}

#[test]
fn the_bar_shows_what_was_there_before_and_an_interrupt_keeps_it() {
    let lab = Lab::new();
    lab.random("root/big", 20_000_000, 1);
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 ftp root root as files", "files of");
    let line = "get big from $files to copy rate 8MB/s";
    terminal.line(line);
    terminal.see("the bar moves", |screen| {
        screen.lines().any(|line| line.contains("█") && line.contains(" 4.") && line.contains("/19.1 MiB"))
    });
    terminal.keys(INTERRUPT);
    terminal.see("the prompt, and what is kept", |screen| {
        screen.contains("interrupted") && screen.contains("copy.nls-part") && screen.ends_with("nls>")
    });
    terminal.line(line);
    terminal.see("what was there", |screen| {
        screen.lines().any(|line| line.contains("/19.1 MiB") && line.contains("resumed"))
    });
    terminal.see("the whole", |screen| screen.contains("got big") && screen.ends_with("nls>"));
    assert!(std::fs::read(lab.path("copy")).unwrap() == std::fs::read(lab.path("root/big")).unwrap());
}

#[test]
fn the_bar_of_a_slow_transfer_moves_all_the_time() {
    let lab = Lab::new();
    lab.random("big", 300_000, 1);
    std::fs::create_dir(lab.path("root")).unwrap();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 ftp root root as files", "files of");
    terminal.line("send big to $files rate 100KB/s");
    terminal.see("the end", |screen| screen.contains("sent big") && screen.ends_with("nls>"));
    let seen = String::from_utf8_lossy(&terminal.seen);
    let places: std::collections::BTreeSet<&str> =
        seen.split(" KiB/293.0 KiB").filter_map(|before| before.rsplit(' ').next()).collect();
    assert!(places.len() > 5, "it stood at {places:?}");
}

#[test]
fn no_line_of_a_diagram_is_broken_by_a_narrow_terminal() {
    let lab = Lab::new();
    lab.random("big", 3000, 1);
    std::fs::create_dir(lab.path("root")).unwrap();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen udp 0 ftp root root as files", "files of");
    terminal.run("send big to $files chunk 1000 as up", "sent big");
    terminal.resize(40, 30);
    terminal.keys("\u{c}");
    terminal.line("diagram up last 4");
    terminal.see("the prompt", |screen| screen.lines().count() > 4 && screen.ends_with("nls>"));
    let text = terminal.text();
    // What a line that is broken would go on with has no lifeline at its place.
    let lines: Vec<&str> = text.lines().collect();
    let lifeline = lines.iter().find_map(|line| line.chars().position(|c| c == '├')).expect("a lifeline");
    let first = lines.iter().position(|line| line.contains('├')).unwrap();
    let is_legend = |line: &str| line.trim_start().starts_with(['×', '─', '═', '┄']);
    let rows = lines[first..].iter().copied().take_while(|line| !line.is_empty() && !is_legend(line));
    let drawn: Vec<&str> = rows.collect();
    let has_it = |line: &&str| line.chars().nth(lifeline).is_some_and(|c| "├│┤".contains(c));
    assert!(drawn.len() > 3 && drawn.iter().all(has_it), "{text}");
}

#[test]
fn a_job_of_more_than_ten_seconds_rings_when_it_ends() {
    let lab = Lab::new();
    lab.random("root/big", 1_050_000, 1);
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 ftp root root as files", "files of");
    terminal.run("get big from $files to short &", "in the background");
    terminal.see("its end", |screen| screen.contains("/short: 1.0 MiB"));
    assert!(!terminal.seen.contains(&7), "no bell");
    terminal.run("get big from $files to long rate 100KB/s &", "in the background");
    terminal.see("its end", |screen| screen.contains("/long: 1.0 MiB"));
    assert_eq!(terminal.seen.iter().filter(|&&byte| byte == 7).count(), 1);
}

#[test]
fn what_came_elsewhere_is_counted_in_the_prompt_and_in_sessions() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.run("listen tcp 0 chat as room max 9 turns off", "a conversation");
    terminal.run("chat tcp $room name ann as ann &", "in the background");
    terminal.run("say $ann one; say $ann two", "ann: two");
    terminal.line("print next");
    terminal.see("the count", |screen| screen.ends_with("(2 unread) nls>"));
    terminal.line("sessions");
    terminal.see("the count", |screen| screen.contains("listening, 2 unread"));
    terminal.line("attach room");
    terminal.see("its prompt", |screen| screen.ends_with("say>"));
    terminal.keys(LEAVE);
    terminal.see("nothing is unread", |screen| screen.ends_with("\nnls>"));
    terminal.line("quit");
    terminal
        .see("what is alive", |screen| screen.contains("still running: room") && screen.ends_with("nls>"));
    terminal.line("quit now");
    terminal.ends();
}

/// The line editor waits for descriptors below 1024 only.
#[test]
fn a_thousand_sockets_leave_the_prompt_alive() {
    let lab = Lab::new();
    let mut terminal = Terminal::new(&lab, &[], None);
    terminal.keys("repeat 1020: listen tcp 0 calc\r");
    terminal.see("the last", |screen| screen.ends_with("nls>") && screen.contains("a calculator"));
    terminal.run("print still here", "\nstill here\n");
    terminal.run("calc 6 * 7", "\n42\n");
    terminal.run("stop all", "stopped 1020 sessions");
    terminal.keys("quit\r");
    terminal.ends();
}
