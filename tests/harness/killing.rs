//! Jobs that a server works off which is killed again and again, by SIGKILL: what the outside saw of each effect, and what the ledger said of it
//! at each kill. For any kind whose effects the outside knows by their outer keys.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::Arc,
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;
use windrow_jobs::{
    clock::SystemClock,
    effect::Standing,
    job::JobId,
    ledger::{Effects, Inspect, sqlite::SqliteLedger},
    lifecycle::CRASHES_MAX,
};

use crate::{
    jobs::tenant_named,
    server::{Server, is_final},
};

/// How long all of it may take.
const WORK_MAX: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often the outside saw each effect, by its outer key.
pub type Seen = BTreeMap<String, u64>;

/// How things stood when the server was dead.
pub struct Kill {
    /// Effects that the ledger has as confirmed.
    pub confirmed: BTreeSet<String>,
    /// Effects of which it has the intent alone: nobody knows.
    pub intended: BTreeSet<String>,
    /// What the outside had seen.
    pub seen: Seen,
}

/// What came of it.
pub struct Worked {
    /// The jobs as they ended, in the order of their submissions.
    pub jobs: Vec<Value>,
    /// What the outside saw.
    pub seen: Seen,
    /// The kills.
    pub kills: Vec<Kill>,
    /// How long it took.
    pub took: Duration,
}

impl Worked {
    /// Effects that were seen again after a kill that found them confirmed. There may be none.
    pub fn confirmed_repeated(&self) -> Vec<&String> {
        let repeated = |kill: &Kill, key: &str| self.seen.get(key) > kill.seen.get(key);
        self.kills.iter().flat_map(|kill| kill.confirmed.iter().filter(move |key| repeated(kill, key))).collect()
    }

    /// Effects that were seen more than once.
    pub fn repeated(&self) -> Vec<&String> {
        self.seen.iter().filter(|(_, times)| **times > 1).map(|(key, _)| key).collect()
    }

    /// What was seen, as one line.
    pub fn summary(&self) -> String {
        let intended: usize = self.kills.iter().map(|kill| kill.intended.len()).sum();
        let confirmed: Vec<usize> = self.kills.iter().map(|kill| kill.confirmed.len()).collect();
        format!(
            "{} jobs, killed {} times with {confirmed:?} confirmed: {} effects seen {} times, {intended} unknown at a kill, {} repeated, {} of the confirmed repeated; {:.1} s",
            self.jobs.len(),
            self.kills.len(),
            self.seen.len(),
            self.seen.values().sum::<u64>(),
            self.repeated().len(),
            self.confirmed_repeated().len(),
            self.took.as_secs_f64(),
        )
    }
}

/// Submits these jobs, each of which has one effect, and kills the server when the outside has seen so many of them. `seen` asks the outside.
pub async fn work_off<F, S>(server: &mut Server, submissions: &[Value], kill_at: &[u64], seen: F) -> Worked
where
    F: Fn() -> S,
    S: Future<Output = Seen>,
{
    let began = Instant::now();
    let answer = server.send(Method::POST, "/v1/jobs/batch", &[], Some(json!(submissions))).await;
    let ids = ids(&answer.body, submissions.len());
    let mut kills = Vec::new();
    for threshold in kill_at {
        within(began, "the outside sees enough", || async { seen().await.values().sum::<u64>() >= *threshold }).await;
        // A job that was running at every kill would be quarantined as the one who kills.
        if kills.len() + 1 == CRASHES_MAX as usize {
            let ledger = ledger(server).await;
            within(began, "those that crashed at every kill are done", || none_is_doomed(&ledger, &ids)).await;
        }
        server.kill().await;
        kills.push(dead(server, &ids, &seen).await);
        server.launch();
        server.until_ready().await;
    }
    within(began, "all jobs are final", || async {
        for state in ["running", "retryable", "scheduled", "available"] {
            if !server.list(&format!("state={state}&page_size=1")).await.is_empty() {
                return false;
            }
        }
        true
    })
    .await;
    let mut jobs = Vec::with_capacity(ids.len());
    for id in &ids {
        let job = server.get(&json!({ "id": id })).await;
        assert!(is_final(&job), "{job}");
        jobs.push(job);
    }
    Worked { jobs, seen: seen().await, kills, took: began.elapsed() }
}

fn ids(answer: &Value, many: usize) -> Vec<String> {
    let items = answer["items"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let ids: Vec<String> = items.iter().map(|item| item["id"].as_str().unwrap_or_else(|| panic!("{item}")).to_owned()).collect();
    assert_eq!(ids.len(), many);
    ids
}

async fn ledger(server: &Server) -> SqliteLedger {
    SqliteLedger::open(&server.data_dir().join("windrow.db"), Arc::new(SystemClock)).await.expect("the ledger opens")
}

fn parsed(id: &str) -> JobId {
    id.parse().expect("a job's id")
}

/// Whether no live job has crashed as often as one may.
async fn none_is_doomed(ledger: &SqliteLedger, ids: &[String]) -> bool {
    for id in ids {
        let job = ledger.get(&tenant_named("default"), parsed(id)).await.expect("get").expect("the job");
        if !job.state.is_final() && job.crashes + 1 >= CRASHES_MAX {
            return false;
        }
    }
    true
}

/// Nobody writes: what the ledger and the outside say is of one moment, once the outside has heard what was on its way.
async fn dead<F: Fn() -> S, S: Future<Output = Seen>>(server: &Server, ids: &[String], seen: &F) -> Kill {
    let ledger = ledger(server).await;
    let (mut confirmed, mut intended) = (BTreeSet::new(), BTreeSet::new());
    for id in ids {
        for kept in ledger.effects(&tenant_named("default"), parsed(id)).await.expect("effects") {
            let key = format!("{id}.{}", kept.key);
            match kept.facts.standing {
                Standing::Confirmed => confirmed.insert(key),
                Standing::Intended => intended.insert(key),
                _ => false,
            };
        }
    }
    Kill { confirmed, intended, seen: seen().await }
}

async fn within<T: Future<Output = bool>>(began: Instant, what: &str, holds: impl Fn() -> T) {
    while !holds().await {
        assert!(began.elapsed() < WORK_MAX, "it does not come to pass that {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
