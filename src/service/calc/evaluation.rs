//! Computes for a client, within the limits that hold for all of them.

use std::cell::OnceCell;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::expression::{ExpressionError, evaluate};
use crate::net::clock;
use crate::report::Failure;
use crate::session::Handle;

/// Maximum CPU time of one computation (faults.md row 67).
const TIME_LIMIT: Duration = Duration::from_millis(100);
/// Expressions of more bytes than this are computed on a blocking thread, not on the network's threads.
const SHORT: usize = 256;
/// Of those, how many are computed at once. With more of them the network's threads would wait for a core.
static COMPUTING: Semaphore = Semaphore::const_new(2);

/// The value of an expression, or what is wrong with it.
///
/// # Errors
/// The session was stopped, or the thread that computed it is gone.
pub(super) async fn compute(
    session: &Handle,
    text: String,
) -> Result<Result<String, ExpressionError>, Failure> {
    let short = text.len() <= SHORT;
    let work = move || {
        // CPU time, not wall time: on a busy machine even a short computation may have to wait. That clock is a system
        // call, so it is asked only after half of the limit has passed on the wall.
        let (began, busy) = (Instant::now(), OnceCell::new());
        let is_late = || {
            began.elapsed() > TIME_LIMIT / 2
                && clock::thread_time().saturating_sub(*busy.get_or_init(clock::thread_time)) > TIME_LIMIT / 2
        };
        evaluate(&text, &is_late)
    };
    if short {
        return Ok(work());
    }
    let _turn = session.unless_cancelled(async { Ok(COMPUTING.acquire().await) }).await?;
    session.block(work).await
}
