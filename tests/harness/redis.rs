//! Throw-away Redis servers, one for each test that asks: in a temporary folder, on a free port, keeping nothing.
//!
//! Like a test's PostgreSQL, a server is stopped by a watchdog process should its test die before it.

use std::{
    process::{Child, Command},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use windrow_jobs::redis;

use crate::postgres::{detach, free_port};

/// How long a server may take to answer after its start.
const START_TRIES: u32 = 500;
const START_PAUSE: Duration = Duration::from_millis(10);

/// A server.
pub struct Redis {
    folder: TempDir,
    port: u16,
    process: Child,
    settings: &'static [&'static str],
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
        let server = Self { folder, port, process, settings };
        server.watch();
        server.wait().await;
        server
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
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
        self.process.kill().expect("SIGKILL is sent");
        self.process.wait().expect("the server's end");
    }

    /// Starts it again on the same port, empty, and waits until it answers.
    pub async fn restart(&mut self) {
        self.process = spawn(&self.folder, self.port, self.settings);
        self.wait().await;
    }

    /// Stops it where it stands: connections stay, and nothing is answered.
    pub fn pause(&self) {
        kill_process(self.id(), Signal::STOP).expect("SIGSTOP is sent");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        kill_process(self.id(), Signal::CONT).expect("SIGCONT is sent");
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

    fn id(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Kills the server once the test is gone, however it went.
    fn watch(&self) {
        let script = format!(
            "(while [ -e /proc/{} ]; do sleep 0.5; done; kill -KILL $(cat '{pid_file}'); rm -rf '{folder}') &",
            std::process::id(),
            pid_file = self.folder.path().join("pid").display(),
            folder = self.folder.path().display(),
        );
        detach(Command::new("sh").arg("-c").arg(script)).status().expect("the watchdog starts");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // A server that was killed before is no failure.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(folder: &TempDir, port: u16, settings: &[&str]) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no"]).args(settings);
    command.arg("--dir").arg(folder.path()).arg("--pidfile").arg(folder.path().join("pid"));
    detach(&mut command).spawn().expect("redis-server is installed (tests/run installs it)")
}
