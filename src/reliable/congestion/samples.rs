//! What became of the packets of each phase of the model: acknowledged or lost.

use std::collections::VecDeque;

use super::Epoch;

/// Packets of a phase that must be settled before their loss says something.
const LEAST: u64 = 20;
/// Epochs whose packets are not all settled.
const EPOCH_LIMIT: usize = 16;
const PHASES: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Startup,
    Drain,
    Cruise,
    Up,
    Down,
}

/// Packets that were sent in one phase.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) phase: Phase,
    sent: u64,
    acked: u64,
    lost: u64,
    /// A queue stood while they were under way.
    pub(super) saw_queue: bool,
}

impl Sample {
    const fn new(phase: Phase) -> Self {
        Self { phase, sent: 0, acked: 0, lost: 0, saw_queue: false }
    }

    pub(super) const fn settled(&self) -> u64 {
        self.acked + self.lost
    }

    pub(super) fn loss(&self) -> f64 {
        self.lost as f64 / self.settled().max(1) as f64
    }
}

/// An epoch for each phase that was entered; a datagram belongs to that in which it left.
#[derive(Debug)]
pub(in super::super) struct Samples {
    /// The last one is the current.
    open: VecDeque<Sample>,
    first: Epoch,
    /// Of each phase, what is too little to learn from.
    held: [Option<Sample>; PHASES],
}

impl Samples {
    pub(super) fn new() -> Self {
        Self { open: VecDeque::from([Sample::new(Phase::Startup)]), first: 0, held: [None; PHASES] }
    }

    /// Of what leaves now.
    pub(super) fn epoch(&self) -> Epoch {
        self.first + self.open.len() as u64 - 1
    }

    fn of(&mut self, epoch: Epoch) -> Option<&mut Sample> {
        let index = usize::try_from(epoch.checked_sub(self.first)?).ok()?;
        self.open.get_mut(index)
    }

    pub(super) fn on_sent(&mut self) {
        if let Some(sample) = self.open.back_mut() {
            sample.sent += 1;
        }
    }

    pub(super) fn on_acked(&mut self, epoch: Epoch) {
        if let Some(sample) = self.of(epoch) {
            sample.acked += 1;
        }
    }

    pub(super) fn on_lost(&mut self, epoch: Epoch) {
        if let Some(sample) = self.of(epoch) {
            sample.lost += 1;
        }
    }

    /// What was taken for lost is here after all.
    pub(super) fn on_late(&mut self, epoch: Epoch) {
        if let Some(sample) = self.of(epoch).filter(|sample| sample.lost > 0) {
            (sample.lost, sample.acked) = (sample.lost - 1, sample.acked + 1);
        }
    }

    /// A queue stands now.
    pub(super) fn on_queue(&mut self) {
        self.open.iter_mut().for_each(|sample| sample.saw_queue = true);
    }

    /// A phase begins.
    pub(super) fn open(&mut self, phase: Phase) {
        let sample = Sample::new(phase);
        // One without packets would never be settled.
        if let Some(last) = self.open.back_mut().filter(|last| last.sent == 0) {
            *last = sample;
            return;
        }
        self.open.push_back(sample);
        if self.open.len() > EPOCH_LIMIT {
            self.open.pop_front();
            self.first += 1;
        }
    }

    /// The next epoch whose packets all have their fate. Too small a one waits for the next of its phase; start-up has no
    /// time for that.
    pub(super) fn settled(&mut self) -> Option<Sample> {
        while self.open.len() > 1 && self.open[0].settled() >= self.open[0].sent {
            let sample = self.open.pop_front()?;
            self.first += 1;
            if sample.phase == Phase::Startup {
                return Some(sample);
            }
            let held = self.held[sample.phase as usize].take().unwrap_or(Sample::new(sample.phase));
            let both = Sample { acked: held.acked + sample.acked, lost: held.lost + sample.lost, ..sample };
            if both.settled() >= LEAST {
                return Some(both);
            }
            self.held[sample.phase as usize] = Some(both);
        }
        None
    }
}
