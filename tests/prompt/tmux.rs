//! A person's hour in a real terminal multiplexer: two panes, one talks to the other.

use std::process::Command;

use crate::harness::{Lab, PROGRAM, eventually, has};

/// A tmux server of its own, which ends with it.
struct Tmux {
    lab: Lab,
}

impl Tmux {
    fn start() -> Self {
        let tmux = Self { lab: Lab::new() };
        tmux.run(&["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", &tmux.program()]);
        tmux.run(&["split-window", "-v", &tmux.program()]);
        tmux
    }

    fn program(&self) -> String {
        let folder = self.lab.folder.path().display();
        format!("cd {folder} && env NLS_HISTFILE= NLS_RC= LC_ALL=C.UTF-8 {PROGRAM} -n")
    }

    fn run(&self, words: &[&str]) -> String {
        let socket = self.lab.path("socket").display().to_string();
        let mut command = Command::new("tmux");
        command.args(["-u", "-S", &socket]).args(words).env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        let output = command.output().expect("tmux");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn keys(&self, pane: &str, keys: &[&str]) {
        self.run(&[&["send-keys", "-t", pane], keys].concat());
    }

    fn line(&self, pane: &str, line: &str) {
        self.keys(pane, &["-l", line]);
        self.keys(pane, &["Enter"]);
    }

    fn text(&self, pane: &str) -> String {
        self.run(&["capture-pane", "-p", "-J", "-t", pane])
    }

    fn see(&self, pane: &str, what: &str) -> String {
        eventually(&format!("{what} in pane {pane}"), || self.text(pane).contains(what));
        self.text(pane)
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let socket = self.lab.path("socket").display().to_string();
        drop(Command::new("tmux").args(["-S", &socket, "kill-server"]).output());
    }
}

#[test]
fn an_hour_in_tmux() {
    if !has("tmux") {
        return;
    }
    let tmux = Tmux::start();
    let (server, client) = ("0.0", "0.1");
    tmux.see(server, "nls>");
    tmux.see(client, "nls>");
    // A room in one pane, somebody in the other.
    tmux.line(server, "listen tcp 0 chat as room max 1");
    let shown = tmux.see(server, "next, here or in another shell");
    let next = shown.split("of this machine: ").nth(1).unwrap().lines().next().unwrap().trim().to_owned();
    tmux.line(client, &format!("{next} name ann"));
    tmux.see(client, "say>");
    // Half a line stays whole while a message comes.
    tmux.keys(server, &["-l", "print half"]);
    tmux.line(client, "hello from below");
    tmux.see(server, "ann: hello from below");
    tmux.see(server, "nls> print half");
    tmux.keys(server, &["-l", " a line"]);
    tmux.keys(server, &["Enter"]);
    tmux.see(server, "half a line");
    tmux.see(server, "(1 unread) nls>");
    tmux.line(server, "attach room");
    tmux.see(server, "say>");
    tmux.line(server, "hello from above");
    tmux.see(client, "host: hello from above");
    // Larger and smaller, and the line is still there.
    tmux.keys(server, &["-l", "typed before"]);
    tmux.run(&["resize-pane", "-t", server, "-y", "20"]);
    tmux.see(server, "say> typed before");
    tmux.keys(server, &["C-c"]);
    tmux.see(client, "nls>");
    // What is under way shows, and goes away.
    tmux.line(client, "listen tcp 0 ftp root . as files");
    tmux.line(client, "sessions watch 50ms");
    tmux.see(client, "ftp server");
    tmux.keys(client, &["C-c"]);
    tmux.line(client, "attach files");
    tmux.see(client, "see>");
    tmux.keys(client, &["C-]"]);
    tmux.see(client, "detached from files");
    tmux.line(client, "quit");
    tmux.line(server, "quit now");
    eventually("tmux ends with its last pane", || {
        let socket = tmux.lab.path("socket").display().to_string();
        !Command::new("tmux").args(["-S", &socket, "ls"]).output().unwrap().status.success()
    });
}
