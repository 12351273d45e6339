//! `windrow demo`, README's first command.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use windrow_tests::server::{Finished, Server, run};

async fn demo(arguments: &[&str]) -> Finished {
    let folder = tempfile::tempdir().expect("a folder");
    demo_in(&folder, arguments).await
}

async fn demo_in(folder: &TempDir, arguments: &[&str]) -> Finished {
    let data_dir = folder.path().join("data").display().to_string();
    run("windrow", &[&["demo"], arguments].concat(), &[("WINDROW_DATA_DIR".to_owned(), data_dir)]).await
}

#[tokio::test]
async fn what_the_demo_built_is_there_when_its_server_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let demo = demo_in(&folder, &["--json"]).await;
    let shown: Value = serde_json::from_str(&demo.stdout).unwrap_or_else(|error| panic!("{error}: {demo:?}"));
    let built = std::fs::read(shown["file"].as_str().expect("a file")).expect("it is there");
    let digest: String = Sha256::digest(&built).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((Some(built.len() as u64), json!(digest), &shown["url"]), (shown["bytes"].as_u64(), shown["sha256"].clone(), &Value::Null));
}

#[tokio::test]
async fn the_demo_prints_one_object_and_nothing_else() {
    let demo = demo(&["--json"]).await;
    assert_eq!(demo.code, Some(0), "{demo:?}");
    let shown: Value = serde_json::from_str(&demo.stdout).unwrap_or_else(|error| panic!("{error}: {demo:?}"));
    assert_eq!((&shown["kind"], &shown["state"], &shown["attempt"]), (&json!("build.generate"), &json!("completed"), &json!(1)));
    assert_eq!((&shown["artifact"], &shown["cached"]), (&json!("dev.windrow.tasks.tar.zst"), &json!(false)));
    assert_eq!(shown["sha256"].as_str().map(str::len), Some(64));
    assert!(shown["bytes"].as_u64().is_some_and(|bytes| bytes > 1_000), "{shown}");
}

#[tokio::test]
async fn the_demo_shows_people_how_the_job_goes() {
    let demo = demo(&[]).await;
    assert_eq!(demo.code, Some(0), "{demo:?}");
    let begins: Vec<_> = demo.stdout.lines().map(|line| line.split_whitespace().next().unwrap_or_default()).collect();
    assert_eq!(begins, ["server", "accepted", "completed", "artifact", "sha256", "bytes", "file", "verify"]);
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

#[tokio::test]
async fn a_second_demo_finds_what_the_first_one_built() {
    let server = Server::start().await;
    let demo = async || -> Value {
        let shown = server.command(&["demo", "--json", "--url", server.url()]).await;
        assert_eq!(shown.code, Some(0), "{shown:?}");
        serde_json::from_str(&shown.stdout).expect("one object")
    };
    let (first, second) = (demo().await, demo().await);
    assert_eq!((&first["cached"], &second["cached"]), (&json!(false), &json!(true)));
    assert_eq!((&first["sha256"], &first["bytes"]), (&second["sha256"], &second["bytes"]));
}
