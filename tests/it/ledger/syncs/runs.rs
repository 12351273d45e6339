//! Runs: who holds them, and how they end.

use windrow_jobs::{
    clock::VirtualClock,
    job::JobError,
    ledger::Ledger,
    sync::{
        RUNS_KEPT,
        state::{Begin, Begun, RunState, Since},
    },
};
use windrow_tests::jobs::*;

use super::*;

conformance! {
    a_run_begins_goes_on_and_ends,
    of_two_jobs_one_runs_a_sync,
    an_attempt_that_is_over_or_is_to_stop_writes_nothing,
    a_run_is_left_for_another_where_the_definition_changed,
    old_runs_are_forgotten,
}

async fn runs(ledger: &dyn Ledger, sync: &Sync) -> Vec<(u32, RunState)> {
    let runs = ledger.sync_runs(&sync.tenant, sync.id, None, ALL).await.expect("sync_runs");
    runs.iter().map(|run| (run.number, run.state)).collect()
}

async fn a_run_begins_goes_on_and_ends(ledger: &dyn Ledger, clock: &VirtualClock) {
    let unknown = ledger.begin_run(begin_of(1, 1)).await.expect("begin_run");
    assert_eq!(unknown, Begun::Unknown);
    let sync = people(ledger).await;
    assert_eq!(ledger.begin_run(begin_of(1, 1)).await.expect("begin_run"), Begun::Over, "no such job");
    insert(ledger, [ready(1)]).await;
    let first = claim(ledger, 1).await;
    let (fence, run) = begin(ledger, begin_of(1, 1)).await;
    assert_eq!((run.number, run.version, run.state, run.full, &run.place), (1, 1, RunState::Running, true, &None));
    let counts = write(ledger, page(&fence, vec![person("a", "x")], None, "1")).await.expect("it writes");
    assert!(settle(ledger, &first, retry()).await);
    clock.advance_ms(60_000);
    promote(ledger).await;
    claim(ledger, 1).await;
    let (second, run) = begin(ledger, begin_of(1, 2)).await;
    assert_eq!((run.number, run.attempt, run.place.as_deref(), run.counts), (1, 2, Some("1"), counts), "it goes on");
    assert_eq!(write(ledger, page(&fence, vec![person("a", "y")], Some("1"), "2")).await, None, "the attempt before is over");
    assert!(!ledger.keep_place(&fence, "2").await.expect("keep_place"));
    let since = Since { version: 1, mark: "tuesday".into(), runs: 0, run: 1 };
    let ending = Ending { error: None, since: Some(since.clone()) };
    assert!(!ledger.end_run(&fence, ending.clone()).await.expect("end_run"));
    assert!(ledger.end_run(&second, ending.clone()).await.expect("end_run"));
    assert!(ledger.end_run(&second, ending).await.expect("end_run"), "its answer was lost");
    assert_eq!(write(ledger, page(&second, vec![person("a", "y")], Some("1"), "2")).await, None, "it ended");
    assert_eq!(ledger.sync(&tenant(), "people").await.expect("sync").and_then(|sync| sync.since), Some(since.clone()));
    let (_, told) = begin(ledger, begin_of(1, 2)).await;
    assert_eq!((told.number, told.state, told.counts), (1, RunState::Completed, counts), "its job hears that it is done");
    insert(ledger, [ready(2)]).await;
    claim(ledger, 2).await;
    let (third, run) = begin(ledger, begin_of(2, 1)).await;
    assert_eq!((run.number, run.counts), (2, Counts::default()), "another run");
    let error = JobError::new("source_changed", "it changes all the time", false);
    assert!(ledger.end_run(&third, Ending { error: Some(error.clone()), since: None }).await.expect("end_run"));
    let told = ledger.sync_runs(&tenant(), sync.id, Some(3), 1).await.expect("sync_runs").remove(0);
    assert_eq!((told.number, told.state, told.error, told.finished_at), (2, RunState::Failed, Some(error), Some(at(60_000))));
    assert_eq!(runs(ledger, &sync).await, [(2, RunState::Failed), (1, RunState::Completed)]);
    let sync = ledger.sync(&tenant(), "people").await.expect("sync").expect("a sync");
    assert_eq!((sync.last_run, sync.since, sync.version), (2, Some(since), 1), "what was learnt stays");
}

async fn of_two_jobs_one_runs_a_sync(ledger: &dyn Ledger, _: &VirtualClock) {
    let sync = people(ledger).await;
    insert(ledger, [ready(1), ready(2)]).await;
    let first = claim(ledger, 1).await;
    claim(ledger, 2).await;
    let (fence, _) = begin(ledger, begin_of(1, 1)).await;
    assert_eq!(ledger.begin_run(begin_of(2, 1)).await.expect("begin_run"), Begun::Busy { job: id(1) });
    assert!(settle(ledger, &first, retry()).await);
    assert_eq!(ledger.begin_run(begin_of(2, 1)).await.expect("begin_run"), Begun::Busy { job: id(1) }, "it will go on");
    cancel(ledger, 1).await;
    let (second, run) = begin(ledger, begin_of(2, 1)).await;
    assert_eq!(run.number, 2);
    assert_eq!(runs(ledger, &sync).await, [(2, RunState::Running), (1, RunState::Abandoned)]);
    assert_eq!(write(ledger, page(&fence, vec![person("a", "x")], None, "1")).await, None);
    assert!(write(ledger, page(&second, vec![person("a", "x")], None, "1")).await.is_some());
}

async fn an_attempt_that_is_over_or_is_to_stop_writes_nothing(ledger: &dyn Ledger, _: &VirtualClock) {
    people(ledger).await;
    let fence = run_by(ledger, 1).await;
    write(ledger, page(&fence, vec![person("a", "x")], None, "1")).await.expect("it writes");
    cancel(ledger, 1).await;
    assert_eq!(write(ledger, page(&fence, vec![person("a", "y")], Some("1"), "2")).await, None);
    assert_eq!(sweep(ledger, &fence, PLAIN, &["a"], "1", "2").await, None);
    assert!(!ledger.end_run(&fence, Ending { error: None, since: None }).await.expect("end_run"));
    assert_eq!(ledger.begin_run(begin_of(1, 1)).await.expect("begin_run"), Begun::Over);
    assert_eq!(standing(ledger).await, ["a@1"]);
}

async fn a_run_is_left_for_another_where_the_definition_changed(ledger: &dyn Ledger, _: &VirtualClock) {
    let sync = people(ledger).await;
    let fence = run_by(ledger, 1).await;
    write(ledger, page(&fence, vec![person("a", "x")], None, "1")).await.expect("it writes");
    keep(ledger, new_sync("people", definition("people", &[]))).await;
    assert!(write(ledger, page(&fence, vec![person("a", "y")], Some("1"), "2")).await.is_some(), "it goes on meanwhile");
    let (_, run) = begin(ledger, begin_of(1, 1)).await;
    assert_eq!((run.number, run.version, &run.place), (2, 2, &None));
    let (_, run) = begin(ledger, Begin { full: false, ..begin_of(1, 1) }).await;
    assert_eq!((run.number, run.full), (3, false), "nor is it the same run if less is read");
    assert_eq!(write(ledger, page(&fence, vec![person("a", "z")], Some("2"), "3")).await, None);
    assert_eq!(runs(ledger, &sync).await, [(3, RunState::Running), (2, RunState::Abandoned), (1, RunState::Abandoned)]);
}

async fn old_runs_are_forgotten(ledger: &dyn Ledger, _: &VirtualClock) {
    let sync = people(ledger).await;
    insert(ledger, [ready(1)]).await;
    claim(ledger, 1).await;
    for number in 1..=RUNS_KEPT + 2 {
        let (fence, run) = begin(ledger, begin_of(1, 1)).await;
        assert_eq!(run.number, number);
        let error = JobError::new("source_changed", "it changes all the time", true);
        assert!(ledger.end_run(&fence, Ending { error: Some(error), since: None }).await.expect("end_run"));
    }
    let kept = runs(ledger, &sync).await;
    let numbers = (kept.len(), kept.first().map(|run| run.0), kept.last().map(|run| run.0));
    assert_eq!(numbers, (RUNS_KEPT as usize, Some(RUNS_KEPT + 2), Some(3)));
}
