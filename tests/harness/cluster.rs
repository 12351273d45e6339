//! A cluster of the real binaries over a PostgreSQL of its own: apis, workers and schedulers as processes.

use std::{fs, ops::Deref, time::Duration};

use serde_json::Value;
use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};
use tempfile::TempDir;

use crate::{
    postgres::{Postgres, free_port},
    proxy::Proxy,
    redis::Redis,
    server::{Client, Finished, Process, run},
};

/// The platform key of every cluster.
const KEY: &str = "wr_test_cluster.0123456789abcdef";
/// How long a process may take to be ready.
const READY_TRIES: u32 = 1_500;
const READY_PAUSE: Duration = Duration::from_millis(20);

/// What a cluster consists of.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'s> {
    /// So many apis.
    pub apis: usize,
    /// So many workers.
    pub workers: usize,
    /// So many schedulers.
    pub schedulers: usize,
    /// Whether tickets go through a Redis of its own.
    pub redis: bool,
    /// Whether the workers reach PostgreSQL and Redis through proxies.
    pub proxied: bool,
    /// What is set for every process.
    pub variables: &'s [(&'s str, &'s str)],
}

/// The workers' ways to their servers.
pub struct Links {
    /// To PostgreSQL.
    pub postgres: Proxy,
    /// To Redis.
    pub redis: Proxy,
}

/// The processes of a cluster; used as a [`Client`], it speaks to its first api for the tenant `default`.
pub struct Cluster {
    /// The workers, in the order of their start.
    pub workers: Vec<Process>,
    /// The schedulers, in the order of their start.
    pub schedulers: Vec<Process>,
    apis: Vec<Process>,
    clients: Vec<Client>,
    environment: Environment,
    worker_environment: Environment,
    database: String,
    links: Option<Links>,
    redis: Option<Redis>,
    /// The database server.
    pub postgres: Postgres,
    home: TempDir,
}

type Environment = Vec<(String, String)>;

impl Deref for Cluster {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.clients[0]
    }
}

impl Cluster {
    /// Starts a cluster with one api and so many workers and schedulers; `variables` are set for all of them.
    pub async fn start(workers: usize, schedulers: usize, variables: &[(&str, &str)]) -> Self {
        Self::of(Shape { apis: 1, workers, schedulers, redis: false, proxied: false, variables }).await
    }

    /// Starts a cluster of this shape, and waits until its apis are ready.
    pub async fn of(shape: Shape<'_>) -> Self {
        let postgres = Postgres::own().await;
        let database = postgres.database().await;
        Self::over(postgres, database, shape).await
    }

    /// The same over a database of this server.
    pub async fn over(postgres: Postgres, database: String, shape: Shape<'_>) -> Self {
        let redis = if shape.redis { Some(Redis::start().await) } else { None };
        let mut own = vec![("WINDROW_DATABASE_URL", database.clone()), ("WINDROW_API_KEY", KEY.to_owned())];
        own.extend(redis.iter().map(|redis| ("WINDROW_REDIS_URL", redis.url())));
        own.extend(shape.variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let environment: Environment = own.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let (mut worker_environment, mut links) = (environment.clone(), None);
        if let (true, Some(redis)) = (shape.proxied, &redis) {
            let ways = Links { postgres: Proxy::start(postgres.address()).await, redis: Proxy::start(redis.address()).await };
            for (server, proxy) in [(postgres.address(), &ways.postgres), (redis.address(), &ways.redis)] {
                for (_, value) in &mut worker_environment {
                    *value = value.replace(&server.to_string(), &proxy.address().to_string());
                }
            }
            links = Some(ways);
        }
        let home = tempfile::Builder::new().prefix("windrow-cluster-").tempdir().expect("a folder for the cluster");
        let (workers, schedulers, apis, clients) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut cluster =
            Self { workers, schedulers, apis, clients, environment, worker_environment, database, links, redis, postgres, home };
        for _ in 0..shape.apis {
            cluster.add_api();
        }
        for _ in 0..shape.schedulers {
            cluster.add_scheduler();
        }
        for _ in 0..shape.workers {
            cluster.add_worker();
        }
        cluster.ready().await;
        cluster
    }

    fn add_api(&mut self) {
        let listen = format!("127.0.0.1:{}", free_port());
        let mut environment = self.environment.clone();
        environment.push(("WINDROW_LISTEN".to_owned(), listen.clone()));
        self.apis.push(spawn("windrow-api", &environment, &self.home));
        self.clients.push(Client::new(&format!("http://{listen}"), KEY));
    }

    /// Starts one more worker; returns before it is ready.
    pub fn add_worker(&mut self) {
        self.add("windrow-worker");
    }

    /// Starts a worker of this binary; returns before it is ready.
    pub fn add(&mut self, worker: &str) {
        self.workers.push(spawn(worker, &self.worker_environment, &self.home));
    }

    /// The same with these variables set for it alone.
    pub fn add_with(&mut self, worker: &str, variables: &[(&str, &str)]) {
        let mut environment = self.worker_environment.clone();
        environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.workers.push(spawn(worker, &environment, &self.home));
    }

    /// Starts one more scheduler; returns before it is ready.
    pub fn add_scheduler(&mut self) {
        self.schedulers.push(spawn("windrow-scheduler", &self.environment, &self.home));
    }

    /// Sets a variable for processes that start from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        for environment in [&mut self.environment, &mut self.worker_environment] {
            environment.retain(|(known, _)| known != name);
            environment.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Replaces its processes one after the other, as a deployment does: of each two the new one starts before the old one is told
    /// to stop; an api's is started in the place of the old one, at its address.
    pub async fn roll(&mut self) {
        for at in 0..self.apis.len() {
            self.apis[at].terminate();
            self.apis[at].exited().await;
            let mut environment = self.environment.clone();
            environment.push(("WINDROW_LISTEN".to_owned(), self.clients[at].url().trim_start_matches("http://").to_owned()));
            self.apis[at] = spawn("windrow-api", &environment, &self.home);
            self.ready().await;
        }
        for _ in 0..self.schedulers.len() {
            self.add_scheduler();
            let mut old = self.schedulers.remove(0);
            old.terminate();
            old.exited().await;
        }
        for _ in 0..self.workers.len() {
            self.add_worker();
            let mut old = self.workers.remove(0);
            old.terminate();
            old.exited().await;
        }
    }

    /// What all its processes that run have logged.
    pub fn process_logs(&self) -> String {
        self.apis.iter().chain(&self.schedulers).chain(&self.workers).map(Process::log).collect()
    }

    /// A client of each api.
    pub fn clients(&self) -> &[Client] {
        &self.clients
    }

    /// Its Redis, if it has one.
    pub fn redis(&mut self) -> &mut Redis {
        self.redis.as_mut().expect("a cluster with Redis")
    }

    /// The workers' ways to their servers, if they are faulty.
    pub fn links(&self) -> &Links {
        self.links.as_ref().expect("a cluster with proxies")
    }

    /// A connection to its database.
    pub async fn database(&self) -> PgConnection {
        let options: PgConnectOptions = self.database.parse().expect("a database's URL");
        options.connect().await.expect("the database answers")
    }

    /// How often the leadership has changed hands.
    pub async fn epoch(&self) -> i64 {
        sqlx::query_scalar("SELECT max(epoch) FROM leaders").fetch_one(&mut self.database().await).await.expect("the leader's row")
    }

    /// Runs a verb of the command line against its first api.
    pub async fn command(&self, arguments: &[&str]) -> Finished {
        run("windrow", &[&["--url", self.url(), "--key", KEY], arguments].concat(), &[]).await
    }

    /// What each worker says a gauge is; none where it has not said yet.
    pub async fn of_workers(&self, gauge: &str) -> Vec<Option<f64>> {
        let mut values = Vec::new();
        for worker in &self.workers {
            values.push(metrics(worker).await.and_then(|metrics| value(&metrics, gauge)));
        }
        values
    }

    /// The metrics of a worker, as it tells them; none where it does not yet.
    pub async fn metrics_of(&self, worker: usize) -> Option<String> {
        metrics(&self.workers[worker]).await
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

    /// Waits until its apis answer.
    async fn ready(&mut self) {
        for (api, client) in self.apis.iter_mut().zip(&self.clients) {
            let mut tries = 0..READY_TRIES;
            while client.try_get("/readyz").await.is_none_or(|answer| answer.status != 200) {
                api.check_alive();
                assert!(tries.next().is_some(), "the api does not get ready; its log:\n{}", api.log());
                tokio::time::sleep(READY_PAUSE).await;
            }
        }
    }
}

/// Where a worker or scheduler says in its log that it answers probes, if it has.
fn probes(log: &str) -> Option<String> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut addresses = lines.filter_map(|line| Some(format!("http://{}", line["health"].as_str()?)));
    addresses.next_back()
}

async fn metrics(worker: &Process) -> Option<String> {
    let url = probes(&worker.log())?;
    Some(Client::new(&url, KEY).text("/metrics").await)
}

/// A metric without labels, in Prometheus' text.
fn value(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// Each process runs in a folder of its own.
fn spawn(binary: &str, environment: &[(String, String)], home: &TempDir) -> Process {
    let folder = home.path().join(format!("{binary}-{}", uuid::Uuid::now_v7().simple()));
    fs::create_dir(&folder).expect("a folder for the process");
    Process::spawn(binary, &[], environment, &folder)
}
