//! Which module names which: `use` trees and paths in the code, followed through re-exports to the file that they mean.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;

/// A module as the names from the top of the crate.
pub(super) type Module = Vec<String>;

/// All modules of the crate, and the names that each hands on.
pub(super) struct Crate {
    modules: BTreeSet<Module>,
    /// A module and a name in it → the path that `pub use` gives it.
    handed_on: BTreeMap<(Module, String), Module>,
}

/// One name that a file takes from elsewhere in the crate.
pub(super) struct Import {
    /// As it is written, from the top of the crate.
    pub(super) path: Module,
    pub(super) line: usize,
    /// `pub use`: the name is only handed on.
    pub(super) is_handed_on: bool,
    name: String,
}

impl Crate {
    pub(super) fn of(sources: &[Source]) -> Self {
        let modules = sources.iter().map(Source::module).collect();
        let mut house = Self { modules, handed_on: BTreeMap::new() };
        for source in sources {
            for import in house.imports(source).into_iter().filter(|import| import.is_handed_on) {
                house.handed_on.insert((source.module(), import.name), import.path);
            }
        }
        house
    }

    /// Every name of the crate that `source` mentions, tests aside.
    pub(super) fn imports(&self, source: &Source) -> Vec<Import> {
        let (own, mut found) = (source.module(), Vec::new());
        let mut lines = source.code();
        while let Some((line, text)) = lines.next() {
            let start = text.trim_start();
            let visible = start.starts_with("pub");
            let rest = start.strip_prefix("pub").map_or(start, |rest| match rest.strip_prefix('(') {
                Some(inside) => inside.split_once(") ").map_or("", |(_, rest)| rest),
                None => rest.trim_start(),
            });
            let Some(tree) = rest.strip_prefix("use ") else {
                found.extend(self.inline(&own, text).map(|path| Import {
                    name: path.last().cloned().unwrap_or_default(),
                    path,
                    line,
                    is_handed_on: false,
                }));
                continue;
            };
            let mut tree = tree.to_owned();
            while !tree.contains(';') {
                let Some((_, more)) = lines.next() else { break };
                tree.push_str(more);
            }
            let mut leaves = Vec::new();
            spread("", tree.split(';').next().unwrap_or(""), &mut leaves);
            for leaf in leaves {
                let (path, name) = leaf.split_once(" as ").unwrap_or((&leaf, ""));
                if let Some(path) = self.absolute(&own, path) {
                    let last = path.last().cloned().unwrap_or_default();
                    let name = if name.is_empty() { last } else { name.to_owned() };
                    found.push(Import { path, line, is_handed_on: visible, name });
                }
            }
        }
        found
    }

    /// Paths within an expression or a type.
    fn inline<'a>(&'a self, own: &'a Module, text: &'a str) -> impl Iterator<Item = Module> + 'a {
        ["crate::", "super::"].into_iter().flat_map(move |start| {
            text.match_indices(start).filter_map(move |(at, _)| {
                if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                    return None;
                }
                let path: String = text[at..]
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
                    .collect();
                self.absolute(own, path.trim_end_matches(':'))
            })
        })
    }

    /// From the top of the crate, if it is of this crate.
    fn absolute(&self, own: &Module, path: &str) -> Option<Module> {
        let mut names: Vec<String> =
            path.split("::").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
        let first = names.first()?.clone();
        let mut base = match first.as_str() {
            "crate" => Vec::new(),
            "self" => own.clone(),
            "super" => own[..own.len().checked_sub(1)?].to_vec(),
            _ => {
                let child: Module = own.iter().cloned().chain([first.clone()]).collect();
                if !self.modules.contains(&child) {
                    return None;
                }
                own.clone()
            }
        };
        if matches!(first.as_str(), "crate" | "self" | "super") {
            names.remove(0);
        }
        for name in names {
            if name == "super" {
                base.pop()?;
            } else if name != "self" {
                base.push(name);
            }
        }
        Some(base)
    }

    /// The module in which the thing at `path` is written.
    pub(super) fn home(&self, path: &Module) -> Module {
        let mut known = Vec::new();
        for (at, name) in path.iter().enumerate() {
            let deeper: Module = known.iter().cloned().chain([name.clone()]).collect();
            if self.modules.contains(&deeper) {
                known = deeper;
                continue;
            }
            if let Some(target) = self.handed_on.get(&(known.clone(), name.clone())) {
                let rest = path[at + 1..].iter().cloned();
                return self.home(&target.iter().cloned().chain(rest).collect());
            }
            break;
        }
        known
    }
}

/// `a::{b, c::d}` → `a::b`, `a::c::d`.
fn spread(before: &str, tree: &str, leaves: &mut Vec<String>) {
    let Some((head, rest)) = tree.split_once('{') else {
        if !tree.trim().is_empty() {
            leaves.push(format!("{before}{}", tree.trim()));
        }
        return;
    };
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inside.char_indices().chain([(inside.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                spread(&format!("{before}{}", head.trim()), &inside[start..at], leaves);
                start = at + 1;
            }
            _ => {}
        }
    }
}

#[test]
fn paths_are_followed_to_the_file_that_they_mean() {
    let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    let sources = [
        source("src/a/mod.rs", "mod b;\npub use b::Thing;\n"),
        source("src/a/b.rs", "pub struct Thing;\n"),
        source(
            "src/c.rs",
            "use crate::{\n    a::{Thing, b},\n    d,\n};\nfn f() { super::a::Thing::new(); }\n",
        ),
        source("src/d.rs", ""),
    ];
    let house = Crate::of(&sources);
    let homes: Vec<String> =
        house.imports(&sources[2]).iter().map(|import| house.home(&import.path).join("::")).collect();
    assert_eq!(homes, ["a::b", "a::b", "d", "a::b"]);
}
