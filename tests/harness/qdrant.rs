//! What answers as Qdrant does (`providers/qdrant.py`): Qdrant's own engine behind routes whose bodies are held against Qdrant's own models, since no server
//! of Qdrant's is to be had as a package.
//!
//! The tests of one run share a server, as they share PostgreSQL's; a test that has one misbehave starts its own, with a key.

use std::{
    fs::{self, File},
    os::unix::process::parent_id,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{daemon::run_apart, python::tool, server::Process};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/harness/providers/qdrant.py");
/// The key of a test's own server.
pub const KEY: &str = "planted-qdrant-key-77c1";
/// How long a server may take to say its port.
const START_TRIES: u32 = 3_000;
const START_PAUSE: Duration = Duration::from_millis(20);

/// The URL of the server that the tests of this run share.
pub async fn shared() -> String {
    // nextest runs a process per test: what the processes of a run have in common is their parent.
    let run = parent_id();
    let directory = std::env::temp_dir().join(format!("windrow-tests-{run}-qdrant"));
    fs::create_dir_all(&directory).expect("a folder for the run");
    let lock = File::create(directory.join("lock")).expect("the run's lock file");
    lock.lock().expect("the run's lock");
    let output = directory.join("output");
    if !output.exists() {
        let mut server = Command::new("sh");
        let words = ["\"$0\" -u \"$1\" \"$2\" --owner \"$3\" >\"$4\" 2>\"$5\" &"];
        server.arg("-c").args(words).arg(tool("python")).arg(SCRIPT).arg(&directory).arg(run.to_string()).arg(&output);
        server.arg(directory.join("log")).current_dir("/").stdin(Stdio::null()).env("PYTHONDONTWRITEBYTECODE", "1");
        run_apart(server);
    }
    let says = || fs::read_to_string(&output).unwrap_or_default();
    let log = || fs::read_to_string(directory.join("log")).unwrap_or_default();
    url(port(says, log).await)
}

/// A server of a test's own.
pub struct Qdrant {
    process: Process,
    port: u16,
    folder: TempDir,
}

impl Qdrant {
    /// Starts one, which wants [`KEY`].
    pub async fn own() -> Self {
        let folder = tempfile::Builder::new().prefix("windrow-qdrant-").tempdir().expect("a folder for the server");
        let points: PathBuf = folder.path().join("points");
        let arguments = ["-u", SCRIPT, points.to_str().expect("a path in UTF-8"), "--key", KEY];
        let environment = [("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned())];
        let process = Process::spawn_program(&tool("python"), "qdrant", &arguments, &environment, folder.path());
        let port = port(|| process.output(), || process.log()).await;
        Self { process, port, folder }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// The folder that it runs in.
    pub fn home(&self) -> &Path {
        self.folder.path()
    }

    /// What it was asked, in its order.
    pub fn asked(&self) -> Vec<Value> {
        self.process.output().lines().skip(1).map(|line| serde_json::from_str(line).expect("lines of JSON")).collect()
    }

    /// Has the next requests answered otherwise.
    pub async fn tell(&self, next: Value) {
        self.send("POST", "/_told", serde_json::json!({ "next": next })).await;
    }

    /// How many points there are in the collection for this dimension.
    pub async fn points(&self, dimension: u16) -> u64 {
        let answer =
            self.send("POST", &format!("/collections/windrow_{dimension}/points/count"), serde_json::json!({ "exact": true })).await;
        answer["result"]["count"].as_u64().unwrap_or_default()
    }

    /// Asks it something, past the store.
    pub async fn send(&self, method: &str, path: &str, body: Value) -> Value {
        let client = reqwest::Client::builder().tls_certs_only([]).build().expect("an HTTP client");
        let method = method.parse().expect("a method");
        let asked = client.request(method, format!("{}{path}", self.url())).header("api-key", KEY).header("x-test", "1").json(&body);
        asked.send().await.expect("it answers").json().await.expect("JSON")
    }

    /// Ends it as a crash does.
    pub async fn kill(&mut self) {
        self.process.kill();
        self.process.exited().await;
    }
}

async fn port(says: impl Fn() -> String, log: impl Fn() -> String) -> u16 {
    for _ in 0..START_TRIES {
        // A line that has ended is whole.
        if let Some((port, _)) = says().split_once('\n') {
            return port.parse().expect("a port");
        }
        tokio::time::sleep(START_PAUSE).await;
    }
    panic!("what answers as Qdrant does not start: {}", log());
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
