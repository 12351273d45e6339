//! The verb `insert`.

use windrow_jobs::{
    clock::VirtualClock,
    job::State,
    ledger::{BATCH_MAX, FeedEvent, LaneKey, Ledger, ListFilter, ReadyJob},
    submit::NewJob,
};
use windrow_tests::{jobs::*, ledgers::START};

conformance! {
    an_accepted_job_reads_as_it_was_submitted,
    payload_and_tags_come_back_byte_for_byte,
    an_insert_that_is_repeated_is_kept_once,
    an_insert_that_is_repeated_after_the_job_ran_changes_nothing,
    an_id_twice_in_a_batch_is_kept_once,
    inserts_at_the_same_time_are_all_kept,
    a_batch_beyond_the_limit_is_kept_whole,
    ready_jobs_are_told_to_the_planner,
    a_job_with_a_time_to_wait_for_is_told_as_delayed,
    a_batch_tells_its_earliest_due_time,
    an_empty_insert_tells_nothing,
    another_tenant_sees_nothing_of_a_job,
}

async fn an_accepted_job_reads_as_it_was_submitted(ledger: &dyn Ledger, clock: &VirtualClock) {
    clock.advance_ms(5);
    let new = NewJob {
        queue: queue_named("builds"),
        kind: "build.generate".to_owned(),
        contract_version: 3,
        priority: -7,
        max_attempts: 4,
        deadline: Some(START.plus_ms(90_000)),
        ..scheduled(1, START.plus_ms(60_000))
    };
    insert(ledger, [new]).await;

    let job = job(ledger, 1).await;
    assert_eq!((job.id, job.tenant, job.queue, job.kind.as_str()), (id(1), tenant(), queue_named("builds"), "build.generate"));
    assert_eq!((job.contract_version, job.state, job.priority, job.max_attempts), (3, State::Scheduled, -7, 4));
    assert_eq!((job.created_at, job.run_at, job.deadline), (START, START.plus_ms(60_000), Some(START.plus_ms(90_000))));
    assert_eq!((job.attempt, job.forgiven, job.crashes, job.cancel_requested), (0, 0, 0, false));
    assert_eq!((job.started_at, job.finished_at, job.lease_until, job.worker), (None, None, None, None));
    assert_eq!((job.outcome, job.reason, job.progress, job.error, job.checkpoint), (None, None, None, None, None));
    assert!(job.result.is_none());
    assert_eq!(attempts(ledger, 1).await, []);
}

async fn payload_and_tags_come_back_byte_for_byte(ledger: &dyn Ledger, _: &VirtualClock) {
    let payloads = [
        r#"{"b": 1.0,  "a":1e400, "a": "twice"}"#,
        r#""\u0000 \ud83d\ude00 😀 ' \" % _ \\""#,
        "123456789012345678901234567890",
        "null",
        "[[[]]]",
    ];
    let tags = vec!["größer 😀".to_owned(), r#"quote " ' \ ["x"]"#.to_owned()];
    insert(ledger, payloads.iter().zip(1..).map(|(text, number)| NewJob { payload: json(text), tags: tags.clone(), ..ready(number) }))
        .await;
    for (text, number) in payloads.iter().zip(1..) {
        let kept = job(ledger, number).await;
        assert_eq!((kept.payload.get(), &kept.tags), (*text, &tags));
        assert_eq!(claim(ledger, number).await.payload, *text);
    }
}

async fn an_insert_that_is_repeated_is_kept_once(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    events(ledger).await;
    insert(ledger, [ready(1), NewJob { priority: 9, ..ready(2) }, ready(3)]).await;

    assert_eq!(listed(ledger, &ListFilter::default()).await, [id(3), id(2), id(1)]);
    assert_eq!(job(ledger, 2).await.priority, 0);
    assert_eq!(accepted(ledger).await, 3);
    let told: Vec<_> = told_ready(ledger).await.iter().map(|job| job.id).collect();
    assert_eq!(told, [id(3)]);
}

async fn an_insert_that_is_repeated_after_the_job_ran_changes_nothing(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    run(ledger, 1, done()).await;
    events(ledger).await;
    insert(ledger, [ready(1)]).await;
    assert_eq!(state(ledger, 1).await, State::Completed);
    assert_eq!(accepted(ledger).await, 1);
    assert_eq!(events(ledger).await, []);
}

async fn an_id_twice_in_a_batch_is_kept_once(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [NewJob { priority: 1, ..ready(1) }, NewJob { priority: 2, ..ready(1) }]).await;
    assert_eq!(job(ledger, 1).await.priority, 1);
    assert_eq!(accepted(ledger).await, 1);
    assert_eq!(told_ready(ledger).await.len(), 1);
}

async fn inserts_at_the_same_time_are_all_kept(ledger: &dyn Ledger, _: &VirtualClock) {
    // The third repeats the first, as a client would whose connection broke; both may share one commit.
    let (first, second, repeated) =
        tokio::join!(ledger.insert(vec![ready(1), ready(2)]), ledger.insert(vec![ready(3)]), ledger.insert(vec![ready(1), ready(2)]));
    for answer in [first, second, repeated] {
        answer.expect("insert");
    }
    assert_eq!(listed(ledger, &ListFilter::default()).await, [id(3), id(2), id(1)]);
    assert_eq!(accepted(ledger).await, 3);
    assert_eq!(told_ready(ledger).await.len(), 3);
}

async fn a_batch_beyond_the_limit_is_kept_whole(ledger: &dyn Ledger, _: &VirtualClock) {
    let count = 2 * BATCH_MAX + 1;
    insert(ledger, (1..=count as u64).map(ready)).await;
    assert_eq!(listed(ledger, &ListFilter::default()).await.len(), count);
    assert_eq!(accepted(ledger).await, count as i64);
    assert_eq!(told_ready(ledger).await.len(), count);
}

async fn ready_jobs_are_told_to_the_planner(ledger: &dyn Ledger, _: &VirtualClock) {
    let lane = LaneKey { queue: queue_named("syncs"), tenant: tenant_named("north") };
    let new = NewJob { tenant: lane.tenant.clone(), queue: lane.queue.clone(), kind: "sync.run".to_owned(), priority: 3, ..ready(1) };
    insert(ledger, [new, scheduled(2, START.plus_ms(1))]).await;
    let told = ReadyJob { id: id(1), attempt: 0, lane, kind: "sync.run".to_owned(), priority: 3 };
    assert_eq!(told_ready(ledger).await, [told]);
}

async fn a_job_with_a_time_to_wait_for_is_told_as_delayed(ledger: &dyn Ledger, _: &VirtualClock) {
    let (run_at, sooner) = (START.plus_ms(500), Some(START.plus_ms(300)));
    let table = [
        (scheduled(1, run_at), Some(500)),
        (NewJob { deadline: sooner, ..scheduled(2, run_at) }, Some(300)),
        (NewJob { deadline: Some(run_at), ..scheduled(3, START.plus_ms(300)) }, Some(300)),
        (NewJob { deadline: sooner, ..ready(4) }, Some(300)),
        (ready(5), None),
    ];
    for (new, due_in_ms) in table {
        let number = new.id;
        insert(ledger, [new]).await;
        assert_eq!(told_delayed(ledger).await, due_in_ms.map(|ms| START.plus_ms(ms).ms()), "{number}");
    }
}

async fn a_batch_tells_its_earliest_due_time(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [700, 200, 900].into_iter().zip(1..).map(|(ms, number)| scheduled(number, START.plus_ms(ms)))).await;
    assert_eq!(told_delayed(ledger).await, Some(START.plus_ms(200).ms()));
}

async fn an_empty_insert_tells_nothing(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, []).await;
    assert_eq!(events(ledger).await, []);
}

async fn another_tenant_sees_nothing_of_a_job(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    run(ledger, 1, done()).await;
    let other = tenant_named("north");
    assert!(ledger.get(&other, id(1)).await.expect("get").is_none());
    assert!(ledger.snapshot(&other, id(1)).await.expect("snapshot").is_none());
    assert_eq!(ledger.attempts(&other, id(1)).await.expect("attempts"), []);
    assert_eq!(ledger.logs(&other, id(1)).await.expect("logs"), []);
    assert_eq!(ledger.snapshot(&tenant(), id(1)).await.expect("snapshot"), Some(snapshot(ledger, 1).await));
}

async fn accepted(ledger: &dyn Ledger) -> i64 {
    ledger.balances().await.expect("balances").iter().map(|balance| balance.accepted).sum()
}

async fn told_ready(ledger: &dyn Ledger) -> Vec<ReadyJob> {
    let ready = |event| if let FeedEvent::Ready(jobs) = event { jobs } else { Vec::new() };
    events(ledger).await.into_iter().flat_map(ready).collect()
}

async fn told_delayed(ledger: &dyn Ledger) -> Option<i64> {
    events(ledger).await.into_iter().filter_map(|event| if let FeedEvent::Delayed(ms) = event { Some(ms) } else { None }).min()
}
