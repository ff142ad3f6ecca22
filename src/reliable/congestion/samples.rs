//! Counts the packets of each phase of the model: acknowledged or lost.

use std::collections::VecDeque;

use super::controller::ProbePhase;

/// Acknowledged or lost packets of a phase below which its loss rate says too little.
const LEAST: u64 = 20;
/// Most phases with open packets; beyond that, the oldest is dropped.
const PHASE_LIMIT: usize = 16;
const PHASES: usize = 5;

/// A phase of the model in `auto`, much as in BBR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Doubles the rate until it no longer grows.
    Startup,
    /// Empties the queue that start-up has built.
    Drain,
    /// Sends at the rate of the path.
    Cruise,
    /// Sends more, to find out if the path delivers more.
    Up,
    /// Sends less, so that queues empty and the loss of the path itself can be measured.
    Down,
}

/// Counts of the packets sent in one phase.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// The phase in which they were sent.
    pub(super) phase: Phase,
    sent: u64,
    acked: u64,
    lost: u64,
    /// A queue was seen while they were under way.
    pub(super) saw_queue: bool,
}

impl Sample {
    const fn new(phase: Phase) -> Self {
        Self { phase, sent: 0, acked: 0, lost: 0, saw_queue: false }
    }

    /// Packets that are acknowledged or lost.
    pub(super) const fn settled(&self) -> u64 {
        self.acked + self.lost
    }

    /// The share of those that is lost, 0 to 1.
    pub(super) fn loss(&self) -> f64 {
        self.lost as f64 / self.settled().max(1) as f64
    }
}

/// One phase_number for each phase that was entered; a datagram belongs to the phase_number in which it was sent.
#[derive(Debug)]
pub(super) struct Samples {
    /// Epochs with open packets, the current one last.
    open: VecDeque<Sample>,
    /// The number of the first one in `open`.
    first: ProbePhase,
    /// For each phase, earlier packets that were too few to learn from.
    held: [Option<Sample>; PHASES],
}

impl Samples {
    /// Begins with start-up.
    pub(super) fn new() -> Self {
        Self { open: VecDeque::from([Sample::new(Phase::Startup)]), first: 0, held: [None; PHASES] }
    }

    /// The phase_number of a packet sent now.
    pub(super) fn phase(&self) -> ProbePhase {
        self.first + self.open.len() as u64 - 1
    }

    fn of(&mut self, phase_number: ProbePhase) -> Option<&mut Sample> {
        let index = usize::try_from(phase_number.checked_sub(self.first)?).ok()?;
        self.open.get_mut(index)
    }

    /// Counts a packet into the current phase_number.
    pub(super) fn on_sent(&mut self) {
        if let Some(sample) = self.open.back_mut() {
            sample.sent += 1;
        }
    }

    /// A packet of this phase_number was acknowledged.
    pub(super) fn on_acked(&mut self, phase_number: ProbePhase) {
        if let Some(sample) = self.of(phase_number) {
            sample.acked += 1;
        }
    }

    /// A packet of this phase_number was declared lost.
    pub(super) fn on_lost(&mut self, phase_number: ProbePhase) {
        if let Some(sample) = self.of(phase_number) {
            sample.lost += 1;
        }
    }

    /// A packet of this phase_number was wrongly declared lost: its acknowledgement came late.
    pub(super) fn on_late(&mut self, phase_number: ProbePhase) {
        if let Some(sample) = self.of(phase_number).filter(|sample| sample.lost > 0) {
            (sample.lost, sample.acked) = (sample.lost - 1, sample.acked + 1);
        }
    }

    /// A queue was seen: notes that in every phase_number with open packets.
    pub(super) fn on_queue(&mut self) {
        self.open.iter_mut().for_each(|sample| sample.saw_queue = true);
    }

    /// Begins an phase_number, for a phase or the next round of start-up.
    pub(super) fn open(&mut self, phase: Phase) {
        let sample = Sample::new(phase);
        // An phase_number without packets would never be returned by `settled`.
        if let Some(last) = self.open.back_mut().filter(|last| last.sent == 0) {
            *last = sample;
            return;
        }
        self.open.push_back(sample);
        if self.open.len() > PHASE_LIMIT {
            self.open.pop_front();
            self.first += 1;
        }
    }

    /// The next phase_number whose packets are all acknowledged or lost. One with too few packets is added to the next of the
    /// same phase; start-up has no time for that.
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
