//! A steady load from outside: submits mixed jobs to every api, and writes each id to a file, synced, at the moment of
//! its 202.
//!
//! Each submission has an idempotency key and is repeated until it is accepted, as a careful client does it: a 503 may
//! mean a commit whose answer was lost, and only the repetition tells its id.

use std::{
    fs::File,
    io::Write,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use windrow_tests::server::Client;

/// So many submit to each api, one job at a time each.
const SUBMITTERS_EACH: usize = 2;
/// How often each submits: together 80 jobs a second, which a debug build beside other tests can do.
const PACE: Duration = Duration::from_millis(50);
/// The pause after a refusal: shorter than asked for, so that every outage is met by many.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);
const WAIT_PAUSE: Duration = Duration::from_millis(10);

/// What an api answered, and when.
struct Told {
    asked_at: Instant,
    told_at: Instant,
    status: u16,
}

struct Book {
    file: File,
    accepted: usize,
    answers: Vec<Told>,
}

/// Submitters at work.
pub struct Load {
    book: Arc<Mutex<Book>>,
    stop: CancellationToken,
    submitters: JoinSet<()>,
}

impl Load {
    /// Starts to submit; the accepted ids go to the file `ids`, a line each.
    pub fn start(apis: &[Client], ids: &Path) -> Self {
        let file = File::create(ids).expect("a file for the ids");
        let book = Arc::new(Mutex::new(Book { file, accepted: 0, answers: Vec::new() }));
        let (stop, mut submitters) = (CancellationToken::new(), JoinSet::new());
        for (number, api) in apis.iter().flat_map(|api| [api; SUBMITTERS_EACH]).enumerate() {
            submitters.spawn(submit_on(api.clone(), number, book.clone(), stop.clone()));
        }
        Self { book, stop, submitters }
    }

    /// How many were accepted so far.
    pub fn accepted(&self) -> usize {
        self.book().accepted
    }

    /// Waits until so many more were accepted.
    pub async fn until_accepted(&self, more: usize) {
        let enough = self.accepted() + more;
        while self.accepted() < enough {
            sleep(WAIT_PAUSE).await;
        }
    }

    /// How many submissions that were sent since then have been refused.
    pub fn refused_since(&self, since: Instant) -> usize {
        self.book().answers.iter().filter(|told| told.asked_at >= since && told.status == 503).count()
    }

    /// Fails if anything was accepted that was both asked and told in between.
    pub fn check_none_accepted(&self, from: Instant, until: Instant) {
        let book = self.book();
        let within: Vec<u16> =
            book.answers.iter().filter(|told| told.asked_at >= from && told.told_at <= until).map(|told| told.status).collect();
        assert!(!within.is_empty() && within.iter().all(|status| *status == 503), "{within:?}");
    }

    /// Lets every submitter end with an accepted job.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.submitters.join_next().await {
            ended.expect("a submitter does not panic");
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn submit_on(api: Client, submitter: usize, book: Arc<Mutex<Book>>, stop: CancellationToken) {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0.. {
        pace.tick().await;
        if stop.is_cancelled() {
            return;
        }
        submit(&api, &format!("{submitter}-{number}"), mixed(number), &book).await;
    }
}

/// Every twentieth fails once, every third sleeps.
fn mixed(number: usize) -> Value {
    let payload = match number {
        n if n.is_multiple_of(20) => json!({ "fail_times": 1 }),
        n if n.is_multiple_of(3) => json!({ "sleep_ms": 100 }),
        _ => json!({}),
    };
    json!({ "kind": "echo", "payload": payload })
}

/// Submits until it is accepted.
async fn submit(api: &Client, key: &str, submission: Value, book: &Mutex<Book>) {
    loop {
        let asked_at = Instant::now();
        let answer = api.send(Method::POST, "/v1/jobs", &[("idempotency-key", key)], Some(submission.clone())).await;
        {
            let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
            if answer.status == 202 {
                writeln!(book.file, "{}", answer.body["id"].as_str().expect("an id")).expect("the id is written");
                book.file.sync_data().expect("the id is on disk");
                book.accepted += 1;
            }
            book.answers.push(Told { asked_at, told_at: Instant::now(), status: answer.status });
        }
        match answer.status {
            202 => return,
            503 => assert!(answer.headers.contains_key("retry-after"), "{answer:?}"),
            _ => panic!("neither accepted nor refused for a while: {answer:?}"),
        }
        sleep(REFUSED_PAUSE).await;
    }
}
