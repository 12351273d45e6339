//! What planning costs. Run it alone, in release, with `--run-ignored all --no-capture`.

use std::time::Instant;

use super::{
    super::{Bounds, Planner},
    world::{lane, worker},
};
use crate::{
    clock::Timestamp,
    job::JobId,
    ledger::{FeedEvent, ReadyJob, TicketId},
};

const LANES: u128 = 10_000;
const JOBS: u128 = 600_000;

/// The process's resident memory in MB.
fn resident_mb() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok().and_then(|statm| statm.split(' ').nth(1)?.parse::<f64>().ok());
    pages.unwrap_or(f64::NAN) * 4_096.0 / 1e6
}

#[test]
#[ignore = "a measurement: the goals are 300 k decisions/s, and 10,000 lanes in 20 MB"]
fn planning_keeps_up_with_300_k_decisions_a_second() {
    let mut now = Timestamp::from_ms(1_800_000_000_000);
    let ready: Vec<FeedEvent> = (0..JOBS)
        .map(|id| ReadyJob {
            id: JobId::from_bytes(id.to_be_bytes()),
            attempt: 0,
            lane: lane(usize::try_from(id % LANES).expect("a small number")),
            kind: "a".to_owned(),
            priority: 0,
        })
        .collect::<Vec<_>>()
        .chunks(500)
        .map(|jobs| FeedEvent::Ready(jobs.to_vec()))
        .collect();
    let before_mb = resident_mb();
    let mut planner = Planner::with_bounds(Bounds::default());
    planner.set_workers(&[worker("w1", 1_000, &["a"]), worker("w2", 1_000, &["a"])]);
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
