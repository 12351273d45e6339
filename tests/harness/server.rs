//! `windrow serve` as an operator starts it: the real binary over a data folder of its own, reached over HTTP.
//!
//! A server ends with the test that started it, however that ends. Next: `server/process.rs`, which starts any of the
//! workspace's binaries, and `server/client.rs`, which a server can be used as.

mod client;
mod process;

use std::{
    fs,
    ops::Deref,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

pub use self::{
    client::{Answer, Client, is_final, ms, path},
    process::{Finished, Process, binary, current_binary, run},
};

/// How long a server may take to answer after its start.
const READY_TRIES: u32 = 1_500;
const READY_PAUSE: Duration = Duration::from_millis(20);

/// A server with a data folder of its own. Used as a [`Client`], it speaks for the tenant `default`.
pub struct Server {
    /// Dropped before its folder is: it still writes there.
    process: Process,
    home: TempDir,
    environment: Vec<(String, String)>,
    client: Client,
}

impl Deref for Server {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Server {
    /// Starts a server with the default settings and waits until it is ready.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with these variables set.
    pub async fn start_with(variables: &[(&str, &str)]) -> Self {
        let home = tempfile::Builder::new().prefix("windrow-server-").tempdir().expect("a folder for the server");
        let data_dir = home.path().join("windrow-data");
        // Port 0 takes a free one without a race; the server says which.
        let own = [("WINDROW_DATA_DIR", data_dir.to_str().expect("a UTF-8 path")), ("WINDROW_LISTEN", "127.0.0.1:0")];
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment: Vec<_> = own.iter().chain(variables).map(owned).collect();
        let process = Process::spawn("windrow", &["serve", "--output", "json"], &environment, home.path());
        let mut server = Self { process, home, environment, client: Client::new("", "") };
        server.ready().await;
        server
    }

    /// Where its ledger and its key file lie: `windrow-data` within [`Server::home`].
    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("windrow-data")
    }

    /// The folder that it runs in.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Its process's id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Ends it as a crash would, by SIGKILL.
    pub async fn kill(&mut self) {
        self.process.kill();
        self.process.exited().await;
    }

    /// Asks it to stop, by SIGTERM.
    pub fn terminate(&self) {
        self.process.terminate();
    }

    /// Waits until it has ended by itself.
    pub async fn exited(&mut self) -> ExitStatus {
        self.process.exited().await
    }

    /// Sets a variable from its next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts it again on the same folder, killing it first if it runs; returns before it is ready.
    pub fn launch(&mut self) {
        self.process.end();
        self.process = Process::spawn("windrow", &["serve", "--output", "json"], &self.environment, self.home.path());
    }

    /// Starts it again on the same folder, killing it first if it runs, and waits until it is ready.
    pub async fn restart(&mut self) {
        // First, or the new process may find the folder still locked by the old one.
        self.kill().await;
        self.launch();
        self.ready().await;
    }

    /// Waits until one that was launched is ready.
    pub async fn until_ready(&mut self) {
        self.ready().await;
    }

    /// Runs a verb of the command line against this server, as somebody on its machine would.
    pub async fn command(&self, arguments: &[&str]) -> Finished {
        let address = self.url().trim_start_matches("http://");
        let environment: Vec<_> = self
            .environment
            .iter()
            .cloned()
            .map(|(name, value)| if name == "WINDROW_LISTEN" { (name, address.to_owned()) } else { (name, value) })
            .collect();
        run("windrow", arguments, &environment).await
    }

    /// Waits until the server answers, at the address that it prints.
    async fn ready(&mut self) {
        for _ in 0..READY_TRIES {
            self.process.check_alive();
            if let Some(url) = self.announced() {
                let key = fs::read_to_string(self.data_dir().join("api-key")).expect("the server keeps its key");
                self.client = Client::new(&url, key.trim());
                if self.client.try_get("/readyz").await.is_some_and(|answer| answer.status == 200) {
                    return;
                }
            }
            tokio::time::sleep(READY_PAUSE).await;
        }
        panic!("the server does not get ready; its log:\n{}", self.log());
    }

    fn announced(&self) -> Option<String> {
        let line: Value = serde_json::from_str(&self.process.output()).ok()?;
        line["url"].as_str().map(ToOwned::to_owned)
    }
}
