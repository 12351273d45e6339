//! A schedule that this release cannot read, as when a later one wrote it, does not keep the others from firing.

use serde_json::json;
use windrow_jobs::clock::VirtualClock;
use windrow_tests::{
    ledgers::{Opened, START},
    schedules::{create, fire, fires, rules},
};

conformance!(on sqlite: an_unreadable_schedule_is_looked_at_again_later);
conformance!(on postgres: an_unreadable_schedule_is_looked_at_again_later);

async fn an_unreadable_schedule_is_looked_at_again_later(opened: &Opened, clock: &VirtualClock) {
    for number in 1..=3 {
        create(&**opened, number, json!({})).await;
    }
    opened.execute("UPDATE schedules SET definition = '{\"from\": \"the future\"}' WHERE name <> 'schedule-3'").await;
    clock.advance_ms(10_000);
    let fired = opened.fire(&rules(), 2).await.expect("fire");
    assert!(fired.fires.is_empty());
    assert_eq!(fired.next_due, Some(START.plus_ms(10_000)), "the others' turn comes");
    assert_eq!(fire(&**opened).await.fires.len(), 1);
    assert_eq!(fires(&**opened, 3).await.len(), 1);
    assert_eq!(opened.first_due().await.expect("first due"), Some(START.plus_ms(20_000)));
    clock.advance_ms(60_000);
    assert_eq!(opened.fire(&rules(), 3).await.expect("fire").next_due, Some(START.plus_ms(80_000)), "and is looked at again");
}
