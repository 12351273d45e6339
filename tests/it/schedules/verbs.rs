//! `windrow schedules`, verb by verb, against a server that fires.

use serde_json::{Value, json};
use windrow_tests::server::{Finished, Server};

fn printed(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

/// Runs `windrow schedules` and expects that it succeeds.
async fn schedules(server: &Server, arguments: &[&str]) -> Finished {
    let finished = server.command(&[&["schedules"], arguments].concat()).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    finished
}

const HOURLY: [&str; 9] =
    ["create", "--name", "a", "--cron", "@hourly", "--kind", "echo", "--payload", r#"{"message":"{{ n }} at {{ fire_at }}"}"#];

#[tokio::test]
async fn a_schedule_is_made_paused_resumed_and_deleted() {
    let server = Server::start().await;
    let tried = schedules(&server, &[&HOURLY[..], &["--dry-run"]].concat()).await;
    assert!(tried.stdout.starts_with("it would be made, and fire next at "), "{tried:?}");
    let made = printed(&schedules(&server, &[&HOURLY[..], &["--time-zone", "Asia/Tokyo", "--output", "json"]].concat()).await);
    assert_eq!((&made["name"], &made["time_zone"], &made["version"]), (&json!("a"), &json!("Asia/Tokyo"), &json!(1)));

    let id = made["id"].as_str().expect("an id");
    let got = schedules(&server, &["get", id]).await;
    assert!(got.stdout.lines().any(|line| line == "cron       @hourly"), "{got:?}");
    assert!(got.stdout.lines().any(|line| line == "time zone  Asia/Tokyo"), "{got:?}");
    assert!(schedules(&server, &["pause", "a"]).await.stdout.ends_with("  a  paused\n"));
    let listed = schedules(&server, &["list"]).await;
    assert!(listed.stdout.lines().nth(1).is_some_and(|line| line.starts_with("a     @hourly  Asia/Tokyo  echo  true")), "{listed:?}");
    assert!(schedules(&server, &["resume", "a"]).await.stdout.contains("  a  fires next at "));

    let file = server.home().join("schedule.json");
    std::fs::write(&file, r#"{"name":"b","cron":"@daily","job":{"kind":"echo","payload":{}}}"#).expect("written");
    schedules(&server, &["create", file.to_str().expect("text")]).await;
    let page = schedules(&server, &["list", "--page-size", "1"]).await;
    assert!(page.stdout.lines().count() == 2 && page.stderr.contains("--page-token"), "{page:?}");

    assert_eq!(schedules(&server, &["delete", "b"]).await.stdout, "b  deleted\n");
    assert_eq!(schedules(&server, &["delete", "a", "--output", "json"]).await.stdout, "", "as the server's answer");
    let gone = server.command(&["schedules", "get", "a"]).await;
    assert!(gone.code == Some(1) && gone.stderr.contains("schedule_not_found"), "{gone:?}");
}

#[tokio::test]
async fn what_is_refused_is_told_with_its_place_and_exit_code() {
    let server = Server::start().await;
    schedules(&server, &HOURLY).await;
    let cases: [(&[&str], i32, &str); 7] = [
        (&HOURLY, 1, "schedule_exists"),
        (&["create", "--name", "b", "--cron", "61 * * * *", "--kind", "echo"], 1, "/cron"),
        (
            &["create", "--name", "b", "--cron", "@daily", "--kind", "echo", "--payload", r#"{"message":"{{ now }}"}"#],
            1,
            "/job/payload/message",
        ),
        (&["create", "--name", "b"], 2, "--cron"),
        (&["create", "/nowhere.json"], 2, "/nowhere.json"),
        (&["fires", "a", "--status", "late"], 1, "query_invalid"),
        (&["preview", "@daily", "--time-zone", "Berlin"], 1, "/time_zone"),
    ];
    for (arguments, code, expected) in cases {
        let refused = server.command(&[&["schedules"], arguments].concat()).await;
        assert!(refused.code == Some(code) && refused.stderr.contains(expected), "{arguments:?}: {refused:?}");
    }
}

#[tokio::test]
async fn a_tenant_keeps_the_gap_that_is_set_for_it() {
    let server = Server::start_with(&[("WINDROW_SCHEDULES__TENANT_GAPS_S_MIN", "acme=60")]).await;
    let create = ["create", "--name", "a", "--cron", "@every 59s", "--kind", "echo"];
    schedules(&server, &create).await;
    let refused = server.command(&[&["--tenant", "acme", "schedules"], &create[..]].concat()).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("/cron") && refused.stderr.contains("60 s"), "{refused:?}");
}

#[tokio::test]
async fn a_preview_is_a_sentence_and_a_table() {
    let server = Server::start().await;
    let line = ["preview", "0 8 * * *", "--time-zone", "Europe/Berlin", "--from", "2027-03-27T12:00:00Z", "--count", "1"];
    let preview = schedules(&server, &line).await;
    let lines: Vec<&str> = preview.stdout.lines().collect();
    assert!(lines[0].contains("Europe/Berlin"), "{preview:?}");
    assert_eq!(lines[2..], ["2027-03-28T06:00:00.000Z  2027-03-28T08:00:00.000+02:00"], "{preview:?}");
}

#[tokio::test]
async fn a_schedule_fires_by_the_clock_and_by_hand() {
    let server = Server::start().await;
    let each_second = ["create", "--name", "s", "--cron", "@every 1s", "--kind", "echo", "--payload", r#"{"message":"job {{ n }}"}"#];
    schedules(&server, &each_second).await;
    let fired = "/v1/schedules/s/fires?status=fired";
    server.until_entries(fired, "fires", "two fires", |fires| fires.len() >= 2).await;
    schedules(&server, &["pause", "s"]).await;
    let run = schedules(&server, &["run", "s"]).await;
    assert!(run.stdout.contains("  job "), "{run:?}");

    let made = server.until_entries(fired, "fires", "fires", |_| true).await;
    assert!(made[0]["manual"] == true && made[1..].iter().all(|fire| fire["manual"] == false), "{made:?}");
    for fire in &made {
        let job = server.wait(&json!({ "id": fire["job_id"] })).await;
        assert_eq!(job["result"]["message"], json!(format!("job {}", fire["n"])), "{job}");
    }
    let numbers: Vec<_> = made.iter().rev().map(|fire| fire["n"].as_u64()).collect();
    assert_eq!(numbers, (1..=made.len() as u64).map(Some).collect::<Vec<_>>(), "each job has the next number");
    let shown = schedules(&server, &["fires", "s", "--status", "fired"]).await;
    assert_eq!(shown.stdout.lines().count(), 1 + made.len(), "{shown:?}");
    assert!(shown.stdout.lines().nth(1).is_some_and(|line| line.contains("fired by hand")), "{shown:?}");
}
