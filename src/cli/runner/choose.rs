//! Chooses which cases run, how often, and in what order.

use crate::base::mix;
use crate::base::pattern::TextPattern;
use std::sync::Arc;

use super::discover::Case;
use super::memory::Memory;
use crate::cli::arguments::Choices;
use crate::cli::errors;
use crate::report::Failure;

/// One planned run of a case.
pub(super) struct ChosenRun {
    pub(super) case: Arc<Case>,
    /// Seed of its random decisions.
    pub(super) seed: u64,
}

/// The runs in order; `serial` ones come last. Without `--shuffle`, each round of `--repeat` is complete before the
/// next one begins.
///
/// # Errors
/// A pattern of `--filter` is not a valid regular expression.
pub(super) fn choose(
    cases: Vec<Arc<Case>>,
    choices: &Choices,
    memory: &Memory,
    seed: u64,
) -> Result<Vec<ChosenRun>, Failure> {
    let filters = choices
        .filters
        .iter()
        .map(|filter| TextPattern::new(filter).map_err(|error| errors::invalid_filter(filter, &error)))
        .collect::<Result<Vec<_>, _>>()?;
    let chosen: Vec<Arc<Case>> = cases
        .into_iter()
        .filter(|case| filters.is_empty() || filters.iter().any(|filter| filter.is_match(&case.name)))
        .filter(|case| choices.tags.is_empty() || case.tags.iter().any(|tag| choices.tags.contains(tag)))
        .filter(|case| !choices.failed || memory.failed(&case.key()))
        .collect();
    let mut runs = Vec::new();
    for round in 0..choices.repeat.unwrap_or(1) as u64 {
        runs.extend(chosen.iter().map(|case| {
            let (file, name) = case.key();
            let place = blake3::hash(format!("{file}\0{name}").as_bytes());
            let own = u64::from_le_bytes(*place.as_bytes().first_chunk().unwrap_or(&[0; 8]));
            ChosenRun { case: case.clone(), seed: mix(seed ^ own).wrapping_add(round) >> 1 }
        }));
    }
    if choices.shuffle {
        let mut order: Vec<_> = runs.into_iter().enumerate().collect();
        order.sort_by_key(|(index, _)| mix(mix(seed) ^ *index as u64));
        runs = order.into_iter().map(|(_, run)| run).collect();
    }
    runs.sort_by_key(|run| run.case.serial);
    Ok(runs)
}
