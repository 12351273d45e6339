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
    what_there_is_nothing_to_do_about_counts_once_a_run,
    what_is_meant_again_is_another_intent,
    what_was_done_is_noted_though_the_job_is_to_stop,
    what_others_say_is_kept_alike_in_every_ledger,
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
    let done = ledger.settle_page(fence, settled.to_vec(), Vec::new(), to).await.expect("settle_page");
    done.expect("it settles")
}

async fn an_intent_is_noted_before_and_settled_once(ledger: &dyn Ledger, _: &VirtualClock) {
    people(ledger).await;
    let fence = run_by(ledger, 1).await;
    let planned = plan(ledger, &fence, &[person("a", "x"), person("b", "x")]).await;
    assert_eq!(fates(&planned), [("a", Elsewhere::Create, false), ("b", Elsewhere::Create, false)]);
    let refused = [created("a"), settled("b", SettledAs::Refused)];
    let error = RowError { key: Some("b".into()), page: 1, index: 1, code: "invalid".into(), message: "no".into(), pointer: None };
    let settle = || ledger.settle_page(&fence, refused.to_vec(), vec![error.clone()], None);
    let counts = settle().await.expect("settle_page").expect("it settles");
    assert_eq!((counts.created, counts.failed), (1, 1));
    assert_eq!(settle().await.expect("settle_page"), Some(counts), "its answer was lost");
    let counts = settle_all(ledger, &fence, &[], Some(progress(None, "1", 2))).await;
    assert_eq!((counts.created, counts.read), (1, 2));
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

async fn what_there_is_nothing_to_do_about_counts_once_a_run(ledger: &dyn Ledger, _: &VirtualClock) {
    people(ledger).await;
    let keep = Policy { delete: Delete::Keep, ..HARD };
    let first = run_by(ledger, 1).await;
    let all = [person("a", "x"), person("b", "x"), person("c", "x")];
    plan(ledger, &first, &all).await;
    settle_all(ledger, &first, &[created("a"), created("b"), created("c")], None).await;
    end(ledger, &first).await;
    let second = run_by(ledger, 2).await;
    // Read twice, as by another pass or an attempt that was killed: `a` is the same, `b` is said to be deleted and stays, `z` was never there.
    for _ in 0..2 {
        let said = vec![person("a", "x"), tombstone("b")];
        let planned = ledger.plan_page(&second, keep, said).await.expect("plan_page").expect("it plans");
        assert!(planned.iter().all(|planned| planned.fate == Elsewhere::Nothing), "{planned:?}");
    }
    // A sweep finds `c` alone, once.
    let unseen = ledger.unseen(&second, None, ALL).await.expect("unseen");
    assert_eq!(unseen.iter().map(|item| item.key.as_str()).collect::<Vec<_>>(), ["c"]);
    ledger.plan_page(&second, keep, vec![tombstone("c")]).await.expect("plan_page").expect("it plans");
    let counts = settle_all(ledger, &second, &[], None).await;
    assert_eq!((counts.unchanged, counts.missing, counts.created), (1, 2, 0));
}

async fn what_is_meant_again_is_another_intent(ledger: &dyn Ledger, clock: &VirtualClock) {
    people(ledger).await;
    let fence = run_by(ledger, 1).await;
    let mut meant = Vec::new();
    for incoming in [person("a", "x"), person("a", "y"), person("a", "x"), tombstone("a"), person("a", "x"), tombstone("a")] {
        let first = plan(ledger, &fence, std::slice::from_ref(&incoming)).await.remove(0);
        clock.advance_ms(1_000);
        let again = plan(ledger, &fence, std::slice::from_ref(&incoming)).await.remove(0);
        assert_eq!((again.meant_at, again.in_doubt), (first.meant_at, true), "it was not settled: it is meant still");
        meant.push(first.meant_at);
        let outcome = match first.fate {
            Elsewhere::Delete => SettledAs::Deleted { forget: meant.len() == 4 },
            _ => SettledAs::Updated { remote_id: None },
        };
        settle_all(ledger, &fence, &[settled("a", outcome)], None).await;
    }
    assert!(meant.is_sorted_by(|one, next| one < next), "{meant:?}");
}

async fn what_was_done_is_noted_though_the_job_is_to_stop(ledger: &dyn Ledger, _: &VirtualClock) {
    people(ledger).await;
    let fence = run_by(ledger, 1).await;
    plan(ledger, &fence, &[person("a", "x"), person("b", "x"), person("c", "x")]).await;
    cancel(ledger, 1).await;
    assert_eq!(ledger.plan_page(&fence, HARD, vec![person("d", "x")]).await.expect("plan_page"), None, "nothing is begun any more");
    let counts = settle_all(ledger, &fence, &[created("a"), settled("b", SettledAs::Refused)], Some(progress(None, "1", 3))).await;
    assert_eq!(counts.created, 1);
    let zombie = Fence { attempt: 7, ..fence.clone() };
    let late = ledger.settle_page(&zombie, vec![created("c")], Vec::new(), None).await.expect("settle_page");
    assert_eq!(late, None, "only by whoever has the run");
    let snapshot = ledger.snapshot(&fence.tenant, fence.job).await.expect("snapshot").expect("a job");
    let change = decided(&snapshot, retry(), windrow_tests::ledgers::START);
    assert_eq!(ledger.settle(vec![change]).await.expect("settle"), [true]);
    let late = ledger.settle_page(&fence, vec![created("c")], Vec::new(), None).await.expect("settle_page");
    assert_eq!(late, None, "the attempt is over");
    let fence = run_by(ledger, 2).await;
    let planned = plan(ledger, &fence, &[person("a", "x"), person("b", "x"), person("c", "x")]).await;
    let expected = [("a", Elsewhere::Nothing, false), ("b", Elsewhere::Create, false), ("c", Elsewhere::Create, true)];
    assert_eq!(fates(&planned), expected);
}

async fn what_others_say_is_kept_alike_in_every_ledger(ledger: &dyn Ledger, _: &VirtualClock) {
    let sync = people(ledger).await;
    let fence = run_by(ledger, 1).await;
    plan(ledger, &fence, &[person("a", "x")]).await;
    let (message, pointer) = (format!("x\0y\n{}", "é".repeat(2_000)), Some("/a\u{0}b\u{7f}".into()));
    let error = RowError { key: Some("a".into()), page: 1, index: 1, code: "odd".into(), message, pointer };
    let refused = vec![settled("a", SettledAs::Refused)];
    let counts = ledger.settle_page(&fence, refused, vec![error.clone()], Some(progress(None, "1", 1))).await;
    assert_eq!(counts.expect("settle_page").expect("it settles").failed, 1);
    let page = Page { failed: vec![error], ..page(&fence, Vec::new(), Some("1"), "2") };
    assert_eq!(write(ledger, page).await.expect("it writes").failed, 2);
    let kept = ledger.row_errors(&tenant(), sync.id, fence.number, 0, ALL).await.expect("row_errors");
    let of = |error: &RowError| (error.message.chars().count(), error.message.chars().take(5).collect::<String>(), error.pointer.clone());
    assert_eq!(kept.iter().map(of).collect::<Vec<_>>(), vec![(1_000, "x y é".to_owned(), Some("/a b ".to_owned())); 2]);
    plan(ledger, &fence, &[person("b", "x")]).await;
    for odd in [String::new(), "a\0b".into(), "a\tb".into(), "x".repeat(513)] {
        let made = settled("b", SettledAs::Created { remote_id: Some(odd.clone()) });
        let kept = ledger.settle_page(&fence, vec![made], Vec::new(), None).await;
        assert!(matches!(kept, Err(windrow_jobs::ledger::Error::Refused(_))), "{odd:?}: {kept:?}");
    }
    settle_all(ledger, &fence, &[settled("b", SettledAs::Created { remote_id: Some("é".repeat(256)) })], None).await;
}
