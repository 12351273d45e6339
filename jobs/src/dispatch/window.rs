//! How many ids may be out at once in a queue: its idle slots, and those that are about to free. Pure.
//!
//! Too small a window leaves no-op jobs waiting for the planner; too large a one makes a late high priority
//! wait behind what was handed out before it. So it follows the measured rate of frees.
//! Next on a job's path: a `carrier`.

use crate::clock::Timestamp;

/// The most ids handed out per queue: bounds what a take-over has to take back, and what a carrier holds.
pub const WINDOW_IDS_MAX: u32 = 2_000;

/// Slots that free within this are planned for now: two loops of planner, carrier, claim and feed at their
/// slowest healthy 25 ms.
const LOOKAHEAD_MS: f64 = 50.0;

/// Frees count for this long in the rate: ten look-aheads, so that one batch of settles is no trend, and a
/// queue whose jobs became long is believed within a second.
const MEMORY_MS: f64 = 500.0;

/// What a queue may hand out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Slots that nothing runs in or is handed out for; below zero while slots are planned ahead.
    pub idle: i64,
    /// Ids that may be handed out, idle slots included.
    pub room: i64,
}

impl Window {
    /// The window of a queue with `slots`, of which `running` are busy and `handed` are spoken for.
    pub fn new(slots: u32, running: u32, handed: u32, expected: u32, ids_max: u32) -> Self {
        // More may run than there are slots, when a worker left the list and still works.
        let free = i64::from(slots.saturating_sub(running));
        let ahead = if slots == 0 { 0 } else { i64::from(expected) };
        let handed = i64::from(handed);
        Self { idle: free - handed, room: (free + ahead).min(i64::from(ids_max)) - handed }
    }

    /// Counts one id more as handed out.
    pub const fn shrink(&mut self) {
        self.idle -= 1;
        self.room -= 1;
    }
}

/// The measured rate at which a queue's slots free: a sum that forgets exponentially.
#[derive(Debug, Clone, Default)]
pub struct Frees {
    recent: f64,
    at: Timestamp,
}

impl Frees {
    /// Counts a slot that freed.
    pub fn count(&mut self, now: Timestamp) {
        self.recent = self.recent_at(now) + 1.0;
        self.at = now;
    }

    /// How many slots are expected to free within the look-ahead.
    pub fn expected(&self, now: Timestamp) -> u32 {
        (self.recent_at(now) / MEMORY_MS * LOOKAHEAD_MS) as u32
    }

    fn recent_at(&self, now: Timestamp) -> f64 {
        let elapsed_ms = now.ms_since(self.at).max(0) as f64;
        if elapsed_ms == 0.0 { self.recent } else { self.recent * (-elapsed_ms / MEMORY_MS).exp() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expectation_follows_the_rate_and_forgets_it() {
        let mut frees = Frees::default();
        let mut now = Timestamp::from_ms(1_000);
        for _ in 0..4_000 {
            frees.count(now);
            frees.count(now);
            now = now.plus_ms(1);
        }
        assert!((95..=105).contains(&frees.expected(now)), "2 per ms are 100 in 50 ms, not {}", frees.expected(now));
        assert_eq!(frees.expected(now.plus_ms(3_000)), 0);
    }

    #[test]
    fn the_window_is_idle_slots_and_those_about_to_free() {
        // slots, running, handed, expected, idle, room
        let cases = [
            (10, 0, 0, 0, 10, 10),
            (10, 4, 3, 0, 3, 3),
            (10, 10, 0, 25, 0, 25),
            (10, 10, 20, 25, -20, 5),
            (10, 14, 0, 3, 0, 3),
            (0, 0, 0, 100, 0, 0),
            (5_000, 0, 100, 0, 4_900, 1_900),
        ];
        for (slots, running, handed, expected, idle, room) in cases {
            assert_eq!(Window::new(slots, running, handed, expected, WINDOW_IDS_MAX), Window { idle, room });
        }
    }
}
