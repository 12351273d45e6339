//! Load: callers that do one thing again and again, all at once or at a fixed rate, and what that took.
//!
//! It knows nothing of what is called: `http.rs`, `limit.rs` and the rest are [`Caller`]s. Every job that a call says was
//! taken in is counted, and a call that fails ends the run: a bench does not repeat what it asked for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context;
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
};

use super::statistics::Times;

/// How long a caller waits before it looks again whether the backlog has shrunk.
const PACE_PAUSE: Duration = Duration::from_millis(1);

/// Something that can be called again and again.
pub(super) trait Caller: Send + 'static {
    /// How many jobs one call asks for.
    fn jobs(&self) -> u64;
    /// Does it once; returns when the handler of its job started, where the caller learns that.
    fn call(&mut self) -> impl Future<Output = anyhow::Result<Option<SystemTime>>> + Send;
}

/// When a run ends: by the clock or by the count, whichever comes first.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// After this long.
    pub after: Duration,
    /// After so many jobs.
    pub jobs: u64,
}

/// Keeps the callers from running ahead of the workers by more than so many jobs.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// How many were asked for.
    pub submitted: Arc<AtomicU64>,
    /// How many are done, as whoever counts them says.
    pub completed: Arc<AtomicU64>,
    /// The most that may lie between.
    pub ahead_max: u64,
}

impl Pace {
    async fn take(&self, jobs: u64) {
        let fits = |submitted: u64| {
            let ahead = submitted.saturating_sub(self.completed.load(Ordering::Relaxed));
            // A call larger than the backlog may be goes alone.
            (ahead == 0 || ahead + jobs <= self.ahead_max).then_some(submitted + jobs)
        };
        while self.submitted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err() {
            tokio::time::sleep(PACE_PAUSE).await;
        }
    }
}

/// What a run did.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// How many jobs were taken in.
    pub jobs: u64,
    /// From the first call to the end of the last.
    pub took: Duration,
    /// How long each call took.
    pub calls: Times,
    /// How long it took from each call to the start of its handler.
    pub starts: Times,
}

impl Run {
    /// Jobs per second.
    pub(super) fn jobs_per_s(&self) -> f64 {
        self.jobs as f64 / self.took.as_secs_f64()
    }

    fn note(&mut self, jobs: u64, called: (Instant, SystemTime), started: Option<SystemTime>) {
        self.jobs += jobs;
        self.calls.add(called.0.elapsed());
        if let Some(started) = started {
            // Both clocks are this machine's; a step back of it between them is taken for no time at all.
            self.starts.add(started.duration_since(called.1).unwrap_or_default());
        }
    }

    fn merge(&mut self, other: Self) {
        self.jobs += other.jobs;
        self.calls.merge(other.calls);
        self.starts.merge(other.starts);
    }
}

/// Every caller calls again as soon as it has its answer.
pub(super) async fn at_once(callers: Vec<impl Caller>, end: End, pace: Option<Pace>) -> anyhow::Result<Run> {
    let began = Instant::now();
    let left = Arc::new(AtomicI64::new(i64::try_from(end.jobs).unwrap_or(i64::MAX)));
    let mut running = JoinSet::new();
    for mut caller in callers {
        let (left, pace, jobs) = (left.clone(), pace.clone(), caller.jobs());
        running.spawn(async move {
            let mut run = Run::default();
            while began.elapsed() < end.after && left.fetch_sub(jobs.cast_signed(), Ordering::Relaxed) >= jobs.cast_signed() {
                if let Some(pace) = &pace {
                    pace.take(jobs).await;
                }
                let called = (Instant::now(), SystemTime::now());
                let started = caller.call().await?;
                run.note(jobs, called, started);
            }
            Ok(run)
        });
    }
    joined(running, began).await
}

/// So many calls per second, whatever the answers take. A call that no caller was free for counts from when it was due.
pub(super) async fn at_rate(callers: Vec<impl Caller>, rate: u32, end: End) -> anyhow::Result<Run> {
    let began = Instant::now();
    let (sender, due) = mpsc::unbounded_channel();
    let calls = (f64::from(rate) * end.after.as_secs_f64()) as u64;
    let calls = calls.min(end.jobs);
    // A thread, since the runtime's timer is a millisecond coarse.
    std::thread::spawn(move || {
        for number in 0..calls {
            let next = began + Duration::from_secs_f64(number as f64 / f64::from(rate));
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            if sender.send((next, SystemTime::now())).is_err() {
                return;
            }
        }
    });
    let due = Arc::new(Mutex::new(due));
    let mut running = JoinSet::new();
    for mut caller in callers {
        let due = due.clone();
        running.spawn(async move {
            let mut run = Run::default();
            loop {
                let Some(called) = due.lock().await.recv().await else {
                    return Ok(run);
                };
                let started = caller.call().await?;
                run.note(caller.jobs(), called, started);
            }
        });
    }
    joined(running, began).await
}

async fn joined(mut running: JoinSet<anyhow::Result<Run>>, began: Instant) -> anyhow::Result<Run> {
    let mut all = Run::default();
    while let Some(ended) = running.join_next().await {
        all.merge(ended.context("a caller")??);
    }
    all.took = began.elapsed();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts its calls.
    struct Count(Arc<AtomicU64>, u64);

    impl Caller for Count {
        fn jobs(&self) -> u64 {
            self.1
        }

        async fn call(&mut self) -> anyhow::Result<Option<SystemTime>> {
            self.0.fetch_add(self.1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(Some(SystemTime::now()))
        }
    }

    fn callers(calls: &Arc<AtomicU64>, jobs: u64) -> Vec<Count> {
        (0..4).map(|_| Count(calls.clone(), jobs)).collect()
    }

    #[tokio::test]
    async fn a_run_by_count_asks_for_exactly_so_many_jobs() {
        for (jobs_per_call, expected) in [(1, 50), (7, 49)] {
            let calls = Arc::default();
            let end = End { after: Duration::from_secs(60), jobs: 50 };
            let run = at_once(callers(&calls, jobs_per_call), end, None).await.expect("nothing fails");
            assert_eq!((run.jobs, calls.load(Ordering::Relaxed)), (expected, expected));
        }
    }

    #[tokio::test]
    async fn a_run_by_the_clock_ends() {
        let calls = Arc::default();
        let run = at_once(callers(&calls, 1), End { after: Duration::from_millis(20), jobs: u64::MAX }, None).await.expect("nothing fails");
        assert!(run.jobs > 0 && run.jobs == calls.load(Ordering::Relaxed), "{run:?}");
    }

    #[tokio::test]
    async fn a_run_at_a_rate_makes_the_calls_that_were_due() {
        let calls = Arc::default();
        let run =
            at_rate(callers(&calls, 1), 1_000, End { after: Duration::from_millis(50), jobs: u64::MAX }).await.expect("nothing fails");
        assert_eq!((run.jobs, calls.load(Ordering::Relaxed)), (50, 50));
        assert!(run.took >= Duration::from_millis(49), "{run:?}");
    }

    #[tokio::test]
    async fn callers_wait_for_the_workers() {
        let pace = Pace { submitted: Arc::default(), completed: Arc::default(), ahead_max: 10 };
        let calls: Arc<AtomicU64> = Arc::default();
        let run = tokio::spawn(at_once(callers(&calls, 1), End { after: Duration::from_secs(60), jobs: 30 }, Some(pace.clone())));
        while calls.load(Ordering::Relaxed) < 10 {
            tokio::task::yield_now().await;
        }
        // Enough turns for every caller to try again.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(calls.load(Ordering::Relaxed), 10, "the four callers wait");
        pace.completed.store(30, Ordering::Relaxed);
        assert_eq!(run.await.expect("no panic").expect("nothing fails").jobs, 30);
    }

    struct Fails;

    impl Caller for Fails {
        fn jobs(&self) -> u64 {
            1
        }

        async fn call(&mut self) -> anyhow::Result<Option<SystemTime>> {
            anyhow::bail!("refused")
        }
    }

    #[tokio::test]
    async fn a_call_that_fails_ends_the_run() {
        let run = at_once(vec![Fails], End { after: Duration::from_secs(60), jobs: 1 }, None).await;
        assert_eq!(run.expect_err("it fails").to_string(), "refused");
    }
}
