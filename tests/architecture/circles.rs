//! Files of a layer form floors: none imports what stands on it.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{Crate, Module};
use super::source::product;

/// Those that are left. This list only becomes shorter.
const KNOWN: [&[&str]; 0] = [];

fn graph() -> BTreeMap<Module, BTreeSet<Module>> {
    let sources = product();
    let house = Crate::of(&sources);
    let mut arrows: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for source in &sources {
        let own = source.module();
        let targets = arrows.entry(own.clone()).or_default();
        for import in house.imports(source).into_iter().filter(|import| !import.is_handed_on) {
            let home = house.home(&import.path);
            if home != own && home.first() == own.first() {
                targets.insert(home);
            }
        }
    }
    arrows
}

fn reachable(arrows: &BTreeMap<Module, BTreeSet<Module>>, from: &Module) -> BTreeSet<Module> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
    while let Some(module) = next.pop() {
        for target in arrows.get(&module).into_iter().flatten() {
            if seen.insert(target.clone()) {
                next.push(target.clone());
            }
        }
    }
    seen
}

/// The sets of files that import each other in a loop.
pub(super) fn circles() -> Vec<Vec<String>> {
    let arrows = graph();
    let reach: BTreeMap<&Module, BTreeSet<Module>> =
        arrows.keys().map(|module| (module, reachable(&arrows, module))).collect();
    let mut found: BTreeSet<Vec<String>> = BTreeSet::new();
    for (module, seen) in &reach {
        if seen.contains(*module) {
            let ring =
                seen.iter().filter(|other| reach.get(other).is_some_and(|back| back.contains(*module)));
            found.insert(ring.map(|module| module.join("::")).collect());
        }
    }
    found.into_iter().collect()
}

#[test]
fn no_new_circle_and_none_that_is_gone_stays_on_the_list() {
    let found = circles();
    let known: Vec<Vec<String>> =
        KNOWN.iter().map(|ring| ring.iter().map(|name| (*name).to_owned()).collect()).collect();
    let new: Vec<_> = found.iter().filter(|ring| !known.contains(ring)).collect();
    assert!(new.is_empty(), "circles that are not on the list: {new:#?}");
    let gone: Vec<_> = known.iter().filter(|ring| !found.contains(ring)).collect();
    assert!(gone.is_empty(), "take these off the list: {gone:#?}");
}
