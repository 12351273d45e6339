//! Where a look into the feed begins. Pure.
//!
//! A row's place is drawn before its transaction commits, so a place that was read says nothing of smaller ones; but to
//! look from the beginning each time is to walk over every row that was deleted and cannot be vacuumed, which under a held
//! snapshot is all that ever were. So looks begin at a floor that trails by [`TRAILS_MS`], longer than any transaction that
//! writes the feed may take to commit after it drew its place, and a sweep each second takes what lies below it all the same:
//! near the floor every time, and from the beginning once in a while.

use std::collections::VecDeque;

use crate::clock::Timestamp;

/// By how much the floor trails. Longer than the writers' statement time-out: the place is drawn by the last statement
/// before the commit.
pub(super) const TRAILS_MS: i64 = 5_000;
/// How often what lies below the floor is looked for.
const SWEEP_EVERY_MS: i64 = 1_000;
/// How far below the floor a sweep reaches: a transaction that was held up for longer is left to the next whole one.
const SWEEP_REACHES_MS: i64 = 60_000;
/// How often a sweep begins at the very beginning.
const SWEEP_WHOLE_EVERY_MS: i64 = 60_000;
/// How far marks are apart at the least: the floor is this much lower than it might be.
const MARK_EVERY_MS: i64 = 250;

/// The floor, and what it is made of.
#[derive(Debug, Default)]
pub(super) struct Floor {
    /// The highest place that was seen by each of these times.
    marks: VecDeque<(Timestamp, i64)>,
    highest: Option<i64>,
    looked_at: Option<Timestamp>,
    swept_at: Option<Timestamp>,
    swept_whole_at: Option<Timestamp>,
}

/// A stretch of the feed: places above `above`, up to `up_to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub above: i64,
    pub up_to: i64,
}

impl Floor {
    /// Where to look now.
    pub(super) fn look(&mut self, now: Timestamp) -> Stretch {
        if self.looked_at.is_some_and(|looked_at| now < looked_at) {
            // The clock was set back: what the marks say of the past is not past yet.
            *self = Self::default();
        }
        // By the look before: what was committed between that and the end of its time is above this look's floor.
        let above = self.looked_at.map_or(i64::MIN, |looked_at| self.seen_by(looked_at.plus_ms(-TRAILS_MS)));
        self.looked_at = Some(now);
        Stretch { above, up_to: i64::MAX }
    }

    /// Where to sweep now, after a look that began above `floor`; none before it is time, or while there is no floor.
    pub(super) fn sweep(&mut self, now: Timestamp, floor: i64) -> Option<Stretch> {
        let since = |at: Option<Timestamp>| at.map_or(i64::MAX, |at| now.ms_since(at));
        if floor == i64::MIN || since(self.swept_at) < SWEEP_EVERY_MS {
            return None;
        }
        self.swept_at = Some(now);
        let above = if since(self.swept_whole_at) >= SWEEP_WHOLE_EVERY_MS {
            self.swept_whole_at = Some(now);
            i64::MIN
        } else {
            self.seen_by(now.plus_ms(-TRAILS_MS - SWEEP_REACHES_MS))
        };
        (above < floor).then_some(Stretch { above, up_to: floor })
    }

    /// These places were seen, in rows that were read or told of.
    pub(super) fn saw(&mut self, places: impl Iterator<Item = i64>, now: Timestamp) {
        self.highest = places.chain(self.highest).max();
        let Some(highest) = self.highest else { return };
        if self.marks.back().is_none_or(|(at, _)| now.ms_since(*at) >= MARK_EVERY_MS) {
            self.marks.push_back((now, highest));
        }
        // The oldest mark that is kept is the newest of those that are old enough for every purpose.
        let oldest_used = now.plus_ms(-TRAILS_MS - SWEEP_REACHES_MS);
        while self.marks.get(1).is_some_and(|(at, _)| *at <= oldest_used) {
            self.marks.pop_front();
        }
    }

    /// The highest place that was seen by then, as far as the marks tell.
    fn seen_by(&self, then: Timestamp) -> i64 {
        self.marks.iter().rev().find(|(at, _)| *at <= then).map_or(i64::MIN, |(_, highest)| *highest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    #[test]
    fn the_floor_trails_and_follows() {
        let mut floor = Floor::default();
        assert_eq!(floor.look(at(0)).above, i64::MIN);
        floor.saw([7, 3].into_iter(), at(0));
        for ms in [100, 4_900, 5_000] {
            assert_eq!(floor.look(at(ms)).above, i64::MIN, "{ms}");
            floor.saw([9].into_iter(), at(ms));
        }
        assert_eq!(floor.look(at(5_001)).above, 7, "a look has been since place 7 was 5 s old");
        floor.look(at(9_900));
        assert_eq!(floor.look(at(9_901)).above, 9);
        floor.look(at(3_600_000));
        assert_eq!(floor.look(at(3_600_001)).above, 9, "an idle feed is not walked through");
    }

    #[test]
    fn sweeps_reach_a_minute_down_and_now_and_then_to_the_beginning() {
        let mut floor = Floor::default();
        let mut sweeps = Vec::new();
        for second in 0..=130 {
            let above = floor.look(at(1_000 * second)).above;
            sweeps.push(floor.sweep(at(1_000 * second), above).map(|swept| swept.above));
            assert_eq!(floor.sweep(at(1_000 * second + 900), above), None, "once a second");
            floor.saw([second].into_iter(), at(1_000 * second));
        }
        let begins = |second: usize| sweeps[second].expect("a sweep");
        assert_eq!((sweeps[5], begins(6)), (None, i64::MIN));
        let whole: Vec<usize> = (6..=130).filter(|second| *second > 66 && begins(*second) == i64::MIN).collect();
        assert_eq!(whole, [126]);
        assert_eq!((begins(100), begins(130)), (35, 65));
    }

    #[test]
    fn a_clock_that_was_set_back_begins_anew() {
        let mut floor = Floor::default();
        for ms in [0, 10_000, 20_000] {
            floor.look(at(ms));
            floor.saw([5].into_iter(), at(ms));
        }
        assert_eq!(floor.look(at(20_001)).above, 5);
        assert_eq!(floor.look(at(1_000)).above, i64::MIN);
    }
}
