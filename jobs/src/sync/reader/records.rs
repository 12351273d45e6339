//! What a page says, and the records in it. Pure.
//!
//! A page that lacks what it should have is never taken for one without records: who reads all would have everything vanish.
//! Next: `paging.rs`.

use serde_json::Value;

use super::{
    Wrong,
    format::{EXCERPT_CHARS, excerpt},
};
use crate::{
    connection::Hidden,
    sync::{
        definition::{ErrorBody, Format, HttpSource, Incremental, List, OneOrMany, Pagination},
        read::{KEY, KEY_POINTER, key_of, says_something},
    },
};

/// The longest mark or link that a page may give, in bytes: it is kept with each page, and becomes part of a URL.
pub(super) const MARK_BYTES_MAX: usize = 4_096;
/// The part of a pointer that stands for each member.
const EACH: &str = "*";
/// How much of an error's message is told.
const MESSAGE_CHARS: usize = 300;

/// What a page says beside its records.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Said {
    /// How many records there are.
    pub(super) total: Option<u64>,
    /// The mark by which the next page is asked for.
    pub(super) cursor: Option<Value>,
    /// The link to the next page, as it stands in the page.
    pub(super) link: Option<String>,
    /// The mark by which the next run asks for what changed.
    pub(super) sync_mark: Option<Value>,
}

/// Reads it. An answer of 200 may say that it is an error.
pub(super) fn said(list: &List, root: &Value, hidden: &Hidden) -> Result<Said, Wrong> {
    if let Some(error) = &list.error
        && is_error(error, root.pointer(&error.pointer))
    {
        let message = error.message.as_deref().and_then(|pointer| root.pointer(pointer)).or_else(|| root.pointer(&error.pointer));
        let text = excerpt(message.map(text_of).unwrap_or_default().as_bytes(), MESSAGE_CHARS, hidden);
        return Err(Wrong::now("page_error", format!("the page says that it is an error: {text}")));
    }
    let mut said = Said::default();
    match &list.pagination {
        Some(Pagination::Page { total: Some(total), .. } | Pagination::Offset { total: Some(total), .. }) => {
            said.total = Some(number(root, total, hidden)?);
        }
        Some(Pagination::Cursor { pointer, more, .. }) => {
            let goes_on = more.as_ref().is_none_or(|more| root.pointer(more).is_some_and(says_something));
            said.cursor = if goes_on { mark(root, pointer)? } else { None };
            if said.cursor.is_none() && goes_on && more.is_some() {
                return Err(Wrong::now("cursor_missing", "the page says that there are more, and gives no mark to ask for them"));
            }
        }
        Some(Pagination::NextLink { pointer: Some(pointer) }) => {
            said.link = mark(root, pointer)?.map(|link| text_of(&link));
        }
        _ => {}
    }
    if let Some(Incremental::Cursor { pointer, .. }) = &list.incremental {
        said.sync_mark = mark(root, pointer)?;
    }
    Ok(said)
}

/// Whether what stands there says so. Where a page says whether all is well, one that says nothing is none of ours.
fn is_error(error: &ErrorBody, there: Option<&Value>) -> bool {
    if error.good.is_empty() { there.is_some_and(says_something) } else { there.is_none_or(|there| !error.good.contains(there)) }
}

/// What stands there; none of `null`, `false` or an empty text.
fn mark(root: &Value, pointer: &str) -> Result<Option<Value>, Wrong> {
    let Some(mark) = root.pointer(pointer).filter(|mark| mark.is_number() || says_something(mark)) else { return Ok(None) };
    let bytes = mark.as_str().map_or_else(|| mark.to_string().len(), str::len);
    if bytes > MARK_BYTES_MAX {
        return Err(too_long(bytes));
    }
    Ok(Some(mark.clone()))
}

/// A mark or a link of so many bytes is not kept.
pub(super) fn too_long(bytes: usize) -> Wrong {
    Wrong::always("mark_too_long", format!("the mark of the next page has {bytes} bytes; at most {MARK_BYTES_MAX} are kept"))
}

fn number(root: &Value, pointer: &str, hidden: &Hidden) -> Result<u64, Wrong> {
    let value = root.pointer(pointer);
    let read = value.and_then(|value| value.as_u64().or_else(|| value.as_str()?.trim().parse().ok()));
    read.ok_or_else(|| {
        let there = value.map_or_else(|| "nothing".to_owned(), |value| excerpt(value.to_string().as_bytes(), MESSAGE_CHARS, hidden));
        Wrong::now("total_missing", format!("at {pointer:?} of the page should be how many records there are; there is {there}"))
    })
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) if values.iter().all(Value::is_string) => {
            values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

/// The columns that a page of CSV must have: those of the key.
pub(super) fn columns(source: &HttpSource) -> Vec<String> {
    let pointers = match &source.key {
        OneOrMany::One(pointer) => std::slice::from_ref(pointer),
        OneOrMany::Many(pointers) => pointers.as_slice(),
    };
    pointers.iter().filter_map(|pointer| tokens(pointer).into_iter().next()).collect()
}

/// Takes the records out of a page. A part `*` of the way to them leads through each member of a list or an object; where it leads through a list
/// without saying which of it, it goes through each as well. `null` is an empty list where the page may well have none (`may_be_null`), as some
/// languages write it so. A single object is a record where it has the key, unless it is the whole page: an error has ids as well.
pub(super) fn take(source: &HttpSource, mut root: Value, may_be_null: bool, hidden: &Hidden) -> Result<Vec<Value>, Wrong> {
    let by_key = matches!(&source.key, OneOrMany::One(pointer) if pointer == KEY_POINTER);
    let way = tokens(&source.records);
    let mut taking = Taking { source, is_whole: way.is_empty(), by_key, may_be_null, records: Vec::new(), is_found: false };
    taking.walk(&mut root, &way);
    if taking.is_found {
        return Ok(taking.records);
    }
    let begin = excerpt(root.to_string().as_bytes(), EXCERPT_CHARS, hidden);
    Err(Wrong::now("records_missing", format!("at {:?} of the page should be the records; it begins {begin:?}", source.records)))
}

fn tokens(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect()
}

struct Taking<'s> {
    source: &'s HttpSource,
    /// The whole page is the records, and nothing lies around them.
    is_whole: bool,
    by_key: bool,
    may_be_null: bool,
    records: Vec<Value>,
    is_found: bool,
}

impl Taking<'_> {
    fn walk(&mut self, value: &mut Value, tokens: &[String]) {
        let Some((token, rest)) = tokens.split_first() else { return self.take(value) };
        match value {
            Value::Array(_) | Value::Object(_) if token == EACH && rest.is_empty() => self.take_each(value),
            Value::Array(values) if token == EACH => values.iter_mut().for_each(|value| self.walk(value, rest)),
            Value::Object(members) if token == EACH => members.values_mut().for_each(|value| self.walk(value, rest)),
            Value::Object(members) => match members.get_mut(token) {
                Some(member) => self.walk(member, rest),
                // An element without the children that are records has none.
                None => self.is_found |= self.is_xml() && rest.is_empty(),
            },
            Value::Array(values) => match token.parse::<usize>() {
                Ok(index) => {
                    if let Some(value) = values.get_mut(index) {
                        self.walk(value, rest);
                    }
                }
                Err(_) => {
                    for value in values {
                        self.walk(value, tokens);
                    }
                }
            },
            // The same of one without attributes and children.
            Value::String(text) => self.is_found |= self.is_xml() && rest.is_empty() && text.is_empty(),
            _ => {}
        }
    }

    /// Each member is a record, or a list of such. An object of which none has the key says something else.
    fn take_each(&mut self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                let is_record = |member: &Value| member.is_array() || self.has_key(member);
                if members.is_empty()
                    || members.values().any(is_record) && members.values().all(|member| member.is_array() || member.is_object())
                {
                    std::mem::take(members).into_iter().for_each(|(_, member)| self.take_member(member));
                    self.is_found = true;
                }
            }
            value => {
                value.as_array_mut().into_iter().flat_map(std::mem::take).for_each(|member| self.take_member(member));
                self.is_found = true;
            }
        }
    }

    fn take_member(&mut self, member: Value) {
        match member {
            Value::Array(mut records) => self.records.append(&mut records),
            record => self.records.push(record),
        }
    }

    fn is_xml(&self) -> bool {
        self.source.list.format == Format::Xml
    }

    fn has_key(&self, record: &Value) -> bool {
        key_of(self.source, record).is_ok()
    }

    fn take(&mut self, value: &mut Value) {
        self.is_found = match value {
            Value::Array(values) => {
                self.records.append(values);
                true
            }
            Value::Object(members) if self.by_key && members.values().all(Value::is_object) => {
                for (key, mut record) in std::mem::take(members) {
                    record.as_object_mut().expect("it was looked at").insert(KEY.into(), key.into());
                    self.records.push(record);
                }
                true
            }
            Value::Object(_) if self.is_xml() || !self.is_whole && self.has_key(value) => {
                self.records.push(value.take());
                true
            }
            Value::Null => self.is_found || self.may_be_null,
            _ => self.is_found,
        };
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn source(more: Value) -> HttpSource {
        let mut source = json!({ "connection": "c", "list": {}, "key": "/id" });
        source.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        serde_json::from_value(source).expect("a source")
    }

    fn taken(more: Value, root: Value) -> Result<Vec<Value>, String> {
        take(&source(more), root, false, &Hidden::default()).map_err(|wrong| wrong.0.code)
    }

    #[test]
    fn a_page_says_that_it_is_an_error_as_it_was_declared() {
        let said_of = |error: Value, root: Value| {
            let list = serde_json::from_value(json!({ "error": error })).expect("a list");
            said(&list, &root, &Hidden::default()).err().map(|wrong| wrong.0.message)
        };
        let told = |message: &str| Some(format!("the page says that it is an error: {message}"));
        let any = json!({ "pointer": "/error", "message": "/error/message" });
        assert_eq!(said_of(any.clone(), json!({ "error": null })), None);
        assert_eq!(said_of(any.clone(), json!({ "error": "NOT_FOUND" })), told("NOT_FOUND"));
        assert_eq!(said_of(any, json!({ "error": { "message": "no such table" } })), told("no such table"));
        let status = json!({ "pointer": "/status", "good": ["OK"], "message": "/message" });
        assert_eq!(said_of(status.clone(), json!({ "status": "OK" })), None);
        assert_eq!(said_of(status.clone(), json!({ "status": "ERROR", "message": "no licence" })), told("no licence"));
        assert_eq!(said_of(status, json!({ "items": [] })), told(""), "one that does not say is no page of theirs");
    }

    #[test]
    fn records_are_where_they_are_said_to_be() {
        let two = vec![json!({ "id": 1 }), json!({ "id": 2 })];
        assert_eq!(taken(json!({}), json!([{ "id": 1 }, { "id": 2 }])), Ok(two.clone()));
        assert_eq!(taken(json!({ "records": "/a/b~1c" }), json!({ "a": { "b/c": [{ "id": 1 }, { "id": 2 }] } })), Ok(two.clone()));
        assert_eq!(taken(json!({ "records": "/1/r" }), json!([{}, { "r": [{ "id": 1 }, { "id": 2 }] }])), Ok(two.clone()));
        let lists = json!({ "payload": [{ "tables": [{ "r": [{ "id": 1 }] }, { "r": [] }] }, { "tables": { "r": [{ "id": 2 }] } }] });
        assert_eq!(taken(json!({ "records": "/payload/tables/r" }), lists), Ok(two.clone()));
        let clinics = json!({ "data": { "x": { "list": [{ "id": 1 }] }, "y": { "list": [{ "id": 2 }] } } });
        assert_eq!(taken(json!({ "records": "/data/*/list" }), clinics), Ok(two.clone()));
        let named = json!({ "data": { "x": { "id": 1 }, "y": { "id": 2 } } });
        assert_eq!(taken(json!({ "records": "/data/*" }), named), Ok(two.clone()));
        let nested = json!({ "data": [[{ "id": 1 }], { "id": 2 }] });
        assert_eq!(taken(json!({ "records": "/data/*" }), nested), Ok(two.clone()));
        assert_eq!(taken(json!({ "records": "/*/*/r" }), json!([{ "a": { "r": two } }, { "b": { "r": [] } }])).map(|all| all.len()), Ok(2));
        let keyless = json!({ "data": { "x": { "id": 1 }, "y": { "n": 2 } } });
        assert_eq!(taken(json!({ "records": "/data/*" }), keyless).map(|all| all.len()), Ok(2), "one without a key is a record that fails");
        for none in [json!({ "data": [] }), json!({ "data": {} })] {
            assert_eq!(taken(json!({ "records": "/data/*" }), none), Ok(vec![]));
        }
        assert_eq!(taken(json!({ "records": "/data" }), json!({ "data": { "id": 1 } })), Ok(vec![json!({ "id": 1 })]), "a single one");
        let by_key = json!({ "a": { "n": 1 }, "b": { "n": 2 } });
        let keyed = vec![json!({ "@key": "a", "n": 1 }), json!({ "@key": "b", "n": 2 })];
        assert_eq!(taken(json!({ "key": "/@key" }), by_key), Ok(keyed));
    }

    #[test]
    fn what_is_not_there_is_not_nothing() {
        for (more, root) in [
            (json!({ "records": "/items" }), json!({ "error": "busy" })),
            (json!({ "records": "/items" }), json!({ "items": null })),
            (json!({ "records": "/items" }), json!({ "items": "none" })),
            (json!({ "records": "/items" }), json!({ "items": { "code": 1 } })),
            (json!({ "records": "/items/*" }), json!({ "items": null })),
            (json!({ "records": "/*" }), json!({ "error": "busy" })),
            (json!({ "records": "/*" }), json!({ "error": { "code": 1 } })),
            (json!({ "records": "/*" }), json!({ "error": "busy", "request": { "id": 1 } })),
            (json!({ "records": "/*/items" }), json!({ "error": { "code": 1 } })),
            (json!({}), json!({ "id": "request-1", "message": "busy" })),
            (json!({ "records": "/items" }), json!("items")),
            (json!({ "records": "/a/0" }), json!({ "a": [] })),
            (json!({ "records": "/a/b" }), json!({ "a": [] })),
            (json!({}), json!({ "error": "busy" })),
            (json!({ "key": "/@key" }), json!({ "error": "busy" })),
        ] {
            assert_eq!(taken(more, root.clone()), Err("records_missing".into()), "{root}");
        }
        assert_eq!(take(&source(json!({ "records": "/items" })), json!({ "items": null }), true, &Hidden::default()), Ok(vec![]));
    }

    #[test]
    fn one_element_is_a_list_of_one_and_an_empty_one_has_none() {
        let of = |root| taken(json!({ "list": { "format": "xml" }, "records": "/table/record", "key": "/@id" }), root);
        assert_eq!(of(json!({ "table": { "record": { "@id": "a" } } })), Ok(vec![json!({ "@id": "a" })]));
        assert_eq!(of(json!({ "table": { "record": [{ "@id": "a" }, { "@id": "b" }] } })).map(|records| records.len()), Ok(2));
        assert_eq!(
            of(json!({ "table": [{ "record": { "@id": "a" } }, "", { "record": [{ "@id": "b" }] }] })).map(|records| records.len()),
            Ok(2)
        );
        assert_eq!(of(json!({ "table": "" })), Ok(vec![]));
        assert_eq!(of(json!({ "table": { "@lang": "de" } })), Ok(vec![]));
        assert_eq!(of(json!({ "fault": "busy" })), Err("records_missing".into()));
    }

    #[test]
    fn a_page_says_what_it_says() {
        let said = |list: Value, root: Value| {
            said(&serde_json::from_value(list).expect("a list"), &root, &Hidden::default()).map_err(|wrong| (wrong.0.code, wrong.0.message))
        };
        let error = json!({ "error": { "pointer": "/error", "message": "/error/message" } });
        let code = |root: Value| said(error.clone(), root).map_err(|(_, message)| message);
        assert_eq!(code(json!({ "error": { "message": "too\nbad" } })), Err("the page says that it is an error: toobad".into()));
        // Airtable's two forms.
        assert_eq!(code(json!({ "error": "NOT_FOUND" })), Err("the page says that it is an error: NOT_FOUND".into()));
        assert_eq!(code(json!({ "error": { "message": ["a", "b"] } })), Err("the page says that it is an error: a; b".into()));
        for fine in [json!({}), json!({ "error": null }), json!({ "error": false }), json!({ "error": "" }), json!({ "error": [] })] {
            assert_eq!(code(fine), Ok(Said::default()));
        }

        let cursor = json!({ "pagination": { "style": "cursor", "parameter": "c", "pointer": "/next", "more": "/more" } });
        let next = |root: Value| said(cursor.clone(), root).map(|said| said.cursor).map_err(|(code, _)| code);
        assert_eq!(next(json!({ "next": "x", "more": true })), Ok(Some(json!("x"))));
        assert_eq!(next(json!({ "next": 0, "more": 1 })), Ok(Some(json!(0))));
        assert_eq!(next(json!({ "next": "x", "more": false })), Ok(None));
        assert_eq!(next(json!({ "next": null, "more": true })), Err("cursor_missing".into()));
        assert_eq!(next(json!({ "next": "x".repeat(1_000_000), "more": true })), Err("mark_too_long".into()));
        let simple = json!({ "pagination": { "style": "cursor", "parameter": "c", "pointer": "/next" } });
        for end in [json!({}), json!({ "next": null }), json!({ "next": "" }), json!({ "next": false })] {
            assert_eq!(said(simple.clone(), end), Ok(Said::default()));
        }
        let total = json!({ "pagination": { "style": "page", "parameter": "p", "total": "/meta/total" } });
        let count = |root: Value| said(total.clone(), root).map(|said| said.total).map_err(|(code, _)| code);
        assert_eq!(count(json!({ "meta": { "total": 7 } })), Ok(Some(7)));
        assert_eq!(count(json!({ "meta": { "total": "7" } })), Ok(Some(7)));
        for root in [json!({}), json!({ "meta": { "total": -1 } }), json!({ "meta": { "total": "many" } })] {
            assert_eq!(count(root), Err("total_missing".into()));
        }
    }
}
