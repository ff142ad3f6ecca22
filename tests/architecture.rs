//! Holds the layers: a file imports only from layers above its own; pure layers touch no system.

use std::path::{Path, PathBuf};

/// In order; each may import from those before it.
const LAYERS: [&str; 12] = [
    "base", "language", "wire", "reliable", "link", "report", "net", "session", "service", "shell", "output",
    "prompt",
];
/// What a layer must not know although it stands above.
const FORBIDDEN: [(&str, &str); 7] = [
    ("wire", "language"),
    ("reliable", "language"),
    ("link", "language"),
    ("net", "language"),
    ("session", "language"),
    ("output", "shell"),
    ("output", "service"),
];
/// Used only by tests: both ends over a bad network.
const TEST_ONLY: [&str; 5] = [
    "src/reliable/promises.rs",
    "src/reliable/simulation.rs",
    "src/reliable/storms.rs",
    "src/reliable/figures.rs",
    "src/reliable/textbook.rs",
];
const PURE: [&str; 6] = ["base", "language", "wire", "reliable", "link", "report"];
const IMPURE_WORDS: [&str; 9] = [
    "std::net::Tcp",
    "std::net::Udp",
    "std::fs::",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "tokio",
    "println!",
    "std::env",
];
const LINE_LIMIT: usize = 500;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    files(&root.join("src"), &mut found);
    found.sort();
    found
        .iter()
        .map(|path| {
            (path.strip_prefix(root).unwrap().display().to_string(), std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// The code without its unit tests.
fn product(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text)
}

fn layer(path: &str) -> Option<&str> {
    let first = path.strip_prefix("src/")?.split('/').next()?.trim_end_matches(".rs");
    LAYERS.contains(&first).then_some(first)
}

#[test]
fn layers_import_only_from_above() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(own) = layer(&path).filter(|_| !TEST_ONLY.contains(&path.as_str())) else { continue };
        let position = |name: &str| LAYERS.iter().position(|layer| *layer == name);
        for (number, line) in product(&text).lines().enumerate() {
            for part in line.split("crate::").skip(1) {
                let name: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let too_low = position(&name).is_some_and(|at| Some(at) > position(own));
                if too_low || FORBIDDEN.contains(&(own, name.as_str())) {
                    wrong.push(format!("{path}:{}: {own} imports {name}", number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_layers_touch_no_system() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if !layer(&path).is_some_and(|layer| PURE.contains(&layer)) || TEST_ONLY.contains(&path.as_str()) {
            continue;
        }
        for (number, line) in product(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or(line);
            wrong.extend(
                IMPURE_WORDS
                    .iter()
                    .filter(|word| code.contains(**word))
                    .map(|word| format!("{path}:{}: {word}", number + 1)),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_registry_spawns_tasks() {
    let allowed = ["src/session/registry.rs", "src/session/handle.rs", "src/cli/"];
    for (path, text) in sources() {
        if allowed.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        assert!(!product(&text).contains("tokio::spawn"), "{path} spawns by itself");
    }
}

/// What may be linked into a program under the MIT licence; the last two only as they are, which they are.
const LICENCES: [&str; 12] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "MPL-2.0",
];

#[test]
fn every_dependency_has_a_licence_that_fits() {
    let output = std::process::Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for package in metadata["packages"].as_array().unwrap() {
        let (name, licence) = (package["name"].as_str().unwrap(), package["license"].as_str().unwrap_or(""));
        // "A OR B" needs one that fits, "A AND B" all.
        let fits = licence.split([';', '/']).flat_map(|part| part.split(" OR ")).any(|choice| {
            choice.split(" AND ").all(|one| LICENCES.contains(&one.trim().trim_matches(['(', ')'])))
        });
        assert!(fits, "{name}: `{licence}`");
    }
}

#[test]
fn files_stay_readable() {
    for (path, text) in sources() {
        let lines = product(&text).lines().count();
        assert!(lines <= LINE_LIMIT, "{path} has {lines} lines: does it own one thing?");
        assert!(text.starts_with("//!"), "{path} does not say what it is");
    }
}

/// Time limits, rates and what a journal says must not depend on it: it jumps.
#[test]
fn row_35_the_wall_clock_is_asked_only_for_times_of_files() {
    // The first clamps times from peers, the second keeps hashes of files that were just changed from being believed, the
    // third and the fourth tell people when something was said, the fifth how old a part is.
    let allowed = [
        "src/service/ftp/disk.rs",
        "src/service/ftp/hashes.rs",
        "src/service/chat/transcript.rs",
        "src/output/human.rs",
        "src/service/ftp/parts.rs",
    ];
    for (path, text) in sources() {
        let calls = ["SystemTime::now", "Zoned::now", "Timestamp::now"];
        let asks = calls.iter().any(|call| product(&text).contains(call));
        assert!(!asks || allowed.contains(&path.as_str()), "{path} asks for the time of day");
    }
}
