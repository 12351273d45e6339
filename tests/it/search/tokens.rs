//! Tokens of tenants' days: counted, and never over the quota.

use futures::future::join_all;
use windrow_jobs::{
    clock::{Timestamp, VirtualClock},
    search::store::Spent,
};
use windrow_tests::{
    jobs::{tenant, tenant_named},
    ledgers::START,
    searches::Opened,
};

stores! {
    a_day_has_so_many_tokens_and_the_next_has_them_again,
    who_spends_at_once_stays_within_it,
}

const DAY_MS: i64 = 86_400_000;

async fn a_day_has_so_many_tokens_and_the_next_has_them_again(store: &Opened, clock: &VirtualClock) {
    let until = Timestamp::from_ms((START.ms() / DAY_MS + 1) * DAY_MS);
    assert_eq!(store.spent(&tenant()).await, Ok(0));
    assert_eq!(store.spend(&tenant(), 60, Some(100)).await, Ok(Spent::Counted));
    assert_eq!(store.spend(&tenant(), 41, Some(100)).await, Ok(Spent::Over { until }));
    assert_eq!(store.spend(&tenant(), 40, Some(100)).await, Ok(Spent::Counted));
    assert_eq!(store.spend(&tenant_named("other"), 7, Some(100)).await, Ok(Spent::Counted));
    assert_eq!(store.spend(&tenant(), 5, None).await, Ok(Spent::Counted), "none is no quota");
    assert_eq!((store.spent(&tenant()).await, store.spent(&tenant_named("other")).await), (Ok(105), Ok(7)));
    clock.advance_ms(until.ms_since(START) - 1);
    assert_eq!(store.spend(&tenant(), 1, Some(100)).await, Ok(Spent::Over { until }));
    clock.advance_ms(1);
    assert_eq!((store.spent(&tenant()).await, store.spend(&tenant(), 100, Some(100)).await), (Ok(0), Ok(Spent::Counted)));
    clock.advance_ms(30 * DAY_MS);
    while store.prune().await.expect("pruned") {}
    assert_eq!(store.spent(&tenant()).await, Ok(0));
}

async fn who_spends_at_once_stays_within_it(store: &Opened, _: &VirtualClock) {
    let tenant = tenant();
    let spent = join_all((0..20).map(|_| store.spend(&tenant, 10, Some(75)))).await;
    assert_eq!(spent.into_iter().filter(|spent| *spent == Ok(Spent::Counted)).count(), 7);
    assert_eq!(store.spent(&tenant).await, Ok(70));
}
