//! `windrow schedules apply`: a file is put in force once, whole or not at all.

use serde_json::{Value, json};
use windrow_tests::server::{Finished, Server};

const FILE: &str = r#"
[[schedules]]
name = "a"
cron = "@hourly"
job = { kind = "echo", payload = { message = "job {{ n }}", sleep_ms = 1 } }

[[schedules]]
name = "b"
cron = "30 2 * * *"
time_zone = "Europe/Berlin"
starts_at = 2027-01-15T08:00:00+01:00
misfire = { catch_up = { max = 3, window_s = 3600 } }
job = { kind = "echo", payload = {}, queue = "syncs", tags = ["x"] }
"#;

/// Applies this text as a file.
async fn apply(server: &Server, text: &str, options: &[&str]) -> Finished {
    let file = server.home().join("schedules.toml");
    std::fs::write(&file, text).expect("written");
    server.command(&[&["schedules", "apply", file.to_str().expect("text")], options].concat()).await
}

async fn named(server: &Server) -> Vec<Value> {
    let page = server.read("/v1/schedules").await;
    page["schedules"].as_array().expect("schedules").iter().map(|schedule| json!([schedule["name"], schedule["version"]])).collect()
}

#[tokio::test]
async fn a_file_is_applied_once_and_changes_what_it_names() {
    let server = Server::start().await;
    let tried = apply(&server, FILE, &["--dry-run"]).await;
    assert!(tried.code == Some(0) && tried.stdout.contains("+ a  @hourly UTC  echo\n"), "{tried:?}");
    assert!(named(&server).await.is_empty(), "a trial writes nothing");
    assert_eq!(apply(&server, FILE, &[]).await.code, Some(0));
    let again = apply(&server, FILE, &[]).await;
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), "= nothing to change: 2 unchanged\n"), "{again:?}");
    assert_eq!(named(&server).await, [json!(["a", 1]), json!(["b", 1])]);

    let other = FILE.replace("sleep_ms = 1", "sleep_ms = 2").replace("time_zone", "# time_zone").replace(", tags = [\"x\"]", "");
    let changed = apply(&server, &other, &["--output", "json"]).await;
    let report: Value = serde_json::from_str(&changed.stdout).unwrap_or_else(|error| panic!("{error}: {changed:?}"));
    let payload = |sleep_ms: u32| json!({ "message": "job {{ n }}", "sleep_ms": sleep_ms });
    let expected = json!([
        { "name": "a", "changes": [{ "field": "job.payload", "from": payload(1), "to": payload(2) }] },
        { "name": "b", "changes": [
            { "field": "time_zone", "from": "Europe/Berlin", "to": "UTC" },
            { "field": "job.tags", "from": ["x"], "to": [] },
        ] },
    ]);
    assert_eq!((&report["changed"], &report["created"], &report["unchanged"]), (&expected, &json!([]), &json!([])));
    assert_eq!(named(&server).await, [json!(["a", 2]), json!(["b", 2])]);
    assert_eq!(server.read("/v1/schedules/b").await["time_zone"], "UTC", "what the file does not say is the default");
}

#[tokio::test]
async fn only_a_prune_deletes_and_an_empty_file_must_say_that_it_is() {
    let server = Server::start().await;
    apply(&server, FILE, &[]).await;
    let only_a = FILE.split_once("\n\n").expect("two entries").0;
    let kept = apply(&server, only_a, &[]).await;
    assert_eq!(kept.stdout, "= nothing to change: 1 unchanged\n", "{kept:?}");
    let tried = apply(&server, only_a, &["--prune", "--dry-run"]).await;
    assert_eq!(tried.stdout, "- b\n= nothing was written; it would be 0 new, 0 changed, 1 deleted, 1 unchanged\n", "{tried:?}");
    let pruned = apply(&server, only_a, &["--prune"]).await;
    assert_eq!(pruned.stdout, "- b\n= 0 new, 0 changed, 1 deleted, 1 unchanged\n", "{pruned:?}");
    assert_eq!(named(&server).await, [json!(["a", 1])]);

    let empty = apply(&server, "", &["--prune"]).await;
    assert!(empty.code == Some(2) && empty.stderr.contains("missing field `schedules`"), "{empty:?}");
    assert_eq!(apply(&server, "schedules = []", &["--prune"]).await.code, Some(0));
    assert!(named(&server).await.is_empty());
}

#[tokio::test]
async fn one_bad_entry_keeps_all_from_being_written() {
    let server = Server::start().await;
    let typo = apply(&server, &FILE.replace("time_zone", "timezone"), &[]).await;
    assert!(typo.code == Some(2) && typo.stderr.contains("schedules.toml:7: schedule b: timezone: unknown field `timezone`"), "{typo:?}");
    let refused = apply(&server, &FILE.replace("30 2", "61 2").replace("sleep_ms = 1", "sleep_ms = -1"), &[]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for expected in ["2 of the schedules are refused, nothing was written", "schedules.toml:2: schedule a: /job/payload/sleep_ms: "] {
        assert!(refused.stderr.contains(expected), "{expected:?} is not in {refused:?}");
    }
    assert!(refused.stderr.contains("schedules.toml:7: schedule b: /cron: "), "{refused:?}");
    assert!(named(&server).await.is_empty());
}
