//! The scenario `delayed`: how much later than their `run_at` delayed jobs and retries start, idle and beside a flow of immediate ones.
//!
//! A handler's start is what it tells in its result, `run_at` is the ledger's row: nobody waits for an answer meanwhile.
//! Immediate jobs of the same rate, from their request to their start, are what it is compared with.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    http::Until,
    load::{self, End},
    measured::Measured,
    scenarios::{Bench, job},
    stage::{Books, Stage},
};

/// Jobs whose delays are told apart, by their tags: seconds, so that promotion sleeps until then; less than any poll takes;
/// and retries, which wait for their backoff.
const TAGS: [&str; 3] = ["long", "short", "retry"];
/// Delays of a connection, sent in turn: enough that no two connections keep step.
const DELAYS: u64 = 60;
/// The load goes on for so long after the last delayed job is submitted: longer than the longest of the delays, and than a first backoff.
const LOAD_AFTER: Duration = Duration::from_secs(6);
/// Connections that make the load: requests of many jobs each.
const LOAD_CONNECTIONS: usize = 4;

impl Bench<'_> {
    /// Delayed jobs, alone and under load.
    pub(super) async fn delayed(&self) -> anyhow::Result<Measured> {
        let mut stage = Stage::prepare(self.servers, self.options).await?;
        stage.start().await?;
        let books = stage.books().await?;
        let (rate, connections) = (self.options.rate, self.options.connections);
        let mut measured = Measured {
            of: Some("from a job's run_at to its handler's start, nothing else to be done"),
            compared_with: Some("immediate"),
            ..Measured::default()
        };
        let mut immediate = job();
        immediate["payload"]["tell_start"] = true.into();
        for _ in 0..self.options.rounds {
            let run = load::at_rate(stage.submitters(connections, &immediate, 1, Until::Final).await?, rate, self.end()).await?;
            measured.limit.push(run.jobs_per_s());
            measured.accepted += run.jobs;
            measured.limit_times.merge(run.starts);

            let run = load::at_rate(stage.in_turn(connections, |caller| delays(caller, "idle")).await?, rate, self.end()).await?;
            measured.ours.push(run.jobs_per_s());
            measured.accepted += run.jobs;
            stage.wait_completed(&books, measured.accepted).await?;

            let load = stage.submitters(LOAD_CONNECTIONS, &job(), self.options.batch, Until::Accepted).await?;
            let requests = (u64::from(self.options.load) / self.options.batch).max(1);
            let end = End { after: self.options.slice() + LOAD_AFTER, jobs: self.end().jobs };
            let load = tokio::spawn(load::at_rate(load, u32::try_from(requests)?, end));
            let run = load::at_rate(stage.in_turn(connections, |caller| delays(caller, "loaded")).await?, rate, self.end()).await?;
            measured.accepted += run.jobs + load.await??.jobs;
            stage.wait_completed(&books, measured.accepted).await?;
        }
        report(&books, &mut measured).await?;
        self.close(stage, measured).await
    }
}

/// The jobs of a connection.
fn delays(caller: usize, load: &str) -> Vec<Value> {
    let one = |number: u64| {
        let tag = TAGS[usize::try_from(number).unwrap_or_default() % TAGS.len()];
        let mut job = job();
        job["payload"]["tell_start"] = true.into();
        job["tags"] = json!([tag, load]);
        // Spread evenly, and out of order: 17 and 60 have no common factor, nor have 7 and 64.
        let part = ((number * 17 + caller as u64 * 7) % DELAYS) as f64 / DELAYS as f64;
        match tag {
            "long" => job["delay_s"] = json!(4.0f64.mul_add(part, 1.0)),
            "short" => job["delay_s"] = json!(0.45f64.mul_add(part, 0.05)),
            _ => job["payload"]["fail_times"] = 1.into(),
        }
        job
    };
    (caller as u64..caller as u64 + DELAYS).map(one).collect()
}

async fn report(books: &Books, measured: &mut Measured) -> anyhow::Result<()> {
    for load in ["idle", "loaded"] {
        for tag in TAGS {
            let late = books.late(&json!([tag, load]).to_string()).await?;
            if load == "idle" {
                measured.times.merge(late.clone());
            }
            measured.part(&format!("{tag}, {load}"), late);
        }
    }
    Ok(())
}
