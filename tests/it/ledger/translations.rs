//! The role `Translations`: what was paid for is found again by its tenant alone, and goes when nobody uses it or there is too much.

use futures::future::join_all;
use windrow_jobs::{
    clock::VirtualClock,
    ledger::Ledger,
    tenant::TenantId,
    translation::{Hash, Kept, NOTED_EVERY_MS, ROW_BYTES, Translated},
};
use windrow_tests::jobs::{tenant, tenant_named};

conformance! {
    translations_are_found_by_their_tenant_alone,
    the_first_that_is_kept_stays,
    many_are_kept_and_found_at_once,
    unused_ones_are_forgotten_and_used_ones_stay,
    the_longest_unused_make_room,
    keeping_looking_and_forgetting_at_once_loses_no_count,
}

const MUCH: i64 = 1_000_000;

fn hash(number: u64) -> Hash {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&number.to_be_bytes());
    Hash(bytes)
}

fn one(number: u64, text: &str) -> Kept {
    let translated = Translated { text: text.into(), source: Some("EN".into()), model: None, billed: Some(number), job: "j".into() };
    Kept { hash: hash(number), translated }
}

async fn found(ledger: &dyn Ledger, tenant: &TenantId, numbers: &[u64]) -> Vec<Kept> {
    let hashes: Vec<Hash> = numbers.iter().copied().map(hash).collect();
    let mut found = ledger.translations(tenant, &hashes).await.expect("look");
    found.sort_by_key(|kept| kept.hash);
    found
}

async fn keep(ledger: &dyn Ledger, tenant: &TenantId, kept: &[Kept]) {
    ledger.keep_translations(tenant, kept, MUCH).await.expect("keep");
}

async fn translations_are_found_by_their_tenant_alone(ledger: &dyn Ledger, _: &VirtualClock) {
    let (ours, other) = (tenant(), tenant_named("other"));
    assert_eq!(found(ledger, &ours, &[1]).await, []);
    keep(ledger, &ours, &[one(1, "Grüße \u{0} \u{1f44b}"), one(2, "")]).await;
    keep(ledger, &other, &[one(2, "theirs"), one(3, "theirs alone")]).await;
    assert_eq!(found(ledger, &ours, &[3, 2, 1, 1]).await, [one(1, "Grüße \u{0} \u{1f44b}"), one(2, "")]);
    assert_eq!(found(ledger, &other, &[1, 2, 3]).await, [one(2, "theirs"), one(3, "theirs alone")]);
    assert_eq!(found(ledger, &ours, &[]).await, []);
    keep(ledger, &ours, &[]).await;
}

async fn the_first_that_is_kept_stays(ledger: &dyn Ledger, _: &VirtualClock) {
    keep(ledger, &tenant(), &[one(1, "first")]).await;
    keep(ledger, &tenant(), &[one(1, "second"), one(2, "new")]).await;
    assert_eq!(found(ledger, &tenant(), &[1, 2]).await, [one(1, "first"), one(2, "new")]);
}

async fn many_are_kept_and_found_at_once(ledger: &dyn Ledger, _: &VirtualClock) {
    let many: Vec<Kept> = (0..500).map(|number| one(number, &format!("text {number}"))).collect();
    keep(ledger, &tenant(), &many).await;
    assert_eq!(found(ledger, &tenant(), &(0..600).collect::<Vec<_>>()).await, many);
}

async fn unused_ones_are_forgotten_and_used_ones_stay(ledger: &dyn Ledger, clock: &VirtualClock) {
    const UNUSED_MS: i64 = 3 * NOTED_EVERY_MS;
    let (ours, other) = (tenant(), tenant_named("other"));
    keep(ledger, &ours, &[one(1, "used"), one(2, "unused"), one(3, "unused too")]).await;
    keep(ledger, &other, &[one(1, "theirs")]).await;
    assert_eq!(ledger.forget_translations(UNUSED_MS, 10).await.expect("forget"), 0);
    clock.advance_ms(2 * NOTED_EVERY_MS);
    assert_eq!(found(ledger, &ours, &[1]).await.len(), 1);
    clock.advance_ms(NOTED_EVERY_MS + 1);
    let mut forgotten = Vec::new();
    for _ in 0..4 {
        forgotten.push(ledger.forget_translations(UNUSED_MS, 1).await.expect("forget"));
    }
    assert_eq!(forgotten, [1, 1, 1, 0], "no more than it may, whosever they are");
    assert_eq!((found(ledger, &ours, &[1, 2, 3]).await, found(ledger, &other, &[1]).await), (vec![one(1, "used")], vec![]));
}

async fn the_longest_unused_make_room(ledger: &dyn Ledger, clock: &VirtualClock) {
    let bytes = |kept: &Kept| ROW_BYTES + serde_json::to_string(&kept.translated).expect("JSON").len() as i64;
    let (first, second, third) = (one(3, "the first"), one(1, "the second"), one(2, "the third"));
    keep(ledger, &tenant_named("other"), &[one(7, "theirs do not count")]).await;
    keep(ledger, &tenant(), std::slice::from_ref(&first)).await;
    clock.advance_ms(1);
    keep(ledger, &tenant(), std::slice::from_ref(&second)).await;
    clock.advance_ms(1);
    let two = bytes(&second) + bytes(&third);
    ledger.keep_translations(&tenant(), std::slice::from_ref(&third), two).await.expect("keep");
    assert_eq!(found(ledger, &tenant(), &[1, 2, 3]).await, [second.clone(), third.clone()]);
    ledger.keep_translations(&tenant(), std::slice::from_ref(&third), two).await.expect("keep");
    assert_eq!(found(ledger, &tenant(), &[1, 2]).await.len(), 2, "what is there already takes no room");
    ledger.keep_translations(&tenant(), &[], two - 1).await.expect("keep");
    assert_eq!(found(ledger, &tenant(), &[1, 2]).await, [third]);
    ledger.keep_translations(&tenant(), &[first], 0).await.expect("keep");
    assert_eq!(found(ledger, &tenant(), &[1, 2, 3]).await, []);
    assert_eq!(found(ledger, &tenant_named("other"), &[7]).await.len(), 1);
}

/// Whoever counted wrongly would drop one that fits, or keep one that does not.
async fn keeping_looking_and_forgetting_at_once_loses_no_count(ledger: &dyn Ledger, clock: &VirtualClock) {
    let many: Vec<Kept> = (100..200).map(|number| one(number, "same")).collect();
    keep(ledger, &tenant(), &many).await;
    clock.advance_ms(NOTED_EVERY_MS);
    let keeping = join_all((0..8).map(|worker| async move {
        let some: Vec<Kept> = (0..20).rev().map(|number| one(300 + number + worker % 3 * 10, "same")).collect();
        keep(ledger, &tenant(), &some).await;
    }));
    let looking = join_all((0..8).map(|_| async { found(ledger, &tenant(), &(100..150).collect::<Vec<_>>()).await }));
    let forgetting = async {
        for _ in 0..20 {
            ledger.forget_translations(NOTED_EVERY_MS - 1, 7).await.expect("forget");
        }
    };
    tokio::join!(keeping, looking, forgetting);
    while ledger.forget_translations(NOTED_EVERY_MS - 1, 500).await.expect("forget") > 0 {}
    let stay = found(ledger, &tenant(), &(0..1_000).collect::<Vec<_>>()).await;
    let bytes: i64 = stay.iter().map(|kept| ROW_BYTES + serde_json::to_string(&kept.translated).expect("JSON").len() as i64).sum();
    ledger.keep_translations(&tenant(), &[], bytes).await.expect("keep");
    assert_eq!(found(ledger, &tenant(), &(0..1_000).collect::<Vec<_>>()).await, stay, "all of them fit");
    ledger.keep_translations(&tenant(), &[], bytes - 1).await.expect("keep");
    assert_eq!(found(ledger, &tenant(), &(0..1_000).collect::<Vec<_>>()).await.len(), stay.len() - 1);
}
