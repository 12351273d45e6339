//! Throw-away Redis servers, one for each test that asks: in a temporary folder, on a free port, keeping nothing.
//!
//! Like a test's PostgreSQL, a server ends with its test (`daemon.rs`).

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
    time::Duration,
};

use rustix::process::Signal;
use tempfile::TempDir;
use windrow_jobs::redis;

use crate::{daemon::Daemon, postgres::free_port};

/// How long a server may take to answer after its start.
const START_TRIES: u32 = 500;
const START_PAUSE: Duration = Duration::from_millis(10);

/// A server.
pub struct Redis {
    /// Dropped before its folder is.
    process: Daemon,
    port: u16,
    settings: &'static [&'static str],
    folder: TempDir,
}

/// It keeps nothing, and may be put to sleep.
const KEEPS_NOTHING: &[&str] = &["--save", "", "--appendonly", "no", "--enable-debug-command", "local"];

impl Redis {
    /// Starts a server, and waits until it answers.
    pub async fn start() -> Self {
        Self::start_with(KEEPS_NOTHING).await
    }

    /// The same with the settings that Redis has by itself.
    pub async fn start_as_it_comes() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(settings: &'static [&'static str]) -> Self {
        let folder = tempfile::Builder::new().prefix("windrow-redis-").tempdir().expect("a folder for the server");
        let port = free_port();
        let process = spawn(&folder, port, settings);
        let server = Self { process, port, settings, folder };
        server.wait().await;
        server
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Where it listens, without a scheme.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its process's id.
    pub fn pid(&self) -> u32 {
        self.process.id().as_raw_pid().cast_unsigned()
    }

    /// The folder that it runs in.
    pub fn home(&self) -> &Path {
        self.folder.path()
    }

    /// A client for it.
    pub fn client(&self) -> ::redis::Client {
        redis::client(&self.url()).expect("the server's URL")
    }

    /// A connection to it.
    pub async fn connection(&self) -> ::redis::aio::ConnectionManager {
        redis::connect(&self.client()).await.expect("the server answers")
    }

    /// Whether it answers.
    pub async fn answers(&self) -> bool {
        let Ok(mut connection) = redis::connect(&self.client()).await else { return false };
        ::redis::cmd("PING").exec_async(&mut connection).await.is_ok()
    }

    /// Ends it as a crash would; all it held is gone.
    pub fn kill(&mut self) {
        self.process.kill();
        self.process.wait();
    }

    /// Starts it again on the same port, empty, and waits until it answers.
    pub async fn restart(&mut self) {
        self.process = spawn(&self.folder, self.port, self.settings);
        self.wait().await;
    }

    /// Stops it where it stands: connections stay, and nothing is answered.
    pub fn pause(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Removes everything in it.
    pub async fn flush(&self) {
        let () = ::redis::cmd("FLUSHALL").query_async(&mut self.connection().await).await.expect("FLUSHALL");
    }

    async fn wait(&self) {
        for _ in 0..START_TRIES {
            if self.answers().await {
                return;
            }
            tokio::time::sleep(START_PAUSE).await;
        }
        panic!("Redis does not answer on port {}", self.port);
    }
}

fn spawn(folder: &TempDir, port: u16, settings: &[&str]) -> Daemon {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no"]).args(settings);
    command.arg("--dir").arg(folder.path());
    Daemon::spawn(command, Signal::KILL, folder.path())
}
