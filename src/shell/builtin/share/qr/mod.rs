//! `qr`: an address or a text as a QR code, for the camera of a phone.
//!
//! | file | holds |
//! |---|---|
//! | `place` | the address of a session, as others use it |
//! | `code` | a text as modules |

mod code;
mod place;

pub(super) use code::symbol;

use self::place::{Place, address_for_others};
use crate::base::Value;
use crate::language::{Arguments, Field, FromArguments, Kind, Param, SessionRef, Verb};
use crate::report::{Failure, Ground, Outcome};
use crate::shell::builtin::share::errors;
use crate::shell::builtin::{BARE, Builtin, next};
use crate::shell::{Binding, Shell};

pub(in crate::shell::builtin) static QR: Builtin = Builtin {
    verb: &Verb {
        name: "qr",
        summary: "an address or a text as a QR code, for a phone",
        details: "Of a server that speaks HTTP the code is its URL, of any other its address and port: the first address that other machines reach, if it listens `on any`. With colours it is black on white; without them it is drawn for a dark terminal, with `light` for a light one.",
        params: &[
            Param::required(
                "what",
                Kind::SessionOrText,
                "a session that listens, a text in quotes, or a URL",
            ),
            Param::optional(
                "ground",
                Kind::Choice(&["dark", "light"]),
                "the terminal, where it has no colours",
            ),
        ],
        fields: &[
            Field::text("url", "what the code says"),
            Field::text("addr", "of a session: address and port"),
            Field::count("size", "modules of a side"),
        ],
        example: "qr $files",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let QrOptions { what, ground } = QrOptions::from_arguments(&arguments);
            let Place { url, addr, note } = match what {
                What::Session(session) => place(shell, &session)?,
                What::Text(text) => Place::of_text(text),
            };
            // The modules cannot be masked as a text is (row 93).
            if shell.secrets().occur_in(&url) {
                return Err(errors::secret_in_code());
            }
            let symbol = code::symbol(&url, ground)?;
            let shown = [Some(url.clone()), note].into_iter().flatten().collect::<Vec<_>>().join("\n");
            let mut fields = vec![("url", Value::Text(url)), ("size", Value::count(symbol.size as u64))];
            fields.extend(addr.map(|addr| ("addr", Value::Text(addr))));
            next(Outcome { symbol: Some(symbol), ..Outcome::new(shown, fields) })
        })
    },
};

/// `qr`.
struct QrOptions {
    what: What,
    ground: Ground,
}

/// What the code is of.
enum What {
    Session(SessionRef),
    Text(String),
}

impl FromArguments for QrOptions {
    fn from_arguments(arguments: &Arguments) -> Self {
        let text = || What::Text(arguments.text("what").unwrap_or_default().to_owned());
        Self {
            what: arguments.session("what").cloned().map_or_else(text, What::Session),
            ground: if arguments.text("ground") == Some("light") { Ground::Light } else { Ground::Dark },
        }
    }
}

/// What a name stands for: a session, or a text that `let` has bound.
fn place(shell: &Shell, reference: &SessionRef) -> Result<Place, Failure> {
    if let SessionRef::Name(name) = reference
        && let Some(Binding::Value(value)) = shell.binding(name)
    {
        return Ok(Place::of_text(value.to_string()));
    }
    address_for_others(&*shell.session(reference)?)
}
