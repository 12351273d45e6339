//! The model that needs no key and no network: words and pieces of words, hashed. It knows spelling, not meaning: "car" is near "cars" and
//! nowhere near "vehicle". Pure: the same text has the same vector everywhere.
//!
//! Feature hashing with signs: Weinberger, Dasgupta, Langford, Smola and Attenberg, "Feature Hashing for Large Scale Multitask Learning",
//! ICML 2009. Pieces of words as fastText has them: Bojanowski, Grave, Joulin and Mikolov, "Enriching Word Vectors with Subword Information", 2017.

use std::{collections::BTreeMap, hash::Hasher};

use fnv::FnvHasher;

use super::{Model, words::words};

/// Its name. Another way of hashing would be another.
pub const NAME: &str = "lexical-1";
/// The dimensions of its vectors.
pub const DIMENSION: u16 = 512;
/// The letters of a piece of a word.
const PIECE: usize = 3;
/// What all pieces of a word weigh together; the word itself weighs 1.
const PIECES_WEIGHT: f64 = 1.0;

/// The model.
pub fn model() -> Model {
    Model { name: NAME.into(), dimension: DIMENSION }
}

/// The vector of a text, of length 1; all zeros where the text has no word.
pub fn embed(text: &str) -> Vec<f32> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for word in words(text) {
        *counts.entry(word).or_default() += 1;
    }
    let mut vector = vec![0.0_f64; DIMENSION.into()];
    for (word, count) in &counts {
        let weight = 1.0 + f64::from(*count).ln();
        add(&mut vector, word, weight);
        let pieces = pieces(word);
        let each = weight * PIECES_WEIGHT / (pieces.len().max(1) as f64).sqrt();
        pieces.iter().for_each(|piece| add(&mut vector, piece, each));
    }
    let length = vector.iter().map(|one| one * one).sum::<f64>().sqrt();
    vector.into_iter().map(|one| if length > 0.0 { (one / length) as f32 } else { 0.0 }).collect()
}

/// Its pieces, with marks for its beginning and its end, by which they differ from words.
fn pieces(word: &str) -> Vec<String> {
    let letters: Vec<char> = format!("<{word}>").chars().collect();
    letters.windows(PIECE).map(|piece| format!("~{}", piece.iter().collect::<String>())).collect()
}

fn add(vector: &mut [f64], feature: &str, weight: f64) {
    let mut hasher = FnvHasher::default();
    hasher.write(feature.as_bytes());
    let hash = spread(hasher.finish());
    let place = (hash % u64::from(DIMENSION)) as usize;
    vector[place] += if hash >> 63 == 0 { weight } else { -weight };
}

/// FNV's last bytes decide too little of its high bits: the last step of MurmurHash3's 64-bit mix (Appleby, public domain).
fn spread(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: &str, other: &str) -> f32 {
        embed(one).iter().zip(embed(other)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn vectors_have_length_one_and_are_the_same_everywhere() {
        let vector = embed("Der Leuchtturm am Ende der Welt");
        let length: f32 = vector.iter().map(|one| one * one).sum();
        assert!((length - 1.0).abs() < 1e-5 && vector.len() == usize::from(DIMENSION));
        assert_eq!(vector, embed("Der Leuchtturm am Ende der Welt"));
        assert_eq!(vector, embed("der WELT ende, am Leuchtturm – der!"), "neither order nor case nor signs");
    }

    #[test]
    fn what_is_spelt_alike_is_near() {
        let query = "lighthouses of the coast";
        assert!(near(query, "a lighthouse on the coast") > 0.4);
        assert!(near(query, "a lighthouse on the coast") > near(query, "bread gets dearer in every town") + 0.2);
        assert!(near("Straßenverkehr", "Straßenverkehrsordnung") > near("Straßenverkehr", "Kochrezepte") + 0.2);
    }

    #[test]
    fn a_text_without_words_is_near_nothing() {
        assert!(embed(" … !?").iter().all(|one| *one == 0.0));
        assert!(embed("").iter().all(|one| *one == 0.0));
    }
}
