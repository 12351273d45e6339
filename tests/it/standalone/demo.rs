//! `windrow demo`, README's first command.

use serde_json::{Value, json};
use windrow_tests::server::{Finished, Server, run};

async fn demo(arguments: &[&str]) -> Finished {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data").display().to_string();
    run("windrow", &[&["demo"], arguments].concat(), &[("WINDROW_DATA_DIR".to_owned(), data_dir)]).await
}

#[tokio::test]
async fn the_demo_prints_one_object_and_nothing_else() {
    let demo = demo(&["--json"]).await;
    assert_eq!(demo.code, Some(0), "{demo:?}");
    let shown: Value = serde_json::from_str(&demo.stdout).unwrap_or_else(|error| panic!("{error}: {demo:?}"));
    assert_eq!((&shown["kind"], &shown["state"], &shown["attempt"]), (&json!("echo"), &json!("completed"), &json!(1)));
    assert_eq!(shown["result"], json!({ "message": "hello from windrow" }));
}

#[tokio::test]
async fn the_demo_shows_people_how_the_job_goes() {
    let demo = demo(&[]).await;
    assert_eq!(demo.code, Some(0), "{demo:?}");
    let begins: Vec<_> = demo.stdout.lines().map(|line| line.split_whitespace().next().unwrap_or_default()).collect();
    assert_eq!(begins, ["server", "accepted", "completed", "result"]);
    assert!(demo.stderr.contains("[###############---------------]  50 % running") || demo.stderr.contains("% running"), "{demo:?}");
    assert!(demo.stderr.contains("[##############################] 100 % completed"), "{demo:?}");
}

#[tokio::test]
async fn a_data_folder_in_use_is_no_place_for_a_demo_of_its_own() {
    let server = Server::start().await;
    let refused = server.command(&["demo", "--json"]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains(&format!("in use by process {}", server.pid())), "{refused:?}");
    let shown = server.command(&["demo", "--json", "--url", server.url()]).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert_eq!(server.list("tag=demo").await.len(), 1, "it ran on the server that was named");
}
