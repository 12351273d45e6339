//! Where a request goes: the connection's URL, and what a payload adds to it. Never another host, nor a path above. Pure.

use crate::outbound::Url;

/// The connection's URL with a path below it and more parameters. The error says what is wrong with the path.
pub(crate) fn target<K: AsRef<str>, V: AsRef<str>>(
    base: &Url,
    path: Option<&str>,
    query: impl IntoIterator<Item = (K, V)>,
) -> Result<Url, String> {
    let mut url = base.clone();
    url.set_fragment(None);
    let path = path.map(|path| path.strip_prefix('/').unwrap_or(path)).filter(|path| !path.is_empty());
    if let Some(path) = path {
        let strange = |segment: &str| segment.is_empty() || segment.chars().all(|c| c == '.') || segment.contains('\\');
        // One slash at the end is part of many paths.
        let (inner, slash) = path.strip_suffix('/').map_or((path, false), |inner| (inner, true));
        if inner.split('/').any(strange) || path.chars().any(char::is_control) {
            return Err(format!("{path:?} is no path below the connection's URL: it has an empty segment, dots or a backslash"));
        }
        let mut segments = url.path_segments_mut().map_err(|()| "the connection's URL has no path".to_owned())?;
        // Whatever a segment holds is encoded, so it stays one.
        segments.pop_if_empty().extend(inner.split('/'));
        if slash {
            segments.push("");
        }
    }
    let mut query = query.into_iter().peekable();
    // Or a URL without parameters would end in a question mark.
    if query.peek().is_some() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(base: &str, path: &str) -> Result<String, String> {
        target(&base.parse().expect("a URL"), Some(path), [("a b", "1&2")]).map(String::from)
    }

    #[test]
    fn a_path_stays_below_the_connection() {
        let below = |path| at("https://a.example/hooks?k=v", path);
        assert_eq!(below("orders/7").as_deref(), Ok("https://a.example/hooks/orders/7?k=v&a+b=1%262"));
        assert_eq!(below("/orders/").as_deref(), Ok("https://a.example/hooks/orders/?k=v&a+b=1%262"));
        assert_eq!(below("").as_deref(), Ok("https://a.example/hooks?k=v&a+b=1%262"));
        assert_eq!(below("a?b#c%2e").as_deref(), Ok("https://a.example/hooks/a%3Fb%23c%252e?k=v&a+b=1%262"));
        assert_eq!(below("@evil.example:80").as_deref(), Ok("https://a.example/hooks/@evil.example:80?k=v&a+b=1%262"));
        for path in ["..", "a/../b", "./a", "a//b", "//evil.example", "a\\b", "\\\\evil", "...", "a/\n"] {
            assert!(below(path).is_err(), "{path}");
        }
        assert_eq!(at("https://a.example", "x").as_deref(), Ok("https://a.example/x?a+b=1%262"));
    }
}
