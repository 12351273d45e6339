//! A cluster of the real binaries over a PostgreSQL of its own: api, workers and schedulers as processes.

use std::{fs, ops::Deref, time::Duration};

use tempfile::TempDir;

use crate::{
    postgres::{Postgres, free_port},
    server::{Client, Process},
};

/// The platform key of every cluster.
const KEY: &str = "wr_test_cluster.0123456789abcdef";
/// How long a process may take to be ready.
const READY_TRIES: u32 = 1_500;
const READY_PAUSE: Duration = Duration::from_millis(20);

/// The processes of a cluster; used as a [`Client`], it speaks to its api for the tenant `default`.
pub struct Cluster {
    /// The database server.
    pub postgres: Postgres,
    /// The workers, in the order of their start.
    pub workers: Vec<Process>,
    /// The schedulers, in the order of their start.
    pub schedulers: Vec<Process>,
    api: Process,
    client: Client,
    environment: Vec<(String, String)>,
    home: TempDir,
}

impl Deref for Cluster {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Cluster {
    /// Starts a cluster with one api and so many workers and schedulers; `variables` are set for all of them.
    pub async fn start(workers: usize, schedulers: usize, variables: &[(&str, &str)]) -> Self {
        let postgres = Postgres::own().await;
        let database = postgres.database().await;
        Self::start_over(postgres, &database, workers, schedulers, variables).await
    }

    /// The same over a database of this server.
    pub async fn start_over(postgres: Postgres, database: &str, workers: usize, schedulers: usize, variables: &[(&str, &str)]) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        let own = [("WINDROW_DATABASE_URL", database), ("WINDROW_API_KEY", KEY), ("WINDROW_LISTEN", &listen)];
        let environment: Vec<_> = own.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let home = tempfile::Builder::new().prefix("windrow-cluster-").tempdir().expect("a folder for the cluster");
        let api = spawn("windrow-api", &environment, &home);
        let client = Client::new(&format!("http://{listen}"), KEY);
        let mut cluster = Self { postgres, workers: Vec::new(), schedulers: Vec::new(), api, client, environment, home };
        for _ in 0..schedulers {
            cluster.add_scheduler();
        }
        for _ in 0..workers {
            cluster.add_worker();
        }
        cluster.ready().await;
        cluster
    }

    /// Starts one more worker; returns before it is ready.
    pub fn add_worker(&mut self) {
        self.add("windrow-worker");
    }

    /// Starts a worker of this binary; returns before it is ready.
    pub fn add(&mut self, worker: &str) {
        self.workers.push(spawn(worker, &self.environment, &self.home));
    }

    /// Starts one more scheduler; returns before it is ready.
    pub fn add_scheduler(&mut self) {
        self.schedulers.push(spawn("windrow-scheduler", &self.environment, &self.home));
    }

    /// Kills the scheduler that leads, as a crash would, and takes it off the list.
    pub async fn kill_leader(&mut self) {
        let leader = self.until("somebody leads", |cluster| cluster.leader()).await;
        let mut process = self.schedulers.remove(leader);
        process.kill();
        process.exited().await;
    }

    /// The scheduler that has begun to lead last, and not ceased.
    pub fn leader(&self) -> Option<usize> {
        self.schedulers
            .iter()
            .position(|scheduler| scheduler.log().matches("\"leading\"").count() > scheduler.log().matches("no longer leading").count())
    }

    /// Waits until `look` finds something.
    pub async fn until<T>(&self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        for _ in 0..READY_TRIES {
            if let Some(found) = look(self) {
                return found;
            }
            tokio::time::sleep(READY_PAUSE).await;
        }
        panic!("it does not come to pass that {what}");
    }

    /// Waits until the api answers and the kinds of a worker are known.
    async fn ready(&mut self) {
        for _ in 0..READY_TRIES {
            self.api.check_alive();
            if self.client.try_get("/readyz").await.is_some_and(|answer| answer.status == 200) {
                return;
            }
            tokio::time::sleep(READY_PAUSE).await;
        }
        panic!("the api does not get ready; its log:\n{}", self.api.log());
    }
}

/// Each process runs in a folder of its own.
fn spawn(binary: &str, environment: &[(String, String)], home: &TempDir) -> Process {
    let folder = home.path().join(format!("{binary}-{}", uuid::Uuid::now_v7().simple()));
    fs::create_dir(&folder).expect("a folder for the process");
    Process::spawn(binary, &[], environment, &folder)
}
