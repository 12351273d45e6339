//! Whose turn it is among a queue's lanes: weighted deficit round robin by cost. Pure.
//!
//! Each round grants a lane its weight in credit. A lane with credit hands out until it has none; a job
//! dearer than what is left puts it into debt, and it sits out the rounds that pay the debt off. Those
//! rounds are not walked but counted: a lane is seated in the round of its next turn, so that a cost of
//! 10,000 takes no more steps than a cost of 1. Lanes that sleep are not seated, but a lane leaves only when
//! its turn comes, so none sleeps its debt away.
//! The bound that follows is in `plan.rs`.

use std::collections::BTreeMap;

use super::LaneIndex;

/// A seat: the round, and the order of arrival within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Seat {
    round: u64,
    arrival: u64,
}

/// What a lane brings to its turns, seated or asleep.
#[derive(Debug, Default)]
pub struct Turn {
    seat: Option<Seat>,
    /// What it may still hand out in the round that was credited last; zero or below: debt.
    credit: i64,
    credited_round: u64,
}

impl Turn {
    /// Whether it waits in the ring.
    pub const fn is_seated(&self) -> bool {
        self.seat.is_some()
    }

    /// How many rounds pay the debt off; at least the next one.
    fn rounds_to_credit(&self, weight: u32) -> u64 {
        let missing = u64::try_from(1 - self.credit).unwrap_or(0);
        missing.div_ceil(u64::from(weight)).max(1)
    }
}

/// The turns of one queue's lanes.
#[derive(Debug, Default)]
pub struct Ring {
    seats: BTreeMap<Seat, LaneIndex>,
    round: u64,
    arrivals: u64,
}

impl Ring {
    /// The lane whose turn it is.
    pub fn front(&self) -> Option<LaneIndex> {
        self.seats.first_key_value().map(|(_, lane)| *lane)
    }

    /// Whether no lane waits for a turn.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// Seats a lane that woke, at the end of the next round.
    pub fn join(&mut self, turn: &mut Turn, lane: LaneIndex) {
        if !turn.is_seated() {
            self.seat(turn, lane, self.round + 1);
        }
    }

    /// Begins the front lane's turn, or goes on with it; says whether it has credit.
    pub fn begin(&mut self, turn: &mut Turn, weight: u32) -> bool {
        let Some(seat) = turn.seat else { return false };
        self.round = seat.round;
        if turn.credited_round < seat.round {
            let rounds = i64::try_from(seat.round - turn.credited_round).unwrap_or(i64::MAX);
            let granted = rounds.saturating_mul(i64::from(weight));
            // Rounds sat out pay a debt but save nothing up: more than one round's credit would be a burst.
            turn.credit = turn.credit.saturating_add(granted).min(i64::from(weight));
            turn.credited_round = seat.round;
        }
        turn.credit > 0
    }

    /// Charges the front lane for a job; its turn ends with its credit.
    pub fn spend(&mut self, turn: &mut Turn, lane: LaneIndex, cost: u32, weight: u32) {
        turn.credit -= i64::from(cost);
        if turn.credit <= 0 {
            self.pass(turn, lane, weight);
        }
    }

    /// Ends the front lane's turn; it is seated again where it will have credit.
    pub fn pass(&mut self, turn: &mut Turn, lane: LaneIndex, weight: u32) {
        self.leave(turn);
        self.seat(turn, lane, self.round + turn.rounds_to_credit(weight));
    }

    /// Takes the front lane off the ring, as it sleeps. What is left of its credit is lost.
    pub fn leave(&mut self, turn: &mut Turn) {
        if let Some(seat) = turn.seat.take() {
            self.seats.remove(&seat);
            self.round = seat.round;
            turn.credit = turn.credit.min(0);
        }
    }

    fn seat(&mut self, turn: &mut Turn, lane: LaneIndex, round: u64) {
        self.arrivals += 1;
        let seat = Seat { round, arrival: self.arrivals };
        self.seats.insert(seat, lane);
        turn.seat = Some(seat);
    }
}
