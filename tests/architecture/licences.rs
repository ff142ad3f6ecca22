//! What may be linked into a program under the MIT licence.

/// The last two only as they are, which they are.
const LICENCES: [&str; 13] = [
    "ISC",
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
