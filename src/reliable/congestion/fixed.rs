//! A constant rate, whatever is lost.

use std::time::Duration;

use super::controller::Controller;
use crate::reliable::recovery::rtt::Rtt;

/// Added to the round trip for the window, so that the rate is the limit and not the window.
const MARGIN: Duration = Duration::from_millis(50);

/// Sends at this rate, in bytes/s.
#[derive(Debug)]
pub(super) struct Fixed(pub(super) f64);

impl Controller for Fixed {
    /// Twice what the rate needs.
    fn window(&self, rtt: &Rtt) -> usize {
        (self.0 * 2.0 * (rtt.smoothed() + MARGIN).as_secs_f64()) as usize
    }

    fn rate(&self, _: &Rtt) -> f64 {
        self.0
    }
}
