//! How what was found becomes what is answered: two rankings, each of which orders alike whatever store it comes from, and the better of
//! both. Pure. What vectors are kept as is here too: of length 1.

use std::collections::BTreeMap;

use super::{Query, Settings, filter::Filter, fuse::fuse, words};
use crate::ledger::{Error, Result};

/// Scores that differ by less are the same: stores add up numbers of 32 bits in different orders.
const GRAIN: f64 = 1e-5;
/// The fewest chunks of each ranking.
const DEPTH_MIN: u32 = 50;
/// How many times as many chunks a ranking has as there are hits.
const DEPTH_FACTOR: u32 = 4;

/// A chunk in a ranking.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// The store's number of it.
    pub chunk: i64,
    /// Its document.
    pub document_id: String,
    /// Its place there.
    pub n: i64,
    /// How well it fits.
    pub score: f64,
}

/// What a query asks for, in a generation.
#[derive(Debug, Clone)]
pub struct Asked<'q> {
    /// Words, if any are looked for.
    pub words: Option<Vec<String>>,
    /// A vector of length 1, if one is looked for.
    pub vector: Option<Vec<f32>>,
    /// Which documents, if not all.
    pub filter: Option<&'q Filter>,
    /// The most chunks of each ranking.
    pub depth: u32,
    /// The most hits.
    pub limit: u16,
}

impl<'q> Asked<'q> {
    /// Reads a query. A vector of another dimension than the generation's is refused.
    pub fn of(query: &'q Query, settings: &Settings) -> Result<Self> {
        let vector = match &query.vector {
            Some(vector) => unit(vector, settings)?,
            None => None,
        };
        let words = query.words.as_deref().map(words::of_query).filter(|words| !words.is_empty());
        let filter = Some(&query.filter).filter(|filter| !filter.conditions().is_empty());
        let depth = DEPTH_MIN.max(DEPTH_FACTOR * u32::from(query.limit));
        Ok(Self { words, vector, filter, depth, limit: query.limit })
    }
}

/// A vector of this direction and of length 1, so that no store meets numbers too large or too small for it; none of one that has no
/// direction. Refused where it has not the generation's dimension, or what is no number.
pub fn unit(vector: &[f32], settings: &Settings) -> Result<Option<Vec<f32>>> {
    let (is, should) = (vector.len(), usize::from(settings.model.dimension));
    if is != should {
        return Err(Error::Refused(format!("a vector of {is} dimensions, where {} has {should}", settings.model.name)));
    }
    if vector.iter().any(|one| !one.is_finite()) {
        return Err(Error::Refused("a vector with what is no number".into()));
    }
    let length = vector.iter().map(|one| f64::from(*one).powi(2)).sum::<f64>().sqrt();
    Ok((length > 0.0).then(|| vector.iter().map(|one| (f64::from(*one) / length) as f32).collect()))
}

/// The best of rankings, with their scores: one ranking's own, or those of the fusion of two.
pub fn best(rankings: Vec<Vec<Ranked>>, asked: &Asked) -> Vec<(i64, f64)> {
    let limit = usize::from(asked.limit);
    let mut rankings: Vec<Vec<Ranked>> = rankings.into_iter().map(|ranking| ordered(ranking, asked.depth)).collect();
    if rankings.len() == 1 {
        return rankings.remove(0).into_iter().take(limit).map(|one| (one.chunk, one.score)).collect();
    }
    let all: BTreeMap<(&str, i64), i64> = rankings.iter().flatten().map(|one| ((one.document_id.as_str(), one.n), one.chunk)).collect();
    let places: BTreeMap<i64, usize> = all.values().enumerate().map(|(place, chunk)| (*chunk, place)).collect();
    let chunks: Vec<i64> = all.values().copied().collect();
    let rankings: Vec<Vec<usize>> = rankings.iter().map(|ranking| ranking.iter().map(|one| places[&one.chunk]).collect()).collect();
    fuse(&rankings).into_iter().take(limit).map(|(place, score)| (chunks[place], score)).collect()
}

/// The best first; what is equal by document and place.
fn ordered(mut ranking: Vec<Ranked>, depth: u32) -> Vec<Ranked> {
    ranking.iter_mut().for_each(|one| one.score = (one.score / GRAIN).round() * GRAIN);
    ranking.sort_by(|one, other| {
        let by_name = || (&one.document_id, one.n).cmp(&(&other.document_id, other.n));
        other.score.total_cmp(&one.score).then_with(by_name)
    });
    ranking.truncate(depth as usize);
    ranking
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::{Chunking, Model};

    fn settings() -> Settings {
        Settings { connection: None, model: Model { name: "m".into(), dimension: 2 }, chunking: Chunking::default() }
    }

    fn asked(limit: u16) -> Asked<'static> {
        Asked { words: None, vector: None, filter: None, depth: 50, limit }
    }

    fn ranked(chunk: i64, document_id: &str, score: f64) -> Ranked {
        Ranked { chunk, document_id: document_id.into(), n: 0, score }
    }

    #[test]
    fn vectors_are_kept_with_length_one() {
        for (vector, expected) in [([3e-30, 4e-30], [0.6, 0.8]), ([-3e30, 4e30], [-0.6, 0.8])] {
            let unit = unit(&vector, &settings()).expect("numbers").expect("a direction");
            assert!(unit.iter().zip(expected).all(|(one, other): (&f32, f32)| (one - other).abs() < 1e-6), "{unit:?}");
        }
        assert_eq!(unit(&[0.0, -0.0], &settings()), Ok(None));
        for wrong in [vec![1.0], vec![1.0, 2.0, 3.0], vec![1.0, f32::NAN], vec![f32::INFINITY, 1.0]] {
            assert!(matches!(unit(&wrong, &settings()), Err(Error::Refused(_))), "{wrong:?}");
        }
    }

    #[test]
    fn one_ranking_has_its_own_scores_and_equal_ones_come_by_name() {
        let ranking = vec![ranked(1, "b", 0.5), ranked(2, "a", 0.500_000_1), ranked(3, "c", 0.9)];
        let best = best(vec![ranking], &asked(2));
        assert_eq!(best.iter().map(|(chunk, _)| *chunk).collect::<Vec<_>>(), [3, 2]);
        assert!((best[0].1 - 0.9).abs() < 1e-9 && (best[1].1 - 0.5).abs() < 1e-9);
    }

    #[test]
    fn of_two_rankings_what_both_name_is_first() {
        let vectors = vec![ranked(1, "a", 0.9), ranked(2, "b", 0.8)];
        let words = vec![ranked(3, "c", 7.0), ranked(2, "b", 6.0)];
        let best: Vec<i64> = best(vec![vectors, words], &asked(10)).into_iter().map(|(chunk, _)| chunk).collect();
        assert_eq!(best, [2, 1, 3]);
    }
}
