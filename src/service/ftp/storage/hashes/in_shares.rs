//! Groups of a file that several threads read and hash: where the disk is fast, that takes as long as the processors
//! need for it.

use std::panic::resume_unwind;
use std::sync::LazyLock;
use std::thread;

use crate::base::{Count, Counted};

/// Groups for which another thread is worth it.
const SHARE: usize = 16;

/// Threads that help with a disk job.
static HELPERS: Count = Count::new();
/// The process has one less than the machine has cores: peers who make us read take no more from the others than that.
static HELPERS_LIMIT: LazyLock<usize> =
    LazyLock::new(|| thread::available_parallelism().map_or(0, |cores| cores.get() - 1));

/// What `work` makes of the groups, in their order.
///
/// # Errors
/// That of the first share that failed.
pub(in crate::service::ftp::storage) fn in_shares<T: Send, E: Send>(
    groups: &[u64],
    work: impl Fn(&[u64]) -> Result<Vec<T>, E> + Sync,
) -> Result<Vec<T>, E> {
    let most = (groups.len() / SHARE).saturating_sub(1);
    let helper = || HELPERS.add_below(*HELPERS_LIMIT);
    let helpers: Vec<Counted> = std::iter::from_fn(helper).take(most).collect();
    let share = groups.len().div_ceil(helpers.len() + 1);
    let ((mine, theirs), work) = (groups.split_at(share), &work);
    thread::scope(|scope| {
        let begin = |share| (share, thread::Builder::new().spawn_scoped(scope, move || work(share)));
        // All begin before the first is waited for.
        let begun: Vec<_> = theirs.chunks(share.max(1)).map(begin).collect();
        let mut all = work(mine)?;
        for (share, helper) in begun {
            let done = match helper {
                Ok(helper) => helper.join().unwrap_or_else(|panic| resume_unwind(panic)),
                // The system has no more threads.
                Err(_) => work(share),
            };
            all.extend(done?);
        }
        Ok(all)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_of_all_shares_are_there_in_order_and_so_is_an_error_of_any() {
        for count in [0, 1, SHARE, 2 * SHARE - 1, 2 * SHARE, 5 * SHARE + 3] {
            let groups: Vec<u64> = (0..count as u64).collect();
            let twice =
                in_shares(&groups, |share| Ok::<_, ()>(share.iter().map(|index| index * 2).collect()));
            assert_eq!(twice, Ok(groups.iter().map(|index| index * 2).collect()));
            for bad in &groups {
                let work = |share: &[u64]| if share.contains(bad) { Err(*bad) } else { Ok(share.to_vec()) };
                assert_eq!(in_shares(&groups, work), Err(*bad));
            }
        }
    }
}
