//! What a worker's start asks of clocks and of Redis.

use windrow_jobs::{
    clock::VirtualClock,
    ledger::model::ModelLedger,
    process::redis::{check_clock, doctor},
};
use windrow_tests::{ledgers::START, redis::Redis};

#[tokio::test]
async fn a_worker_whose_clock_is_two_seconds_off_is_refused() {
    let ledger = ModelLedger::new(std::sync::Arc::new(VirtualClock::starting_at(START)));
    for (off_ms, refused) in [
        (0, None),
        (1_999, None),
        (-1_999, None),
        (2_000, Some("2000 ms ahead of")),
        (-2_000, Some("2000 ms behind")),
        (86_400_000, Some("86400000 ms ahead of")),
    ] {
        let checked = check_clock(&ledger, &VirtualClock::starting_at(START.plus_ms(off_ms))).await;
        match refused {
            None => checked.unwrap_or_else(|error| panic!("{off_ms} ms: {error}")),
            Some(named) => {
                let error = checked.expect_err("the difference is too large").to_string();
                assert!(error.contains(named), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn an_eviction_policy_is_found_and_a_missing_redis_too() {
    let mut redis = Redis::start().await;
    assert_eq!(doctor(&redis.client()).await, Vec::<String>::new());
    let set = redis::cmd("CONFIG").arg(&["SET", "maxmemory-policy", "allkeys-lru"]).exec_async(&mut redis.connection().await).await;
    set.expect("CONFIG SET");
    let findings = doctor(&redis.client()).await;
    assert!(findings.len() == 1 && findings[0].contains("allkeys-lru"), "{findings:?}");
    redis.kill();
    let findings = doctor(&redis.client()).await;
    assert!(findings.len() == 1 && findings[0].contains("does not answer"), "{findings:?}");
}
