//! Mappings that ask for more than there is, and records that are not as they should be: each is told by its record, within limits, and the
//! server lives on.

use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use windrow_tests::server::Server;

/// Doubles its record's text until no memory is left.
const MEMORY: &str = "record.long | replace('x', record.long) | replace('x', record.long) | length";
/// Compares ten thousand million times.
const TIME: &str = "(range(100000) | select('in', range(100000) | list) | list | length) if record.long else 1";

/// A provider that has this page.
async fn provider(page: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut vec![0; 16_384]).await;
            let length = page.len();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all((head + &page).as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    url
}

/// The job of a preview of these records, mapped so.
async fn preview(page: String, mapping: Value) -> Value {
    let server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
    let connection = json!({ "name": "there", "provider": "http", "config": { "url": provider(page).await } });
    assert_eq!(server.send(Method::POST, "/v1/connections", &[], Some(connection)).await.status, 201);
    let definition = json!({
        "source": { "http": { "connection": "there", "list": {}, "key": "/id" } },
        "mapping": mapping,
        "destination": { "records": { "collection": "all" } }
    });
    let begun = Instant::now();
    let answer = server.send(Method::POST, "/v1/syncs/tried/preview", &[("prefer", "wait=60")], Some(definition)).await;
    println!("{} ({} ms)", answer.body["state"], begun.elapsed().as_millis());
    assert_eq!(server.send(Method::GET, "/healthz", &[], None).await.status, 200);
    answer.body
}

fn errors(job: &Value) -> Vec<(&str, &str)> {
    let records = job["result"]["records"].as_array().unwrap_or_else(|| panic!("{job}"));
    records.iter().map(|one| (one["key"].as_str().unwrap_or(""), one["error"]["code"].as_str().unwrap_or("taken"))).collect()
}

#[tokio::test]
async fn an_expression_without_an_end_fails_its_record_alone() {
    let page = json!([{ "id": "a" }, { "id": "slow", "long": "x" }, { "id": "b" }]).to_string();
    let job = preview(page, json!([{ "to": "n", "expression": TIME }])).await;
    assert_eq!(errors(&job), [("a", "taken"), ("slow", "expression_too_costly"), ("b", "taken")], "{job}");
}

#[tokio::test]
async fn an_expression_that_takes_all_memory_fails_its_record_and_in_many_records_the_run() {
    let of = |greedy: usize| {
        let one = |n: usize| json!({ "id": n, "long": if n < greedy { "x".repeat(2_000) } else { "x".into() } });
        Value::from((0..10).map(one).collect::<Vec<_>>()).to_string()
    };
    let mapping = || json!([{ "to": "n", "expression": MEMORY }]);
    let job = preview(of(2), mapping()).await;
    let costly = errors(&job).into_iter().filter(|(_, code)| *code == "expression_too_costly").count();
    assert_eq!((costly, &job["result"]["failed"]), (2, &json!(2)), "{job}");
    let job = preview(of(10), mapping()).await;
    assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!("mapping_too_costly")), "{job}");
}

#[tokio::test]
async fn records_that_are_not_as_they_should_be_are_told_one_by_one() {
    let long = "x".repeat(600);
    let page = format!(
        r#"[{{"id":"ü/ñ 🙂","n":"7"}},{{"id":"A","n":1}},{{"id":"a","n":2}},{{"id":"","n":1}},{{"id":{{"k":1}},"n":1}},{{"id":"{long}","n":1}},
        {{"id":"nan","n":"NaN"}},{{"id":"huge","n":123456789012345678901}},{{"id":12345678901234567890,"n":12345678901234567890}},
        {{"id":"text","n":"secret words"}},{{"id":"record","record":"own","n":3}},{{"id":"list","n":[{}1]}},"no object"]"#,
        "1,".repeat(100_000)
    );
    let mapping = json!([{ "to": "n", "from": "/n", "type": "integer", "required": true }, { "to": "own", "expression": "record.record" }]);
    let job = preview(page, mapping).await;
    let expected = [
        ("ü/ñ 🙂", "taken"),
        ("A", "taken"),
        ("a", "taken"),
        ("", "key_missing"),
        ("", "key_invalid"),
        ("", "key_too_long"),
        ("nan", "type_invalid"),
        ("huge", "type_invalid"),
        ("12345678901234567890", "taken"),
        ("text", "type_invalid"),
        ("record", "taken"),
        ("list", "type_invalid"),
        ("", "key_missing"),
    ];
    assert_eq!(errors(&job), expected, "{job}");
    let records = &job["result"]["records"];
    assert_eq!((&records[8]["record"]["n"], &records[10]["record"]["own"]), (&json!(12_345_678_901_234_567_890_u64), &json!("own")));
    assert_eq!(
        records[11]["error"],
        json!({ "code": "type_invalid", "message": "a list is no whole number within 64 bits", "pointer": "/n" })
    );
    assert!(job.to_string().len() < 10_000, "no error has its record: {} bytes", job.to_string().len());
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_where_it_is() {
    let server = Server::start().await;
    let put = async |expression: String| {
        let definition = json!({
            "source": { "records": { "collection": "a" } },
            "mapping": [{ "to": "fine", "expression": "record.a" }, { "to": "n", "expression": expression }],
            "destination": { "records": { "collection": "b" } }
        });
        server.send(Method::PUT, "/v1/syncs/tried", &[], Some(definition)).await
    };
    for (expression, status) in [
        ("(".repeat(400) + "1" + &")".repeat(400), 422),
        ("record.".into(), 422),
        // What only an evaluation finds out is its record's error.
        ("'x' * 100000000000000".into(), 201),
        ("1 | nope".into(), 422),
        ("{% if 1 %}".into(), 422),
    ] {
        let answer = put(expression.clone()).await;
        assert_eq!(answer.status, status, "{expression}: {}", answer.body);
        if status == 422 {
            assert_eq!(answer.body["pointer"], "/mapping/1/expression", "{expression}");
        }
    }
    assert_eq!(put("record.a | upper".into()).await.status, 200);
}
