//! Text as it is kept: lines end with a line feed, at most one of them is empty in a row, and no character is there that nobody sees. Pure.

/// The text without what is no text: control characters (no database takes NUL), marks of byte order, hyphens that are only shown at a
/// line's end. Spaces of other widths are spaces.
pub(super) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut blank = 0;
    for line in text.replace("\r\n", "\n").split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']) {
        let begin = cleaned.len();
        for character in line.chars() {
            match character {
                '\t' => cleaned.push('\t'),
                '\u{a0}' | '\u{2007}' | '\u{202f}' => cleaned.push(' '),
                '\u{ad}' | '\u{feff}' | '\u{fffc}' | '\u{fffe}' | '\u{ffff}' => {}
                character if character.is_control() => {}
                character => cleaned.push(character),
            }
        }
        let length = cleaned[begin..].trim_end().len();
        cleaned.truncate(begin + length);
        if length > 0 {
            blank = 0;
            cleaned.push('\n');
        } else if blank == 0 && begin > 0 {
            blank = 1;
            cleaned.push('\n');
        }
    }
    cleaned.truncate(cleaned.trim_end().len());
    cleaned
}

/// A title: one line, of no more than [`HEADING_CHARACTERS_MAX`].
pub(super) fn line(text: &str) -> String {
    words(text).chars().take(HEADING_CHARACTERS_MAX).collect()
}

/// The text as one line.
pub(super) fn words(text: &str) -> String {
    let cleaned = clean(text);
    let words: Vec<&str> = cleaned.split_whitespace().collect();
    words.join(" ")
}

/// The longest heading: what is longer is a paragraph that looks like one.
pub(super) const HEADING_CHARACTERS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_alike_and_what_nobody_sees_is_gone() {
        for (text, cleaned) in [
            ("a\r\nb\rc\nd", "a\nb\nc\nd"),
            ("a  \n \n\t\n\n  b\n\n", "a\n\n  b"),
            ("\n\n a", " a"),
            ("a\0b\u{7}c\u{ad}d\u{feff}", "abcd"),
            ("a\u{c}b", "a\nb"),
            ("a\u{a0}b\tc", "a b\tc"),
            ("👩\u{200d}🚀", "👩\u{200d}🚀"),
            ("", ""),
        ] {
            assert_eq!(clean(text), cleaned, "{text:?}");
        }
        assert_eq!(line(" A\n long\t  heading "), "A long heading");
        assert_eq!(line(&"x".repeat(1000)).len(), HEADING_CHARACTERS_MAX);
    }
}
