//! What workers, operators and the planner publish: the verbs `enroll`, `dismiss`, `set_limits` and `publish_depths`.

use std::collections::BTreeMap;

use serde_json::json;
use windrow_jobs::{
    clock::{Clock, VirtualClock},
    contract::{Contract, Policy},
    kinds::echo,
    ledger::{Depths, FeedEvent, LaneDepth, LaneKey, Ledger, WorkerRecord},
    queue::{LimitScope, Limits, LimitsPatch},
};
use windrow_tests::{jobs::*, ledgers::START};

conformance! {
    an_enrolled_worker_is_there_until_it_is_silent_for_too_long,
    a_heartbeat_says_that_the_worker_lives,
    a_dismissed_worker_is_gone_and_its_heartbeats_do_not_bring_it_back,
    a_worker_that_enrolls_anew_is_known_as_it_is_now,
    the_newest_contract_of_each_kind_is_the_one,
    a_published_version_does_not_change,
    limits_are_kept_per_queue_and_scope,
    what_a_change_of_limits_leaves_out_stays,
    changes_of_limits_at_once_all_take_effect,
    the_last_published_depths_stand,
    the_clock_is_the_ledgers,
}

async fn an_enrolled_worker_is_there_until_it_is_silent_for_too_long(ledger: &dyn Ledger, clock: &VirtualClock) {
    ledger.enroll(&worker("b", 2), &[]).await.expect("enroll");
    ledger.enroll(&worker("a", 3), &[]).await.expect("enroll");
    assert_eq!(events(ledger).await, [FeedEvent::Workers, FeedEvent::Workers]);
    clock.advance_ms(1_000);
    assert_eq!(ledger.workers(1_000).await.expect("workers"), [worker("a", 3), worker("b", 2)]);
    clock.advance_ms(1);
    assert_eq!(ledger.workers(1_000).await.expect("workers"), []);
}

async fn a_heartbeat_says_that_the_worker_lives(ledger: &dyn Ledger, clock: &VirtualClock) {
    ledger.enroll(&worker("a", 1), &[]).await.expect("enroll");
    ledger.enroll(&worker("b", 1), &[]).await.expect("enroll");
    clock.advance_ms(1_000);
    ledger.heartbeat("b", Vec::new()).await.expect("heartbeat");
    clock.advance_ms(1);
    assert_eq!(ledger.workers(1_000).await.expect("workers"), [worker("b", 1)]);
}

async fn a_dismissed_worker_is_gone_and_its_heartbeats_do_not_bring_it_back(ledger: &dyn Ledger, _: &VirtualClock) {
    ledger.enroll(&worker(WORKER, 1), &[]).await.expect("enroll");
    insert(ledger, [ready(1)]).await;
    let claimed = claim(ledger, 1).await;
    events(ledger).await;
    ledger.dismiss(WORKER).await.expect("dismiss");
    assert_eq!(events(ledger).await, [FeedEvent::Workers]);
    // While it drains, its leases are still renewed.
    assert_eq!(heartbeat(ledger, &[&claimed]).await.len(), 1);
    assert_eq!(ledger.workers(1_000).await.expect("workers"), []);
}

async fn a_worker_that_enrolls_anew_is_known_as_it_is_now(ledger: &dyn Ledger, clock: &VirtualClock) {
    ledger.enroll(&worker("a", 1), &[]).await.expect("enroll");
    clock.advance_ms(1_001);
    ledger.enroll(&worker("a", 7), &[]).await.expect("enroll");
    assert_eq!(ledger.workers(1_000).await.expect("workers"), [worker("a", 7)]);
}

async fn the_newest_contract_of_each_kind_is_the_one(ledger: &dyn Ledger, _: &VirtualClock) {
    assert_eq!(ledger.contracts().await.expect("contracts"), []);
    let (other, second, tenth) = (Contract { kind: "other".to_owned(), ..version(1) }, version(2), version(10));
    for published in [vec![other.clone(), second], vec![tenth.clone()], vec![version(9)]] {
        ledger.enroll(&worker("a", 1), &published).await.expect("enroll");
    }
    assert_eq!(ledger.contracts().await.expect("contracts"), [tenth, other]);
}

async fn a_published_version_does_not_change(ledger: &dyn Ledger, _: &VirtualClock) {
    ledger.enroll(&worker("a", 1), &[version(1)]).await.expect("enroll");
    let changed = version(1).with_policy(Policy { max_attempts: 99, ..Policy::default() });
    ledger.enroll(&worker("b", 1), &[changed]).await.expect("enroll");
    assert_eq!(ledger.contracts().await.expect("contracts"), [version(1)]);
}

async fn limits_are_kept_per_queue_and_scope(ledger: &dyn Ledger, _: &VirtualClock) {
    let (builds, syncs) = (queue_named("builds"), queue_named("syncs"));
    let north = LimitScope::Tenant(tenant_named("north"));
    let capped = |concurrency| Limits { concurrency: Some(concurrency), rate_per_s: Some(0.5), ..Limits::default() };
    ledger.set_limits(&builds, &north, capped(1).into()).await.expect("set_limits");
    ledger.set_limits(&builds, &LimitScope::Platform, capped(2).into()).await.expect("set_limits");
    ledger.set_limits(&syncs, &north, Limits { paused: true, weight: 9, ..capped(3) }.into()).await.expect("set_limits");
    ledger.set_limits(&builds, &north, capped(4).into()).await.expect("set_limits");
    assert_eq!(events(ledger).await, vec![FeedEvent::Limits; 4]);
    let mut limits = ledger.limits().await.expect("limits");
    limits.sort_by_key(|(queue, scope, _)| (queue.clone(), scope.clone()));
    let expected = [
        (builds.clone(), north.clone(), capped(4)),
        (builds, LimitScope::Platform, capped(2)),
        (syncs, north, Limits { paused: true, weight: 9, ..capped(3) }),
    ];
    assert_eq!(limits, expected);
}

async fn what_a_change_of_limits_leaves_out_stays(ledger: &dyn Ledger, _: &VirtualClock) {
    let (builds, north) = (queue_named("builds"), LimitScope::Tenant(tenant_named("north")));
    let all = Limits { paused: true, concurrency: Some(3), rate_per_s: Some(0.5), weight: 9 };
    assert_eq!(ledger.set_limits(&builds, &north, all.into()).await.expect("set_limits"), all);
    let uncapped = LimitsPatch { concurrency: Some(None), ..LimitsPatch::default() };
    let expected = Limits { concurrency: None, ..all };
    assert_eq!(ledger.set_limits(&builds, &north, uncapped).await.expect("set_limits"), expected);
    assert_eq!(ledger.limits().await.expect("limits"), [(builds, north, expected)]);
}

async fn changes_of_limits_at_once_all_take_effect(ledger: &dyn Ledger, _: &VirtualClock) {
    let (builds, north) = (queue_named("builds"), LimitScope::Tenant(tenant_named("north")));
    let change = async |patch| ledger.set_limits(&builds, &north, patch).await.expect("set_limits");
    for round in 1..=20 {
        tokio::join!(
            change(LimitsPatch { paused: Some(round % 2 == 0), ..LimitsPatch::default() }),
            change(LimitsPatch { concurrency: Some(Some(round)), ..LimitsPatch::default() }),
            change(LimitsPatch { rate_per_s: Some(Some(f64::from(round))), ..LimitsPatch::default() }),
            change(LimitsPatch { weight: Some(round), ..LimitsPatch::default() }),
        );
        let limits = Limits { paused: round % 2 == 0, concurrency: Some(round), rate_per_s: Some(f64::from(round)), weight: round };
        assert_eq!(ledger.limits().await.expect("limits"), [(builds.clone(), north.clone(), limits)]);
    }
}

async fn the_last_published_depths_stand(ledger: &dyn Ledger, _: &VirtualClock) {
    assert_eq!(ledger.depths().await.expect("depths"), None);
    let lane = LaneKey { queue: queue_named("syncs"), tenant: tenant_named("north") };
    let depth = LaneDepth { lane, ready: 5_000_000_000, running: 3, oldest_ms: Some(START.ms()) };
    let depths = Depths { at_ms: START.ms(), lanes: vec![depth], planning: None };
    ledger.publish_depths(Depths::default()).await.expect("publish");
    ledger.publish_depths(depths.clone()).await.expect("publish");
    assert_eq!(ledger.depths().await.expect("depths"), Some(depths));
}

async fn the_clock_is_the_ledgers(ledger: &dyn Ledger, clock: &VirtualClock) {
    clock.advance_ms(123);
    assert_eq!(ledger.now().await.expect("now"), clock.now());
}

fn worker(name: &str, slots: u32) -> WorkerRecord {
    WorkerRecord { id: name.to_owned(), slots: BTreeMap::from([(queue_named("builds"), slots)]), kinds: vec!["echo".to_owned()] }
}

fn version(version: u32) -> Contract {
    Contract { version, schema: json!({"type": "object", "title": "größer"}), ..echo::contract() }
}
