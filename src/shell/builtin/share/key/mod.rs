//! `key`: makes keys, shows them, and keeps them for the user.
//!
//! | file | holds |
//! |---|---|
//! | `import` | a key from a file, the environment, the user, or standard input |
//! | `form` | what follows each word of `key` |

mod form;
mod import;

use std::path::{Path, PathBuf};

use self::form::{KeyOptions, Shown, What};
use super::qr::symbol;
use crate::base::{Fields, Key, Value};
use crate::language::{Field, FromArguments, Keyword, Kind, Param, Verb};
use crate::net::random;
use crate::report::{Failure, Ground, Outcome};
use crate::service::contract::keys::{DEFAULT, KeyFolder, KeySource, file, memory};
use crate::shell::Shell;
use crate::shell::builtin::table::{Give, aligned};
use crate::shell::builtin::{BARE, Builtin, next};

pub(in crate::shell::builtin) static KEY: Builtin = Builtin {
    verb: &Verb {
        name: "key",
        summary: "makes, shows and keeps keys: 32 random bytes that two sides share",
        details: "`new` makes a key and keeps it under a name, `default` without one, or writes it to a file. `show` is the only command that prints one: as a text, as 24 words for reading aloud, or as a code for a camera. `import` takes a key of another machine: from a file, from $env.NLS_KEY, typed at the prompt, or from standard input; never from the command, where the history and `ps` would show it. `list` tells keys apart by fingerprints; `forget` overwrites a key and removes it.",
        params: &[
            Param::required("what", Kind::Choice(&What::WORDS), "what to do"),
            Param::optional("name", Kind::Key, "which key"),
            Param::optional("form", Kind::Choice(&Shown::WORDS), "of `show`: how"),
        ],
        keywords: &[
            Keyword::new("to", Kind::Path, "of `new`: a file to write it to, which must not exist"),
            Keyword::new("from", Kind::Path, "of `import`: the file that it is in"),
        ],
        fields: &[
            Field::text("name", "what it is called"),
            Field::text("fingerprint", "tells it from others: 8 hexadecimal digits"),
            Field::text("path", "where it is; of `list`: the folder"),
            Field::text("key", "of `show` only: the key itself"),
            Field::count("keys", "of `list`: how many there are"),
            Field::text("text", "of `list`: the lines"),
        ],
        example: "key new",
        ..BARE
    },
    run: |shell, arguments| {
        Box::pin(async move {
            let options = KeyOptions::from_arguments(&arguments);
            options.check()?;
            match options.what {
                What::New => next(new(shell, &options)?),
                What::Show => next(show(shell, &options)?),
                What::List => next(list()?),
                What::Import => next(import(shell, &options).await?),
                What::Forget => next(forget(&options)?),
            }
        })
    },
};

/// Makes a key. With a file and no name, it is in that file only; with both, it is kept as well.
fn new(shell: &Shell, options: &KeyOptions) -> Result<Outcome, Failure> {
    memory::protect();
    let target = options.to.as_deref().map(|path| shell.directory().join(path));
    let key = Key::made_by(random::fill);
    shell.secrets().add_key(import::VARIABLE, &key);
    let name = match (&options.key, &target) {
        (None, Some(_)) => None,
        _ => Some(options.name_or(DEFAULT)?),
    };
    let kept = name.as_deref().map(|name| KeyFolder::find()?.keep(name, &key)).transpose()?;
    if let Some(target) = &target
        && let Err(failure) = file::create(target, &key)
    {
        // Nothing remains of a command that failed.
        kept.as_deref().map(file::erase).transpose()?;
        return Err(failure);
    }
    let shown = name.as_deref().unwrap_or("the key");
    let path = kept.as_ref().or(target.as_ref()).cloned().unwrap_or_default();
    let copy = kept.as_ref().and(target.as_ref());
    let copy = copy.map_or_else(String::new, |copy| format!(", and in {}", copy.display()));
    let text = format!("{shown} {key} is in {}{copy}", path.display());
    Ok(Outcome::new(text, facts(name.as_deref(), &key, &path)))
}

/// Shows a key, and masks it in all output but this one.
fn show(shell: &Shell, options: &KeyOptions) -> Result<Outcome, Failure> {
    let choice = options.key.as_ref().ok_or_else(|| options.misused())?;
    let named = choice.resolve(shell.directory(), shell.secrets())?;
    let key = match options.form {
        Shown::Text | Shown::Code => named.key.text(),
        Shown::Words => named.key.words(),
    };
    // Capitals and digits alone take fewer modules.
    let code =
        (options.form == Shown::Code).then(|| symbol(&key.to_uppercase(), Ground::Dark)).transpose()?;
    let path = match &choice.source {
        KeySource::Folder => KeyFolder::find()?.file(&choice.name)?,
        KeySource::File(path) => shell.directory().join(path),
        KeySource::Given(_) => PathBuf::new(),
    };
    let mut fields = facts(Some(&named.name), &named.key, &path);
    fields.push(("key", Value::text(&**key)));
    Ok(Outcome { symbol: code, reveals: true, ..Outcome::new(&**key, fields) })
}

fn list() -> Result<Outcome, Failure> {
    let folder = KeyFolder::find()?;
    let names = folder.names();
    // A key that is refused is listed with the reason, so that it is not thought lost.
    let rows: Vec<[String; 2]> = names
        .iter()
        .map(|name| {
            [name.clone(), folder.read(name).map_or_else(|why| why.to_string(), |key| key.fingerprint())]
        })
        .collect();
    let text = if rows.is_empty() {
        format!("no keys in {}; `key new` makes one", folder.path().display())
    } else {
        aligned(&rows, [Give::Keep, Give::Keep], None).join("\n")
    };
    let fields = vec![
        ("keys", Value::count(names.len() as u64)),
        ("path", Value::Text(folder.path().display().to_string())),
        ("text", Value::Text(text.clone())),
    ];
    Ok(Outcome::new(text, fields))
}

async fn import(shell: &Shell, options: &KeyOptions) -> Result<Outcome, Failure> {
    let name = options.name()?;
    let folder = KeyFolder::find()?;
    // Said before a key is asked for.
    folder.file(&name)?;
    let import::Imported { key, note } = import::import(shell, options.from.as_deref(), &name).await?;
    let path = folder.keep(&name, &key)?;
    let note = note.map_or_else(String::new, |note| format!("\n{note}"));
    let text = format!("{name} {key} is in {}{note}", path.display());
    Ok(Outcome::new(text, facts(Some(&name), &key, &path)))
}

fn forget(options: &KeyOptions) -> Result<Outcome, Failure> {
    let name = options.name()?;
    let path = KeyFolder::find()?.forget(&name)?;
    let fields = vec![("name", Value::text(&*name)), ("path", Value::Text(path.display().to_string()))];
    Ok(Outcome::new(format!("{name} is forgotten: {} is overwritten and removed", path.display()), fields))
}

/// What is told of a key: never the key.
fn facts(name: Option<&str>, key: &Key, path: &Path) -> Fields {
    vec![
        ("name", Value::text(name.unwrap_or_default())),
        ("fingerprint", Value::Text(key.fingerprint())),
        ("path", Value::Text(path.display().to_string())),
    ]
}
