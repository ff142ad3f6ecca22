//! `view`: this shell as a page that moves, for the projector.
//!
//! The page is on loopback, under a random token, and for this user only. It loads nothing from elsewhere. One stream of
//! server-sent events feeds each page; what its user does comes back as a POST.
//!
//! | file | holds |
//! |---|---|
//! | `server` | the HTTP server |
//! | `request` | who may ask for what |
//! | `source` | the sessions, and how their texts may be shown |
//! | `feed` | the stream of one page |
//! | `table` | the sessions and links as JSON |
//! | `packets` | the record and the diagram of a session as JSON |
//! | `change` | what the page changes about a link |
//! | `browser` | opens the page |
//!
//! The page itself is in page.html, page.css and page.js.

mod browser;
mod change;
mod feed;
mod packets;
mod request;
mod server;
mod source;
mod table;

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::super::{BARE, Builtin, next};
use crate::base::Value;
use crate::language::{Arguments, Field, FromArguments, Keyword, Kind, Param, Verb};
use crate::report::{Failure, Outcome};
use crate::session::{Handle, Request, State};
use crate::shell::builtin::see::errors;

pub(in crate::shell::builtin) static VIEW: Builtin = Builtin {
    verb: &Verb {
        name: "view",
        summary: "this shell as a live page in the browser, for the projector",
        details: "The sessions with their rates, the packets of one as a moving diagram and as lines, and the links, whose loss and delay can be changed there and whose packets can be held, stepped and dropped. The page is on this machine only and for this user only: its address has a random token. `stop` ends it.",
        params: &[Param::optional("browser", Kind::Choice(&["none"]), "`none` opens no browser")],
        keywords: &[Keyword::new(
            "on",
            Kind::BindAddress,
            "only 127.0.0.1: in the network the page would need a key",
        )
        .default("127.0.0.1")],
        fields: &[
            Field::text("url", "where the page is, with its token"),
            Field::count("port", "the port"),
            Field::text("addr", "address and port"),
            Field::count("pages", "how many pages are open now"),
            Field::state("state", "listening, done, failed or cancelled"),
            Field::text("error", "why it failed"),
            Field::count("id", "the number of the session"),
        ],
        example: "view none as page",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let ViewOptions { opens, on } = ViewOptions::from_arguments(&arguments);
            if let Some(elsewhere) = on.filter(|on| on != "127.0.0.1") {
                return Err(errors::view_in_the_network(&elsewhere));
            }
            let failed = |error: std::io::Error| Failure::io(&error, "the address of the page");
            let listener = crate::net::tcp::bind_loopback().await.map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            let kind = VIEW.verb.name;
            let request =
                Request { verb: kind, kind: kind.into(), name: None, background: true, parent: None };
            let door = request::Door::new(address.port(), &crate::net::random::random::<16>());
            let url = door.url();
            let (shown, opens) = (url.clone(), opens.then_some(shell.settings.no_shell));
            let shared = source::Source { registry: shell.registry.clone(), secrets: shell.secrets.clone() };
            let began = shell.registry.start(request, move |handle| async move {
                announce(&handle, address, &shown);
                if let Some(is_forbidden) = opens {
                    browser::open(&handle, shown, is_forbidden);
                }
                serve(handle, listener, door, shared).await
            })?;
            // Its fields can be used at once.
            began.until(|state| *state != State::Starting).await;
            let text = format!("{url}\nthis shell as a page; `stop %{}` ends it", began.id);
            shell.began = Some(began);
            next(Outcome::new(text, Vec::new()))
        })
    },
};

/// `view`.
struct ViewOptions {
    opens: bool,
    on: Option<String>,
}

impl FromArguments for ViewOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        Self { opens: arguments.text("browser") != Some("none"), on: arguments.text("on").map(str::to_owned) }
    }
}

fn announce(handle: &Handle, address: SocketAddr, url: &str) {
    handle.set_all([
        ("url", Value::text(url)),
        ("port", Value::count(u64::from(address.port()))),
        ("addr", Value::text(address.to_string())),
        ("pages", Value::count(0)),
    ]);
    handle.running("listening");
}

/// Until the session is stopped.
async fn serve(
    handle: Handle,
    listener: TcpListener,
    door: request::Door,
    source: source::Source,
) -> Result<Outcome, Failure> {
    server::serve(handle, listener, door, source).await;
    Ok(Outcome::new("closed the page", Vec::new()))
}
