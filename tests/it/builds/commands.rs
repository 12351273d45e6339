//! Declared commands: what they do, what they may, and that nothing of them outlives their build or their worker.

use serde_json::{Value, json};
use windrow_tests::{
    cluster::Cluster,
    s3::{ACCESS_KEY, S3Server, SECRET_KEY},
    server::{Server, path},
};

use super::{artifacts, build, built, files, forced, lines, lives, of, passable, publish, until, workspaces};

const COMPILE: &str = r#"
render = ["page.txt"]
[[commands]]
name = "compile"
run = ["sh", "-c", "mkdir dist && tr a-z A-Z < page.txt > dist/page.txt && ./tool && echo $GREETING >&2"]
env = { GREETING = "good day" }
[[commands]]
name = "count"
run = ["sh", "-c", "wc -c < dist/page.txt > dist/count && echo 'line one'; echo 'line two'"]
[[outputs]]
path = "dist/**"
"#;

/// A command that says when it is there, and does not go.
fn endless(word: &str) -> String {
    format!("[[commands]]\nname = \"wait\"\nrun = [\"sh\", \"-c\", \"trap '' TERM; echo there; (setsid sleep {word} &) ; sleep {word}\"]\n")
}

async fn running(server: &Server, job: &Value) {
    let give_up = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !lines(server, job).await.contains(&"wait: there".to_owned()) {
        assert!(std::time::Instant::now() < give_up, "the command does not begin: {}", server.get(job).await);
    }
}

#[tokio::test]
async fn commands_run_in_order_and_only_the_declared_outputs_are_packed() {
    let server = Server::start().await;
    let manifest = format!("executable = [\"tool\"]\n{COMPILE}");
    publish(&server, "shop", &manifest, &[("page.txt", "{{ app.name }} today\n"), ("tool", "#!/bin/sh\necho the tool > dist/tool\n")])
        .await;
    let job = built(&server, of("shop")).await;
    let files = files(&server, &job).await;
    let text = |name: &str| String::from_utf8_lossy(&files[name]).into_owned();
    assert_eq!(files.keys().collect::<Vec<_>>(), ["dist/count", "dist/page.txt", "dist/tool"]);
    assert_eq!(
        (text("dist/page.txt").as_str(), text("dist/count").trim(), text("dist/tool").as_str()),
        ("HAY TODAY\n", "10", "the tool\n")
    );
    let lines = lines(&server, &job).await;
    for line in ["running compile of shop 1.0.0", "compile: good day", "count: line one", "count: line two"] {
        assert!(lines.contains(&line.to_owned()), "{line} is not among {lines:?}");
    }
    let metrics = server.text("/metrics").await;
    for stage in ["resolve", "commands", "pack", "record"] {
        let count = format!("windrow_build_seconds_count{{template=\"shop\",stage=\"{stage}\"}} 1");
        assert!(metrics.contains(&count), "{count} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn a_command_that_fails_ends_the_job_with_what_it_said() {
    let server = Server::start().await;
    publish(&server, "bad", "[[commands]]\nname = \"lint\"\nrun = [\"sh\", \"-c\", \"echo no good; exit 4\"]\n", &[("a", "")]).await;
    let job = build(&server, of("bad")).await;
    assert_eq!((&job["state"], &job["attempt"], &job["error"]["code"]), (&json!("dead"), &json!(1), &json!("command_failed")), "{job}");
    assert_eq!(job["error"]["message"], "lint of bad 1.0.0 ended with exit code 4; it said last:\nno good");
    publish(&server, "none", "[[outputs]]\npath = \"dist/**\"\n", &[("a", "")]).await;
    assert_eq!(build(&server, of("none")).await["error"]["code"], "output_missing");
    publish(&server, "link", "[[commands]]\nname = \"link\"\nrun = [\"ln\", \"-s\", \"/etc/passwd\", \"b\"]\n", &[("a", "")]).await;
    let job = build(&server, of("link")).await;
    assert_eq!(job["error"]["message"], "b is a symbolic link, and an app has plain files only");
}

#[tokio::test]
async fn where_commands_are_denied_nothing_is_run() {
    let server = Server::start_with(&[("WINDROW_BUILD_COMMANDS", "deny")]).await;
    publish(&server, "shop", COMPILE, &[("page.txt", "x")]).await;
    let job = build(&server, of("shop")).await;
    assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!("commands_denied")), "{job}");
    assert!(job["error"]["message"].as_str().is_some_and(|said| said.contains("shop 1.0.0") && said.contains("WINDROW_BUILD_COMMANDS")));
    // What declares none is built as ever.
    publish(&server, "plain", "", &[("page.txt", "x")]).await;
    built(&server, of("plain")).await;
    let refused = windrow_tests::server::run("windrow", &["config"], &[("WINDROW_BUILD_COMMANDS".into(), "maybe".into())]).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
}

#[tokio::test]
async fn a_worker_of_a_cluster_denies_commands_and_signs_nothing_unless_it_is_told_to() {
    let s3 = S3Server::start().await;
    let url = s3.url();
    let variables = [("WINDROW_OBJECTS_URL", url.as_str()), ("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)];
    let cluster = Cluster::start(1, 1, &[&variables[..], &[("WINDROW_MASTER_KEY", "0123456789abcdef0123456789abcdef")]].concat()).await;
    publish(&cluster, "shop", COMPILE, &[("page.txt", "x")]).await;
    assert_eq!(build(&cluster, of("shop")).await["error"]["code"], "commands_denied");
    publish(&cluster, "plain", "", &[("page.txt", "x")]).await;
    let job = built(&cluster, of("plain")).await;
    assert_eq!(artifacts(&cluster, &job).await.into_keys().collect::<Vec<_>>(), ["bundles.lock.json", "com.example.hay.tar.zst"]);
    assert!(lines(&cluster, &job).await.contains(&"not signed: no signing key is configured".to_owned()));
}

#[tokio::test]
async fn a_cancelled_build_takes_its_commands_and_its_workspace_with_it() {
    let folder = passable();
    let server = Server::start_with(&[("WINDROW_BUILDS__FOLDER", folder.path().to_str().expect("UTF-8"))]).await;
    publish(&server, "long", &endless("90001.7401"), &[("a", "")]).await;
    let job = server.submit(of("long")).await;
    running(&server, &job).await;
    assert_eq!(workspaces(folder.path()).len(), 1);
    assert_eq!(server.post(&path(&job, "/cancel")).await.status, 202);
    assert_eq!(server.wait(&job).await["state"], "cancelled");
    assert!(!lives("90001.7401"));
    assert_eq!(workspaces(folder.path()), [""; 0].map(std::path::PathBuf::from));
}

#[tokio::test]
async fn a_killed_worker_takes_its_commands_with_it_and_its_successor_the_rest() {
    let folder = passable();
    let mut server = Server::start_with(&[("WINDROW_BUILDS__FOLDER", folder.path().to_str().expect("UTF-8"))]).await;
    // The first attempt waits, the second finds that it was there.
    let once = r#"[[commands]]
name = "wait"
run = ["sh", "-c", "test -e MARK || { : > MARK; echo there; (setsid sleep 90001.7402 &); sleep 90001.7402; }"]
"#;
    let mark = folder.path().join("mark");
    std::fs::create_dir(folder.path().join("open")).expect("a folder");
    std::fs::set_permissions(folder.path().join("open"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("everybody's");
    let mark = mark.with_file_name("open").join("mark");
    publish(&server, "once", &once.replace("MARK", mark.to_str().expect("UTF-8")), &[("a", "")]).await;
    let job = server.submit(of("once")).await;
    running(&server, &job).await;
    assert!(lives("90001.7402"));
    // The group is killed by its watcher; what has left it, and the folder, by the next start.
    server.kill().await;
    until("the command's group is gone", || {
        let mut sleeping = std::process::Command::new("pgrep");
        let found = sleeping.args(["-f", "-c", "sh -c test -e .*90001.7402"]).output().expect("pgrep");
        String::from_utf8_lossy(&found.stdout).trim() == "0"
    })
    .await;
    server.restart().await;
    assert!(!lives("90001.7402"), "what had left the group");
    let job = server.wait(&job).await;
    assert_eq!((&job["state"], &job["attempt"]), (&json!("completed"), &json!(2)), "{job}");
    assert_eq!(workspaces(folder.path()).len(), 0);
}

#[tokio::test]
async fn a_build_by_force_compares_and_names_the_file_that_differs() {
    let server = Server::start().await;
    let random = "[[commands]]\nname = \"mix\"\nrun = [\"sh\", \"-c\", \"head -c 16 /dev/urandom > z/random\"]\n";
    publish(&server, "mixed", random, &[("a", "same"), ("z/same", "same")]).await;
    let first = built(&server, of("mixed")).await;
    let again = built(&server, of("mixed")).await;
    assert_eq!((&again["result"]["cached"], &again["result"]["sha256"]), (&json!(true), &first["result"]["sha256"]));
    let job = build(&server, forced("mixed")).await;
    assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!("not_reproducible")), "{job}");
    let said = job["error"]["message"].as_str().expect("a message");
    assert!(said.ends_with("z/random has another content of the same length"), "{said}");
    assert!(said.contains(first["id"].as_str().expect("an id")), "{said}");
    let after = built(&server, of("mixed")).await;
    assert_eq!(after["result"]["sha256"], first["result"]["sha256"], "the first stays");
}
