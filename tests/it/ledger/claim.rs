//! The verb `claim`.

use windrow_jobs::{
    clock::{Clock, VirtualClock},
    job::{JobId, Progress, State},
    ledger::{Claim, Claimed, FeedEvent, Ledger, Note, TicketId},
    lifecycle::Ending,
    submit::NewJob,
};
use windrow_tests::{jobs::*, ledgers::START};

conformance! {
    a_claim_begins_the_next_attempt,
    what_is_claimed_carries_what_the_handler_needs,
    a_job_is_claimed_once,
    claims_at_the_same_time_share_nothing,
    a_job_that_moved_on_is_not_claimed,
    jobs_are_claimed_in_the_order_of_the_ticket,
    what_there_is_no_slot_for_goes_back_to_the_planner,
    an_id_twice_in_a_ticket_is_claimed_once,
    a_claim_of_nothing_still_says_that_the_ticket_is_used_up,
    a_ticket_whose_row_is_gone_claims_nothing,
    the_next_attempt_gets_the_checkpoint_and_a_clean_record,
}

async fn a_claim_begins_the_next_attempt(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    clock.advance_ms(7);
    claim(ledger, 1).await;

    let job = job(ledger, 1).await;
    assert_eq!((job.state, job.attempt, job.worker.as_deref()), (State::Running, 1, Some(WORKER)));
    assert_eq!((job.started_at, job.lease_until), (Some(clock.now()), Some(clock.now().plus_ms(LEASE_MS))));
    assert_eq!((job.run_at, job.finished_at), (START, None));
    let attempts = attempts(ledger, 1).await;
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].attempt, attempts[0].worker.as_str(), attempts[0].started_at), (1, WORKER, clock.now()));
    assert_eq!((attempts[0].finished_at, attempts[0].outcome, attempts[0].reason, &attempts[0].error), (None, None, None, &None));
}

async fn what_is_claimed_carries_what_the_handler_needs(ledger: &dyn Ledger, clock: &VirtualClock) {
    let deadline = Some(START.plus_ms(9_000));
    let new = NewJob { queue: queue_named("syncs"), kind: "sync.run".to_owned(), contract_version: 2, deadline, ..ready(1) };
    insert(ledger, [NewJob { payload: json("[1, 2]"), max_attempts: 4, ..new }]).await;
    clock.advance_ms(7);
    let claimed = claim(ledger, 1).await;
    assert_eq!(claimed.snapshot, snapshot(ledger, 1).await);
    assert_eq!((claimed.snapshot.deadline, claimed.snapshot.max_attempts), (deadline, 4));
    assert_eq!((claimed.tenant, claimed.queue, claimed.kind.as_str()), (tenant(), queue_named("syncs"), "sync.run"));
    assert_eq!((claimed.contract_version, claimed.payload.as_str(), claimed.checkpoint), (2, "[1, 2]", None));
    assert_eq!(claimed.claimed_at, clock.now());
}

async fn a_job_is_claimed_once(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let wanted = claim_of([(id(1), 0)]);
    assert_eq!(numbers(&ledger.claim(wanted.clone()).await.expect("claim")), [(id(1), 1)]);
    assert_eq!(numbers(&ledger.claim(wanted).await.expect("claim")), []);
    assert_eq!(job(ledger, 1).await.attempt, 1);
}

async fn claims_at_the_same_time_share_nothing(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, (1..=20).map(ready)).await;
    let of = |worker: &str| Claim { worker: worker.to_owned(), ..claim_of((1..=20).map(|number| (id(number), 0))) };
    let (one, two, three) =
        tokio::join!(ledger.claim(of("one")), ledger.claim(Claim { take: 5, ..of("two") }), ledger.claim(Claim { take: 5, ..of("three") }));
    let mut all: Vec<_> = [one, two, three].into_iter().flat_map(|claimed| numbers(&claimed.expect("claim"))).collect();
    all.sort();
    assert_eq!(all, (1..=20).map(|number| (id(number), 1)).collect::<Vec<_>>());
}

async fn a_job_that_moved_on_is_not_claimed(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, (1..=4).map(ready)).await;
    insert(ledger, [scheduled(5, START.plus_ms(1_000))]).await;
    run(ledger, 1, done()).await;
    run(ledger, 2, Ending::Interrupted).await;
    claim(ledger, 3).await;
    cancel(ledger, 4).await;
    // Finished; available, but at attempt 1; running; cancelled; scheduled; not there at all.
    let wanted = (1..=6).map(|number| (id(number), 0)).chain([(id(2), 2), (id(3), 1), (id(1), 1)]);
    assert_eq!(numbers(&ledger.claim(claim_of(wanted)).await.expect("claim")), []);
    assert_eq!(numbers(&ledger.claim(claim_of([(id(2), 1)])).await.expect("claim")), [(id(2), 2)]);
}

async fn jobs_are_claimed_in_the_order_of_the_ticket(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, (1..=5).map(ready)).await;
    let order = [4, 1, 5, 2, 3].map(|number| (id(number), 0));
    let claimed = ledger.claim(Claim { take: 3, ..claim_of(order) }).await.expect("claim");
    assert_eq!(numbers(&claimed), [(id(4), 1), (id(1), 1), (id(5), 1)]);
}

async fn what_there_is_no_slot_for_goes_back_to_the_planner(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, (1..=5).map(ready)).await;
    claim(ledger, 2).await;
    events(ledger).await;
    let ticket = TicketId::from_u128(77);
    // What is no longer available takes no slot and does not go back.
    let order = [2, 4, 1, 5, 3].map(|number| (id(number), 0));
    ledger.claim(Claim { take: 2, ticket, ..claim_of(order) }).await.expect("claim");
    let told = FeedEvent::Claimed { ticket, claimed: vec![(id(4), 1), (id(1), 1)], returned: vec![id(5), id(3)] };
    assert_eq!(events(ledger).await, [told]);
    assert_eq!(state(ledger, 5).await, State::Available);
}

async fn an_id_twice_in_a_ticket_is_claimed_once(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    let claimed = ledger.claim(claim_of([(id(1), 0), (id(1), 0), (id(2), 0)])).await.expect("claim");
    assert_eq!(numbers(&claimed), [(id(1), 1), (id(2), 1)]);
}

async fn a_claim_of_nothing_still_says_that_the_ticket_is_used_up(ledger: &dyn Ledger, _: &VirtualClock) {
    let ticket = TicketId::from_u128(78);
    ledger.claim(Claim { ticket, ..claim_of([(id(1), 0)]) }).await.expect("claim");
    assert_eq!(events(ledger).await, [FeedEvent::Claimed { ticket, claimed: Vec::new(), returned: Vec::new() }]);
}

async fn a_ticket_whose_row_is_gone_claims_nothing(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let revoked = Claim { ticket_row: true, ..claim_of([(id(1), 0)]) };
    assert_eq!(numbers(&ledger.claim(revoked).await.expect("claim")), []);
    assert_eq!(state(ledger, 1).await, State::Available);
}

async fn the_next_attempt_gets_the_checkpoint_and_a_clean_record(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let first = claim(ledger, 1).await;
    let progress = Some(Progress { percent: 40, message: "halfway".to_owned() });
    let checkpoint = Some(r#"{"page":3}"#.to_owned());
    let note = Note { id: id(1), attempt: 1, progress, checkpoint: checkpoint.clone(), lines: Vec::new(), dropped: 0 };
    ledger.note(vec![note]).await.expect("note");
    assert!(settle(ledger, &first, retry()).await);
    clock.advance_ms(BACKOFF.cap_ms.into());
    promote(ledger).await;

    assert_eq!(claim(ledger, 1).await.checkpoint, checkpoint);
    let running = job(ledger, 1).await;
    assert_eq!((running.attempt, running.outcome, running.reason, running.progress), (2, None, None, None));
    assert_eq!(running.error, Some(error()), "readers see what went wrong last");
    let second = attempts(ledger, 1).await.pop().expect("the attempt that runs");
    assert_eq!((second.attempt, second.error), (2, None), "it is no error of this attempt");
}

fn numbers(claimed: &[Claimed]) -> Vec<(JobId, u32)> {
    claimed.iter().map(|job| (job.snapshot.id, job.snapshot.attempt)).collect()
}
