//! Opens the page in the user's browser. The address is passed as one argument, never through a shell.

use std::process::Stdio;

use tokio::process::Command;

use crate::session::Handle;

/// Programs that open the user's browser on a page.
const OPENERS: [&str; 2] = ["xdg-open", "open"];

/// True if there is a display. Without one, a browser would open in the terminal, or not at all.
fn has_screen() -> bool {
    cfg!(target_os = "macos")
        || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some())
}

/// Opens the page, or says why not: the address has been shown anyway. `is_forbidden`: by `--no-shell`.
pub(super) fn open(handle: &Handle, url: String, is_forbidden: bool) {
    if is_forbidden {
        return handle.tell("notice", "no browser is opened: `--no-shell`");
    }
    if !has_screen() {
        return handle.tell("notice", "no browser is opened: there is no screen here");
    }
    let teller = handle.clone();
    handle.spawn(async move {
        for name in OPENERS {
            let mut command = Command::new(name);
            command.arg(&url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            // Ctrl-C at the prompt must not reach the browser, and it stays when the page is closed.
            match command.process_group(0).status().await {
                Ok(status) if status.success() => return,
                Ok(_) => break,
                Err(_) => {}
            }
        }
        teller.tell("notice", "no browser could be opened; open the address by hand");
    });
}
