//! How the next page is found, and that there is an end to it. Pure.
//!
//! A list ends where its style says so; one that goes round in a circle, says the same for ever, or has empty pages only is broken off. That
//! one just never ends is for the run's limits (`limits.pages_max`, `limits.records_max`). Next: `http.rs`.

use serde_json::Value;

use super::{
    Wrong,
    ask::overlap,
    place::{At, Place, short_hash},
    records::{MARK_BYTES_MAX, Said, too_long},
};
use crate::sync::{
    definition::{HttpSource, List, Pagination, Size},
    read::key_of,
};

/// The most empty pages in a row that ask for another: some providers filter what they have looked through (Airtable does).
const EMPTY_PAGES_MAX: u32 = 100;
/// How often a page may say what one before said. A list that grows while it is read may move a page's records to the next, once or twice.
const SAME_PAGES_MAX: u32 = 3;

/// What a page had.
pub(super) struct Had<'p> {
    /// Its records, without those that were asked for again.
    pub(super) new: &'p [Value],
    /// How many were asked for again, and came.
    pub(super) again: u64,
    /// The last record's key, or what stands for it.
    pub(super) last: Option<String>,
}

/// Takes away what was asked for again, and says how much that was; none where another record stands there by now: the list has moved.
pub(super) fn without_overlap(list: &List, here: &Place, records: &mut Vec<Value>, known_by: impl Fn(&Value) -> String) -> Option<u64> {
    let again = overlap(list, &here.at);
    if again > 0 {
        let stands = records.first().map(known_by);
        if stands.is_none() || stands != here.last {
            return None;
        }
        records.remove(0);
    }
    Some(again)
}

/// What a record is known by, where it is asked for again: its key, or, where it has none, all of it.
pub(super) fn known_by(source: &HttpSource, record: &Value) -> String {
    let known = key_of(source, record).unwrap_or_else(|_| record.to_string());
    short_hash(known.as_bytes())
}

/// Where the page after `here` is; none after the last.
pub(super) fn next(list: &List, here: &Place, said: Said, had: &Had<'_>) -> Result<Option<Place>, Wrong> {
    let Some((at, probing)) = onward(list, here, said, had)? else { return Ok(None) };
    let (new, all) = (had.new.len() as u64, had.new.len() as u64 + had.again);
    let mut next = Place {
        pages: here.pages + 1,
        records: here.records + new,
        fullest: here.fullest.max(all),
        empty: if new == 0 { here.empty + 1 } else { 0 },
        last: had.last.clone().or_else(|| here.last.clone()),
        at,
        probing,
        ..here.clone()
    };
    if next.empty > EMPTY_PAGES_MAX {
        return Err(Wrong::always("source_endless", format!("{} pages in a row are empty, and each asks for another", next.empty)));
    }
    let place = serde_json::to_vec(&next.at).expect("a place has a JSON form");
    if next.places.step(&short_hash(&place)) > 0 {
        let message = format!("page {} leads back to one that was read already: the list goes round in a circle", next.pages);
        return Err(Wrong::always("source_circles", message));
    }
    if let (Some(first), Some(last)) = (had.new.first(), had.new.last()) {
        let content = format!("{new} {first} {last}");
        if next.contents.step(&short_hash(content.as_bytes())) >= SAME_PAGES_MAX {
            let message = format!(
                "page {} says again what pages before it said: the provider heeds no paging, or goes round in a circle",
                next.pages
            );
            return Err(Wrong::always("source_circles", message));
        }
    }
    Ok(Some(next))
}

/// How the next page is asked for, and whether nothing is expected of it.
fn onward(list: &List, here: &Place, said: Said, had: &Had<'_>) -> Result<Option<(At, bool)>, Wrong> {
    let new = had.new.len() as u64;
    let Some(pagination) = &list.pagination else { return Ok(None) };
    let counted = |size: Option<&Size>| goes_on(here, size, said.total, new, had.again);
    Ok(match (pagination, &here.at) {
        (Pagination::Page { size, .. }, At::Page(number)) => {
            counted(size.as_ref())?.map(|probing| (At::Page(number.saturating_add(1)), probing))
        }
        (Pagination::Offset { size, .. }, At::Offset(offset)) => {
            counted(Some(size))?.map(|probing| (At::Offset(offset.saturating_add(new)), probing))
        }
        (Pagination::Keyset { size, pointer, .. }, _) => match (counted(size.as_ref())?, had.new.last()) {
            (Some(probing), Some(last)) => Some((At::After(keyset(last, pointer)?), probing)),
            _ => None,
        },
        (Pagination::Cursor { .. }, _) => said.cursor.map(|cursor| (At::Mark(cursor), false)),
        (Pagination::NextLink { .. }, _) => match said.link {
            Some(link) if link.len() > MARK_BYTES_MAX => return Err(too_long(link.len())),
            link => link.map(|link| (At::Link(link), false)),
        },
        _ => return Err(Wrong::always("place_invalid", "the place where the run stands is of another way of paging")),
    })
}

/// Whether a list that is counted goes on after a page, and whether it would be a surprise if it did.
fn goes_on(here: &Place, size: Option<&Size>, total: Option<u64>, new: u64, again: u64) -> Result<Option<bool>, Wrong> {
    let (before, all) = (here.records + new, new + again);
    // One that is smaller than what was read already is no total, or is out of date: it ends nothing.
    if let Some(total) = total.filter(|total| *total >= before) {
        if new == 0 && before < total {
            let message = format!("the page is empty after {before} of {total} records");
            return Err(Wrong::now("source_truncated", message));
        }
        // What is said to be all may be all of this page, or the number of pages: after a full one it is looked whether there are more.
        let is_full = new > 0 && all >= size.map_or(here.fullest, |size| size.records.into());
        return Ok((before < total || is_full).then_some(before == total));
    }
    let Some(size) = size else { return Ok((new > 0).then_some(false)) };
    if new == 0 {
        return Ok(None);
    }
    if all >= u64::from(size.records) {
        return Ok(Some(false));
    }
    // Some give fewer than they are asked for, without a word: the first page that is short may be a full one of theirs.
    let may_be_full = size.parameter.is_some() && all >= here.fullest;
    Ok(may_be_full.then_some(true))
}

fn keyset(last: &Value, pointer: &str) -> Result<Value, Wrong> {
    let value = last.pointer(pointer).filter(|value| !value.is_null());
    let value = value.ok_or_else(|| {
        Wrong::always(
            "keyset_missing",
            format!("the page's last record has nothing at {pointer:?}, by which the next page would be asked for"),
        )
    })?;
    let bytes = value.to_string().len();
    if bytes > MARK_BYTES_MAX { Err(too_long(bytes)) } else { Ok(value.clone()) }
}

/// The target of the first link with `rel="next"` (RFC 8288): a relation may be one of several, quoted or not; a link of another context
/// (`anchor`) is none of the page's.
pub(super) fn next_link(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some(start) = rest.find('<') {
        let after = &rest[start + 1..];
        let end = after.find('>')?;
        let (target, parameters) = (&after[..end], &after[end + 1..]);
        let length = parameters_length(parameters);
        let (mut is_next, mut is_elsewhere) = (false, false);
        for (name, value) in parameters_of(&parameters[..length]) {
            match name.as_str() {
                "rel" => is_next |= value.split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("next")),
                "anchor" => is_elsewhere = true,
                _ => {}
            }
        }
        if is_next && !is_elsewhere {
            return Some(target.trim().to_owned());
        }
        rest = &parameters[length..];
    }
    None
}

/// Up to the comma that ends a link's parameters.
fn parameters_length(text: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return index,
            _ => {}
        }
    }
    text.len()
}

fn parameters_of(text: &str) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    let (mut piece, mut quoted, mut escaped) = (String::new(), false, false);
    for character in text.chars().chain([';']) {
        match character {
            _ if escaped => {
                piece.push(character);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => {
                if let Some((name, value)) = piece.split_once('=') {
                    parameters.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
                }
                piece.clear();
            }
            other => piece.push(other),
        }
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_as_rfc_8288_writes_them() {
        // The first three are the examples of RFC 8288, section 3.5, the fourth GitHub's.
        let terms = "</TheBook/chapter2>; rel=\"previous\"; title*=UTF-8'de'letztes%20Kapitel, </TheBook/chapter4>; rel=\"next\"; \
                     title*=UTF-8'de'n%c3%a4chstes%20Kapitel";
        let github = "<https://api.github.com/repositories/1/issues?page=2>; rel=\"prev\", \
                      <https://api.github.com/repositories/1/issues?page=4>; rel=\"next\", <https://api.github.com/x?page=515>; rel=\"last\"";
        for (header, expected) in [
            ("<http://example.com/TheBook/chapter2>; rel=\"previous\"; title=\"previous chapter\"", None),
            (terms, Some("/TheBook/chapter4")),
            ("<http://example.org/>; rel=\"start http://example.net/relation/other\"", None),
            (github, Some("https://api.github.com/repositories/1/issues?page=4")),
            ("<?p=2>;rel=next", Some("?p=2")),
            ("< ?p=2 > ; REL = \"last NEXT\"", Some("?p=2")),
            ("<a>; title=\"x, <b>; rel=next\"; rel=prev", None),
            ("<a>; title=\"a \\\" rel=next;\"; rel=prev, <c>; rel=next", Some("c")),
            ("<a>; rel=next; anchor=\"/other\"", None),
            ("<a", None),
            ("", None),
            ("a; rel=next", None),
        ] {
            assert_eq!(next_link(header).as_deref(), expected, "{header}");
        }
    }
}
