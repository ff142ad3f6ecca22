//! What the documents say of the code is true: the limits of the protocol, the promises for faults.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::source::all;

/// Files by their paths.
type Sources = BTreeMap<String, String>;

fn document(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// The right side of `const NAME: … = …;` in `text`.
fn constant<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let start = text.find(&format!("const {name}:"))?;
    let (_, value) = text[start..].split_once('=')?;
    let end = value.find(";\n")?;
    Some(value[..end].trim())
}

/// A number as the protocol page writes it, or as a constant is written: bytes, milliseconds for times.
fn value(text: &str, sources: &Sources, own: &str) -> Option<f64> {
    let text = text.trim();
    for (operator, apply) in [
        ("<<", (|a, b: f64| a * 2f64.powf(b)) as fn(f64, f64) -> f64),
        (" + ", |a, b| a + b),
        (" - ", |a, b| a - b),
        (" * ", |a, b| a * b),
    ] {
        if let Some((left, right)) = text.rsplit_once(operator) {
            return Some(apply(value(left, sources, own)?, value(right, sources, own)?));
        }
    }
    // A range counts by its end: its start stands in the same row.
    if let Some((_, end)) = text.split_once("..=") {
        return value(end, sources, own);
    }
    for (unit, factor) in
        [("from_mins(", 60e3), ("from_secs(", 1e3), ("from_millis(", 1.0), ("from_micros(", 1e-3)]
    {
        if let Some((_, inside)) = text.split_once(unit) {
            return Some(value(inside.trim_end_matches(')'), sources, own)? * factor);
        }
    }
    let plain = text.split(" as ").next().unwrap_or(text);
    let plain = ["u64", "usize", "u32", "u16"].iter().fold(plain, |text, unit| text.trim_end_matches(unit));
    if let Ok(number) = plain.replace('_', "").parse() {
        return Some(number);
    }
    let name = plain.rsplit("::").next()?;
    let mut places = [own, "src/wire/mod.rs"].into_iter().chain(sources.keys().map(String::as_str));
    let (place, found) = places.find_map(|place| Some((place, constant(&sources[place], name)?)))?;
    value(found, sources, place)
}

/// `1 048 640 bytes`, `16 MiB`, `200 ms`, `0.2 %`, `2^60 bytes`, `1/40`.
fn written(text: &str) -> Option<f64> {
    let text = text.rsplit('–').next().unwrap_or(text).trim();
    let split = text.find(|c: char| c.is_alphabetic() || c == '%').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: String = number.chars().filter(|c| !c.is_whitespace()).collect();
    let number = match (number.split_once('^'), number.split_once('/')) {
        (Some((base, power)), _) => base.parse::<f64>().ok()?.powf(power.parse().ok()?),
        (_, Some((over, under))) => over.parse::<f64>().ok()? / under.parse::<f64>().ok()?,
        _ => number.parse().ok()?,
    };
    let factor = match unit.split_whitespace().next().unwrap_or("") {
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "s" => 1e3,
        "min" => 60e3,
        "%" => 0.01,
        _ => 1.0,
    };
    Some(number * factor)
}

#[test]
fn the_limits_of_the_protocol_page_are_those_of_the_code() {
    let sources: Sources = all("src", &["rs"]).into_iter().map(|source| (source.path, source.text)).collect();
    let page = document("protocol.md");
    let (_, limits) = page.split_once("\n## 9 Limits").unwrap();
    let rows = limits.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| `"));
    let (mut compared, mut wrong) = (0, Vec::new());
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (names, values, places) = (cells[1], cells[2], cells[3]);
        let names = names.split(',').map(|name| name.trim().split('`').nth(1).unwrap_or(""));
        for (name, text) in names.zip(values.split(", ")) {
            for path in
                places.split('`').filter(|place| place.contains('/')).map(|place| format!("src/{place}"))
            {
                let Some(code) = sources.get(&path).and_then(|text| constant(text, name)) else {
                    wrong.push(format!("{name}: no such constant in {path}"));
                    continue;
                };
                match (value(code, &sources, &path), written(text)) {
                    (Some(is), Some(says)) if (is - says).abs() <= is.abs() * 1e-9 => compared += 1,
                    (is, says) => {
                        wrong
                            .push(format!("{name}: the page says {text} ({says:?}), {path} {code} ({is:?})"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 60, "{compared} compared");
}

#[test]
fn every_promise_that_a_test_or_a_comment_cites_is_on_the_page_of_faults() {
    let page = document("faults.md");
    let promised: BTreeSet<usize> =
        page.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok()).collect();
    let (mut cited, mut wrong) = (BTreeSet::new(), Vec::new());
    for source in all("src", &["rs"]).into_iter().chain(all("tests", &["rs", "nls", "txt"])) {
        cited.extend(rows(&source.path));
        for (number, line) in source.text.lines().enumerate() {
            for row in rows(line) {
                cited.insert(row);
                if !promised.contains(&row) {
                    wrong.push(format!("{}:{}: row {row}", source.path, number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "rows that docs/faults.md does not have:\n{}", wrong.join("\n"));
    let untested: Vec<_> = promised.difference(&cited).collect();
    assert!(untested.is_empty(), "promises that nothing cites: {untested:?}");
}

/// The numbers of `row 35`, `rows 50 to 56`, `fn row_35_…`, `fn rows_8_and_28_…`.
fn rows(line: &str) -> Vec<usize> {
    let words: Vec<&str> =
        line.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let is_row = |word: &str| matches!(word, "row" | "rows" | "Row" | "Rows");
    let mut found = Vec::new();
    for start in words.iter().enumerate().filter(|(_, word)| is_row(word)).map(|(at, _)| at + 1) {
        let mut range = false;
        for word in &words[start..] {
            match word.parse::<usize>() {
                Ok(number) if range => found.extend(found.last().copied().unwrap_or(number) + 1..=number),
                // Rows of a screen begin with 0.
                Ok(0) => break,
                Ok(number) => found.push(number),
                Err(_) if *word == "to" => range = true,
                Err(_) if *word == "and" => {}
                Err(_) => break,
            }
        }
    }
    found
}

#[test]
fn citations_of_promises_are_read_in_every_form() {
    assert_eq!(rows("/// faults.md row 35: it jumps"), [35]);
    assert_eq!(rows("fn rows_8_and_28_and_n4_hold() {"), [8, 28]);
    assert_eq!(rows("//! rows 50 to 53"), [50, 51, 52, 53]);
    assert!(rows("/// a row of the table").is_empty());
}

/// A folder with more rooms than this says in a table what each of them holds.
const ROOMS_WITHOUT_TABLE: usize = 3;

#[test]
fn a_folder_says_what_each_of_its_rooms_holds() {
    let sources = all("src", &["rs"]);
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| source.path.ends_with("/mod.rs")) {
        let folder = source.path.trim_end_matches("mod.rs");
        let rooms: BTreeSet<&str> = sources
            .iter()
            .filter_map(|other| other.path.strip_prefix(folder)?.split('/').next())
            .map(|room| room.trim_end_matches(".rs"))
            .filter(|room| !matches!(*room, "mod" | "tests"))
            .collect();
        let table = source
            .text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .filter(|line| line.contains("| `"));
        let told: BTreeSet<&str> = table
            .flat_map(|line| line.split('|').nth(1).unwrap_or("").split(", "))
            .map(|name| name.trim().trim_matches('`'))
            .filter(|name| *name != "tests")
            .collect();
        if !told.is_empty() || rooms.len() > ROOMS_WITHOUT_TABLE {
            let missing: Vec<_> = rooms.difference(&told).collect();
            let strange: Vec<_> = told.difference(&rooms).filter(|name| !name.contains("::")).collect();
            if !missing.is_empty() || !strange.is_empty() {
                wrong.push(format!("{}: missing {missing:?}, not there {strange:?}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_about_adding_a_service_shows_the_code_as_it_is() {
    let page = document("add-a-service.md");
    let code: Vec<String> =
        all("src/service/small/echo", &["rs"]).into_iter().map(|source| source.text).collect();
    let blocks: Vec<&str> =
        page.split("```rust\n").skip(1).filter_map(|part| part.split("```").next()).collect();
    assert!(blocks.len() >= 2);
    for block in blocks {
        assert!(code.iter().any(|text| text.contains(block)), "not in src/service/small/echo:\n{block}");
    }
}

#[test]
fn every_name_of_the_glossary_is_in_the_code() {
    let sources = all("src", &["rs"]);
    let page = document("glossary.md");
    let rows = page.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.split('|').nth(3));
    let names: Vec<&str> = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(names.len() > 60, "{}", names.len());
    for name in names {
        let is_there =
            |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
        let found = sources.iter().any(|source| {
            source.path.ends_with(name)
                || source.path.contains(&format!("/{name}."))
                || is_there(&source.text)
        });
        assert!(found, "`{name}` is nowhere in src");
    }
}
