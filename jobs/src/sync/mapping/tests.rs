use std::time::Instant;

use serde_json::json;

use super::*;
use crate::clock::Timestamp;

fn mapping(source: Value, fields: Value) -> Mapping {
    let definition = json!({ "source": source, "mapping": fields, "destination": { "records": { "collection": "all" } } });
    Mapping::new(&serde_json::from_value(definition).expect("a definition"))
}

fn http(more: Value) -> Value {
    let mut http = json!({ "connection": "there", "list": {}, "key": "/id" });
    http.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
    json!({ "http": http })
}

async fn map(mapping: &Mapping, records: Vec<Value>) -> Vec<Result<Incoming, Unmapped>> {
    mapping.map(&Renderers::in_process(), records).await.expect("it is mapped")
}

async fn data(fields: Value, record: Value) -> Result<Value, (String, String)> {
    let mut record = record;
    record["id"] = json!("k");
    let one = map(&mapping(http(json!({})), fields), vec![record]).await.remove(0);
    one.map(|incoming| serde_json::from_str(&incoming.data).expect("JSON")).map_err(|unmapped| {
        assert_eq!(unmapped.key.as_deref(), Some("k"));
        (unmapped.code.to_owned(), unmapped.pointer.unwrap_or_default())
    })
}

fn wrong(code: &str, pointer: &str) -> Result<Value, (String, String)> {
    Err((code.to_owned(), pointer.to_owned()))
}

#[tokio::test]
async fn fields_come_from_pointers_constants_and_expressions() {
    let fields = json!([
        { "to": "name", "expression": "record.first ~ ' ' ~ record.last" },
        { "to": "/address/city", "from": "/at/city", "default": "?" },
        { "to": "/address/country", "value": "DE" },
        { "to": "n", "from": "/n", "type": "integer" },
        { "to": "first_tag", "from": "/tags/0" },
        { "to": "pointer_into_text", "from": "/first/0" },
        { "to": "whole", "from": "/at" },
    ]);
    let record = json!({ "first": "Ana", "last": null, "n": "42", "tags": ["x"], "at": { "city": null, "zip": "1" } });
    let expected = json!({
        "name": "Ana ", "address": { "city": "?", "country": "DE" }, "n": 42, "first_tag": "x", "pointer_into_text": null,
        "whole": { "city": null, "zip": "1" }
    });
    assert_eq!(data(fields, record).await, Ok(expected));
}

#[tokio::test]
async fn what_cannot_be_made_says_where_and_why() {
    let cases = [
        (json!({ "to": "/a/b", "from": "/x", "type": "integer" }), json!({ "x": "12a" }), wrong("type_invalid", "/a/b")),
        (json!({ "to": "a", "from": "/x", "type": "integer" }), json!({ "x": 1.5 }), wrong("type_invalid", "/a")),
        (json!({ "to": "a", "from": "/x", "required": true }), json!({}), wrong("field_missing", "/a")),
        (json!({ "to": "a/b", "from": "/x", "required": true }), json!({ "x": null }), wrong("field_missing", "/a~1b")),
        (json!({ "to": "a", "expression": "record.x.y" }), json!({}), wrong("expression_failed", "/a")),
        (json!({ "to": "a", "expression": "record.x", "required": true }), json!({}), wrong("field_missing", "/a")),
        (json!({ "to": "a", "from": "/x" }), json!({ "x": [{ "id": 1e20 }] }), wrong("number_imprecise", "/a/0/id")),
        (json!({ "to": "a", "from": "/x", "type": "string" }), json!({ "x": 1e20 }), wrong("type_invalid", "/a")),
        (json!({ "to": "a", "from": "/x" }), json!({ "x": "y".repeat(300_000) }), wrong("record_too_large", "")),
        (json!({ "to": "a", "from": "/x" }), json!({ "x": vec![1; 200_000] }), wrong("record_too_large", "")),
        (json!({ "to": "a", "from": "/x", "type": "number" }), json!({ "x": 1e20 }), Ok(json!({ "a": 1e20 }))),
        (json!({ "to": "a", "from": "/x" }), json!({ "x": vec![1; 100_000] }), Ok(json!({ "a": vec![1; 100_000] }))),
        (
            json!({ "to": "a", "from": "/x" }),
            json!({ "x": 12_345_678_901_234_567_890_u64 }),
            Ok(json!({ "a": 12_345_678_901_234_567_890_u64 })),
        ),
        (json!({ "to": "a", "from": "/x", "type": "integer", "default": 0 }), json!({ "x": " " }), Ok(json!({ "a": 0 }))),
        (json!({ "to": "a", "expression": "record.x", "default": [] }), json!({}), Ok(json!({ "a": [] }))),
    ];
    for (field, record, expected) in cases {
        let shown = field.clone();
        assert_eq!(data(json!([field]), record).await, expected, "{shown}");
    }
}

#[tokio::test]
async fn a_record_without_a_mapping_is_taken_as_it_is_with_sorted_keys() {
    let mapping = mapping(http(json!({})), json!([]));
    let one: Value = serde_json::from_str(r#"{"z":1,"id":"k","a":{"y":2.50,"b":[1.0,1e2]}}"#).expect("JSON");
    let other: Value = serde_json::from_str(r#"{"a":{"b":[1.0,100.0],"y":2.5},"id":"k","z":1}"#).expect("JSON");
    let mapped = map(&mapping, vec![one, other, json!(["k"]), json!({ "id": "k", "n": { "of/it": 1e25 } })]).await;
    let [Ok(one), Ok(other), Err(no_object), Err(imprecise)] = mapped.as_slice() else { panic!("{mapped:?}") };
    assert_eq!(one.data, r#"{"a":{"b":[1.0,100.0],"y":2.5},"id":"k","z":1}"#);
    assert_eq!((&one.data, one.hash), (&other.data, other.hash));
    assert_eq!(no_object.code, "key_missing");
    assert_eq!((imprecise.code, imprecise.pointer.as_deref()), ("number_imprecise", Some("/n/of~1it")));
}

#[tokio::test]
async fn keys_are_told_apart_or_refused() {
    let one = mapping(http(json!({})), json!([{ "to": "a", "value": 1 }]));
    let keys = [json!("ÄÖ\u{1f600}"), json!("a"), json!("A"), json!(7), json!(u64::MAX), json!("x".repeat(512))];
    let records = keys.iter().map(|id| json!({ "id": id })).collect();
    let mapped: Vec<String> = map(&one, records).await.into_iter().map(|one| one.expect("a good key").key).collect();
    assert_eq!(mapped, ["ÄÖ\u{1f600}", "a", "A", "7", "18446744073709551615", &"x".repeat(512)]);
    let bad = [
        (json!(""), "key_missing"),
        (json!(null), "key_missing"),
        (json!({ "an": "object" }), "key_invalid"),
        (json!(true), "key_invalid"),
        (json!(1e20), "key_invalid"),
        (json!(1.5), "key_invalid"),
        (json!("x".repeat(513)), "key_too_long"),
        (json!("ö".repeat(10_000)), "key_too_long"),
        (json!("a\0b"), "key_invalid"),
    ];
    let records = bad.iter().map(|(id, _)| json!({ "id": id, "secret": "not to be told" })).collect();
    for (at, (unmapped, (id, code))) in map(&one, records).await.into_iter().map(Result::unwrap_err).zip(&bad).enumerate() {
        assert_eq!((unmapped.code, unmapped.index as usize), (*code, at), "{id}");
        assert!(!format!("{unmapped:?}").contains("told") && unmapped.key.is_none_or(|key| key.len() <= 512), "{id}");
    }
    let several = mapping(http(json!({ "key": ["/a", "/b"] })), json!([{ "to": "a", "value": 1 }]));
    let pairs = [("x", "y\",\"z"), ("x\",\"y", "z"), ("xy", "z")];
    let mapped = map(&several, pairs.iter().map(|(a, b)| json!({ "a": a, "b": b })).collect()).await;
    let keys: std::collections::BTreeSet<_> = mapped.into_iter().map(|one| one.expect("a good key").key).collect();
    assert_eq!(keys.len(), pairs.len(), "{keys:?}");
}

#[tokio::test]
async fn tombstones_need_no_more_than_a_key() {
    let source = http(json!({ "deleted": { "pointer": "/state", "values": ["gone", 7] }, "updated_at": "/at" }));
    let mapping = mapping(source, json!([{ "to": "name", "from": "/name", "required": true }]));
    let records = vec![
        json!({ "id": 1, "state": "gone" }),
        json!({ "id": 2, "state": 7, "name": "Ana", "at": 1_700_000_000 }),
        json!({ "id": 3, "state": "here", "name": "Bo", "at": "2026-01-02T03:04:05+01:00" }),
        json!({ "id": 4, "state": "here" }),
        json!({ "id": 5, "name": "Cy", "at": "yesterday" }),
    ];
    let mapped = map(&mapping, records).await;
    let [Ok(bare), Ok(whole), Ok(live), Err(lacking), Err(undated)] = mapped.as_slice() else { panic!("{mapped:?}") };
    assert_eq!((bare.is_deleted, bare.data.as_str(), bare.updated_at), (true, "{}", None));
    assert_eq!((whole.is_deleted, whole.data.as_str()), (true, r#"{"name":"Ana"}"#));
    assert_eq!(whole.updated_at, Some(Timestamp::from_ms(1_700_000_000_000)));
    assert_eq!((live.is_deleted, live.updated_at.map(|at| at.to_string()).as_deref()), (false, Some("2026-01-02T02:04:05.000Z")));
    assert_eq!(lacking.code, "field_missing");
    assert_eq!((undated.code, undated.pointer.as_deref()), ("updated_at_invalid", Some("/at")));
}

#[tokio::test]
async fn the_tenants_own_records_come_with_their_keys() {
    let fields = json!([{ "to": "mail", "from": "/email" }, { "to": "shout", "expression": "record.email | upper" }]);
    let mapping = mapping(json!({ "records": { "collection": "people" } }), fields);
    let record = json!({ "@key": "7", "email": "a@b.c", "@updated_at": "2026-01-02T03:04:05.000Z" });
    let incoming = map(&mapping, vec![record]).await.remove(0).expect("it is mapped");
    assert_eq!((incoming.key.as_str(), incoming.data.as_str()), ("7", r#"{"mail":"a@b.c","shout":"A@B.C"}"#));
    assert_eq!(incoming.updated_at.map(|at| at.to_string()).as_deref(), Some("2026-01-02T03:04:05.000Z"));
    let whole = super::tests::mapping(json!({ "records": { "collection": "people" } }), json!([]));
    let incoming = map(&whole, vec![json!({ "@key": "7", "@updated_at": "2026-01-02T03:04:05.000Z", "email": 1 })]).await.remove(0);
    assert_eq!(incoming.expect("it is mapped").data, r#"{"email":1}"#);
}

/// Written again as it was, a record would else count as changed.
#[tokio::test]
async fn the_whole_of_a_record_is_what_it_says() {
    let fields = json!([{ "to": "fields", "from": "", "type": "object" }, { "to": "text", "expression": "record | tojson" }]);
    let mapping = mapping(json!({ "records": { "collection": "people" } }), fields);
    let touched = |at: &str| json!({ "@key": "7", "@updated_at": at, "email": 1 });
    let mapped = map(&mapping, vec![touched("2026-01-02T03:04:05.000Z"), touched("2026-01-03T03:04:05.000Z")]).await;
    let [Ok(one), Ok(other)] = mapped.as_slice() else { panic!("{mapped:?}") };
    let expected = json!({ "fields": { "email": 1 }, "text": r#"{"@key":"7","email":1}"# });
    assert_eq!(serde_json::from_str::<Value>(&one.data).expect("JSON"), expected);
    assert_eq!(one.hash, other.hash);
}

#[tokio::test]
async fn a_field_that_is_not_there_is_left_out_where_that_is_said() {
    let fields = json!([
        { "to": "/contact/phone", "from": "/phone", "type": "string", "absent": "omit" },
        { "to": "n", "from": "/n", "type": "integer", "absent": "omit" },
        { "to": "name", "expression": "record.name", "absent": "omit" },
        { "to": "mail", "from": "/mail", "absent": "null" },
    ]);
    assert_eq!(data(fields.clone(), json!({ "phone": null, "n": "" })).await, Ok(json!({ "mail": null })));
    let whole = json!({ "phone": "", "n": 0, "name": "Ana", "mail": "a@b.c" });
    assert_eq!(data(fields, whole).await, Ok(json!({ "contact": { "phone": "" }, "n": 0, "name": "Ana", "mail": "a@b.c" })));
}

#[tokio::test]
async fn ten_thousand_records_take_well_under_a_second() {
    let fields = json!([
        { "to": "name", "from": "/name", "type": "string" }, { "to": "/at/city", "from": "/city" }, { "to": "n", "from": "/n", "type": "integer" },
        { "to": "when", "from": "/when", "type": "timestamp" }, { "to": "kind", "value": "contact" }, { "to": "mail", "from": "/mail", "required": true },
    ]);
    let mapping = mapping(http(json!({})), fields);
    let record = |n: u32| json!({ "id": n, "name": format!("Name {n}"), "city": "Bonn", "n": n.to_string(), "when": 1_700_000_000 + n, "mail": "a@b.c" });
    let records: Vec<Value> = (0..10_000).map(record).collect();
    let begun = Instant::now();
    let mapped = map(&mapping, records).await;
    println!("10,000 records, six fields: {} ms", begun.elapsed().as_millis());
    assert!(mapped.iter().all(Result::is_ok));
    // Unoptimised, on a machine that has much else to do.
    assert!(begun.elapsed().as_secs() < 5);
}

#[test]
fn the_expressions_of_a_page_compute_so_long() {
    let almost = charged(PAGE_CPU_MAX / 2, PAGE_CPU_MAX / 2).expect("to the end");
    assert_eq!(almost, PAGE_CPU_MAX);
    assert!(matches!(charged(almost, Duration::from_millis(1)), Err(Unmade::Costly(message)) if message.contains("60 s")));
}
