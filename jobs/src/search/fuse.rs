//! How rankings by meaning and by words become one: reciprocal rank fusion, which needs no scores that can be compared. Pure.
//!
//! Cormack, Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods", SIGIR 2009.

use std::collections::BTreeMap;

/// By how much the first ranks are evened out: the paper's 60.
const K: f64 = 60.0;

/// All that the rankings name, the best first, with their scores. What has the same score comes in its own order.
pub fn fuse<T: Copy + Ord>(rankings: &[Vec<T>]) -> Vec<(T, f64)> {
    let mut scores: BTreeMap<T, f64> = BTreeMap::new();
    for ranking in rankings {
        for (rank, one) in (1_u32..).zip(ranking) {
            *scores.entry(*one).or_default() += 1.0 / (K + f64::from(rank));
        }
    }
    let mut all: Vec<(T, f64)> = scores.into_iter().collect();
    all.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_name_is_before_what_one_names_first() {
        let fused = fuse(&[vec!['a', 'b', 'c'], vec!['d', 'b']]);
        assert_eq!(fused.iter().map(|(one, _)| *one).collect::<String>(), "badc");
        assert!((fused[0].1 - 2.0 / 62.0).abs() < 1e-12);
    }

    #[test]
    fn one_ranking_stays_as_it_is_and_none_is_nothing() {
        let order: Vec<u8> = fuse(&[vec![3, 1, 2]]).into_iter().map(|(one, _)| one).collect();
        assert_eq!(order, [3, 1, 2]);
        assert!(fuse::<u8>(&[]).is_empty());
    }
}
