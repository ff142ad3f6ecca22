//! How large things are: files, functions, signatures, folders. `the_figures_of_the_house` prints them:
//! `cargo test --test suite -- the_figures_of_the_house --nocapture`.

use std::collections::{BTreeMap, BTreeSet};

use super::circles::circles;
use super::source::{Source, product};

/// Lines of code of a file, without its tests.
const FILE_LIMIT: usize = 500;
/// Lines of a function.
const FUNCTION_LIMIT: usize = 60;
/// Lines above which a function is long, and how many may be: tables with an arm for each message.
const LONG_FROM: usize = 40;
const LONG_LIMIT: usize = 6;
/// Longer ones that are left. This list only becomes shorter.
const LONG: [&str; 0] = [];
/// Parameters of a function, `self` aside, above which it is counted.
const PARAMETER_LIMIT: usize = 5;
/// Those with more that are left. This list only becomes shorter.
const MANY: [&str; 1] = ["src/language/plan/planner.rs command"];
/// Files and folders of one folder, its `mod.rs` aside.
const FOLDER_LIMIT: usize = 12;
/// Wider ones that are left. This list only becomes shorter.
const WIDE: [&str; 0] = [];
const PURE: [&str; 6] = ["base", "language", "wire", "reliable", "link", "report"];

struct Function<'a> {
    source: &'a Source,
    line: usize,
    name: String,
    lines: usize,
    parameters: usize,
    is_public: bool,
    has_doc: bool,
}

impl Function<'_> {
    fn place(&self) -> String {
        format!("{}:{} {}", self.source.path, self.line, self.name)
    }
}

/// Functions as rustfmt sets them: one ends at the first brace on its own column.
fn functions(source: &Source) -> Vec<Function<'_>> {
    let lines: Vec<&str> = source.product().lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let start = line.trim_start();
        if start.starts_with("//") {
            continue;
        }
        let Some((before, after)) = line.split_once("fn ") else { continue };
        let modifiers = before.split_whitespace().all(|word| {
            word.starts_with("pub")
                || matches!(word, "const" | "async" | "unsafe" | "super)" | "crate)" | "in")
        });
        let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if !modifiers || name.is_empty() {
            continue;
        }
        let close = format!("{}}}", &line[..line.len() - start.len()]);
        let rest = &lines[at..];
        let one_line = line.ends_with('}') || line.ends_with(';');
        let end = if one_line { 0 } else { rest.iter().position(|line| *line == close).unwrap_or(0) };
        let documented = lines[..at].iter().rev().find(|line| !line.trim_start().starts_with("#["));
        found.push(Function {
            source,
            line: at + 1,
            lines: end + 1,
            parameters: parameters(&rest.join("\n")),
            is_public: start.starts_with("pub"),
            has_doc: documented.is_some_and(|line| line.trim_start().starts_with("///")),
            name,
        });
    }
    found
}

/// Of the first signature in `text`, `self` aside.
fn parameters(text: &str) -> usize {
    let after = text.split_once("fn ").map_or("", |(_, after)| after);
    let (mut depth, mut angle, mut count, mut current) = (0, 0, 0, String::new());
    let mut before = ' ';
    for c in after.chars() {
        match c {
            '<' => angle += 1,
            '>' if before != '-' => angle -= 1,
            '(' | '[' if depth > 0 || angle == 0 => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 1 && angle == 0 && (c == ',') {
            count += usize::from(!current.trim().is_empty() && !current.trim().ends_with("self"));
            current.clear();
        } else if depth == 0 && c == ')' && angle == 0 {
            return count + usize::from(!current.trim().is_empty() && !current.trim().ends_with("self"));
        } else if depth > 1 || (depth == 1 && c != '(') {
            current.push(c);
        }
        before = c;
    }
    count
}

/// Each folder of `src` and how many rooms it has.
fn folders(sources: &[Source]) -> BTreeMap<String, usize> {
    let mut rooms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources
        .iter()
        .filter(|source| !source.path.ends_with("/mod.rs") || source.path.matches('/').count() > 2)
    {
        let mut path = source.path.as_str();
        // The top has the layers, which `src/lib.rs` lists.
        while let Some((folder, room)) = path.rsplit_once('/').filter(|(folder, _)| *folder != "src") {
            if room != "mod.rs" {
                rooms.entry(folder.to_owned()).or_default().insert(room.to_owned());
            }
            path = folder;
        }
    }
    rooms.into_iter().map(|(folder, rooms)| (folder, rooms.len())).collect()
}

#[test]
fn files_stay_readable() {
    for source in product() {
        let lines = source.code().filter(|(_, line)| !line.is_empty()).count();
        assert!(lines <= FILE_LIMIT, "{} has {lines} lines: does it own one thing?", source.path);
        assert!(source.text.starts_with("//!"), "{} does not say what it is", source.path);
    }
}

#[test]
fn functions_stay_short() {
    let sources = product();
    let all: Vec<Function> = sources.iter().flat_map(functions).collect();
    assert!(all.len() > 1500, "{} functions: the reading of them is broken", all.len());
    let long = |function: &&Function| function.lines > FUNCTION_LIMIT;
    let name = |function: &Function| format!("{} {}", function.source.path, function.name);
    let found: BTreeSet<String> = all.iter().filter(long).map(name).collect();
    let known: BTreeSet<String> = LONG.iter().map(|name| (*name).to_owned()).collect();
    let new: Vec<_> = found.difference(&known).collect();
    assert!(new.is_empty(), "functions of more than {FUNCTION_LIMIT} lines: {new:#?}");
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(gone.is_empty(), "take these off the list: {gone:#?}");
    let long: Vec<String> =
        all.iter().filter(|function| function.lines > LONG_FROM).map(Function::place).collect();
    assert!(long.len() <= LONG_LIMIT, "functions of more than {LONG_FROM} lines: {long:#?}");
}

#[test]
fn functions_take_few_parameters() {
    let sources = product();
    let all = sources.iter().flat_map(functions).filter(|function| function.parameters > PARAMETER_LIMIT);
    let found: Vec<String> =
        all.map(|function| format!("{} {}", function.source.path, function.name)).collect();
    assert_eq!(found, MANY, "functions with more than {PARAMETER_LIMIT} parameters");
}

#[test]
fn folders_stay_narrow() {
    let sources = product();
    let found: Vec<String> = folders(&sources)
        .into_iter()
        .filter(|(_, rooms)| *rooms > FOLDER_LIMIT)
        .map(|(folder, _)| folder)
        .collect();
    assert_eq!(found, WIDE, "folders of more than {FOLDER_LIMIT} rooms");
}

#[test]
fn the_figures_of_the_house() {
    let sources = product();
    let all: Vec<Function> = sources.iter().flat_map(functions).collect();
    let longer = |limit: usize| all.iter().filter(|function| function.lines > limit).count();
    let rings = circles();
    let widest = folders(&sources).into_iter().max_by_key(|(_, rooms)| *rooms).unwrap();
    let wide: Vec<String> =
        all.iter().filter(|function| function.parameters > PARAMETER_LIMIT).map(Function::place).collect();
    let pure = |function: &&Function| function.source.layer().is_some_and(|layer| PURE.contains(&layer));
    let (mut public, mut bare) = (0, Vec::new());
    for function in all.iter().filter(pure).filter(|function| function.is_public) {
        public += 1;
        if !function.has_doc {
            bare.push(function.place());
        }
    }
    println!("functions: {}", all.len());
    println!("circles inside layers: {} of {} files", rings.len(), rings.iter().map(Vec::len).sum::<usize>());
    println!("widest folder: {} with {} rooms", widest.0, widest.1);
    println!("functions over 60 lines: {}; over 40: {}", longer(60), longer(40));
    println!("functions with more than {PARAMETER_LIMIT} parameters: {} {wide:#?}", wide.len());
    println!("public functions of pure layers without a doc line: {} of {public} {bare:#?}", bare.len());
    let asked = |source: &Source| {
        let words = [
            "text",
            "texts",
            "number",
            "duration",
            "rate",
            "percent",
            "flag",
            "transport",
            "session",
            "endpoint",
        ];
        let asks = |line: &str| words.iter().any(|word| line.contains(&format!("arguments.{word}(\"")));
        // Options are made in one function for each command.
        let made: Vec<_> = functions(source)
            .iter()
            .filter(|function| function.name == "from_arguments")
            .map(|function| function.line..function.line + function.lines)
            .collect();
        let outside = |line: &usize| !made.iter().any(|lines| lines.contains(line));
        source.code().filter(|(at, line)| asks(line) && outside(at)).count()
    };
    println!(
        "look-ups of arguments by their text, outside of the options structs: {}",
        sources.iter().map(asked).sum::<usize>()
    );
    for (place, count) in
        sources.iter().map(|source| (&source.path, asked(source))).filter(|(_, count)| *count > 0)
    {
        println!("  {place} {count}");
    }
}
