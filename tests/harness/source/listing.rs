//! The ways to list: a path for each, and what a sync says to read it.

use serde_json::{Map, Value, json};
use windrow_jobs::clock::Timestamp;

use super::{
    data::Data,
    wire::{Answer, Asked},
};

/// A way to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// All at once, with validators.
    Whole,
    /// By number, by position.
    Page,
    /// The same, and says how many there are.
    PageOfTotal,
    /// By offset, by position.
    Offset,
    /// The same, and says how many there are.
    OffsetOfTotal,
    /// By a mark, by id. May be asked for what changed since an earlier mark of all changes.
    Cursor,
    /// By a link in the page.
    Next,
    /// By the header `Link`.
    Link,
    /// By the last id.
    Keyset,
    /// The same, as a search with a body.
    Search,
    /// All at once as JSON lines.
    Lines,
    /// All at once as CSV.
    Csv,
    /// By number as XML.
    Xml,
}

impl Listing {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Whole,
        Self::Page,
        Self::PageOfTotal,
        Self::Offset,
        Self::OffsetOfTotal,
        Self::Cursor,
        Self::Next,
        Self::Link,
        Self::Keyset,
        Self::Search,
        Self::Lines,
        Self::Csv,
        Self::Xml,
    ];

    /// Those that page.
    pub const PAGED: [Self; 9] = [
        Self::Page,
        Self::PageOfTotal,
        Self::Offset,
        Self::OffsetOfTotal,
        Self::Cursor,
        Self::Next,
        Self::Link,
        Self::Keyset,
        Self::Search,
    ];

    /// The `http` of a sync's source that reads it, `size` records a page, through a connection of this name.
    pub fn source(self, connection: &str, size: u64) -> Value {
        let sized = |parameter: &str| json!({ "parameter": parameter, "records": size });
        let (path, pagination, records) = match self {
            Self::Whole => ("whole", Value::Null, "/items"),
            Self::Page => ("page", json!({ "style": "page", "parameter": "page", "size": sized("per_page") }), "/items"),
            Self::PageOfTotal => {
                ("page", json!({ "style": "page", "parameter": "page", "size": sized("per_page"), "total": "/total" }), "/items")
            }
            Self::Offset => ("offset", json!({ "style": "offset", "parameter": "offset", "size": sized("limit") }), "/items"),
            Self::OffsetOfTotal => {
                ("offset", json!({ "style": "offset", "parameter": "offset", "size": sized("limit"), "total": "/total" }), "/items")
            }
            Self::Cursor => {
                ("cursor", json!({ "style": "cursor", "parameter": "cursor", "pointer": "/next", "size": sized("limit") }), "/items")
            }
            Self::Next => ("next", json!({ "style": "next_link", "pointer": "/links/next" }), "/items"),
            Self::Link => ("link", json!({ "style": "next_link" }), ""),
            Self::Keyset => {
                ("keyset", json!({ "style": "keyset", "parameter": "after", "pointer": "/id", "size": sized("limit") }), "/items")
            }
            Self::Search => (
                "search",
                json!({ "style": "keyset", "parameter": "/search/after", "pointer": "/id", "in": "body", "size": sized("/search/limit") }),
                "/items",
            ),
            Self::Lines => ("lines", Value::Null, ""),
            Self::Csv => ("csv", Value::Null, ""),
            Self::Xml => ("xml", json!({ "style": "page", "parameter": "page", "size": sized("per_page") }), "/table/record"),
        };
        let mut list = Map::from_iter([("path".to_owned(), json!(path))]);
        if !pagination.is_null() {
            list.insert("pagination".into(), pagination);
        }
        match self {
            Self::Next | Self::Link => {
                list.insert("query".into(), json!({ "limit": size.to_string() }));
            }
            Self::Search => {
                list.insert("method".into(), json!("POST"));
                list.insert("body".into(), json!({ "search": { "sort": "id" } }));
            }
            Self::Lines => {
                list.insert("format".into(), json!("json_lines"));
            }
            Self::Csv => {
                list.insert("format".into(), json!("csv"));
            }
            Self::Xml => {
                list.insert("format".into(), json!("xml"));
            }
            _ => {}
        }
        json!({ "connection": connection, "list": list, "records": records, "key": if self == Self::Xml { "/@id" } else { "/id" },
            "updated_at": "/updated_at", "deleted": { "pointer": "/deleted" } })
    }
}

/// The answer to a request.
pub(super) fn answer(data: &Data, asked: &Asked, size_max: u64) -> Answer {
    let body: Value = serde_json::from_str(&asked.body).unwrap_or_default();
    let number = |name: &str| {
        let in_body = body.pointer(&format!("/search/{name}")).and_then(Value::as_u64);
        asked.query.get(name).and_then(|number| number.parse::<u64>().ok()).or(in_body)
    };
    let size = number("limit").or_else(|| number("per_page")).unwrap_or(100).min(size_max);
    // What changed alone, where that is asked for.
    let since = asked
        .query
        .get("updated_since")
        .and_then(|at| Timestamp::parse_rfc3339(at).ok().or_else(|| at.parse().ok().map(Timestamp::from_ms)));
    let mut changed = since.map(|since| data.since(since));
    if let Some(mark) = asked.query.get("sync") {
        changed = mark.parse().ok().and_then(|mark| data.since_mark(mark));
        if changed.is_none() {
            return Answer::error(410, "the mark is too old");
        }
    }
    let from = |position: u64| -> Vec<u64> {
        let (skip, take) = (usize::try_from(position).expect("a position"), usize::try_from(size).unwrap_or(usize::MAX));
        match &changed {
            Some(changed) => changed.iter().copied().skip(skip).take(take).collect(),
            None => data.ids_from(position).take(take).collect(),
        }
    };
    let after = |id: u64| -> Vec<u64> {
        let take = usize::try_from(size).unwrap_or(usize::MAX);
        match &changed {
            Some(changed) => changed.iter().copied().filter(|changed| *changed > id).take(take).collect(),
            None => data.ids_after(id).take(take).collect(),
        }
    };
    let total = changed.as_ref().map_or(data.len(), |changed| changed.len() as u64);
    // Whether there are more after this one.
    let goes_on = |ids: &[u64]| {
        ids.last().copied().filter(|last| match &changed {
            Some(changed) => changed.iter().any(|id| id > last),
            None => data.ids_after(*last).next().is_some(),
        })
    };
    match asked.path.as_str() {
        "/whole" => whole(data, asked),
        "/lines" => {
            let lines: String = data.ids_after(0).map(|id| data.json(id) + "\n").collect();
            Answer::of("application/x-ndjson", lines)
        }
        "/csv" => {
            let rows: String = data.ids_after(0).map(|id| format!("{id},\"Record, {id}\",r{id}@example.com\r\n")).collect();
            Answer::of("text/csv; charset=utf-8", format!("id,name,email\r\n{rows}"))
        }
        "/xml" => {
            let rows = from((number("page").unwrap_or(1).max(1) - 1) * size);
            let rows: String =
                rows.iter().map(|id| format!("<s:record id=\"{id}\"><s:name>Record &amp; {id}</s:name></s:record>")).collect();
            let page = format!("<?xml version=\"1.0\"?><s:page xmlns:s=\"urn:source\"><s:table>{rows}</s:table></s:page>");
            Answer::of("application/xml", page)
        }
        "/page" => page(data, &from((number("page").unwrap_or(1).max(1) - 1) * size), &format!("\"total\":{total}")),
        "/offset" => page(data, &from(number("offset").unwrap_or(0)), &format!("\"total\":{total}")),
        "/cursor" => {
            let last = asked.query.get("cursor").map(|cursor| cursor.strip_prefix("after:").and_then(|id| id.parse().ok()));
            let ids = match last {
                Some(None) => return Answer::error(400, "no such cursor"),
                Some(Some(last)) => after(last),
                None => after(0),
            };
            let next = goes_on(&ids).map_or(Value::Null, |last| json!(format!("after:{last}")));
            // The mark for the next time comes with the last page.
            let mark = if next.is_null() { json!(data.mark().to_string()) } else { Value::Null };
            page(data, &ids, &format!("\"next\":{next},\"sync\":{mark}"))
        }
        "/next" => {
            let ids = after(number("after").unwrap_or(0));
            let next = goes_on(&ids).map_or(Value::Null, |last| json!(format!("/next?limit={size}&after={last}")));
            page(data, &ids, &format!("\"links\":{{\"next\":{next}}}"))
        }
        "/link" => {
            let ids = after(number("after").unwrap_or(0));
            let listed: Vec<String> = ids.iter().map(|id| data.json(*id)).collect();
            let answer = Answer::of("application/json", format!("[{}]", listed.join(",")));
            let first = format!("<?limit={size}>; rel=\"first\"");
            match goes_on(&ids) {
                Some(last) => answer.with("link", format!("{first}, <?limit={size}&after={last}>; rel=\"next\"")),
                None => answer.with("link", first),
            }
        }
        // What it was asked, as those do that help to find faults.
        "/echo" => {
            let headers: Vec<Value> = asked.headers.iter().map(|(name, value)| json!({ "id": name, "value": value })).collect();
            Answer::of("application/json", json!({ "items": headers, "args": asked.query }).to_string())
        }
        "/keyset" | "/search" => page(data, &after(number("after").unwrap_or(0)), "\"ok\":true"),
        _ => Answer::error(404, "no such list"),
    }
}

/// All of them, known by a tag and an instant.
fn whole(data: &Data, asked: &Asked) -> Answer {
    let (etag, modified) = (format!("\"v{}\"", data.mark()), format!("Thu, 01 Jan 2026 00:{:02}:00 GMT", data.mark() % 60));
    let is_known = match asked.header("if-none-match") {
        Some(known) => known == etag,
        None => asked.header("if-modified-since") == Some(&modified),
    };
    let answer = if is_known {
        super::wire::Answer { status: 304, headers: Vec::new(), body: Vec::new() }
    } else {
        page(data, &data.ids_after(0).collect::<Vec<_>>(), "\"ok\":true")
    };
    answer.with("etag", etag).with("last-modified", modified)
}

fn page(data: &Data, ids: &[u64], said: &str) -> Answer {
    let listed: Vec<String> = ids.iter().map(|id| data.json(*id)).collect();
    Answer::of("application/json", format!("{{\"items\":[{}],{said}}}", listed.join(",")))
}
