//! `build.generate` from outside, on the real binaries: what is built, what is refused, what is found again, who vouches
//! for it, and that nothing is left behind.

mod app;
mod assets;
mod commands;
mod kill;
mod rendering;
mod reproducible;
mod signing;

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::server::{Client, Server, path};

use crate::printed;

#[tokio::test]
async fn the_page_works_as_printed() {
    let server = Server::start().await;
    let steps = printed::steps("docs/builds.md", "Try it");
    assert!(steps.len() >= 5, "there are {} steps", steps.len());
    printed::run(&server, &steps).await;
}

/// A file of a bundle.
type File<'f> = (&'f str, &'f str);

/// Publishes a template of these files; the manifest is TOML.
async fn publish(client: &Client, name: &str, manifest: &str, files: &[File<'_>]) {
    let mut all = vec![("bundle.toml", manifest)];
    all.extend(files);
    let answer = client.upload(Method::PUT, &format!("/v1/templates/{name}/1.0.0"), "application/x-tar", tar_of(&all)).await;
    assert!(matches!(answer.status, 200 | 201), "{}: {}", answer.status, answer.body);
}

fn tar_of(files: &[File<'_>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, content.as_bytes()).expect("appended");
    }
    tar.into_inner().expect("a tar")
}

/// A build of this template alone.
fn of(template: &str) -> Value {
    json!({ "kind": "build.generate", "payload": { "template": template, "app": { "name": "Hay", "bundle_id": "com.example.hay" } } })
}

/// The same by force.
fn forced(template: &str) -> Value {
    let mut submission = of(template);
    submission["payload"]["force"] = json!(true);
    submission
}

async fn build(client: &Client, submission: Value) -> Value {
    let job = client.submit(submission).await;
    client.wait(&job).await
}

/// The same, which works out.
async fn built(client: &Client, submission: Value) -> Value {
    let job = build(client, submission).await;
    assert_eq!(job["state"], "completed", "{job}");
    job
}

/// What an artifact's link opens, without a key.
async fn fetch(artifact: &Value) -> Vec<u8> {
    let http = reqwest::Client::builder().tls_certs_only([]).build().expect("a client");
    let opened = http.get(artifact["url"].as_str().expect("a link")).send().await.expect("an answer");
    assert_eq!(opened.status().as_u16(), 200);
    opened.bytes().await.expect("a body").to_vec()
}

/// A job's artifacts by name.
async fn artifacts(client: &Client, job: &Value) -> BTreeMap<String, Vec<u8>> {
    let listed = client.read(&path(job, "/artifacts")).await["artifacts"].clone();
    let mut artifacts = BTreeMap::new();
    for artifact in listed.as_array().into_iter().flatten() {
        let content = fetch(artifact).await;
        assert_eq!(artifact["bytes"], json!(content.len()), "{artifact}");
        artifacts.insert(artifact["name"].as_str().expect("a name").to_owned(), content);
    }
    artifacts
}

/// The archive that a job made, unpacked.
async fn files(client: &Client, job: &Value) -> BTreeMap<String, Vec<u8>> {
    unpacked(&artifacts(client, job).await[job["result"]["artifact"].as_str().expect("a name")])
}

fn unpacked(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut tar = tar::Archive::new(zstd::Decoder::new(archive).expect("zstd"));
    for entry in tar.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("content");
        files.insert(path, content);
    }
    files
}

/// What a job logged, line by line.
async fn lines(client: &Client, job: &Value) -> Vec<String> {
    let logs = client.logs(job).await;
    let lines = logs.iter().flat_map(|attempt| attempt["lines"].as_array().cloned().unwrap_or_default());
    lines.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
}

/// A folder for workspaces that whoever runs commands may pass.
fn passable() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::Builder::new().prefix("windrow-builds-test-").tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("passable");
    folder
}

/// The workspaces that are there now.
fn workspaces(folder: &Path) -> Vec<PathBuf> {
    let folders = |of: &Path| -> Vec<PathBuf> {
        fs::read_dir(of).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    };
    folders(folder).iter().flat_map(|root| folders(root)).collect()
}

/// Whether a process lives whose command line has this word.
fn lives(word: &str) -> bool {
    let entries = fs::read_dir("/proc").expect("proc").flatten();
    let mut commands = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    commands.any(|line| String::from_utf8_lossy(&line).contains(word))
}

/// Waits until something is so that nobody tells of.
async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1_500 {
        if holds() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("it does not come to pass that {what}");
}
