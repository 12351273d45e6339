//! The scenarios: what is done, what is counted, what is timed. `windrow bench --help` says the same in words.
//!
//! Each has a stage of its own. Slices of the bare pipeline and of Windrow alternate, so that what else happens on the
//! machine hits both. Afterwards every job is run to its end, and the ledger's audit must find exactly those that were accepted.
//! `delayed.rs` and `storm.rs` measure what has a due time.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::{
    Options, Scenario,
    apalis::{self, Apalis},
    callers::{ApalisPush, ApalisThrough, Library, LimitInsert, LimitThrough},
    http::Until,
    limit::Limit,
    load::{self, End, Pace},
    measured::{Measured, look_at, now_ms, paced, per_s, until_completed, without_apalis},
    report::{Baseline, Line, Percentiles, middle},
    servers::Servers,
    stage::Stage,
};

/// The jobs of a batch, for the scenarios that are named by it and for backlogs.
const BATCH: u64 = 100;
/// Polled each 100 ms, apalis takes some 50 ms for a task: this rate keeps it idle, and so many are enough to tell.
const APALIS_RATE_MAX: u32 = 8;
const APALIS_TIMED_MAX: u64 = 16;
/// The message of every job, in bytes: with the rest of a payload about 200.
const MESSAGE_BYTES: usize = 180;

/// The job that is submitted everywhere.
pub(super) fn job() -> Value {
    json!({ "kind": "echo", "payload": payload() })
}

fn payload() -> Value {
    json!({ "message": "x".repeat(MESSAGE_BYTES) })
}

/// One scenario over one ledger.
pub(super) struct Bench<'a> {
    pub servers: &'a Servers,
    pub options: &'a Options,
}

impl Bench<'_> {
    /// Measures it.
    pub(super) async fn measure(&self, scenario: Scenario) -> anyhow::Result<Line> {
        let measured = match scenario {
            Scenario::Submit => self.submit(1).await,
            Scenario::SubmitBatch => self.submit(BATCH).await,
            Scenario::Enqueue => self.enqueue(1).await,
            Scenario::EnqueueBatch => self.enqueue(BATCH).await,
            Scenario::Drain => self.drain().await,
            Scenario::EndToEnd => self.end_to_end().await,
            Scenario::Latency => self.latency().await,
            Scenario::Delayed => self.delayed().await,
            Scenario::Storm => self.storm().await,
            Scenario::Schedules => self.schedules().await,
        };
        let measured = measured.with_context(|| format!("scenario {scenario} over {}", self.servers.kind()))?;
        Ok(measured.line(scenario, self.servers.kind()))
    }

    /// Jobs over HTTP until they are accepted, so many per request. The queue is paused meanwhile.
    async fn submit(&self, jobs: u64) -> anyhow::Result<Measured> {
        let mut stage = Stage::prepare(self.servers, self.options).await?;
        stage.start().await?;
        let limit = self.servers.limit(&payload().to_string(), false).await?;
        let mut measured = Measured { of: Some("of a request, to its 202"), ..Measured::default() };
        stage.pause(true).await?;
        for _ in 0..self.options.rounds {
            measured.limit.push(load::at_once(self.limit_inserts(&limit, jobs), self.end_of_limit(), None).await?.jobs_per_s());
            let submitters = stage.submitters(self.options.connections, &job(), jobs, Until::Accepted).await?;
            measured.add(load::at_once(submitters, self.end(), None).await?);
        }
        stage.pause(false).await?;
        self.close(stage, measured).await
    }

    /// Jobs by the library, so many per call, into a ledger that nothing else uses yet.
    async fn enqueue(&self, jobs: u64) -> anyhow::Result<Measured> {
        let mut stage = Stage::prepare(self.servers, self.options).await?;
        let limit = self.servers.limit(&payload().to_string(), false).await?;
        let mut measured = Measured { of: Some("of a call, to its commit"), ..Measured::default() };
        let library = Library::new(stage.library().await?, &job(), jobs)?;
        for _ in 0..self.options.rounds {
            measured.limit.push(load::at_once(self.limit_inserts(&limit, jobs), self.end_of_limit(), None).await?.jobs_per_s());
            measured.add(load::at_once(vec![library.clone(); self.options.connections], self.end(), None).await?);
        }
        drop(library);
        let apalis = Apalis::start().await?;
        measured.also(load::at_once(self.pushes(&apalis, jobs), self.end(), None).await.map(|run| run.jobs_per_s()));
        stage.start().await?;
        self.close(stage, measured).await
    }

    /// A backlog that lies there when the workers start.
    async fn drain(&self) -> anyhow::Result<Measured> {
        let mut stage = Stage::prepare(self.servers, self.options).await?;
        stage.start().await?;
        let books = stage.books().await?;
        let limit = self.servers.limit(&payload().to_string(), true).await?;
        let mut measured = Measured::default();
        let whole = End { after: Duration::MAX, jobs: self.options.backlog() };
        for _ in 0..self.options.rounds {
            let backlog = load::at_once(self.limit_inserts(&limit, BATCH), whole, None).await?.jobs;
            let began = Instant::now();
            until_completed(&mut limit.work().await?, &limit.completed, limit.completed.load(Ordering::Relaxed) + backlog).await?;
            measured.limit.push(backlog as f64 / began.elapsed().as_secs_f64());

            stage.stop_working().await;
            let library = Library::new(stage.library().await?, &job(), BATCH)?;
            let backlog = load::at_once(vec![library; self.options.connections], whole, None).await?.jobs;
            measured.accepted += backlog;
            let since_ms = now_ms();
            stage.start_working().await?;
            stage.wait_completed(&books, measured.accepted).await?;
            let (first_started_ms, last_finished_ms) = books.span_ms(since_ms).await?;
            measured.ours.push(per_s(backlog, last_finished_ms - first_started_ms));
        }
        let mut apalis = Apalis::start().await?;
        measured.also(self.drain_apalis(&mut apalis).await);
        self.close(stage, measured).await
    }

    async fn drain_apalis(&self, apalis: &mut Apalis) -> anyhow::Result<f64> {
        let whole = End { after: Duration::MAX, jobs: self.options.backlog().min(apalis::BACKLOG_MAX) };
        let backlog = load::at_once(self.pushes(apalis, BATCH), whole, None).await?.jobs;
        let began = Instant::now();
        apalis.work();
        until_completed(&mut apalis.worker, &apalis.completed, backlog).await?;
        Ok(backlog as f64 / began.elapsed().as_secs_f64())
    }

    /// Jobs over HTTP while workers complete them, from the first request to the last completion.
    async fn end_to_end(&self) -> anyhow::Result<Measured> {
        let mut stage = Stage::prepare(self.servers, self.options).await?;
        stage.start().await?;
        let books = Arc::new(stage.books().await?);
        let limit = self.servers.limit(&payload().to_string(), true).await?;
        let mut measured = Measured { of: Some("of a request, to its 202"), ..Measured::default() };
        let jobs = self.options.batch;
        for _ in 0..self.options.rounds {
            let mut working = limit.work().await?;
            let before = limit.completed.load(Ordering::Relaxed);
            let pace = paced(before, &limit.completed);
            let began = Instant::now();
            let run = load::at_once(self.limit_inserts(&limit, jobs), self.end_of_limit(), Some(pace)).await?;
            until_completed(&mut working, &limit.completed, before + run.jobs).await?;
            measured.limit.push(run.jobs as f64 / began.elapsed().as_secs_f64());
            drop(working);

            let submitters = stage.submitters(self.options.connections, &job(), jobs, Until::Accepted).await?;
            let (completed, looking) = look_at(&books, measured.accepted);
            let since_ms = now_ms();
            let run = load::at_once(submitters, self.end(), Some(paced(measured.accepted, &completed))).await?;
            drop(looking);
            measured.accepted += run.jobs;
            measured.times.merge(run.calls);
            stage.wait_completed(&books, measured.accepted).await?;
            let (_, last_finished_ms) = books.span_ms(since_ms).await?;
            measured.ours.push(per_s(run.jobs, last_finished_ms - since_ms));
        }
        let mut apalis = Apalis::start().await?;
        measured.also(self.apalis_end_to_end(&mut apalis).await);
        self.close(stage, measured).await
    }

    async fn apalis_end_to_end(&self, apalis: &mut Apalis) -> anyhow::Result<f64> {
        apalis.work();
        let began = Instant::now();
        let pushes = self.pushes(apalis, self.options.batch);
        let pace = Pace { ahead_max: apalis::BACKLOG_MAX, ..paced(0, &apalis.completed) };
        let run = load::at_once(pushes, self.end(), Some(pace)).await?;
        until_completed(&mut apalis.worker, &apalis.completed, run.jobs).await?;
        Ok(run.jobs as f64 / began.elapsed().as_secs_f64())
    }

    /// Few jobs at a steady rate: from the request to the handler's start, and to the final answer.
    async fn latency(&self) -> anyhow::Result<Measured> {
        let mut stage = Stage::prepare(self.servers, self.options).await?;
        stage.start().await?;
        let limit = self.servers.limit(&payload().to_string(), true).await?;
        let mut measured = Measured { of: Some("from the request to the handler's start"), ..Measured::default() };
        let mut job = job();
        job["payload"]["tell_start"] = true.into();
        let (connections, rate) = (self.options.connections, self.options.rate);
        for _ in 0..self.options.rounds {
            let mut through = Vec::with_capacity(connections);
            for _ in 0..connections {
                through.push(LimitThrough { limit: limit.clone(), hand: limit.hand().await? });
            }
            let run = load::at_rate(through, rate, self.end()).await?;
            measured.limit.push(run.jobs_per_s());
            measured.limit_times.merge(run.starts);

            let run = load::at_rate(stage.submitters(connections, &job, 1, Until::Final).await?, rate, self.end()).await?;
            measured.ours.push(run.jobs_per_s());
            measured.accepted += run.jobs;
            measured.times.merge(run.starts);
            measured.until_final.merge(run.calls);
        }
        let mut apalis = Apalis::start().await?;
        apalis.work();
        let through = ApalisThrough::new(&mut apalis, payload().to_string())?;
        let end = End { jobs: self.options.backlog().min(APALIS_TIMED_MAX), ..self.end() };
        match load::at_rate(vec![through], rate.min(APALIS_RATE_MAX), end).await {
            Ok(run) => measured.also.push(Baseline {
                name: "apalis".to_owned(),
                jobs_per_s: middle(&[run.jobs_per_s()]),
                latency: run.starts.p50_p99_ms().map(Percentiles::of),
            }),
            Err(error) => without_apalis(&error),
        }
        self.close(stage, measured).await
    }

    fn limit_inserts(&self, limit: &Limit, jobs: u64) -> Vec<LimitInsert> {
        (0..self.options.connections).map(|_| LimitInsert { limit: limit.clone(), jobs }).collect()
    }

    fn pushes(&self, apalis: &Apalis, jobs: u64) -> Vec<ApalisPush> {
        let push = || ApalisPush { storage: apalis.storage.clone(), payload: payload().to_string(), jobs };
        (0..self.options.connections).map(|_| push()).collect()
    }

    /// When a slice of ours ends.
    pub(super) fn end(&self) -> End {
        End { after: self.options.slice(), jobs: self.options.backlog() }
    }

    /// When a slice of the bare pipeline ends: nothing of it has to be run to its end, so it need not stop before the time.
    fn end_of_limit(&self) -> End {
        End { after: self.options.slice(), jobs: self.options.jobs.unwrap_or(u64::MAX) }
    }

    /// Runs every job to its end, and has the ledger's audit find them all.
    pub(super) async fn close(&self, mut stage: Stage, measured: Measured) -> anyhow::Result<Measured> {
        ensure!(measured.accepted > 0, "nothing was accepted");
        let books = stage.books().await?;
        stage.wait_completed(&books, measured.accepted + measured.beside).await?;
        stage.check_accounts(&measured).await?;
        Ok(measured)
    }
}
