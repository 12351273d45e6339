//! The verbs that talk to a server, and their documented exit codes.

use serde_json::{Value, json};
use windrow_tests::server::{Finished, Server};

/// What a command printed as JSON.
fn printed(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

#[tokio::test]
async fn submit_wait_and_get_tell_of_the_same_job() {
    let server = Server::start().await;
    let line = ["submit", "echo", "--payload", r#"{"message":"hello"}"#, "--tag", "cli", "--wait", "30"];
    let submitted = server.command(&line).await;
    assert_eq!(submitted.code, Some(0), "{submitted:?}");
    for expected in ["state     completed", "attempt   1 of 10", "tags      cli", r#"result    {"message":"hello"}"#] {
        assert!(submitted.stdout.lines().any(|line| line == expected), "{expected:?} is not in {submitted:?}");
    }

    let submitted = server.command(&["submit", "echo", "--payload", r#"{"sleep_ms":500}"#, "--output", "json"]).await;
    let job = printed(&submitted);
    assert_eq!((submitted.code, &job["state"]), (Some(0), &json!("available")));
    let id = job["id"].as_str().expect("a job has an id");
    let waited = server.command(&["wait", id, "--output", "json"]).await;
    assert_eq!((waited.code, &printed(&waited)["state"]), (Some(0), &json!("completed")));
    let got = server.command(&["get", id, "--output", "json"]).await;
    assert_eq!((got.code, printed(&got)), (Some(0), server.get(&job).await));

    let listed = server.command(&["list", "--tag", "cli"]).await;
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert_eq!(listed.stdout.lines().count(), 2, "a head and a job: {listed:?}");
}

#[tokio::test]
async fn a_file_of_jobs_is_submitted_at_once() {
    let server = Server::start().await;
    let file = server.home().join("jobs.ndjson");
    let path = file.to_str().expect("a path of text").to_owned();
    let line = r#"{"kind":"echo","payload":{},"unique_key":"one"}"#;
    std::fs::write(&file, format!("{line}\n{line}\n{{\"kind\":\"echo\",\"payload\":{{\"no\":1}}}}\n")).expect("the file is written");
    let whole = server.command(&["submit", "--batch", &path, "--atomic"]).await;
    assert_eq!(whole.code, Some(1), "{whole:?}");
    assert!(whole.stderr.contains("batch_rejected") && whole.stderr.contains("/2/payload"), "{whole:?}");
    assert!(server.list("page_size=1").await.is_empty());

    let valid = server.command(&["submit", "--batch", &path]).await;
    let lines: Vec<&str> = valid.stdout.lines().collect();
    assert_eq!((valid.code, lines.len()), (Some(1), 3), "{valid:?}");
    assert_eq!(lines[1], format!("{}  deduplicated", lines[0]));
    assert!(lines[2].starts_with("/2/payload  payload_invalid: "), "{valid:?}");

    std::fs::write(&file, r#"[{"kind":"echo","payload":{}}]"#).expect("the file is written");
    let array = server.command(&["submit", "--batch", &path, "--output", "json"]).await;
    assert_eq!((array.code, &printed(&array)["accepted"]), (Some(0), &json!(1)), "{array:?}");
    let key = ["submit", "echo", "--idempotency-key", "k", "--output", "json"];
    let (first, again) = (server.command(&key).await, server.command(&key).await);
    assert_eq!((first.code, printed(&first)["id"].clone()), (Some(0), printed(&again)["id"].clone()));
}

#[tokio::test]
async fn cancel_and_redrive_reach_the_job() {
    let server = Server::start().await;
    let job = server.submit(json!({ "kind": "echo", "payload": {}, "delay_s": 3600 })).await;
    let id = job["id"].as_str().expect("a job has an id");
    let cancelled = server.command(&["cancel", id]).await;
    assert_eq!((cancelled.code, cancelled.stdout), (Some(0), format!("{id}  cancelled\n")));
    let waited = server.command(&["wait", id]).await;
    assert_eq!(waited.code, Some(1), "{waited:?}");
    assert!(waited.stderr.contains("the job is cancelled"), "{waited:?}");
    assert_eq!(server.command(&["redrive", id]).await.code, Some(0));
    assert_eq!(server.command(&["wait", id, "--timeout-s", "30"]).await.code, Some(0));
}

#[tokio::test]
async fn attempts_artifacts_and_kinds_are_shown() {
    let server = Server::start().await;
    let line = ["submit", "echo", "--payload", r#"{"panic":true}"#, "--max-attempts", "1", "--wait", "30", "--output", "json"];
    let id = printed(&server.command(&line).await)["id"].as_str().expect("a job has an id").to_owned();
    let attempts = server.command(&["attempts", &id]).await;
    let lines: Vec<&str> = attempts.stdout.lines().collect();
    assert_eq!((attempts.code, lines.len()), (Some(0), 2), "{attempts:?}");
    assert!(lines[1].starts_with("1        dead     exhausted  "), "{attempts:?}");

    let payload = r#"{"template":"task-list@^1","features":[],"app":{"name":"Tasks","bundle_id":"dev.windrow.tasks"}}"#;
    let built = printed(&server.command(&["submit", "build.generate", "--payload", payload, "--wait", "60", "--output", "json"]).await);
    let artifacts = server.command(&["artifacts", built["id"].as_str().expect("a job has an id")]).await;
    let sha256 = built["result"]["sha256"].as_str().expect("a build has a digest");
    assert_eq!(artifacts.code, Some(0), "{artifacts:?}");
    assert!(artifacts.stdout.contains(sha256) && artifacts.stdout.contains(server.url()), "{artifacts:?}");

    let kinds = server.command(&["kinds"]).await;
    let words = |line: &str| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    assert!(kinds.stdout.lines().any(|line| words(line) == "build.generate 2 builds"), "{kinds:?}");
    let kind = printed(&server.command(&["kinds", "build.generate"]).await);
    assert!(kind["schema"]["properties"]["template"].is_object(), "{kind}");
    assert_eq!(server.command(&["kinds", "../jobs"]).await.code, Some(1));
}

#[tokio::test]
async fn the_status_tells_the_rung_and_the_duties() {
    let server = Server::start().await;
    // Until the leader has spoken, nobody is known to lead.
    crate::status::until_rung(&server, "normal").await;
    let shown = server.command(&["status"]).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for expected in ["status    up", "rung      normal: ", "ledger    up", "carrier   up channel", "promote   "] {
        assert!(shown.stdout.lines().any(|line| line.starts_with(expected)), "{expected:?} is not in {shown:?}");
    }
}

#[tokio::test]
async fn queues_are_paused_shown_and_resumed() {
    let server = Server::start().await;
    let paused = server.command(&["queues", "pause", "default"]).await;
    assert_eq!((paused.code, paused.stdout.contains("paused true")), (Some(0), true), "{}", paused.stderr);
    let waited = server.command(&["submit", "echo", "--wait", "1"]).await;
    assert_eq!(waited.code, Some(1), "{waited:?}");
    assert!(waited.stderr.contains("not final in time"), "{waited:?}");
    let shown = server.command(&["queues"]).await;
    assert!(shown.stdout.lines().any(|line| line.starts_with("default") && line.contains("true")), "{shown:?}");
    assert_eq!(server.command(&["queues", "resume", "default"]).await.code, Some(0));
    assert_eq!(server.command(&["submit", "echo", "--wait", "30"]).await.code, Some(0));
}

#[tokio::test]
async fn logs_tell_of_the_lines_that_were_dropped() {
    let server = Server::start().await;
    let job = server.echo(json!({ "log_lines": 1_003 })).await;
    server.wait(&job).await;
    let shown = server.command(&["logs", job["id"].as_str().expect("a job has an id")]).await;
    assert_eq!((shown.code, shown.stdout.lines().count()), (Some(0), 1_001));
    assert!(shown.stdout.lines().next().is_some_and(|line| line.ends_with("#1 info  line 1")), "{}", shown.stdout);
    assert!(shown.stdout.ends_with("3 lines of attempt 1 were dropped over the limit\n"), "{}", shown.stdout);
}

#[tokio::test]
async fn every_failure_has_its_documented_exit_code() {
    let mut server = Server::start().await;
    let dead = ["submit", "echo", "--payload", r#"{"panic":true}"#, "--max-attempts", "1", "--wait", "30"];
    let cases: [(&[&str], i32, &str); 7] = [
        (&dead, 1, "the job is dead"),
        (&["get", "0198c0de-0000-7000-8000-000000000000"], 1, "code     job_not_found"),
        (&["submit", "sing"], 1, "at       /kind"),
        (&["submit", "echo", "--payload", "{"], 2, "--payload is not JSON"),
        (&["queues", "set", "default"], 2, "--concurrency"),
        (&["sing"], 2, "unrecognized subcommand"),
        (&["--key", "wr_not_the_key.0123456789", "list"], 1, "code     unauthenticated"),
    ];
    for (arguments, code, said) in cases {
        let finished = server.command(arguments).await;
        assert_eq!(finished.code, Some(code), "{arguments:?}: {finished:?}");
        assert!(finished.stderr.contains(said), "{arguments:?}: {finished:?}");
    }
    server.kill().await;
    let finished = server.command(&["list"]).await;
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.stderr.contains("cannot be reached: Connection refused"), "{finished:?}");
}
