//! Texts in which a record stands: `{key}`, `{id}`, and `{/pointer}` for what lies there in it. Pure.
//!
//! Whoever checks such a text and whoever fills it in read it here alike. Whatever else stands in braces, and a brace that is not closed, means
//! itself. Within a text of another language `{/pointer|json}` stands for the value as JSON writes it, a text in its quotes, so that no value
//! can end it. Next: `check.rs`, and `request.rs` of the kind `sync.run`.

use super::pointer::is_pointer;

/// What turns a value into JSON.
const AS_JSON: &str = "|json";

/// A piece of such a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'t> {
    /// It means itself.
    Text(&'t str),
    /// The record's key.
    Key,
    /// What the provider calls the record.
    Id,
    /// What stands there in the record.
    Pointer {
        /// Where.
        pointer: &'t str,
        /// Whether it is written as JSON.
        as_json: bool,
    },
}

/// A text's pieces, each with its length in bytes.
fn measured(text: &str) -> impl Iterator<Item = (Piece<'_>, usize)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, length) = placeholder(rest).unwrap_or_else(|| {
            // Up to the next that is one, past a brace that is none.
            let end = rest.char_indices().skip(1).map(|(at, _)| at).find(|at| placeholder(&rest[*at..]).is_some()).unwrap_or(rest.len());
            (Piece::Text(&rest[..end]), end)
        });
        rest = &rest[length..];
        Some((piece, length))
    })
}

/// A text's pieces.
pub fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    measured(text).map(|(piece, _)| piece)
}

/// What stands in braces at a text's beginning, with the braces' length.
fn placeholder(text: &str) -> Option<(Piece<'_>, usize)> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    let piece = match name {
        "key" => Piece::Key,
        "id" => Piece::Id,
        _ if name.starts_with('/') => {
            let (pointer, as_json) = name.strip_suffix(AS_JSON).map_or((name, false), |pointer| (pointer, true));
            Piece::Pointer { pointer, as_json }
        }
        _ => return None,
    };
    Some((piece, name.len() + 2))
}

/// Whether each pointer in the text is one; the error is the first that is none.
pub fn check(text: &str) -> Result<(), &str> {
    let bad = pieces(text).find_map(|piece| match piece {
        Piece::Pointer { pointer, .. } if !is_pointer(pointer) => Some(pointer),
        _ => None,
    });
    bad.map_or(Ok(()), Err)
}

/// A path's segments; a slash within a pointer is the pointer's.
pub fn segments(path: &str) -> Vec<&str> {
    let (mut segments, mut begin, mut at) = (Vec::new(), 0, 0);
    for (piece, length) in measured(path) {
        if let Piece::Text(text) = piece {
            for (slash, _) in text.match_indices('/') {
                segments.push(&path[begin..at + slash]);
                begin = at + slash + 1;
            }
        }
        at += length;
    }
    segments.push(&path[begin..]);
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pointer: &str, as_json: bool) -> Piece<'_> {
        Piece::Pointer { pointer, as_json }
    }

    #[test]
    fn what_is_no_placeholder_means_itself() {
        let cases: [(&str, &[Piece<'_>]); 9] = [
            ("", &[]),
            ("plain", &[Piece::Text("plain")]),
            ("{key}-{id}", &[Piece::Key, Piece::Text("-"), Piece::Id]),
            ("{Email}='{/email}'", &[Piece::Text("{Email}='"), at("/email", false), Piece::Text("'")]),
            ("{Email}={/a/e~1|json}", &[Piece::Text("{Email}="), at("/a/e~1", true)]),
            ("{\"email\":{/email|json}}", &[Piece::Text("{\"email\":"), at("/email", true), Piece::Text("}")]),
            ("{name}{", &[Piece::Text("{name}{")]),
            ("{{key}}", &[Piece::Text("{"), Piece::Key, Piece::Text("}")]),
            ("ä{/ö}", &[Piece::Text("ä"), at("/ö", false)]),
        ];
        for (text, expected) in cases {
            assert_eq!(pieces(text).collect::<Vec<_>>(), expected, "{text}");
        }
        assert_eq!(check("{key}{/a/b}"), Ok(()));
        assert_eq!(check("{/a~2}"), Err("/a~2"));
    }

    #[test]
    fn a_slash_within_a_pointer_divides_nothing() {
        assert_eq!(segments("a/{/b/c}x/{d/e}/"), ["a", "{/b/c}x", "{d", "e}", ""]);
        assert_eq!(segments("{key}"), ["{key}"]);
        assert_eq!(segments(""), [""]);
    }
}
