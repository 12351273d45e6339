//! What is asked for a page: parameters and body, by what the list says and where the page is. Pure. Next: `paging.rs`.

use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value};

use super::place::{At, Mark};
use crate::{
    clock::Timestamp,
    sync::definition::{Incremental, List, Pagination, Place, Size, Texts, TimeFormat, Verify},
};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Ask {
    /// Parameters, in their order.
    pub(super) query: Vec<(String, String)>,
    /// The body.
    pub(super) body: Option<Value>,
}

/// Where a list begins.
pub(super) fn first(list: &List) -> At {
    match &list.pagination {
        Some(Pagination::Page { first, .. }) => At::Page(u64::from(*first)),
        Some(Pagination::Keyset { .. }) => At::After(Value::Null),
        Some(Pagination::Cursor { .. }) => At::Mark(Value::Null),
        Some(Pagination::Offset { .. } | Pagination::NextLink { .. }) | None => At::Offset(0),
    }
}

/// How many records of the page before are asked for again.
pub(super) fn overlap(list: &List, at: &At) -> u64 {
    match (&list.pagination, at) {
        // A page of one record would have nothing but the one before.
        (Some(Pagination::Offset { verify: None | Some(Verify::Overlap), size, .. }), At::Offset(offset))
            if *offset > 0 && size.records > 1 =>
        {
            1
        }
        _ => 0,
    }
}

/// What is asked for the page at `at`, of what changed since then. Not for a link, which says all itself.
pub(super) fn ask(list: &List, at: &At, since: Option<&Mark>) -> Ask {
    let mut ask = Ask::default();
    for (name, values) in &list.query {
        match values {
            Texts::One(value) => ask.query.push((name.clone(), value.clone())),
            Texts::Many(values) => ask.query.extend(values.iter().map(|value| (name.clone(), value.clone()))),
        }
    }
    ask.body = list.body.clone().map(Value::Object);
    if let Some((parameter, place, value)) = since.and_then(|since| of_since(list, since)) {
        ask.put(parameter, place, value);
    }
    match (&list.pagination, at) {
        (Some(Pagination::Page { parameter, size, place, .. }), At::Page(number)) => {
            ask.size(size.as_ref(), *place);
            ask.put(parameter, *place, (*number).into());
        }
        (Some(Pagination::Offset { parameter, size, place, .. }), At::Offset(offset)) => {
            ask.size(Some(size), *place);
            ask.put(parameter, *place, (*offset - overlap(list, at)).into());
        }
        (Some(Pagination::Cursor { parameter, size, place, .. }), At::Mark(value))
        | (Some(Pagination::Keyset { parameter, size, place, .. }), At::After(value)) => {
            ask.size(size.as_ref(), *place);
            if !value.is_null() {
                ask.put(parameter, *place, value.clone());
            }
        }
        _ => {}
    }
    ask
}

fn of_since<'l>(list: &'l List, since: &Mark) -> Option<(&'l str, Place, Value)> {
    match (list.incremental.as_ref()?, since) {
        (Incremental::UpdatedSince { parameter, place, format, template, overlap_s, .. }, Mark::UpdatedAt(at)) => {
            let since = written(at.plus_ms(-i64::from(*overlap_s) * 1_000), *format);
            Some((parameter, *place, template.as_ref().map_or_else(|| since.clone(), |template| within(template, &since))))
        }
        (Incremental::Cursor { parameter, place, .. }, Mark::Cursor(value)) => Some((parameter, *place, value.clone())),
        _ => None,
    }
}

fn written(at: Timestamp, format: TimeFormat) -> Value {
    match format {
        TimeFormat::Rfc3339 => at.to_string().into(),
        TimeFormat::UnixS => at.ms().div_euclid(1_000).into(),
        TimeFormat::UnixMs => at.ms().into(),
        TimeFormat::Date => {
            let day = DateTime::from_timestamp_millis(at.ms()).map(|day| day.to_rfc3339_opts(SecondsFormat::Secs, true));
            day.unwrap_or_default().split('T').next().unwrap_or_default().into()
        }
    }
}

/// What is said around an instant.
fn within(template: &str, since: &Value) -> Value {
    template.replace("{since}", &text_of(since)).into()
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Ask {
    fn size(&mut self, size: Option<&Size>, place: Place) {
        if let Some(Size { parameter: Some(parameter), records }) = size {
            self.put(parameter, place, (*records).into());
        }
    }

    /// Into the query by name, in the place of what stood there; into the body by pointer.
    fn put(&mut self, parameter: &str, place: Place, value: Value) {
        match place {
            Place::Query => {
                self.query.retain(|(name, _)| name != parameter);
                self.query.push((parameter.to_owned(), text_of(&value)));
            }
            Place::Body => set(self.body.get_or_insert_with(|| Value::Object(Map::new())), parameter, value),
        }
    }
}

/// Sets what a pointer, or a name, leads to; objects on the way are made, and a list's places are taken where there are such.
fn set(root: &mut Value, pointer: &str, value: Value) {
    let path = pointer.strip_prefix('/').unwrap_or(pointer);
    let mut here = root;
    for token in path.split('/').map(|token| token.replace("~1", "/").replace("~0", "~")) {
        let index = token.parse::<usize>().ok().filter(|index| here.get(index).is_some());
        here = match index {
            Some(index) => &mut here[index],
            None => {
                if !here.is_object() {
                    *here = Value::Object(Map::new());
                }
                here.as_object_mut().expect("it was made one").entry(token).or_insert(Value::Null)
            }
        };
    }
    *here = value;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(list: Value, at: &At, since: Option<&Mark>) -> (String, Option<Value>) {
        let list: List = serde_json::from_value(list).expect("a list");
        let ask = ask(&list, at, since);
        let query: Vec<String> = ask.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (query.join("&"), ask.body)
    }

    #[test]
    fn each_style_asks_in_its_way() {
        let page = json!({ "query": { "sort": "id", "f": ["a", "b"], "page": "9" },
            "pagination": { "style": "page", "parameter": "page", "size": { "parameter": "per_page", "records": 50 } } });
        assert_eq!(asked(page, &At::Page(2), None), ("f=a&f=b&sort=id&per_page=50&page=2".into(), None));
        let offset = json!({ "pagination": { "style": "offset", "parameter": "o", "size": { "records": 10 } } });
        assert_eq!(asked(offset.clone(), &At::Offset(0), None).0, "o=0");
        assert_eq!(asked(offset, &At::Offset(20), None).0, "o=19", "the last one before is asked for again");
        let one = json!({ "pagination": { "style": "offset", "parameter": "o", "size": { "records": 1 } } });
        assert_eq!(asked(one, &At::Offset(20), None).0, "o=20");
        let checked = json!({ "pagination": { "style": "offset", "parameter": "o", "size": { "records": 10 }, "verify": "none" } });
        assert_eq!(asked(checked, &At::Offset(20), None).0, "o=20");
        let cursor = json!({ "pagination": { "style": "cursor", "parameter": "c", "pointer": "/next" } });
        assert_eq!(asked(cursor.clone(), &At::Mark(Value::Null), None).0, "");
        assert_eq!(asked(cursor, &At::Mark(json!("it/1&2")), None).0, "c=it/1&2");
        // GoHighLevel's search: an array of the last contact goes into the body as it is.
        let keyset = json!({ "method": "POST", "body": { "locationId": "x", "filters": [{ "field": "a" }] }, "pagination": {
            "style": "keyset", "parameter": "/searchAfter", "pointer": "/searchAfter", "in": "body",
            "size": { "parameter": "/pageLimit", "records": 500 } } });
        let first = json!({ "locationId": "x", "filters": [{ "field": "a" }], "pageLimit": 500 });
        assert_eq!(asked(keyset.clone(), &At::After(Value::Null), None), (String::new(), Some(first)));
        let second = json!({ "locationId": "x", "filters": [{ "field": "a" }], "pageLimit": 500, "searchAfter": [1, "sx"] });
        assert_eq!(asked(keyset, &At::After(json!([1, "sx"])), None), (String::new(), Some(second)));
    }

    #[test]
    fn what_changed_is_asked_for_as_it_is_written() {
        let at = Timestamp::parse_rfc3339("2026-11-22T00:00:30.500Z").expect("an instant");
        let of = |format: &str, overlap_s: u32| {
            let list =
                json!({ "incremental": { "style": "updated_since", "parameter": "since", "format": format, "overlap_s": overlap_s } });
            asked(list, &At::Offset(0), Some(&Mark::UpdatedAt(at))).0
        };
        assert_eq!(of("rfc3339", 0), "since=2026-11-22T00:00:30.500Z");
        assert_eq!(of("rfc3339", 60), "since=2026-11-21T23:59:30.500Z");
        assert_eq!(of("unix_s", 0), "since=1795305630");
        assert_eq!(of("unix_ms", 0), "since=1795305630500");
        assert_eq!(of("date", 60), "since=2026-11-21");
        let deep = json!({ "method": "POST", "body": { "filters": [{ "value": {} }] },
            "incremental": { "style": "updated_since", "parameter": "/filters/0/value/gt", "in": "body", "overlap_s": 0, "format": "unix_ms" } });
        let (_, body) = asked(deep, &At::Offset(0), Some(&Mark::UpdatedAt(at)));
        assert_eq!(body, Some(json!({ "filters": [{ "value": { "gt": 1_795_305_630_500_u64 } }] })));
        // Airtable's formula, and a search in a body; `{since}` may stand there twice, and what else is in braces is itself.
        let around = |format: &str, template: &str, place: &str| {
            let since =
                json!({ "style": "updated_since", "parameter": "f", "in": place, "overlap_s": 0, "format": format, "template": template });
            asked(json!({ "method": "POST", "incremental": since }), &At::Offset(0), Some(&Mark::UpdatedAt(at)))
        };
        let formula = around("rfc3339", "IS_AFTER(LAST_MODIFIED_TIME(), '{since}')", "query").0;
        assert_eq!(formula, "f=IS_AFTER(LAST_MODIFIED_TIME(), '2026-11-22T00:00:30.500Z')");
        assert_eq!(around("unix_s", "{a}>{since} or {a}>{since}", "query").0, "f={a}>1795305630 or {a}>1795305630");
        assert_eq!(around("date", "changed:{since}", "body").1, Some(json!({ "f": "changed:2026-11-22" })));
        let cursor = json!({ "incremental": { "style": "cursor", "parameter": "sync", "pointer": "/sync" } });
        assert_eq!(asked(cursor.clone(), &At::Offset(0), Some(&Mark::Cursor(json!("t1")))).0, "sync=t1");
        assert_eq!(asked(cursor, &At::Offset(0), None).0, "");
    }

    #[test]
    fn a_pointer_makes_its_way() {
        let mut body = json!({ "a": 1, "l": [1, 2] });
        set(&mut body, "/b/c~1d/e", json!(2));
        set(&mut body, "f", json!(3));
        set(&mut body, "/l/1", json!(4));
        set(&mut body, "/a/x", json!(5));
        assert_eq!(body, json!({ "a": { "x": 5 }, "l": [1, 4], "b": { "c/d": { "e": 2 } }, "f": 3 }));
    }
}
