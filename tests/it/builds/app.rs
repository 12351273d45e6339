//! `build.generate` over the real binary: what comes out, what is refused, what is found again.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use windrow_tests::{
    browser,
    s3::{ACCESS_KEY, S3Server, SECRET_KEY},
    server::{Server, path},
};

use super::fetch;

fn payload(features: &[&str]) -> Value {
    let app = json!({ "name": "Fish & Chips", "bundle_id": "com.example.tasks", "theme": "dark", "settings": { "tasks_max": 7 } });
    json!({ "template": "task-list@^1", "features": features, "app": app })
}

const ALL: [&str; 4] = ["theme-switch@^1", "search", "export@>=1, <2", "shortcuts@1.0"];

async fn build(server: &Server, payload: Value) -> Value {
    super::build(server, json!({ "kind": "build.generate", "payload": payload })).await
}

/// The artifact's listing, and its bytes by its link, without a key.
async fn artifact(server: &Server, job: &Value) -> (Value, Vec<u8>) {
    let listed = server.read(&path(job, "/artifacts")).await["artifacts"].clone();
    let mut artifacts = listed.as_array().into_iter().flatten();
    let archive = artifacts.find(|artifact| artifact["name"] == job["result"]["artifact"]).unwrap_or_else(|| panic!("{listed}"));
    (archive.clone(), fetch(archive).await)
}

fn unpacked(archive: &[u8]) -> BTreeMap<String, String> {
    let text = |content| String::from_utf8(content).expect("text");
    super::unpacked(archive).into_iter().map(|(path, content)| (path, text(content))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_build_makes_an_app_with_all_that_was_asked_for() {
    let server = Server::start().await;
    let job = build(&server, payload(&ALL)).await;
    assert_eq!(job["state"], "completed", "{job}");
    assert_eq!(job["queue"], "builds");
    assert_eq!(job["progress"], json!({ "percent": 100, "message": "built" }));
    let (listed, archive) = artifact(&server, &job).await;
    let sha256 = hex(&Sha256::digest(&archive));
    assert_eq!(
        job["result"],
        json!({ "artifact": "com.example.tasks.tar.zst", "sha256": sha256, "bytes": archive.len(), "cached": false })
    );
    assert_eq!(
        (&listed["sha256"], &listed["bytes"], &listed["media_type"]),
        (&json!(sha256), &json!(archive.len()), &json!("application/zstd"))
    );
    let logs = server.logs(&job).await;
    assert!(logs[0]["lines"].to_string().contains("made of task-list 1.0.0"), "{logs:?}");

    let files = unpacked(&archive);
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    let expected = [
        "app.css",
        "app.js",
        "app.webmanifest",
        "bundles.lock.json",
        "config.js",
        "config.json",
        "features.css",
        "features.js",
        "icon.svg",
        "index.html",
    ];
    assert_eq!(names, expected);
    assert!(files["index.html"].contains("<h1>Fish &amp; Chips</h1>") && files["index.html"].contains("data-theme=\"dark\""));
    for part in ["// theme-switch", "// search", "// export", "// shortcuts"] {
        assert!(files["features.js"].contains(part), "{part} is missing");
    }
    let place = |part: &str| files["features.js"].find(part).expect("it is there");
    assert!(place("// search") < place("// shortcuts"), "what is needed comes first");
    let config: Value = serde_json::from_str(&files["config.json"]).expect("JSON");
    assert_eq!((&config["app"]["name"], &config["settings"]["tasks_max"]), (&json!("Fish & Chips"), &json!(7)));
    let manifest: Value = serde_json::from_str(&files["app.webmanifest"]).expect("JSON");
    assert_eq!(manifest["name"], "Fish & Chips");
    every_local_reference_leads_somewhere(&files);
}

#[tokio::test]
async fn a_built_app_runs_in_a_browser_as_it_was_configured() {
    let server = Server::start().await;
    let mut wanted = payload(&ALL);
    wanted["app"]["settings"]["search_placeholder"] = json!("Find a task");
    let job = build(&server, wanted).await;
    let (_, archive) = artifact(&server, &job).await;
    let folder = tempfile::tempdir().expect("a folder for the app");
    tar::Archive::new(zstd::Decoder::new(archive.as_slice()).expect("zstd")).unpack(folder.path()).expect("unpacked");

    let origin = format!("file://{}/", folder.path().display());
    let page = browser::load(&format!("{origin}index.html")).await;
    let expected = [
        "<title>Fish &amp; Chips</title>",
        "<h1>Fish &amp; Chips</h1>",
        // The rest is what scripts made of the configuration: a feature each.
        r#"data-theme="dark""#,
        r#"<button type="button" id="theme">Theme: dark</button>"#,
        r#"<input type="search" id="search" placeholder="Find a task" aria-label="Find a task">"#,
        r#"<button type="button">Export</button>"#,
        r#"<p id="keys">n: new task, /: search, Esc: leave</p>"#,
    ];
    for part in expected {
        assert!(page.dom.contains(part), "{part} is missing in\n{}", page.dom);
    }
    page.check_self_contained(&origin);
}

fn every_local_reference_leads_somewhere(files: &BTreeMap<String, String>) {
    let page = &files["index.html"];
    let references = page
        .match_indices("src=\"")
        .map(|(at, mark)| at + mark.len())
        .chain(page.match_indices("href=\"").map(|(at, mark)| at + mark.len()));
    let named: Vec<_> = references.map(|from| page[from..].split('"').next().unwrap_or_default()).collect();
    assert!(named.len() >= 7, "{named:?}");
    for name in named {
        assert!(files.contains_key(name), "{name} is not in the archive");
    }
}

#[tokio::test]
async fn the_same_inputs_are_built_once_and_by_force_to_the_same_bytes() {
    let server = Server::start().await;
    let first = build(&server, payload(&["search"])).await;
    let again = build(&server, payload(&["search"])).await;
    let mut forced = payload(&["search"]);
    forced["force"] = json!(true);
    let forced = build(&server, forced).await;
    let other = build(&server, payload(&["export"])).await;
    let cached = [&first, &again, &forced, &other].map(|job| job["result"]["cached"].as_bool());
    assert_eq!(cached, [Some(false), Some(true), Some(false), Some(false)], "{first} {again} {forced} {other}");
    let archives = [artifact(&server, &first).await.1, artifact(&server, &again).await.1, artifact(&server, &forced).await.1];
    assert!(archives[0] == archives[1] && archives[0] == archives[2]);
    assert_ne!(first["result"]["sha256"], other["result"]["sha256"]);
    // Another installation makes the same bytes.
    let elsewhere = build(&Server::start().await, payload(&["search"])).await;
    assert_eq!(first["result"], elsewhere["result"]);
}

#[tokio::test]
async fn another_tenant_does_not_see_what_was_built() {
    let server = Server::start().await;
    let job = build(&server, payload(&["search"])).await;
    let other = server.of_tenant("other");
    let seen = other.send(reqwest::Method::GET, &path(&job, "/artifacts"), &[], None).await;
    assert_eq!((seen.status, &seen.body["code"]), (404, &json!("job_not_found")));
    let theirs = other.submit(json!({ "kind": "build.generate", "payload": payload(&["search"]) })).await;
    assert_eq!(other.wait(&theirs).await["result"]["cached"], false, "a cached build would tell what others build");
}

#[tokio::test]
async fn inputs_that_cannot_be_built_are_dead_at_once_with_the_reason() {
    let server = Server::start().await;
    let with = |field: &str, value: Value| {
        let mut payload = payload(&["search"]);
        payload[field] = value;
        payload
    };
    let mut unknown_setting = payload(&[]);
    unknown_setting["app"]["settings"] = json!({ "search_placeholder": "x" });
    let mut wrong_setting = payload(&[]);
    wrong_setting["app"]["settings"] = json!({ "tasks_max": "many" });
    let mut unknown_template = payload(&[]);
    unknown_template["template"] = json!("nothing");
    let cases = [
        (unknown_template, "template_unknown", "no template nothing"),
        (with("template", json!("task-list@^9")), "version_conflict", "task-list"),
        (with("template", json!("task-list@one")), "requirement_invalid", "task-list@one"),
        (with("features", json!(["nothing@1"])), "feature_unknown", "no feature nothing"),
        (with("features", json!(["../../etc"])), "requirement_invalid", "lower-case"),
        (unknown_setting, "setting_unknown", "search_placeholder"),
        (wrong_setting, "setting_invalid", "tasks_max"),
    ];
    for (payload, code, message) in cases {
        let job = build(&server, payload).await;
        assert_eq!((&job["state"], &job["attempt"]), (&json!("dead"), &json!(1)), "{job}");
        assert_eq!(job["error"]["code"], code, "{job}");
        assert!(job["error"]["message"].as_str().is_some_and(|said| said.contains(message)), "{job}");
    }
    let mut traversal = payload(&[]);
    traversal["app"]["bundle_id"] = json!("../../../x");
    let refused =
        server.send(reqwest::Method::POST, "/v1/jobs", &[], Some(json!({ "kind": "build.generate", "payload": traversal }))).await;
    assert_eq!((refused.status, &refused.body["pointer"]), (422, &json!("/payload/app/bundle_id")));
}

#[tokio::test]
async fn builds_and_their_links_work_with_s3() {
    let s3 = S3Server::start().await;
    let url = s3.url();
    let server =
        Server::start_with(&[("WINDROW_OBJECTS_URL", &url), ("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)])
            .await;
    let job = build(&server, payload(&ALL)).await;
    assert_eq!(job["state"], "completed", "{job}");
    let (listed, archive) = artifact(&server, &job).await;
    assert!(listed["url"].as_str().is_some_and(|url| url.contains("X-Amz-Signature")), "{listed}");
    assert_eq!(job["result"]["sha256"], hex(&Sha256::digest(&archive)));
    assert_eq!(build(&server, payload(&ALL)).await["result"]["cached"], true);
}

#[tokio::test]
async fn a_build_waits_for_an_object_store_that_is_away() {
    let url = S3Server::start().await.url();
    let server =
        Server::start_with(&[("WINDROW_OBJECTS_URL", &url), ("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)])
            .await;
    let job = server.submit(json!({ "kind": "build.generate", "payload": payload(&[]) })).await;
    let waiting = server.until(&job, "retryable", |job| job["state"] == "retryable").await;
    assert_eq!((&waiting["error"]["code"], &waiting["error"]["retryable"]), (&json!("objects_unavailable"), &json!(true)), "{waiting}");
}

#[tokio::test]
async fn a_link_outlives_a_restart_and_a_changed_one_opens_nothing() {
    let mut server = Server::start().await;
    let job = build(&server, payload(&[])).await;
    let link = artifact(&server, &job).await.0["url"].as_str().expect("a link").to_owned();
    let path = link.strip_prefix(server.url()).expect("its own URL").to_owned();
    server.restart().await;
    assert_eq!(server.try_get(&path).await.map(|answer| answer.status), Some(200));
    assert_eq!(server.try_get(&path.replace("expires=1", "expires=2")).await.map(|answer| answer.status), Some(403));
    let key = server.data_dir().join("master-key");
    assert_eq!(mode(&key), 0o600);
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).expect("the file").permissions().mode() & 0o777
}
