//! The words of a text as they are compared: of chunks, of queries, and by the lexical model. Pure.
//!
//! Folded alike, so that "Café", "CAFE" and "cafe\u{301}" are one word: NFKD without marks, in lower case. Scripts that put nothing between
//! words (Chinese, Japanese, Thai and their neighbours) are cut into pairs of letters. Next: `bm25.rs`, which scores by them.

use std::iter;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The longest word, in bytes; of a longer one its beginning is taken.
pub const WORD_BYTES_MAX: usize = 64;
/// The most words of a query that are looked for: the first.
pub const QUERY_WORDS_MAX: usize = 16;

/// The words of a text, in their order.
pub fn words(text: &str) -> Vec<String> {
    let folded = fold(text);
    folded.split(|letter: char| !letter.is_alphanumeric()).filter(|run| !run.is_empty()).flat_map(cut).collect()
}

/// What is looked for: each word once.
pub fn of_query(query: &str) -> Vec<String> {
    let mut wanted: Vec<String> = Vec::new();
    for word in words(query) {
        if wanted.len() == QUERY_WORDS_MAX {
            break;
        }
        if !wanted.contains(&word) {
            wanted.push(word);
        }
    }
    wanted
}

fn fold(text: &str) -> String {
    // Lower case may bring marks, and compatible forms may be capitals: both are folded twice. Hangul is put together again.
    let bare = |letter: &char| !is_combining_mark(*letter);
    let lower: String = text.nfkd().filter(bare).flat_map(char::to_lowercase).collect();
    lower.nfkd().filter(bare).flat_map(plain).nfc().collect()
}

/// Letters that have two small forms, or are written as two.
fn plain(letter: char) -> impl Iterator<Item = char> {
    let (first, second) = match letter {
        'ß' => ('s', Some('s')),
        'ς' => ('σ', None),
        _ => (letter, None),
    };
    iter::once(first).chain(second)
}

/// A run of letters: a word, or pairs where letters of unspaced scripts follow each other.
fn cut(run: &str) -> Vec<String> {
    if run.is_ascii() {
        return vec![shortened(run)];
    }
    let letters: Vec<char> = run.chars().collect();
    let pieces = letters.chunk_by(|one, other| is_unspaced(*one) == is_unspaced(*other));
    let cut = |piece: &[char]| match piece {
        [first, _, ..] if is_unspaced(*first) => piece.windows(2).map(String::from_iter).collect(),
        _ => vec![shortened(&String::from_iter(piece))],
    };
    pieces.flat_map(cut).collect()
}

fn shortened(word: &str) -> String {
    word[..word.floor_char_boundary(WORD_BYTES_MAX)].to_owned()
}

/// Whether words of this letter's script have nothing between them.
const fn is_unspaced(letter: char) -> bool {
    matches!(letter,
        '\u{e00}'..='\u{eff}'       // Thai, Lao
        | '\u{1000}'..='\u{109f}'   // Burmese
        | '\u{1780}'..='\u{17ff}'   // Khmer
        | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30ff}'   // Hiragana, Katakana
        | '\u{3400}'..='\u{4dbf}'   // Han
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_means_the_same_is_the_same() {
        for (one, other) in [
            ("Café, CAFE", "cafe\u{301} cafe"),
            ("STRASSE Straße", "strasse strasse"),
            ("ΟΔΟΣ οδός", "οδος οδοσ"),
            ("İstanbul ISTANBUL", "istanbul istanbul"),
            ("ﬁve ½ ℡", "five 1 2 tel"),
            ("한국어", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}\u{110b}\u{1165}"),
            ("x.example/a?b=1", "X EXAMPLE a b 1"),
        ] {
            assert_eq!(words(one), words(other), "{one}");
        }
    }

    #[test]
    fn unspaced_scripts_are_cut_into_pairs() {
        assert_eq!(words("東京都 tokyo東京2020 字"), ["東京", "京都", "tokyo", "東京", "2020", "字"]);
        assert_eq!(words("ひらカナ"), ["ひら", "らカ", "カナ"]);
    }

    #[test]
    fn nothing_is_no_word_and_a_long_one_ends() {
        assert!(words(" … !? \u{0} 👋\u{301}").is_empty());
        assert_eq!(words(&"é".repeat(200)), ["e".repeat(WORD_BYTES_MAX)]);
        assert_eq!(words(&"ж".repeat(200)), ["ж".repeat(WORD_BYTES_MAX / 2)]);
    }

    #[test]
    fn a_query_has_each_word_once_and_not_too_many() {
        assert_eq!(of_query("to be or NOT to be"), ["to", "be", "or", "not"]);
        assert_eq!(of_query(&(0..100).map(|number| format!("w{number} ")).collect::<String>()).len(), QUERY_WORDS_MAX);
    }

    proptest! {
        /// Stores put words into one text with spaces between, and before each a prefix that ends in a sign that no word has.
        #[test]
        fn a_word_has_neither_space_nor_sign_and_stays_as_it_is(text in any::<String>()) {
            for word in words(&text) {
                prop_assert!(!word.is_empty() && word.len() <= WORD_BYTES_MAX, "{word:?}");
                prop_assert!(word.chars().all(char::is_alphanumeric), "{word:?}");
                prop_assert!(!word.bytes().any(|byte| byte.is_ascii_uppercase()), "{word:?}");
                prop_assert_eq!(words(&word), vec![word.clone()]);
            }
        }
    }
}
