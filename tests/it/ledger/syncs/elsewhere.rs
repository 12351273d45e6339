//! Intents of what is to be done at a provider.

use windrow_jobs::{
    clock::VirtualClock,
    ledger::Ledger,
    sync::{
        decide::Elsewhere,
        definition::{Conflict, Delete},
        state::{Begin, Planned, Policy, RowError, Settled, SettledAs},
    },
};
use windrow_tests::jobs::*;

use super::*;

conformance! {
    an_intent_is_noted_before_and_settled_once,
    what_was_not_settled_is_in_doubt,
    a_deletion_is_planned_until_it_is_settled,
    a_dry_run_notes_no_intent,
}

const HARD: Policy = Policy { delete: Delete::Hard, conflict: Conflict::Source };

async fn plan(ledger: &dyn Ledger, fence: &Fence, incoming: &[Incoming]) -> Vec<Planned> {
    ledger.plan_page(fence, HARD, incoming.to_vec()).await.expect("plan_page").expect("it plans")
}

fn fates(planned: &[Planned]) -> Vec<(&str, Elsewhere, bool)> {
    planned.iter().map(|planned| (planned.key.as_str(), planned.fate, planned.in_doubt)).collect()
}

fn settled(key: &str, outcome: SettledAs) -> Settled {
    Settled { key: key.into(), outcome }
}

fn created(key: &str) -> Settled {
    settled(key, SettledAs::Created { remote_id: Some(format!("remote-{key}")) })
}

async fn settle_all(ledger: &dyn Ledger, fence: &Fence, settled: &[Settled], to: Option<Progress>) -> Counts {
    let counts = Counts { unchanged: to.is_some().into(), ..Counts::default() };
    let done = ledger.settle_page(fence, settled.to_vec(), counts, Vec::new(), to).await.expect("settle_page");
    done.expect("it settles")
}

async fn an_intent_is_noted_before_and_settled_once(ledger: &dyn Ledger, _: &VirtualClock) {
    people(ledger).await;
    let fence = run_by(ledger, 1).await;
    let planned = plan(ledger, &fence, &[person("a", "x"), person("b", "x")]).await;
    assert_eq!(fates(&planned), [("a", Elsewhere::Create, false), ("b", Elsewhere::Create, false)]);
    let refused = [created("a"), settled("b", SettledAs::Refused)];
    let error = RowError { key: Some("b".into()), page: 1, index: 1, code: "invalid".into(), message: "no".into(), pointer: None };
    let settle = || ledger.settle_page(&fence, refused.to_vec(), Counts::default(), vec![error.clone()], None);
    let counts = settle().await.expect("settle_page").expect("it settles");
    assert_eq!((counts.created, counts.failed), (1, 1));
    assert_eq!(settle().await.expect("settle_page"), Some(counts), "its answer was lost");
    let counts = settle_all(ledger, &fence, &[], Some(progress(None, "1", 2))).await;
    assert_eq!((counts.unchanged, counts.read), (1, 2));
    assert_eq!(settle_all(ledger, &fence, &[], Some(progress(None, "1", 2))).await, counts);
    end(ledger, &fence).await;

    let fence = run_by(ledger, 2).await;
    let planned = plan(ledger, &fence, &[person("a", "x"), person("b", "x")]).await;
    assert_eq!(fates(&planned), [("a", Elsewhere::Nothing, false), ("b", Elsewhere::Create, false)], "what was refused is tried again");
    let planned = plan(ledger, &fence, &[person("a", "y")]).await;
    assert_eq!((planned[0].fate, planned[0].remote_id.as_deref()), (Elsewhere::Update, Some("remote-a")));
    let counts = settle_all(ledger, &fence, &[settled("a", SettledAs::Updated { remote_id: None })], None).await;
    assert_eq!(counts.updated, 1);
    let planned = plan(ledger, &fence, &[person("a", "y")]).await;
    assert_eq!((planned[0].fate, planned[0].remote_id.as_deref()), (Elsewhere::Nothing, Some("remote-a")), "what it is called stays");
}

async fn what_was_not_settled_is_in_doubt(ledger: &dyn Ledger, clock: &VirtualClock) {
    people(ledger).await;
    insert(ledger, [ready(1)]).await;
    let first = claim(ledger, 1).await;
    let (fence, _) = begin(ledger, begin_of(1, 1)).await;
    plan(ledger, &fence, &[person("a", "x"), person("b", "x")]).await;
    settle_all(ledger, &fence, &[created("a")], None).await;
    assert!(settle(ledger, &first, retry()).await);
    clock.advance_ms(60_000);
    promote(ledger).await;
    claim(ledger, 1).await;
    let (fence, _) = begin(ledger, begin_of(1, 2)).await;
    let planned = plan(ledger, &fence, &[person("a", "x"), person("b", "x")]).await;
    assert_eq!(fates(&planned), [("a", Elsewhere::Nothing, false), ("b", Elsewhere::Create, true)]);
    let counts = settle_all(ledger, &fence, &[created("b")], None).await;
    assert_eq!((counts.created, counts.repeated), (2, 1));
    plan(ledger, &fence, &[person("b", "y")]).await;
    let planned = plan(ledger, &fence, &[person("b", "x")]).await;
    assert_eq!(fates(&planned), [("b", Elsewhere::Update, true)], "nobody knows which of them stands there");
}

async fn a_deletion_is_planned_until_it_is_settled(ledger: &dyn Ledger, _: &VirtualClock) {
    people(ledger).await;
    let fence = run_by(ledger, 1).await;
    plan(ledger, &fence, &[person("a", "x"), person("b", "x"), person("c", "x")]).await;
    settle_all(ledger, &fence, &[created("a"), created("b"), created("c")], None).await;
    end(ledger, &fence).await;
    let fence = run_by(ledger, 2).await;
    let unseen = || async { ledger.unseen(&fence, None, ALL).await.expect("unseen").into_iter().map(|item| item.key).collect::<Vec<_>>() };
    let planned = plan(ledger, &fence, &[tombstone("a"), tombstone("b"), tombstone("z")]).await;
    let expected = [("a", Elsewhere::Delete, false), ("b", Elsewhere::Delete, false), ("z", Elsewhere::Nothing, false)];
    assert_eq!(fates(&planned), expected);
    assert_eq!(unseen().await, ["a", "b", "c"], "a sweep finds them again");
    let gone = [settled("a", SettledAs::Deleted { forget: true }), settled("c", SettledAs::Deleted { forget: true })];
    assert_eq!(settle_all(ledger, &fence, &gone, None).await.deleted, 1, "of c nothing was intended");
    assert_eq!(unseen().await, ["b", "c"]);
    assert_eq!(fates(&plan(ledger, &fence, &[tombstone("b")]).await), [("b", Elsewhere::Delete, true)]);
    assert_eq!(settle_all(ledger, &fence, &[settled("b", SettledAs::Deleted { forget: false })], None).await.deleted, 2);
    assert_eq!(unseen().await, ["c"]);
    let planned = plan(ledger, &fence, &[person("a", "x"), person("b", "x"), tombstone("c")]).await;
    let again = [("a", Elsewhere::Create, false), ("b", Elsewhere::Create, false), ("c", Elsewhere::Delete, false)];
    assert_eq!(fates(&planned), again);
    assert_eq!(fates(&plan(ledger, &fence, &[person("c", "x")]).await), [("c", Elsewhere::Create, true)], "it may be gone already");
}

async fn a_dry_run_notes_no_intent(ledger: &dyn Ledger, _: &VirtualClock) {
    people(ledger).await;
    insert(ledger, [ready(1)]).await;
    claim(ledger, 1).await;
    let (fence, _) = begin(ledger, Begin { dry_run: true, ..begin_of(1, 1) }).await;
    for _ in 0..2 {
        assert_eq!(fates(&plan(ledger, &fence, &[person("a", "x")]).await), [("a", Elsewhere::Create, false)]);
    }
    let counts = settle_all(ledger, &fence, &[created("a")], Some(progress(None, "1", 1))).await;
    assert_eq!((counts.created, counts.repeated), (1, 0));
    assert_eq!(ledger.census(&fence).await.expect("census").live, 0);
}
