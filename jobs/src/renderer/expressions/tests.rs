use serde_json::json;

use super::*;

fn row(record: serde_json::Value, expressions: &[&str]) -> Vec<Cell> {
    let raw = serde_json::value::to_raw_value(&record).expect("JSON");
    let sheet = Sheet { expressions: expressions.iter().map(ToString::to_string).collect(), records: vec![raw] };
    evaluate(&sheet).remove(0)
}

fn one(record: serde_json::Value, expression: &str) -> Cell {
    row(record, &[expression]).remove(0)
}

fn failed(record: serde_json::Value, expression: &str) -> String {
    match one(record, expression) {
        Cell::Failed(message) => message,
        other => panic!("{expression}: {other:?}"),
    }
}

#[test]
fn values_keep_their_types() {
    let record =
        json!({ "first": "Ana", "last": "Öz", "n": 7, "price": 12.5, "id": u64::MAX, "tags": ["a", "b"], "at": { "city": "Bonn" } });
    for (expression, value) in [
        ("record.first ~ ' ' ~ record.last", json!("Ana Öz")),
        ("record.n + 1", json!(8)),
        ("record.price * 2", json!(25.0)),
        ("record.id", json!(u64::MAX)),
        ("record.tags | length > 1", json!(true)),
        ("record.tags | reverse", json!(["b", "a"])),
        ("{'city': record.at.city, 'n': [record.n]}", json!({ "city": "Bonn", "n": [7] })),
        ("record", record.clone()),
        ("record.tags | map('upper') | join('-')", json!("A-B")),
    ] {
        assert_eq!(one(record.clone(), expression), Cell::Value(value), "{expression}");
    }
}

#[test]
fn what_is_not_there_is_nothing_and_null_is_not_there() {
    let record = json!({ "there": "x", "nothing": null, "inner": { "nothing": null }, "list": [null, 1] });
    for expression in ["record.missing", "record.nothing", "record.inner.nothing", "none", "record.there[7]"] {
        assert_eq!(one(record.clone(), expression), Cell::Absent, "{expression}");
    }
    for (expression, value) in [
        ("record.nothing ~ '.' ~ record.there", json!(".x")),
        ("record.nothing | default('d')", json!("d")),
        ("record.nothing is none", json!(true)),
        ("record.missing is none", json!(true)),
        ("record.there is none", json!(false)),
        ("record.nothing is defined", json!(false)),
        ("record.list", json!([null, 1])),
        ("1 if record.inner.nothing else 2", json!(2)),
    ] {
        assert_eq!(one(record.clone(), expression), Cell::Value(value), "{expression}");
    }
    assert_eq!(failed(record.clone(), "record.missing.deeper"), "it asks for a field of something that is not there");
    assert_eq!(failed(record, "record.nothing.deeper"), "it asks for a field of something that is not there");
}

#[test]
fn a_hostile_expression_fails_alone() {
    let record = json!({ "n": 1, "long": "x".repeat(1000), "huge": 1e19 * 10.0, "record": "own", "range": 5 });
    let hostile = [
        ("record.n / 0", ""),
        ("1e308 * 10", "it makes what is no number"),
        ("1e308 * 10 - 1e308 * 10", "it makes what is no number"),
        ("[1e308 * 10]", "it makes what is no number"),
        ("170141183460469231731687303715884105727", "more than 64 bits"),
        ("record.n * 9223372036854775807 * 4", "more than 64 bits"),
        ("record.long * 1000", "more than the 262144 bytes"),
        ("range(100000) | list", ""),
        ("{record.n: 1}", "a key that is no text but number"),
        ("{{'a': 1}: 2}", "a key that is no text but map"),
        ("range", "it makes no value but"),
        ("record.huge", "64 bits"),
        ("record.huge ~ ''", "64 bits"),
        ("record.n.deeper.still", ""),
        ("record.n()", ""),
        ("record.n | no_such_filter", ""),
        ("(", ""),
        ("'a' | int", ""),
    ];
    let expressions: Vec<&str> = hostile.iter().map(|(expression, _)| *expression).chain(["record.record", "record.range"]).collect();
    let mut cells = row(record, &expressions);
    assert_eq!(cells.split_off(hostile.len()), [Cell::Value(json!("own")), Cell::Value(json!(5))], "what others fail for does not matter");
    for ((expression, expected), cell) in hostile.iter().zip(cells) {
        match (expression, cell) {
            // A list of numbers has room.
            (&"range(100000) | list", Cell::Value(list)) => assert_eq!(list.as_array().map(Vec::len), Some(100_000)),
            (_, Cell::Failed(message)) => assert!(message.contains(expected), "{expression}: {message}"),
            (_, other) => panic!("{expression}: {other:?}"),
        }
    }
}

#[test]
fn an_answer_ends_before_it_is_too_large() {
    let raw = serde_json::value::to_raw_value(&json!({ "long": "x".repeat(100_000) })).expect("JSON");
    let sheet = Sheet { expressions: vec!["record.long".into(), "record.long".into()], records: vec![raw; 100] };
    let rows = evaluate(&sheet);
    assert_eq!(rows.len(), ANSWER_BYTES.div_ceil(200_002));
}

#[test]
fn what_is_wrong_with_an_expression_is_said_before_it_is_used() {
    let all = ["record.a ~ record.b", "a ~ record.b", "record.", "range(3) | list", "record | nonsense", "{% if 1 %}"];
    let read = read(&all.map(str::to_owned));
    let told: Vec<Option<&str>> = read.iter().map(Option::as_deref).collect();
    assert_eq!(told[0], None);
    assert_eq!(told[1], Some("a is not known: the source's record is called record"));
    assert!(told[2].is_some_and(|message| message.starts_with("syntax error: ")), "{told:?}");
    assert_eq!(told[3], None);
    assert_eq!(told[4], Some("there is no filter \"nonsense\""));
    assert!(told[5].is_some(), "{told:?}");
}
