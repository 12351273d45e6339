use serde_json::json;

use super::*;

/// All that a definition over HTTP may say, into records.
fn full() -> Value {
    json!({
        "description": "people",
        "source": { "http": {
            "connection": "crm", "token_connection": "crm-token",
            "list": {
                "method": "POST", "path": "/v2/people/search", "query": { "sort": "id", "fields": ["id", "mail"] },
                "headers": { "accept-language": "de" }, "body": { "filter": {} },
                "pagination": { "style": "offset", "parameter": "/offset", "size": { "parameter": "/limit", "records": 100 }, "in": "body", "total": "/total" },
                "incremental": { "style": "updated_since", "parameter": "/filter/since", "in": "body", "format": "unix_s", "full_every": 24 },
                "error": { "pointer": "/error", "message": "/error/message" }
            },
            "records": "/data", "key": ["/tenant", "/id"], "updated_at": "/changed", "deleted": { "pointer": "/gone" }
        } },
        "mapping": [
            { "to": "mail", "from": "/mail", "type": "string", "required": true },
            { "to": "/name/full", "expression": "record.first ~ ' ' ~ record.last" },
            { "to": "/name/short", "from": "/first", "default": "?" },
            { "to": "kind", "value": "person" }
        ],
        "destination": { "records": { "collection": "people", "lookup": ["mail", "/name/full"] } },
        "delete": "soft", "conflict": "newest", "limits": { "pages_max": 10, "requests_per_s": 2.5 }
    })
}

/// To a provider, one by one.
fn push() -> Value {
    json!({
        "source": { "records": { "collection": "people" } },
        "destination": { "http": {
            "connection": "crm",
            "single": {
                "create": { "method": "POST", "path": "contacts" },
                "update": { "method": "PATCH", "path": "contacts/{id}" },
                "find": { "call": { "method": "GET", "path": "contacts", "query": { "email": "{/mail}" } }, "records": "/found", "id": "/id" },
                "id": "/contact/id"
            },
            "delete": { "method": "DELETE", "path": "contacts/{id}" }
        } },
        "delete": "hard"
    })
}

fn simple() -> Value {
    json!({
        "source": { "http": { "connection": "crm", "list": {}, "key": "/id" } },
        "destination": { "records": { "collection": "people" } }
    })
}

/// The definition with `value` at `pointer`, where what is on the way is there; without anything there if it is null.
fn with(mut definition: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').expect("a place");
    let parent = definition.pointer_mut(parent).unwrap_or_else(|| panic!("nothing at {parent}"));
    match (parent, name.parse::<usize>()) {
        (Value::Array(list), Ok(index)) if index == list.len() => list.push(value),
        (Value::Array(list), Ok(index)) => list[index] = value,
        (Value::Object(fields), _) if value.is_null() => {
            fields.remove(name);
        }
        (Value::Object(fields), _) => {
            fields.insert(name.to_owned(), value);
        }
        (other, _) => panic!("{pointer} is within {other}"),
    }
    definition
}

#[test]
fn what_holds_is_taken_and_written_as_it_came() {
    for definition in [full(), push(), simple()] {
        let read = read(definition.clone()).unwrap_or_else(|wrong| panic!("{}: {}", wrong.pointer, wrong.message));
        let again: Value = serde_json::to_value(&read).expect("JSON");
        assert_eq!(super::read(again).as_ref(), Ok(&read));
    }
}

#[test]
fn what_is_wrong_is_named_by_its_place() {
    const LIST: &str = "/source/http/list";
    let bulk = json!({ "call": { "method": "POST", "path": "batch", "body": {}, "record": "/items" }, "records_max": 100, "results": "/results", "id": "/id" });
    let pages = |style: Value| with(simple(), "/source/http/list/pagination", style);
    let object = |object: Value| with(full(), "/destination", json!({ "object": object }));
    let bulk_push = || with(with(push(), "/destination/http/single", json!(null)), "/destination/http/bulk", bulk.clone());
    let known_by = || {
        let kept = with(with(bulk_push(), "/destination/http/delete", json!(null)), "/delete", json!("keep"));
        with(kept, "/destination/http/bulk/known_by", json!({ "fields": ["a"] }))
    };
    let cases = [
        // Said by the schema.
        (with(full(), "/nonsense", json!(1)), ""),
        (with(full(), "/source/http/list/method", json!("PUT")), "/source/http/list/method"),
        (with(full(), "/limits/pages_max", json!(0)), "/limits/pages_max"),
        (with(full(), "/limits/nonsense", json!(0)), "/limits"),
        (with(full(), "/destination/records/collection", json!("People")), "/destination/records/collection"),
        (with(full(), "/source/http/list/headers/Authorization", json!("Bearer x")), "/source/http/list/headers"),
        (with(full(), "/source/http/key", json!([])), "/source/http/key"),
        (pages(json!({ "style": "offset", "parameter": "o" })), "/source/http/list/pagination"),
        (pages(json!({ "style": "pages", "parameter": "o" })), "/source/http/list/pagination/style"),
        (pages(json!({ "style": "page", "parameter": 7 })), "/source/http/list/pagination/parameter"),
        (pages(json!({ "style": "page", "parameter": "p", "size": { "records": 0 } })), "/source/http/list/pagination/size/records"),
        (with(full(), "/mapping/0/type", json!("text")), "/mapping/0/type"),
        (with(full(), "/delete", json!("maybe")), "/delete"),
        // One of several.
        (with(full(), "/source/records", json!({ "collection": "a" })), "/source/records"),
        (with(full(), "/source", json!({})), "/source"),
        (with(full(), "/destination", json!({})), "/destination"),
        (with(full(), "/mapping/0/value", json!(1)), "/mapping/0/value"),
        (with(full(), "/mapping/0", json!({ "to": "n", "from": "/n", "absent": "omit", "required": true })), "/mapping/0/absent"),
        (with(full(), "/mapping/0", json!({ "to": "n", "from": "/n", "absent": "omit", "default": 1 })), "/mapping/0/absent"),
        (with(full(), "/mapping/0", json!({ "to": "n", "from": "/n", "absent": "never" })), "/mapping/0/absent"),
        (with(full(), "/mapping/3/value", json!(null)), "/mapping/3"),
        // Where records come from.
        (with(full(), "/source/http/records", json!("data")), "/source/http/records"),
        (with(full(), "/source/http/key/1", json!("/tenant")), "/source/http/key/1"),
        (with(full(), "/source/http/key/1", json!("/a~2")), "/source/http/key/1"),
        (with(full(), "/source/http/updated_at", json!("changed")), "/source/http/updated_at"),
        (with(with(full(), "/source/http/updated_at", json!(null)), "/conflict", json!(null)), "/source/http/list/incremental"),
        (with(full(), "/source/http/list/method", json!("GET")), "/source/http/list/body"),
        (with(full(), "/source/http/list/path", json!("../admin")), "/source/http/list/path"),
        (with(full(), "/source/http/list/path", json!("https://evil.example/x")), "/source/http/list/path"),
        (with(full(), "/source/http/list/path", json!("people?page=1")), "/source/http/list/path"),
        (with(full(), "/source/http/list/path", json!("people/{key}")), "/source/http/list/path"),
        (with(full(), "/source/http/list/query/q", json!("{/mail}")), "/source/http/list/query/q"),
        (with(full(), "/source/http/list/pagination/parameter", json!("offset")), "/source/http/list/pagination/parameter"),
        (with(full(), "/source/http/list/pagination/parameter", json!("/filter/x/y")), ""),
        (with(full(), "/source/http/list/body/filter", json!("all")), "/source/http/list/incremental/parameter"),
        (with(full(), "/source/http/list/pagination/size/parameter", json!("/offset")), "/source/http/list/pagination/size/parameter"),
        (with(full(), "/source/http/list/pagination/size/records", json!(1)), "/source/http/list/pagination/size/records"),
        (with(full(), "/source/http/list/error/pointer", json!("error")), "/source/http/list/error/pointer"),
        (with(full(), "/source/http/list/incremental", json!({ "style": "validators" })), "/source/http/list/incremental"),
        (with(full(), "/source/http/list/incremental/template", json!("> now")), "/source/http/list/incremental/template"),
        (pages(json!({ "style": "page", "parameter": "p", "verify": "overlap" })), "/source/http/list/pagination/verify"),
        (with(pages(json!({ "style": "page", "parameter": "p" })), "/limits", json!({ "passes_max": 1 })), "/limits/passes_max"),
        (pages(json!({ "style": "page", "parameter": "p", "in": "body" })), "/source/http/list/pagination/parameter"),
        (pages(json!({ "style": "page", "parameter": "" })), "/source/http/list/pagination/parameter"),
        (
            with(pages(json!({ "style": "page", "parameter": "p" })), "/source/http/list/query", json!({ "p": "1" })),
            "/source/http/list/pagination/parameter",
        ),
        (
            with(pages(json!({ "style": "cursor", "parameter": "c", "pointer": "/next" })), "/source/http/list/format", json!("csv")),
            "/source/http/list/pagination/pointer",
        ),
        (
            with(with(simple(), "/source/http/list/format", json!("json_lines")), "/source/http/records", json!("/data")),
            "/source/http/records",
        ),
        // What is made of them.
        (with(full(), "/mapping/4", json!({ "to": "name", "value": 1 })), "/mapping/4/to"),
        (with(full(), "/mapping/4", json!({ "to": "/mail/at", "value": 1 })), "/mapping/4/to"),
        (with(full(), "/mapping/4", json!({ "to": "/kind", "value": 1 })), "/mapping/4/to"),
        (with(full(), "/mapping/4", json!({ "to": "x".repeat(501), "value": 1 })), "/mapping/4/to"),
        (with(full(), "/mapping/4", json!({ "to": "/a".repeat(17), "value": 1 })), "/mapping/4/to"),
        (with(full(), "/mapping/4", json!({ "to": "x", "from": "mail" })), "/mapping/4/from"),
        (with(full(), "/mapping/4", json!({ "to": "x", "from": "/n", "type": "integer", "default": "none" })), "/mapping/4/default"),
        (with(full(), "/mapping/4", json!({ "to": "x", "value": "soon", "type": "timestamp" })), "/mapping/4/value"),
        // Where they go.
        (with(full(), "/destination/records/lookup/1", json!("email")), "/destination/records/lookup/1"),
        (with(full(), "/destination/records/lookup/1", json!("/mail")), "/destination/records/lookup/1"),
        (
            with(with(full(), "/source", json!({ "records": { "collection": "people" } })), "/conflict", json!(null)),
            "/destination/records/collection",
        ),
        (with(with(full(), "/source/http/updated_at", json!(null)), "/source/http/list/incremental", json!(null)), "/conflict"),
        (with(push(), "/conflict", json!("manual")), "/conflict"),
        (with(push(), "/delete", json!(null)), "/destination/http/delete"),
        (with(push(), "/destination/http/delete", json!(null)), "/delete"),
        (with(push(), "/destination/http/delete/method", json!("GET")), "/destination/http/delete/method"),
        (with(push(), "/destination/http/bulk", bulk.clone()), "/destination/http/single"),
        (with(push(), "/destination/http/single/create/path", json!("contacts/{id}")), "/destination/http/single/create/path"),
        (with(push(), "/destination/http/single/create/path", json!("contacts/{/mail}")), "/destination/http/single/create/path"),
        (with(push(), "/destination/http/single/create/method", json!("GET")), "/destination/http/single/create/method"),
        (with(push(), "/destination/http/single/create/record", json!("contact")), "/destination/http/single/create/record"),
        (with(push(), "/destination/http/single/update", json!(null)), "/destination/http/single/find"),
        (with(push(), "/destination/http/single/find/id", json!("id")), "/destination/http/single/find/id"),
        (with(push(), "/destination/http/single/error", json!("error")), "/destination/http/single/error"),
        (with(push(), "/destination/http/single/find/several", json!("all")), "/destination/http/delete"),
        (
            with(push(), "/destination/http/single/find/call/query", json!({ "f": "{Email}='{/a~2}'" })),
            "/destination/http/single/find/call/query/f",
        ),
        (
            with(with(push(), "/destination/http/single/find", json!(null)), "/destination/http/single/id", json!(null)),
            "/destination/http/single/update/path",
        ),
        (with(bulk_push(), "/destination/http/bulk/results", json!(null)), "/destination/http/bulk/id"),
        (
            with(bulk_push(), "/destination/http/bulk/known_by", json!({ "within": "fields", "fields": ["a"] })),
            "/destination/http/bulk/known_by/within",
        ),
        (with(bulk_push(), "/destination/http/bulk/known_by", json!({ "fields": [] })), "/destination/http/bulk/known_by/fields"),
        (with(known_by(), "/destination/http/bulk/error", json!("/error")), "/destination/http/bulk/error"),
        (with(known_by(), "/destination/http/bulk/id", json!(null)), "/destination/http/bulk/known_by"),
        (with(bulk_push(), "/destination/http/bulk/records_max", json!(1001)), "/destination/http/bulk/records_max"),
        (with(bulk_push(), "/destination/http/bulk/call/path", json!("batch/{key}")), "/destination/http/bulk/call/path"),
        (object(json!({ "name": "people.csv", "format": "csv" })), "/delete"),
        (
            with(with(object(json!({ "name": "people.csv" })), "/delete", json!(null)), "/conflict", json!(null)),
            "/source/http/list/incremental",
        ),
        (with(simple(), "/destination", json!({ "object": { "name": "people.csv", "format": "csv" } })), "/destination/object/format"),
        (with(simple(), "/destination", json!({ "object": { "name": "../people" } })), "/destination/object/name"),
        (with(simple(), "/source/http/list/query", json!({ "q": "x".repeat(70_000) })), ""),
    ];
    assert!(cases.iter().any(|(_, pointer)| pointer.starts_with(LIST)));
    let mut accepted = 0;
    for (definition, pointer) in cases {
        match read(definition.clone()) {
            // A way that `body` does not have yet is made.
            Ok(_) if definition.pointer("/source/http/list/pagination/parameter") == Some(&json!("/filter/x/y")) => accepted += 1,
            Ok(_) => panic!("{pointer} is taken: {definition}"),
            Err(wrong) => assert_eq!(wrong.pointer, pointer, "{}", wrong.message),
        }
    }
    assert_eq!(accepted, 1);
    assert_eq!(read(bulk_push()).map(drop), Ok(()));
    let formula = json!({ "filterByFormula": "{Email}={/mail|json}", "f": "{name} {" });
    assert_eq!(read(with(push(), "/destination/http/single/find/call/query", formula)).map(drop), Ok(()));
    assert_eq!(read(known_by()).map(drop), Ok(()));
    // Who reads a list once sees that it changed by the overlap, or does not care.
    for (style, verify) in [("page", "none"), ("offset", "overlap")] {
        let style = json!({ "style": style, "parameter": "p", "size": { "records": 10 }, "verify": verify });
        assert_eq!(read(with(pages(style), "/limits", json!({ "passes_max": 1 }))).map(drop), Ok(()), "{verify}");
    }
}

#[test]
fn what_is_told_apart_by_a_style_says_which_styles_there_are() {
    let definition = with(simple(), "/source/http/list/pagination", json!({ "style": "pages" }));
    let wrong = read(definition).expect_err("no such style");
    assert_eq!(wrong.message, r#"is none of "page", "offset", "cursor", "next_link", "keyset""#);
}
