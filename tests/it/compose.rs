//! `docker-compose.yml` and the image: judged by others' standards, and run as plain processes by `deploy/compose-local`.
//! There is no Docker here, so that nothing is said of the images themselves.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};
use windrow_tests::{
    python::tool,
    server::{Client, Process, binary, is_final, path, run as command},
};

use crate::documents::{read, repository};

const API_KEY: &str = "wr_test_compose.0123456789abcdef";
/// What the file wants to be told.
const SECRETS: [(&str, &str); 4] = [
    ("WINDROW_API_KEY", API_KEY),
    ("WINDROW_MASTER_KEY", "a-master-key-of-a-test-0123456789"),
    ("POSTGRES_PASSWORD", "apassword0123456789"),
    ("S3_SECRET_KEY", "asecretkey0123456789"),
];
/// Nine processes start one after the other, on a machine that runs other tests too.
const START_MAX: Duration = Duration::from_secs(120);
const JOBS: usize = 50;

fn run(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).current_dir(repository("")).output().unwrap_or_else(|error| panic!("{program:?}: {error}"))
}

#[track_caller]
fn check(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn the_compose_file_keeps_to_the_compose_specification() {
    check(&run(&tool("check-jsonschema"), &["--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]));
}

#[test]
fn the_dockerfile_has_nothing_for_hadolint_to_say() {
    check(&run(&tool("hadolint"), &["deploy/docker/Dockerfile"]));
}

#[test]
fn no_secret_is_in_the_compose_file() {
    let text = read("docker-compose.yml");
    let named = |line: &str| line.split_once(": ").map(|(name, value)| (name.trim().to_owned(), value.to_owned()));
    let is_secret = |name: &str| ["_KEY", "PASSWORD"].iter().any(|end| name.ends_with(end));
    let secrets: Vec<_> = text.lines().filter_map(named).filter(|(name, _)| is_secret(name)).collect();
    assert!(secrets.len() > SECRETS.len(), "{secrets:?}");
    assert!(secrets.iter().all(|(_, value)| value.starts_with("${") && value.contains(":?")), "{secrets:?}");
    let with_user: Vec<&str> = text.lines().filter(|line| line.contains("://") && line.contains('@')).collect();
    assert!(!with_user.is_empty() && with_user.iter().all(|line| line.contains(":${") && line.contains("}@")), "{with_user:?}");
}

/// Whether `.dockerignore` keeps a file out. Its patterns here are names and `*`, and so are read here.
fn is_ignored(path: &str) -> bool {
    let fits = |pattern: &str| {
        let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
        match pattern.as_slice() {
            ["**", name] => path.contains(name),
            names => names.len() <= path.len() && names.iter().zip(&path).all(|(name, part)| *name == "*" || name == part),
        }
    };
    read(".dockerignore").lines().filter(|line| !line.is_empty() && !line.starts_with('#')).any(fits)
}

#[test]
fn everything_that_the_binaries_are_built_from_is_sent_to_the_builder() {
    assert!(is_ignored("target/debug/windrow") && is_ignored("docs/examples/own-worker/target/debug") && is_ignored("a/b/.env"));
    let top = fs::canonicalize(repository("")).expect("the repository");
    for name in ["windrow", "windrow-api", "windrow-worker", "windrow-scheduler"] {
        let listed = fs::read_to_string(binary(name).with_extension("d")).expect("what cargo built it from");
        let sources: Vec<&str> = listed.split_whitespace().skip(1).filter_map(|source| source.strip_prefix(top.to_str()?)).collect();
        assert!(sources.len() > 50, "{listed}");
        for source in sources {
            assert!(!is_ignored(source.trim_start_matches('/')), "{name} is built from {source}");
        }
    }
    for manifest in ["Cargo.toml", "Cargo.lock", "tests/Cargo.toml"] {
        assert!(!is_ignored(manifest), "cargo reads {manifest}");
    }
}

/// The compose file's services as processes.
struct Stack {
    process: Process,
    client: Client,
    _home: tempfile::TempDir,
}

/// A folder that goes with the test however that ends, and that PostgreSQL's user may enter.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("windrow-composed-").tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a folder that others may enter");
    folder
}

fn variables(names: &[(&str, &str)], home: &Path) -> Vec<(String, String)> {
    let temporary = home.to_str().expect("a UTF-8 path");
    names.iter().chain(&[("TMPDIR", temporary)]).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn spawn(environment: &[(String, String)], home: &Path) -> Process {
    let binaries = binary("windrow").parent().expect("binaries lie in a folder").display().to_string();
    // The others that it starts, which must be as new.
    for name in ["windrow-api", "windrow-worker", "windrow-scheduler", "test-s3"] {
        binary(name);
    }
    tool("python3");
    Process::spawn_program(&repository("deploy/compose-local"), "compose-local", &["--bin", &binaries], environment, home)
}

impl Stack {
    async fn start() -> Self {
        let home = folder();
        let mut process = spawn(&variables(&SECRETS, home.path()), home.path());
        let give_up = Instant::now() + START_MAX;
        let url = loop {
            if let Some(url) = process.output().strip_suffix('\n') {
                break url.to_owned();
            }
            process.check_alive();
            assert!(Instant::now() < give_up, "not within {START_MAX:?}: all is healthy; its log:\n{}", process.log());
            sleep(Duration::from_millis(50)).await;
        };
        Self { process, client: Client::new(&url, API_KEY), _home: home }
    }
}

#[tokio::test]
async fn its_services_work_together_as_plain_processes() {
    let mut stack = Stack::start().await;
    let client = &stack.client;
    let app = json!({ "name": "Composed", "bundle_id": "com.example.composed" });
    let build = json!({ "kind": "build.generate", "payload": { "template": "task-list@^1", "features": ["search"], "app": app } });
    let build = client.submit(build).await;
    let mut echoes = Vec::new();
    for number in 0..JOBS {
        echoes.push(client.echo(json!({ "message": number.to_string() })).await);
    }
    for (number, job) in echoes.iter().enumerate() {
        let job = client.wait(job).await;
        assert_eq!((&job["state"], &job["result"]), (&json!("completed"), &json!({ "message": number.to_string() })), "{job}");
    }
    let build = client.wait(&build).await;
    assert_eq!(build["state"], "completed", "{build}");
    check_artifact(client, &build).await;
    // The planner says within a second or two that it is there.
    let give_up = Instant::now() + START_MAX;
    while client.read("/status").await["status"] != "up" {
        assert!(Instant::now() < give_up, "{}", client.read("/status").await);
        sleep(Duration::from_millis(50)).await;
    }
    let audit = client.read("/v1/audit/ledger").await;
    assert_eq!((&audit["balanced"], &audit["tenants"][0]["completed"]), (&json!(true), &json!(JOBS + 1)), "{audit}");

    stack.process.terminate();
    let ended = stack.process.exited().await;
    assert!(ended.success(), "{ended}: {}", stack.process.log());
    assert!(stack.client.try_get("/healthz").await.is_none(), "nothing answers any more");
}

/// What was built is opened by its link, in the S3 server and without any key of ours.
async fn check_artifact(client: &Client, build: &Value) {
    assert!(is_final(build));
    let artifacts = client.read(&path(build, "/artifacts")).await;
    let listed = artifacts["artifacts"].as_array().expect("artifacts").iter().find(|listed| listed["name"] == build["result"]["artifact"]);
    let listed = listed.expect("the archive is listed");
    let url = listed["url"].as_str().expect("a link");
    assert!(url.contains("X-Amz-Signature=") && !url.starts_with(client.url()), "{url}");
    let http = reqwest::Client::builder().tls_certs_only([]).build().expect("a client");
    let opened = http.get(url).send().await.expect("an answer");
    assert_eq!(opened.status().as_u16(), 200, "{url}");
    let bytes = opened.bytes().await.expect("a body");
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((&build["result"]["sha256"], &build["result"]["bytes"]), (&json!(sha256), &json!(bytes.len())));
}

#[tokio::test]
async fn a_secret_that_is_not_given_is_asked_for() {
    for (missing, _) in SECRETS {
        let others: Vec<_> = SECRETS.into_iter().filter(|(name, _)| *name != missing).collect();
        let home = folder();
        let mut process = spawn(&variables(&others, home.path()), home.path());
        assert_eq!(process.exited().await.code(), Some(2), "{missing}: {}", process.log());
        assert!(process.log().contains(&format!("{missing} is not set: export ")), "{}", process.log());
    }
}

#[tokio::test]
async fn a_process_says_whether_it_is_ready_and_refuses_other_arguments() {
    for name in ["windrow-api", "windrow-worker", "windrow-scheduler"] {
        let nobody =
            [("WINDROW_LISTEN".to_owned(), "127.0.0.1:1".to_owned()), ("WINDROW_HEALTH_LISTEN".to_owned(), "127.0.0.1:1".to_owned())];
        let asked = command(name, &["ready"], &nobody).await;
        assert!(asked.code == Some(1) && asked.stderr.contains("connecting to 127.0.0.1:1"), "{asked:?}");
        let wrong = command(name, &["redy"], &nobody).await;
        assert!(wrong.code == Some(2) && wrong.stderr.contains("ready"), "{wrong:?}");
    }
}
