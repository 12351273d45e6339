//! `notification.broadcast` on the real binaries: everybody once, whoever is killed; the report; what cannot be meant is refused.

mod kill;
mod phones;

use serde_json::{Value, json};
use windrow_tests::server::{Client, Server};

use self::phones::Phones;

/// A server that may call servers of this machine, with somebody's account at the phones.
async fn serve(phones: &Phones) -> Server {
    let server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
    connect(&server, phones, json!({})).await;
    server
}

async fn connect(client: &Client, phones: &Phones, extra: Value) {
    let mut config = json!({ "account_sid": format!("AC{:032}", 0), "from": "+15005550006", "base_url": phones.url() });
    for (name, value) in extra.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    let connection = json!({ "name": "phone", "provider": "twilio", "config": config, "secrets": { "auth_token": "0".repeat(32) } });
    let made = client.send(reqwest::Method::POST, "/v1/connections", &[], Some(connection)).await;
    assert_eq!(made.status, 201, "{}", made.body);
}

fn broadcast(audience: Value) -> Value {
    let message =
        json!({ "kind": "notification.sms", "payload": { "connection": "phone", "text": "Market until six.", "when_unknown": "drop" } });
    json!({ "kind": "notification.broadcast", "payload": { "message": message, "audience": audience } })
}

fn number(index: usize) -> String {
    format!("+4915{index:08}")
}

/// The rows of a job's report, without the header.
async fn report(client: &Client, job: &Value) -> Vec<Vec<String>> {
    let artifacts = client.read(&windrow_tests::server::path(job, "/artifacts")).await;
    let named = artifacts["artifacts"].as_array().expect("a list").iter().find(|artifact| artifact["name"] == "report.csv");
    let url = named.expect("a report")["url"].as_str().expect("a link").to_owned();
    let url = if url.starts_with('/') { format!("{}{url}", client.url()) } else { url };
    let text = reqwest::get(url).await.expect("an answer").text().await.expect("a file");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().expect("a header"), vec!["row", "to", "status", "job", "error_code", "error"]);
    reader.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect()).collect()
}

#[tokio::test]
async fn everybody_gets_one_message_and_the_report_says_how_each_fared() {
    let phones = Phones::start().await;
    let server = serve(&phones).await;
    phones.refuse(&number(2));
    let to = |index| json!({ "to": number(index) });
    let job = server.submit(broadcast(json!({ "recipients": [to(0), to(1), to(2), to(0), to(3)] }))).await;
    let job = server.wait(&job).await;
    assert_eq!(job["state"], "completed", "{job}");
    let expected = json!({ "recipients": 5, "sent": 3, "dead": 1, "cancelled": 0, "invalid": 0, "duplicates": 1, "forgotten": 0, "report": "report.csv" });
    assert_eq!(job["result"], expected);
    assert_eq!(phones.taken(), (0..4).filter(|index| *index != 2).map(|index| (number(index), 1)).collect());
    let rows = report(&server, &job).await;
    let told: Vec<_> = rows.iter().map(|row| (row[0].as_str(), row[1].clone(), row[2].as_str(), row[4].as_str())).collect();
    let row = |at, index, status, code| (at, number(index), status, code);
    let expected = [
        row("1", 0, "sent", ""),
        row("2", 1, "sent", ""),
        row("3", 2, "dead", told[2].3),
        row("4", 0, "duplicate", ""),
        row("5", 3, "sent", ""),
    ];
    assert_eq!(told, expected);
    assert!(!told[2].3.is_empty());
    let children = server.list_all(&format!("tag=broadcast:{}", job["id"].as_str().expect("an id"))).await;
    assert_eq!(children.len(), 4);
    assert!(children.iter().all(|child| child["priority"] == -10 && child["payload"]["part_of"] == job["id"]), "{children:?}");
}

#[tokio::test]
async fn a_broadcast_that_is_cancelled_sends_no_more() {
    let phones = Phones::start().await;
    let server = serve(&phones).await;
    phones.hold();
    let recipients: Vec<_> = (0..200).map(|index| json!({ "to": number(index) })).collect();
    let job = server.submit(broadcast(json!({ "recipients": recipients }))).await;
    // All are made, and as many as there are slots wait for an answer.
    server.until(&job, "its children are made", |job| job["progress"]["percent"].as_u64() >= Some(50)).await;
    phones.until_waiting(1).await;
    assert!([200, 202].contains(&server.cancel(&job).await.status));
    // Until it has ended, a look of it may still run, and its messages go on.
    assert_eq!(server.wait(&job).await["state"], "cancelled");
    phones.release();
    let query = format!("tag=broadcast:{}&page_size=1000", job["id"].as_str().expect("an id"));
    let children = server
        .until_list(&query, "all have ended", |children| children.len() == 200 && children.iter().all(windrow_tests::server::is_final));
    let children = children.await;
    let completed = children.iter().filter(|child| child["state"] == "completed").count();
    assert!(completed < 150 && children.iter().any(|child| child["state"] == "cancelled"), "{completed}");
    assert_eq!(phones.taken().len(), completed, "what was not sent was not sent");
}

#[tokio::test]
async fn messages_keep_to_the_rate_of_their_connection() {
    let phones = Phones::start().await;
    let server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
    connect(&server, &phones, json!({ "rate_per_s": 20 })).await;
    // Beside the broadcast somebody else sends through the same connection.
    let recipients: Vec<_> = (0..40).map(|index| json!({ "to": number(index) })).collect();
    let job = server.submit(broadcast(json!({ "recipients": recipients }))).await;
    for index in 100..120 {
        let payload = json!({ "connection": "phone", "to": number(index), "text": "Yours is ready." });
        server.submit(json!({ "kind": "notification.sms", "payload": payload })).await;
    }
    assert_eq!(server.wait(&job).await["state"], "completed");
    server
        .until_list("kind=notification.sms&page_size=1000", "all have ended", |jobs| jobs.iter().all(windrow_tests::server::is_final))
        .await;
    let came_ms = phones.came_ms();
    assert_eq!(came_ms.len(), 60);
    // Sixty that are a twentieth of a second apart; the machine may bunch a few, and never gains a second over all.
    let spread_ms = came_ms.last().expect("the last") - came_ms[0];
    assert!(spread_ms >= 59 * 50 - 100, "{spread_ms} ms: {came_ms:?}");
    let closest = came_ms.windows(11).map(|eleven| eleven[10] - eleven[0]).min().expect("some");
    assert!(closest >= 250, "eleven within {closest} ms: {came_ms:?}");
}

#[tokio::test]
async fn what_is_wrong_with_a_broadcast_is_said_at_submission() {
    let phones = Phones::start().await;
    let server = serve(&phones).await;
    let template = json!({ "text": "Hello {{ name }}" });
    let put = server.send(reqwest::Method::PUT, "/v1/notification-templates/hello/de", &[], Some(template)).await;
    assert_eq!(put.status, 201, "{}", put.body);
    let of = |template: Value, audience: Value| {
        let message = json!({ "kind": "notification.sms", "payload": { "connection": "phone", "template": template } });
        json!({ "kind": "notification.broadcast", "payload": { "message": message, "audience": audience } })
    };
    let one = |variables: Value| json!({ "recipients": [{ "to": number(0), "locale": "de", "variables": { "name": "A" } }, { "to": number(1), "locale": "de", "variables": variables }] });
    let file = json!({ "artifact": { "job": "0190b6f0-0000-7000-8000-000000000000", "name": "people.csv" } });
    let cases = [
        (of(json!({ "name": "hello" }), one(json!({}))), Some("/payload/audience/recipients/1/variables/name")),
        (of(json!({ "name": "hullo" }), one(json!({ "name": "B" }))), Some("/payload/message/payload/template/name")),
        (of(json!({ "name": "hullo", "locale": "de" }), file.clone()), Some("/payload/message/payload/template/name")),
        (broadcast(json!({ "recipients": [{ "to": "12" }] })), Some("/payload/audience/recipients/0/to")),
        (broadcast(json!({ "recipients": [] })), Some("/payload/audience/recipients")),
        (broadcast(json!({})), Some("/payload/audience")),
        (
            of(json!({ "name": "hello", "variables": { "name": "A", "more": "m".repeat(64 * 1024) } }), file.clone()),
            Some("/payload/message/payload"),
        ),
        (of(json!({ "name": "hello", "locale": "de" }), file), None),
        (of(json!({ "name": "hello" }), one(json!({ "name": "B" }))), None),
    ];
    for (submission, pointer) in cases {
        let answer = server.send(reqwest::Method::POST, "/v1/jobs", &[], Some(submission)).await;
        match pointer {
            Some(pointer) => assert_eq!((answer.status, answer.body["pointer"].as_str()), (422, Some(pointer)), "{}", answer.body),
            None => assert_eq!(answer.status, 202, "{}", answer.body),
        }
    }
    let jobs = server.list_all("kind=notification.broadcast").await;
    let lost = jobs.iter().find(|job| !job["payload"]["audience"]["artifact"].is_null()).expect("the one with a file");
    let lost = server.wait(lost).await;
    assert_eq!((&lost["state"], &lost["error"]["code"]), (&json!("dead"), &json!("audience_unknown")), "{lost}");
}
