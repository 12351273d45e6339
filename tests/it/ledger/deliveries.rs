//! The role `Deliveries`. What a report makes of a delivery is decided in `notification/delivery.rs` and judged there; here is that it is
//! written once, where it belongs, and seen by nobody else.

use futures::future::join_all;
use uuid::Uuid;
use windrow_jobs::{
    clock::{Timestamp, VirtualClock},
    connection::ConnectionId,
    effect::{Intent, Policy},
    job::JobError,
    ledger::{Ledger, Retention},
    notification::delivery::{Came, Delivery, Report, Sending, Status, Step, Whose},
};
use windrow_tests::{jobs::*, ledgers::START};

conformance! {
    a_sending_is_noted_once_and_merged_with_what_was_reported_before,
    a_sending_of_nobodys_job_is_not_noted,
    a_report_finds_its_delivery_by_either_name,
    a_report_changes_nothing_of_another_connection_or_tenant,
    a_report_that_comes_first_begins_a_delivery_of_an_effect_and_of_nothing_else,
    a_report_that_comes_first_by_another_connection_is_forgotten,
    reports_at_once_all_count,
    a_pruned_job_takes_its_deliveries_along,
}

pub(super) const CONNECTION: ConnectionId = ConnectionId(Uuid::from_u128(7));

pub(super) fn sending(number: u64, key: &str, provider_id: Option<&str>) -> Sending {
    Sending {
        tenant: tenant(),
        job: id(number),
        key: key.into(),
        connection: CONNECTION,
        recipient: "+49123".into(),
        provider_id: provider_id.map(Into::into),
    }
}

pub(super) fn report(about: impl IntoIterator<Item = Whose>, status: Status) -> Report {
    let error = (status == Status::Failed).then(|| JobError::new("blocked", "it was blocked", false));
    Report { about: about.into_iter().collect(), status, at: None, error }
}

pub(super) fn theirs(id: &str) -> Whose {
    Whose::Theirs(id.into())
}

fn ours(number: u64, key: &str) -> Whose {
    Whose::Ours(id(number), key.into())
}

pub(super) async fn deliveries(ledger: &dyn Ledger, number: u64) -> Vec<Delivery> {
    ledger.deliveries(&tenant(), id(number)).await.expect("deliveries")
}

async fn tell(ledger: &dyn Ledger, report: &Report) -> Came {
    ledger.report(&tenant(), CONNECTION, report).await.expect("report")
}

async fn with_effect(ledger: &dyn Ledger, number: u64, key: &str) {
    insert(ledger, [ready(number)]).await;
    claim(ledger, number).await;
    let intent = Intent { tenant: tenant(), job: id(number), attempt: 1, key: key.into(), policy: Policy::Resend, mark: 1, callback: None };
    ledger.intend(intent).await.expect("intend");
}

fn steps(delivery: &Delivery) -> Vec<(Status, Option<Timestamp>, Timestamp)> {
    delivery.facts.steps.iter().map(|(status, Step { at, heard_at, .. })| (*status, *at, *heard_at)).collect()
}

async fn a_sending_is_noted_once_and_merged_with_what_was_reported_before(ledger: &dyn Ledger, clock: &VirtualClock) {
    with_effect(ledger, 1, "send").await;
    let first = Report { at: Some(START.plus_ms(1)), ..report([ours(1, "send"), theirs("SM1")], Status::Delivered) };
    assert_eq!(tell(ledger, &first).await, Came::Applied);
    clock.advance_ms(5);
    assert!(ledger.note_sending(sending(1, "send", None)).await.expect("note"));
    let merged = deliveries(ledger, 1).await.remove(0);
    assert_eq!((merged.version, merged.facts.status(), merged.facts.recipient.as_deref()), (2, Status::Delivered, Some("+49123")));
    assert_eq!((merged.provider_id.as_deref(), merged.created_at, merged.changed_at), (Some("SM1"), START, START.plus_ms(5)));
    let expected = [(Status::Sent, None, START.plus_ms(5)), (Status::Delivered, Some(START.plus_ms(1)), START)];
    assert_eq!(steps(&merged), expected);
    clock.advance_ms(5);
    assert!(ledger.note_sending(sending(1, "send", Some("SM1"))).await.expect("note"));
    assert_eq!(deliveries(ledger, 1).await, [merged], "noted before");
}

async fn a_sending_of_nobodys_job_is_not_noted(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    assert!(!ledger.note_sending(sending(9, "send", None)).await.expect("note"));
    let stranger = Sending { tenant: tenant_named("other"), ..sending(1, "send", None) };
    assert!(!ledger.note_sending(stranger.clone()).await.expect("note"));
    assert!(ledger.note_sending(sending(1, "send", None)).await.expect("note"));
    assert!(!ledger.note_sending(stranger).await.expect("note"), "nor once it is there");
    assert_eq!((deliveries(ledger, 1).await.len(), deliveries(ledger, 9).await.len()), (1, 0));
    assert_eq!(ledger.deliveries(&tenant_named("other"), id(1)).await.expect("deliveries"), []);
}

async fn a_report_finds_its_delivery_by_either_name(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    for (key, provider_id) in [("b", Some("SM-b")), ("a", None)] {
        assert!(ledger.note_sending(sending(1, key, provider_id)).await.expect("note"));
    }
    clock.advance_ms(3);
    assert_eq!(tell(ledger, &report([theirs("SM-b")], Status::Failed)).await, Came::Applied);
    assert_eq!(tell(ledger, &report([theirs("SM-b")], Status::Failed)).await, Came::Unchanged);
    assert_eq!(tell(ledger, &report([theirs("SM-a")], Status::Read)).await, Came::Unmatched);
    assert_eq!(tell(ledger, &report([ours(1, "a"), theirs("SM-a")], Status::Delivered)).await, Came::Applied);
    assert_eq!(tell(ledger, &report([theirs("SM-a")], Status::Read)).await, Came::Applied, "the name was learnt");
    assert_eq!(tell(ledger, &report([theirs("SM-a")], Status::Sent)).await, Came::Unchanged);
    let kept = deliveries(ledger, 1).await;
    let told: Vec<_> = kept.iter().map(|one| (one.key.as_str(), one.facts.status(), one.version)).collect();
    assert_eq!(told, [("a", Status::Read, 3), ("b", Status::Failed, 2)]);
    assert_eq!(kept[1].facts.error().map(|error| error.code.as_str()), Some("blocked"));
}

async fn a_report_changes_nothing_of_another_connection_or_tenant(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    assert!(ledger.note_sending(sending(1, "send", Some("SM1"))).await.expect("note"));
    let before = deliveries(ledger, 1).await;
    let (read, other) = (report([ours(1, "send"), theirs("SM1")], Status::Read), ConnectionId(Uuid::from_u128(8)));
    assert_eq!(ledger.report(&tenant(), other, &read).await.expect("report"), Came::Unmatched);
    assert_eq!(ledger.report(&tenant_named("other"), CONNECTION, &read).await.expect("report"), Came::Unmatched);
    assert_eq!(deliveries(ledger, 1).await, before);
}

async fn a_report_that_comes_first_begins_a_delivery_of_an_effect_and_of_nothing_else(ledger: &dyn Ledger, _: &VirtualClock) {
    with_effect(ledger, 1, "send").await;
    for about in [ours(1, "other"), ours(2, "send"), theirs("SM1")] {
        assert_eq!(tell(ledger, &report([about.clone()], Status::Delivered)).await, Came::Unmatched, "{about:?}");
    }
    let stranger = ledger.report(&tenant_named("other"), CONNECTION, &report([ours(1, "send")], Status::Delivered)).await;
    assert_eq!(stranger.expect("report"), Came::Unmatched);
    assert_eq!(deliveries(ledger, 1).await, []);
    assert_eq!(tell(ledger, &report([ours(1, "send"), theirs("SM1")], Status::Failed)).await, Came::Applied);
    assert_eq!(tell(ledger, &report([theirs("SM1")], Status::Delivered)).await, Came::Applied);
    let kept = deliveries(ledger, 1).await;
    assert_eq!((kept.len(), kept[0].facts.status(), kept[0].connection), (1, Status::Delivered, CONNECTION));
}

async fn a_report_that_comes_first_by_another_connection_is_forgotten(ledger: &dyn Ledger, _: &VirtualClock) {
    with_effect(ledger, 1, "send").await;
    let other = ConnectionId(Uuid::from_u128(8));
    let strange = report([ours(1, "send"), theirs("X1")], Status::Read);
    assert_eq!(ledger.report(&tenant(), other, &strange).await.expect("report"), Came::Applied);
    assert_eq!(tell(ledger, &report([ours(1, "send")], Status::Delivered)).await, Came::Unmatched, "it is not known yet whose it is");
    assert!(ledger.note_sending(sending(1, "send", None)).await.expect("note"));
    let noted = deliveries(ledger, 1).await.remove(0);
    assert_eq!((noted.connection, noted.facts.status(), noted.provider_id.as_deref()), (CONNECTION, Status::Sent, None));
    assert_eq!(ledger.report(&tenant(), other, &strange).await.expect("report"), Came::Unmatched);
    assert_eq!(tell(ledger, &report([ours(1, "send"), theirs("SM1")], Status::Delivered)).await, Came::Applied);
    let kept = deliveries(ledger, 1).await.remove(0);
    assert_eq!((kept.facts.status(), kept.provider_id.as_deref()), (Status::Delivered, Some("SM1")));
}

async fn reports_at_once_all_count(ledger: &dyn Ledger, _: &VirtualClock) {
    with_effect(ledger, 1, "send").await;
    let reports = [Status::Sent, Status::Delivered, Status::Read, Status::Failed].map(|status| report([ours(1, "send")], status));
    let note = async { ledger.note_sending(sending(1, "send", Some("SM1"))).await.map(drop) };
    let told =
        join_all(reports.iter().cycle().take(20).map(|report| async { ledger.report(&tenant(), CONNECTION, report).await.map(drop) }));
    let (noted, told) = futures::join!(note, told);
    noted.expect("note");
    told.into_iter().for_each(|told| told.expect("report"));
    let kept = deliveries(ledger, 1).await;
    assert_eq!((kept.len(), kept[0].facts.status(), kept[0].facts.steps.len()), (1, Status::Read, 4));
    assert_eq!((kept[0].provider_id.as_deref(), kept[0].facts.recipient.as_deref()), (Some("SM1"), Some("+49123")));
}

async fn a_pruned_job_takes_its_deliveries_along(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    let first = claim(ledger, 1).await;
    for number in [1, 2] {
        assert!(ledger.note_sending(sending(number, "send", None)).await.expect("note"));
    }
    assert!(settle(ledger, &first, done()).await);
    clock.advance_ms(1_001);
    let retention = Retention { completed_ms: 1_000, dead_ms: 1_000, fires_ms: 1_000, events_ms: 1_000 };
    assert_eq!(ledger.prune(retention, ALL).await.expect("prune").jobs, 1);
    assert_eq!((deliveries(ledger, 1).await.len(), deliveries(ledger, 2).await.len()), (0, 1));
}
