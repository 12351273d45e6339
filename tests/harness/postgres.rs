//! Throw-away PostgreSQL servers, in temporary folders, as a user that PostgreSQL accepts.
//!
//! The tests of one run share a server and get a database each; a test that restarts or kills its server starts
//! one of its own. A watchdog process stops a server when whoever it belongs to is gone, however it went.

use std::{
    fs::{self, File},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::{CommandExt, parent_id},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    str::FromStr,
    time::Duration,
};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};

/// How long a server may take to answer after its start.
const START_TRIES: u32 = 600;
const START_PAUSE: Duration = Duration::from_millis(50);

/// A running server.
pub struct Postgres {
    directory: PathBuf,
    port: Option<u16>,
}

impl Postgres {
    /// The server that the tests of this run share; does not sync, since nothing crashes it.
    pub async fn shared() -> Self {
        // nextest runs a process per test: what the processes of a run have in common is their parent.
        let run = parent_id();
        let directory = std::env::temp_dir().join(format!("windrow-tests-{run}"));
        fs::create_dir_all(&directory).expect("a folder for the run");
        let lock = File::create(directory.join("lock")).expect("the run's lock file");
        lock.lock().expect("the run's lock");
        let server = Self { directory: directory.join("postgres"), port: None };
        if !server.directory.join("ready").exists() {
            server.initialize(&["fsync=off", "synchronous_commit=off", "full_page_writes=off"]);
            server.start();
            server.watch(run, &directory);
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
        let directory = tempfile::Builder::new().prefix("windrow-postgres-").tempdir().expect("a folder for the server").keep();
        let server = Self { directory: directory.join("postgres"), port: Some(free_port()) };
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("a folder that the server's user may enter");
        server.initialize(settings);
        server.start();
        server.watch(std::process::id(), &directory);
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

    /// Starts the server; returns before it answers.
    pub fn start(&self) {
        self.control(&["start", "--no-wait", "--silent", "-l", &self.path("log")]);
    }

    /// Stops the server as `pg_ctl stop -m MODE` does: `fast` rolls back what is under way, `immediate` is a crash.
    pub fn stop(&self, mode: &str) {
        self.control(&["stop", "--silent", "-m", mode]);
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
        run(command("initdb").args(["--pgdata", &data, "--username", "windrow", "--auth", "trust", "--no-sync", "--encoding", "UTF8"]));
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
        run(command("pg_ctl").args(["--pgdata", &self.path("data")]).args(arguments));
    }

    /// Stops the server and removes its folder once the process `owner` is gone.
    fn watch(&self, owner: u32, directory: &Path) {
        // SIGQUIT is PostgreSQL's immediate shutdown: nothing here is worth a checkpoint.
        let script = format!(
            "(while [ -e /proc/{owner} ]; do sleep 0.5; done; kill -QUIT $(head -n 1 '{}'); sleep 0.5; rm -rf '{}') &",
            self.path("data/postmaster.pid"),
            directory.display()
        );
        run(Command::new("sh").arg("-c").arg(script));
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("the port that was bound").port()
}

/// A process in a group of its own and with no descriptor of ours, so that it neither hears our Ctrl-C nor keeps
/// our pipes open.
pub(crate) fn detach(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0)
}

fn run(command: &mut Command) {
    let status = detach(command).status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}

fn command(name: &str) -> Command {
    let mut command = Command::new(binary(name));
    as_server_user(&mut command);
    command
}

fn as_server_user(command: &mut Command) {
    if let Some((uid, gid)) = server_user() {
        command.uid(uid).gid(gid);
    }
    command.current_dir("/");
}

/// Debian keeps the server's programs out of the path, a folder per version; the newest is taken.
fn binary(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed (tests/run installs it)");
    let version = |entry: fs::DirEntry| entry.file_name().to_string_lossy().parse::<u32>().ok();
    let newest = versions.filter_map(|entry| version(entry.ok()?)).max().expect("a version of PostgreSQL");
    PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin/{name}"))
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
