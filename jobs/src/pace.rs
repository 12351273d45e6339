//! How fast a provider is called through a connection: one place in the row for each call, evenly apart. Pure.
//!
//! The row is the instant after which the next call may go (the virtual scheduling of ATM's generic cell rate algorithm, ITU-T I.371, without a
//! burst). It lies in the ledger, so that all workers together keep to it; whoever takes a place waits for it, and whoever would
//! wait too long takes none and comes back.

/// What became of asking for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is taken: the call goes in so long.
    Taken {
        /// The wait, in microseconds.
        wait_us: i64,
    },
    /// None is taken: the wait would be longer than the caller has patience.
    Later {
        /// The wait there would have been, in microseconds.
        wait_us: i64,
    },
}

/// Takes a place at `now_us` in a row that is taken until `until_us`, where calls are `apart_us` from each other and the caller
/// waits for at most `patience_us`. Returns what became of it, and until when the row is taken then.
pub fn take(until_us: i64, now_us: i64, apart_us: i64, patience_us: i64) -> (Turn, i64) {
    let from_us = until_us.max(now_us);
    let wait_us = from_us - now_us;
    if wait_us > patience_us {
        return (Turn::Later { wait_us }, until_us);
    }
    (Turn::Taken { wait_us }, from_us.saturating_add(apart_us))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn calls_are_apart_whoever_asks_and_when(asks in prop::collection::vec((0..3_000_i64, 0..20_000_i64), 1..200), apart_us in 1..5_000_i64) {
            let (mut until_us, mut now_us) = (0, 0);
            let mut calls_us = Vec::new();
            for (passed_us, patience_us) in asks {
                now_us += passed_us;
                let (turn, until_then_us) = take(until_us, now_us, apart_us, patience_us);
                match turn {
                    Turn::Taken { wait_us } => {
                        prop_assert!((0..=patience_us).contains(&wait_us));
                        calls_us.push(now_us + wait_us);
                    }
                    Turn::Later { wait_us } => {
                        prop_assert!(wait_us > patience_us);
                        prop_assert_eq!(until_then_us, until_us, "who takes no place pushes nobody back");
                    }
                }
                until_us = until_then_us;
            }
            prop_assert!(calls_us.windows(2).all(|pair| pair[1] - pair[0] >= apart_us), "{:?}", calls_us);
        }
    }

    #[test]
    fn a_row_that_stood_empty_gives_its_first_place_at_once_and_saves_none_up() {
        assert_eq!(take(0, 1_000_000, 100, 0), (Turn::Taken { wait_us: 0 }, 1_000_100));
        assert_eq!(take(1_000_100, 1_000_000, 100, 0), (Turn::Later { wait_us: 100 }, 1_000_100));
        assert_eq!(take(1_000_100, 1_000_000, 100, 100), (Turn::Taken { wait_us: 100 }, 1_000_200));
    }
}
