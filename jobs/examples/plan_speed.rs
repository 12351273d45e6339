//! What planning costs: `cargo run --release -p windrow-jobs --features dispatch --example plan_speed`.
//!
//! The goals are 300,000 decisions a second, and 10,000 lanes in 20 MB.

use std::{collections::BTreeMap, time::Instant};

use windrow_jobs::{
    clock::Timestamp,
    dispatch::plan::Planner,
    job::JobId,
    ledger::{FeedEvent, LaneKey, ReadyJob, TicketId, WorkerRecord},
    queue::QueueName,
};

const LANES: u128 = 10_000;
const JOBS: u128 = 600_000;

/// The process's resident memory in MB.
fn resident_mb() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok().and_then(|statm| statm.split(' ').nth(1)?.parse::<f64>().ok());
    pages.unwrap_or(f64::NAN) * 4_096.0 / 1e6
}

fn lane(tenant: u128) -> LaneKey {
    LaneKey { queue: QueueName::default_queue(), tenant: format!("t{tenant}").parse().expect("a tenant's name") }
}

fn worker(name: &str) -> WorkerRecord {
    let slots = BTreeMap::from([(QueueName::default_queue(), 1_000)]);
    WorkerRecord { id: name.to_owned(), slots, kinds: vec!["a".to_owned()] }
}

fn main() {
    let mut now = Timestamp::from_ms(1_800_000_000_000);
    let ready: Vec<FeedEvent> = (0..JOBS)
        .map(|id| ReadyJob {
            id: JobId::from_bytes(id.to_be_bytes()),
            attempt: 0,
            lane: lane(id % LANES),
            kind: "a".to_owned(),
            priority: 0,
        })
        .collect::<Vec<_>>()
        .chunks(500)
        .map(|jobs| FeedEvent::Ready(jobs.to_vec()))
        .collect();
    let before_mb = resident_mb();
    let mut planner = Planner::new();
    planner.set_workers(&[worker("w1"), worker("w2")]);
    let mut feed = ready.iter();
    let full: u128 = 60_000;
    for event in feed.by_ref().take(usize::try_from(full / 500).expect("a small number")) {
        planner.apply(event, now);
    }
    println!("{LANES} lanes, {full} jobs in memory: {:.1} MB", resident_mb() - before_mb);
    let mut ticket = 0;
    let mut decisions = 0;
    let (mut planning, started) = (std::time::Duration::ZERO, Instant::now());
    loop {
        let began = Instant::now();
        let tickets = planner.plan(now, &mut || {
            ticket += 1;
            TicketId::from_u128(ticket)
        });
        planning += began.elapsed();
        if tickets.is_empty() {
            break;
        }
        now = now.plus_ms(5);
        for ticket in tickets {
            decisions += ticket.ids.len();
            let claimed: Vec<(JobId, u32)> = ticket.ids.iter().map(|(id, attempt)| (*id, attempt + 1)).collect();
            planner.apply(&FeedEvent::Claimed { ticket: ticket.id, claimed: claimed.clone(), returned: Vec::new() }, now);
            planner.apply(&FeedEvent::Freed(claimed), now);
        }
        feed.by_ref().take(4).for_each(|event| planner.apply(event, now));
    }
    let (all_s, plan_s) = (started.elapsed().as_secs_f64(), planning.as_secs_f64());
    println!("{decisions} decisions: {:.0}/s in plan alone, {:.0}/s with the feed", decisions as f64 / plan_s, decisions as f64 / all_s);
    println!("at the end: {:.1} MB", resident_mb() - before_mb);
}
