//! One way down: a layer imports only from those that its row names.

use super::paths::Crate;
use super::source::product;

/// Each layer and what it may import. The order is that of `src/lib.rs`.
const LAYERS: [(&str, &[&str]); 14] = [
    ("base", &[]),
    ("language", &["base"]),
    ("wire", &[]),
    ("record", &["base", "wire"]),
    ("reliable", &["base", "wire", "record"]),
    ("link", &["base"]),
    ("report", &["base", "language", "wire", "record"]),
    ("net", &["base", "wire", "record", "reliable", "link", "report"]),
    ("session", &["base", "wire", "record", "report", "net"]),
    ("service", &["base", "language", "wire", "reliable", "link", "report", "net", "session"]),
    ("shell", &["base", "language", "wire", "link", "record", "report", "net", "session", "service"]),
    ("output", &["base", "language", "record", "report"]),
    ("prompt", &["base", "language", "wire", "report", "net", "session", "service", "shell", "output"]),
    (
        "cli",
        &["base", "language", "wire", "report", "net", "session", "service", "shell", "output", "prompt"],
    ),
];

#[test]
fn layers_import_only_what_their_row_allows() {
    let sources = product();
    let house = Crate::of(&sources);
    let mut wrong = Vec::new();
    for source in &sources {
        let Some(own) = source.layer() else { continue };
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == own) else {
            panic!("{}: `{own}` is no layer", source.path)
        };
        for import in house.imports(source) {
            let from = house.home(&import.path).first().cloned().unwrap_or_default();
            if !from.is_empty() && from != own && !allowed.contains(&from.as_str()) {
                wrong.push(format!(
                    "{}:{}: {own} imports {}",
                    source.path,
                    import.line,
                    import.path.join("::")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_permission_of_the_table_is_used() {
    let sources = product();
    let house = Crate::of(&sources);
    for (layer, allowed) in LAYERS {
        let own = || sources.iter().filter(|source| source.layer() == Some(layer));
        assert!(own().next().is_some(), "there is no layer `{layer}`");
        for from in allowed {
            let uses = own().flat_map(|source| house.imports(source));
            let mut homes = uses.map(|import| house.home(&import.path));
            assert!(
                homes.any(|home| home.first().is_some_and(|first| first == from)),
                "{layer} needs no {from}"
            );
        }
    }
}
