//! Completion scripts for other shells, generated from the tables of options and verbs.

use super::usage::{Flag, OPTIONS, TEST_OPTIONS, Value};
use crate::language::statement::STATEMENTS;
use crate::shell::builtin::help::TOPICS;
use crate::shell::catalogue;

/// Shells that [`script`] supports.
pub(super) const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];
/// Words that may come first instead of a script.
const MODES: [(&str, &str); 3] =
    [("test", "run tests"), ("check", "find every error without running"), ("help", "all commands, or one")];

/// The text of `nls help bash` and so on; `None` if the shell is not supported.
pub(super) fn script(shell: &str) -> Option<String> {
    Some(match shell {
        "bash" => bash(),
        "zsh" => zsh(),
        "fish" => fish(),
        _ => return None,
    })
}

/// The topics of `nls help`, with short descriptions.
fn topics() -> Vec<(&'static str, &'static str)> {
    let verbs = catalogue::entries().map(|entry| (entry.verb().name, entry.verb().summary));
    let statements = STATEMENTS.iter().map(|form| (form.word, form.help));
    let own = ["man", "bash", "zsh", "fish"].map(|word| (word, "for other programs"));
    verbs.chain(statements).chain(TOPICS.iter().copied()).chain(own).collect()
}

fn words<'a>(flags: impl IntoIterator<Item = &'a Flag>) -> String {
    flags.into_iter().flat_map(Flag::names).collect::<Vec<_>>().join(" ")
}

fn choice(flag: &Flag) -> Option<&'static [&'static str]> {
    match flag.value {
        Value::Choice(words) => Some(words),
        _ => None,
    }
}

fn bash() -> String {
    let topics: Vec<&str> = topics().iter().map(|(word, _)| *word).collect();
    let modes: Vec<&str> = MODES.iter().map(|(word, _)| *word).collect();
    let choices = bash_choices();
    let formats = crate::output::reports::FORMATS.join(" ");
    format!(
        "# Completion of nls in bash: source <(nls help bash)
_nls() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} mode=${{COMP_WORDS[1]}}
    case $before in
{choices}        --report) COMPREPLY=($(compgen -W '{formats}' -- \"$word\")); return ;;
        -c|--seed|--jobs|-j|--filter|--tag|--repeat|--retries) return ;;
    esac
    if [ \"$COMP_CWORD\" -gt 1 ] && [ \"$mode\" = help ]; then
        COMPREPLY=($(compgen -W '{}' -- \"$word\"))
    elif [[ $word == -* ]] && [ \"$mode\" = test ]; then
        COMPREPLY=($(compgen -W '{} --seed' -- \"$word\"))
    elif [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W '{}' -- \"$word\"))
    else
        COMPREPLY=($(compgen -f -- \"$word\"))
        if [ \"$COMP_CWORD\" -eq 1 ]; then
            COMPREPLY+=($(compgen -W '{}' -- \"$word\"))
        fi
    fi
}}
complete -o filenames -F _nls nls
",
        topics.join(" "),
        words(&TEST_OPTIONS),
        words(&OPTIONS),
        modes.join(" "),
    )
}

/// An arm of bash's `case` for each option that has a fixed set of values.
fn bash_choices() -> String {
    OPTIONS
        .iter()
        .filter_map(|flag| {
            let words = choice(flag)?.join(" ");
            Some(format!(
                "        {}) COMPREPLY=($(compgen -W '{words}' -- \"$word\")); return ;;\n",
                flag.long
            ))
        })
        .collect()
}

/// Escapes text inside single quotes for zsh, where `[`, `]` and `:` are delimiters.
fn zsh_text(text: &str) -> String {
    text.replace('\'', "").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:")
}

fn zsh() -> String {
    let flags = |flags: &[Flag]| -> String { flags.iter().map(zsh_flag).collect() };
    let pairs = |pairs: &[(&str, &str)]| -> String {
        pairs.iter().map(|(word, help)| format!("        '{word}:{}'\n", zsh_text(help))).collect()
    };
    format!(
        "#compdef nls
# Completion of nls in zsh: nls help zsh > a folder of $fpath, as _nls
_nls() {{
    local -a modes topics
    modes=(
{}    )
    topics=(
{}    )
    if (( CURRENT > 2 )) && [[ $words[2] == help ]]; then
        _describe topic topics
    elif (( CURRENT > 2 )) && [[ $words[2] == test ]]; then
        _arguments \\
{}        '--seed[seed of random decisions]:N: ' \\
        '*:path:_files'
    else
        if (( CURRENT == 2 )); then
            _describe mode modes
        fi
        _arguments \\
{}        '*:script:_files'
    fi
}}
_nls \"$@\"
",
        pairs(&MODES),
        pairs(&topics()),
        flags(&TEST_OPTIONS),
        flags(&OPTIONS),
    )
}

/// The arguments of zsh's `_arguments` for an option, one for each of its names.
fn zsh_flag(flag: &Flag) -> String {
    let value = match flag.value {
        Value::None => String::new(),
        Value::Choice(words) => format!(":value:({})", words.join(" ")),
        Value::File(name) => format!(":{name}:_files"),
        Value::Any(name) => format!(":{}: ", zsh_text(name)),
    };
    let names = flag.names().filter(|name| *name != "--");
    names.map(|name| format!("        '{name}[{}]{value}' \\\n", zsh_text(flag.help))).collect()
}

fn fish() -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let flag = |flag: &Flag, condition: &str| {
        let short = flag.short.strip_prefix('-').map(|name| format!(" -s {name}")).unwrap_or_default();
        let long = flag.long.strip_prefix("--").map(|name| format!(" -l {name}")).unwrap_or_default();
        let value = match flag.value {
            Value::None => String::new(),
            Value::Choice(words) => format!(" -x -a '{}'", words.join(" ")),
            Value::File(_) => " -r".into(),
            Value::Any(_) => " -x".into(),
        };
        format!("complete -c nls{condition}{short}{long}{value} -d '{}'\n", quoted(flag.help))
    };
    let mut out =
        "# Completion of nls in fish: nls help fish > ~/.config/fish/completions/nls.fish\n".to_owned();
    for (word, help) in MODES {
        out.push_str(&format!("complete -c nls -n __fish_is_first_arg -a {word} -d '{}'\n", quoted(help)));
    }
    for (word, help) in topics() {
        let seen = "-n '__fish_seen_subcommand_from help' -f";
        out.push_str(&format!("complete -c nls {seen} -a {word} -d '{}'\n", quoted(help)));
    }
    for row in OPTIONS.iter().filter(|row| row.long != "--") {
        out.push_str(&flag(row, ""));
    }
    for row in &TEST_OPTIONS {
        out.push_str(&flag(row, " -n '__fish_seen_subcommand_from test'"));
    }
    out
}
