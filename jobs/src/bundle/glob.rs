//! Globs over the paths of a bundle: `?` and `*` stay within a segment, `**` stands for any number of whole segments.
//!
//! No classes, no braces, no escapes: every other character means itself. Time grows with glob times path, never faster.

/// Whether any of the globs fits the path.
pub fn any(globs: &[String], path: &str) -> bool {
    globs.iter().any(|glob| fits(glob, path))
}

/// Whether the glob fits the whole path.
pub fn fits(glob: &str, path: &str) -> bool {
    let (globs, segments): (Vec<&str>, Vec<&str>) = (glob.split('/').collect(), path.split('/').collect());
    walk(&globs, &segments, |glob| *glob == "**", |glob, segment| fits_segment(glob, segment))
}

fn fits_segment(glob: &str, segment: &str) -> bool {
    let (glob, segment): (Vec<char>, Vec<char>) = (glob.chars().collect(), segment.chars().collect());
    walk(&glob, &segment, |glob| *glob == '*', |glob, found| *glob == '?' || glob == found)
}

/// Whether the pattern fits the whole text, where a joker stands for any run of it. When what follows a joker fails, only the last
/// joker need take in more: whatever an earlier one could take in, the later can as well.
fn walk<T>(pattern: &[T], text: &[T], is_joker: impl Fn(&T) -> bool, fits: impl Fn(&T, &T) -> bool) -> bool {
    let (mut at, mut seen, mut joker) = (0, 0, None);
    while seen < text.len() {
        match pattern.get(at) {
            Some(one) if is_joker(one) => {
                joker = Some((at, seen));
                at += 1;
            }
            Some(one) if fits(one, &text[seen]) => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((joker_at, taken)) = joker else { return false };
                joker = Some((joker_at, taken + 1));
                at = joker_at + 1;
                seen = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(is_joker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stay_in_their_segment_unless_there_are_two() {
        let cases = [
            ("index.html", "index.html", true),
            ("index.html", "a/index.html", false),
            ("*.html", "index.html", true),
            ("*.html", "a/index.html", false),
            ("src/**/*.html", "src/index.html", true),
            ("src/**/*.html", "src/a/b/index.html", true),
            ("src/**/*.html", "lib/src/index.html", false),
            ("**", "a/b/c", true),
            ("dist/**", "dist/a", true),
            ("dist/**", "dist2/a", false),
            ("**/b/**/d", "a/b/c/b/d", true),
            ("**/b/**/d", "a/c/d", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("ö?", "öß", true),
            ("*a*b", "xaxxbxb", true),
            ("*a*b", "xaxxbx", false),
            ("[ab]", "a", false),
            ("", "a", false),
        ];
        for (glob, path, expected) in cases {
            assert_eq!(fits(glob, path), expected, "{glob} over {path}");
        }
    }

    #[test]
    fn a_nasty_glob_ends_in_time() {
        assert!(!fits(&format!("{}c", "a*".repeat(100)), &format!("{}b", "a".repeat(200))));
        assert!(!fits(&["**"; 100].join("/a/"), &["b"; 400].join("/")));
    }
}
