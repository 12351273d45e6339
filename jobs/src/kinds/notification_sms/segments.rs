//! How many segments a text takes: GSM 7 bit where every character is of its alphabet, UCS-2 otherwise. Pure.
//!
//! The alphabet and its extension are those of 3GPP TS 23.038 (6.2.1, 6.2.1.1), the lengths those of TS 23.040: 160 septets or 70 units in
//! one segment; in several, each gives up 6 bytes for its header: 153 or 67. An extension is never cut in two, nor a surrogate pair.

/// The basic alphabet. The escape to the extension is no character.
const BASIC: &str =
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Two septets each.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// How a text goes over the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Seven bits a character.
    Gsm7,
    /// Sixteen bits a unit.
    Ucs2,
}

/// How this text goes over the air.
pub fn encoding(text: &str) -> Encoding {
    if text.chars().all(|character| septets(character).is_some()) { Encoding::Gsm7 } else { Encoding::Ucs2 }
}

/// In how many segments it goes; an empty text in none.
pub fn segments(text: &str) -> usize {
    let (sizes, one, of_several): (Vec<usize>, usize, usize) = match encoding(text) {
        Encoding::Gsm7 => (text.chars().filter_map(septets).collect(), 160, 153),
        Encoding::Ucs2 => (text.chars().map(char::len_utf16).collect(), 70, 67),
    };
    match sizes.iter().sum::<usize>() {
        0 => 0,
        total if total <= one => 1,
        _ => {
            let (mut full, mut filled) = (0, 0);
            for size in sizes {
                if filled + size > of_several {
                    (full, filled) = (full + 1, 0);
                }
                filled += size;
            }
            full + 1
        }
    }
}

/// The septets of a character; none where the alphabet has it not.
fn septets(character: char) -> Option<usize> {
    match character {
        _ if BASIC.contains(character) => Some(1),
        _ if EXTENDED.contains(character) => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_counted_as_the_air_has_them() {
        let of = |text: &str| (encoding(text), segments(text));
        let (gsm7, ucs2) = (Encoding::Gsm7, Encoding::Ucs2);
        let cases = [
            (String::new(), (gsm7, 0)),
            ("Grüße für 5 €".into(), (gsm7, 1)),
            ("a".repeat(160), (gsm7, 1)),
            ("a".repeat(161), (gsm7, 2)),
            ("a".repeat(306), (gsm7, 2)),
            ("a".repeat(307), (gsm7, 3)),
            // 80 euro signs are 160 septets; the 77th does not fit behind 76 in 153.
            ("€".repeat(80), (gsm7, 1)),
            ("€".repeat(81), (gsm7, 2)),
            ("€".repeat(152), (gsm7, 2)),
            ("€".repeat(153), (gsm7, 3)),
            ("я".repeat(70), (ucs2, 1)),
            ("я".repeat(71), (ucs2, 2)),
            ("سلام".into(), (ucs2, 1)),
            ("a’".into(), (ucs2, 1)),
            // Pairs are not cut: 33 of them in 67 units.
            ("😀".repeat(35), (ucs2, 1)),
            ("😀".repeat(36), (ucs2, 2)),
            ("😀".repeat(66), (ucs2, 2)),
            ("😀".repeat(67), (ucs2, 3)),
        ];
        for (text, expected) in cases {
            assert_eq!(of(&text), expected, "{text}");
        }
        assert_eq!(BASIC.chars().count(), 127, "128 places, one of which is the escape");
    }
}
