//! Builds whose worker is killed, at every stage in turn: another worker completes them to the same bytes, and nothing is left.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::{Value, json};
use windrow_jobs::objects::Objects;
use windrow_tests::{
    cluster::Cluster,
    s3::{ACCESS_KEY, S3Server, SECRET_KEY},
};

use super::{artifacts, built, lives, of, passable, publish, workspaces};

/// What a build says as each stage begins.
const STAGES: [&str; 13] = [
    "resolving",
    "looking for an earlier build",
    "making a workspace",
    "overlaying",
    "rendering",
    "fetching assets",
    "making icons",
    "locking",
    "running commands",
    "packing",
    "signing",
    "uploading",
    "recording",
];
/// Those that have a workspace.
const WITH_WORKSPACE: usize = 9;

const MANIFEST: &str = "render = [\"page.txt\"]\n[[commands]]\nname = \"copy\"\nrun = [\"cp\", \"page.txt\", \"copy.txt\"]\n";

#[tokio::test]
async fn a_build_killed_at_any_stage_is_completed_by_another_worker_to_the_same_bytes() {
    let (s3, folder, told) = (S3Server::start().await, passable(), tempfile::tempdir().expect("a folder"));
    let key = told.path().join("key.pem");
    let made = Command::new("openssl").args(["genpkey", "-algorithm", "ed25519", "-out"]).arg(&key).output().expect("openssl");
    assert!(made.status.success(), "{made:?}");
    let url = s3.url();
    let variables = [
        ("WINDROW_OBJECTS_URL", url.as_str()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("WINDROW_BUILD_COMMANDS", "allow"),
        ("WINDROW_BUILDS__FOLDER", folder.path().to_str().expect("UTF-8")),
        ("WINDROW_SIGNING__KEY_FILE", key.to_str().expect("UTF-8")),
        ("WINDROW_QUEUES", "builds=1"),
        ("WINDROW_MASTER_KEY", "0123456789abcdef0123456789abcdef"),
    ];
    let mut cluster = Cluster::start(0, 1, &variables).await;
    publish(&cluster, "shop", MANIFEST, &[("page.txt", "{{ app.name }}")]).await;

    // A worker with one slot for each stage, so that each takes one of the jobs and stops there.
    let reached = |stage: &str| told.path().join(stage.replace(' ', "-"));
    for stage in STAGES {
        let reached = reached(stage);
        cluster.add_with("stalling", &[("WINDROW_TEST_STALL_AT", stage), ("WINDROW_TEST_STALLED", reached.to_str().expect("UTF-8"))]);
    }
    let mut jobs = Vec::new();
    for number in 0..STAGES.len() {
        jobs.push(cluster.submit(submission(number)).await);
    }
    for stage in STAGES {
        cluster.until(&format!("a build stops at {stage}"), |_| reached(stage).exists().then_some(())).await;
    }
    assert!(workspaces(folder.path()).len() >= WITH_WORKSPACE, "{:?}", workspaces(folder.path()));
    for worker in &mut cluster.workers {
        worker.end();
    }
    cluster.workers.clear();
    assert!(workspaces(folder.path()).len() >= WITH_WORKSPACE, "the dead remove nothing");

    cluster.add_worker();
    for job in &jobs {
        let job = cluster.wait(job).await;
        assert_eq!((&job["state"], &job["attempt"], &job["crashes"]), (&json!("completed"), &json!(2), &json!(1)), "{job}");
        assert_eq!(artifacts(&cluster, &job).await.len(), 4, "one set");
    }
    assert_eq!(workspaces(folder.path()).len(), 0, "what the dead have left is gone");
    assert!(!lives(folder.path().to_str().expect("UTF-8")));

    // Built once more by force, where any difference would be an error.
    let (mut names, objects) = (BTreeSet::new(), s3.objects());
    for (number, job) in jobs.iter().enumerate() {
        let mut forced = submission(number);
        forced["payload"]["force"] = json!(true);
        let again = built(&cluster, forced).await;
        let first = cluster.get(job).await;
        assert_eq!(again["result"]["sha256"], first["result"]["sha256"]);
        names.insert(again["result"]["sha256"].as_str().expect("a hash").to_owned());
    }
    assert_eq!(names.len(), STAGES.len(), "each app is another");
    let kept = objects.list("tenants/default/builds/", None, 1_000).await.expect("list");
    assert_eq!(kept.len(), 2 * STAGES.len(), "an archive and an entry of each: {kept:?}");
    // What an upload is until it is whole (s3s-fs 0.14, `prepare_file_write`).
    let names: Vec<_> = fs::read_dir(s3.home()).expect("the server's folder").flatten().map(|entry| entry.file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().starts_with(".tmp.")), "no upload is left half-done: {names:?}");
}

fn submission(number: usize) -> Value {
    let mut submission = of("shop");
    submission["payload"]["app"]["name"] = json!(format!("App {number}"));
    submission
}
