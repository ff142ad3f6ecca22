//! The remote calculator: the server computes. nls peers exchange frames, other clients lines of text
//! (`echo '7 % 3' | nc host 9002`), browsers and curl HTTP on the same port.
//!
//! | file | holds |
//! |---|---|
//! | `protocol` | pure: the messages |
//! | `expression` | pure: exact arithmetic |
//! | `client` | the verb `calc` |
//! | `server` | answers questions, in order |
//! | `evaluation` | computes within the limits |
//! | `web` | the calculator over HTTP: as text, as JSON, as a page |
//! | `errors` | the errors of the calculator |
//!
//! The page is made of `calc.html`, `calc.css` and `calc.js`.

mod client;
mod errors;
mod evaluation;
pub mod expression;
pub mod protocol;
mod server;
mod web;

use self::protocol::ID;
use super::contract::keys::{CODE, KEY, KEYS, OFFERS_CODE};
use super::{Client, MessageService, Provider, Run, Serves};
use crate::base::{Carrier, Transport};
use crate::language::verb::Lasting;
use crate::language::{Capability, Field, Keyword, Kind, Param, Service, Verb};
use crate::net::accept::admission::Lines;
use crate::net::udp::Options;
use crate::wire::dialect::Dialect;

/// Checks the syntax without computing: the error, and its column in characters from 1; `None` if it is valid.
pub fn check(text: &str) -> Option<(String, usize)> {
    expression::check(text).map(|trouble| (trouble.why, trouble.column))
}

pub static PROVIDER: Provider = Provider {
    row: Service {
        name: "calc",
        carriers: &[Carrier::TCP, Carrier::UDP],
        summary: "exact arithmetic: calc",
        keywords: &[KEYS, OFFERS_CODE],
        fields: &[],
    },
    id: ID,
    max: |_| 256,
    serves: Serves::Messages(MessageService {
        lists: false,
        lines: Lines::Questions,
        dialects: &[Dialect::Own, Dialect::Http, Dialect::Text],
        greeting: "* nls: a calculator; type an expression such as 7 % 3\n",
        options: Options::STANDARD,
        make: server::make,
    }),
};

pub static CALC: Client = Client {
    verb: &Verb {
        name: "calc",
        aliases: &[],
        summary: "let a server compute",
        details: "+ - * / % and parentheses, exact, on integers of any size and decimals. `%` takes the sign of its divisor, as in Python; `7/2` is 3.5, `1/3` stays 1/3. Without `at` it asks the server used last, else the newest calculator of this shell.",
        params: &[Param::required("expression", Kind::Expression, "what to compute")],
        keywords: &[
            Keyword::new("at", Kind::Endpoint, "the calculator").default("the one used last"),
            KEY,
            CODE,
        ],
        fields: &[
            Field::count("value", "the exact result"),
            Field::seconds("seconds", "from question to answer"),
        ],
        example: "calc 7 % 3 at $calculator",
        next: "record lesson.nls",
        lasting: Lasting::Instant,
        capabilities: &[Capability::Record],
    },
    place: Some(("at", ID)),
    transport: Transport::Tcp,
    run: Run::Direct(client::calc),
};
