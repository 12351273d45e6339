//! The role `Approvals`: what a connection's approved templates are is replaced as a whole, is its tenant's alone, and goes with it.

use futures::future::join_all;
use serde_json::json;
use uuid::Uuid;
use windrow_jobs::{
    clock::VirtualClock,
    connection::{ConnectionId, Facts, NewConnection, Stored},
    ledger::Ledger,
    notification::approved::{Approved, Fetched, Turned},
    tenant::TenantId,
};
use windrow_tests::{
    jobs::{tenant, tenant_named},
    ledgers::START,
};

conformance! {
    templates_are_kept_in_the_place_of_those_before,
    a_connection_that_was_never_synced_knows_nothing,
    a_status_turns_until_the_next_sync,
    what_was_reported_later_counts_whichever_is_applied_first,
    many_templates_are_kept_at_once,
    syncs_at_once_follow_each_other,
    templates_go_with_their_connection,
}

fn id(number: u128) -> ConnectionId {
    ConnectionId(Uuid::from_u128(number))
}

async fn connect(ledger: &dyn Ledger, number: u128, tenant: TenantId) -> ConnectionId {
    let facts = Facts::new(json!({ "phone_number_id": "106540352242922" }), Vec::new(), false);
    let name = format!("whatsapp-{number}");
    let new = NewConnection { id: id(number), tenant, name, provider: "whatsapp".into(), facts, sealed: None };
    assert!(matches!(ledger.create_connection(new).await.expect("create"), Stored::Done(_)));
    id(number)
}

fn template(name: &str, language: &str, status: &str) -> Approved {
    Approved {
        name: name.into(),
        language: language.into(),
        status: status.into(),
        category: Some("UTILITY".into()),
        quality: None,
        parameter_format: Some("POSITIONAL".into()),
        components: json!([{ "type": "BODY", "text": "Grüße {{1}} \u{1f44b} \u{0}" }]),
    }
}

async fn keep(ledger: &dyn Ledger, tenant: TenantId, connection: ConnectionId, templates: Vec<Approved>) -> bool {
    ledger.keep_approved(Fetched { tenant, connection, templates }).await.expect("keep")
}

async fn known(ledger: &dyn Ledger, connection: ConnectionId, name: &str) -> Vec<Approved> {
    ledger.approved(&tenant(), connection, name).await.expect("read").expect("synced").languages
}

async fn templates_are_kept_in_the_place_of_those_before(ledger: &dyn Ledger, clock: &VirtualClock) {
    let (one, two) = (connect(ledger, 1, tenant()).await, connect(ledger, 2, tenant()).await);
    let (german, english, other) =
        (template("order", "de", "APPROVED"), template("order", "en_US", "PAUSED"), template("Order", "de", "APPROVED"));
    assert!(keep(ledger, tenant(), one, vec![english.clone(), other.clone(), german.clone()]).await);
    assert!(keep(ledger, tenant(), two, vec![other.clone()]).await);
    assert_eq!(known(ledger, one, "order").await, [german.clone(), english]);
    assert_eq!(known(ledger, two, "order").await, []);
    let first = ledger.approved(&tenant(), one, "order").await.expect("read").expect("synced");
    clock.advance_ms(5_000);
    assert!(keep(ledger, tenant(), one, vec![german.clone()]).await);
    assert_eq!((known(ledger, one, "order").await, known(ledger, one, "Order").await), (vec![german], vec![]));
    let second = ledger.approved(&tenant(), one, "order").await.expect("read").expect("synced");
    assert!(second.at > first.at && second.now >= second.at, "{first:?} {second:?}");
    assert_eq!(known(ledger, two, "Order").await, [other]);
}

async fn a_connection_that_was_never_synced_knows_nothing(ledger: &dyn Ledger, _: &VirtualClock) {
    let other = tenant_named("other");
    let (one, theirs) = (connect(ledger, 1, tenant()).await, connect(ledger, 2, other.clone()).await);
    assert_eq!(ledger.approved(&tenant(), one, "order").await.expect("read"), None);
    for (tenant, connection) in [(tenant(), theirs), (other.clone(), one), (tenant(), id(3))] {
        assert!(!keep(ledger, tenant, connection, vec![template("order", "de", "APPROVED")]).await);
    }
    assert!(keep(ledger, other.clone(), theirs, vec![template("order", "de", "APPROVED")]).await);
    assert_eq!(ledger.approved(&tenant(), theirs, "order").await.expect("read"), None, "another's are not there");
    let turned = Turned { name: "order".into(), language: "de".into(), status: "PAUSED".into() };
    assert!(!ledger.turn_approved(&tenant(), theirs, &turned, START).await.expect("turn"));
    assert!(ledger.turn_approved(&other, theirs, &turned, START).await.expect("turn"));
    assert!(keep(ledger, tenant(), one, Vec::new()).await);
    assert_eq!(known(ledger, one, "order").await, [], "synced, and none there");
}

async fn a_status_turns_until_the_next_sync(ledger: &dyn Ledger, _: &VirtualClock) {
    let one = connect(ledger, 1, tenant()).await;
    let good = vec![template("order", "de", "APPROVED"), template("order", "en_US", "APPROVED")];
    assert!(keep(ledger, tenant(), one, good.clone()).await);
    let turned = |language: &str| Turned { name: "order".into(), language: language.into(), status: "PAUSED".into() };
    assert!(ledger.turn_approved(&tenant(), one, &turned("de"), START).await.expect("turn"));
    assert!(!ledger.turn_approved(&tenant(), one, &turned("fr"), START).await.expect("turn"));
    assert_eq!(known(ledger, one, "order").await, [template("order", "de", "PAUSED"), good[1].clone()]);
    assert!(keep(ledger, tenant(), one, good.clone()).await);
    assert_eq!(known(ledger, one, "order").await, good);
}

async fn what_was_reported_later_counts_whichever_is_applied_first(ledger: &dyn Ledger, clock: &VirtualClock) {
    let one = connect(ledger, 1, tenant()).await;
    assert!(keep(ledger, tenant(), one, vec![template("order", "de", "APPROVED")]).await);
    let turned = async |status: &str, after_ms: i64| {
        let turned = Turned { name: "order".into(), language: "de".into(), status: status.into() };
        ledger.turn_approved(&tenant(), one, &turned, START.plus_ms(after_ms)).await.expect("turn")
    };
    assert!(turned("PAUSED", 10).await && turned("APPROVED", 20).await);
    assert!(!turned("PAUSED", 10).await, "the event is applied again");
    assert_eq!(known(ledger, one, "order").await, [template("order", "de", "APPROVED")]);
    clock.advance_ms(40);
    assert!(keep(ledger, tenant(), one, vec![template("order", "de", "APPROVED")]).await);
    assert!(!turned("PAUSED", 30).await, "the sync knew that");
    assert!(turned("PAUSED", 50).await);
    assert_eq!(known(ledger, one, "order").await, [template("order", "de", "PAUSED")]);
}

async fn many_templates_are_kept_at_once(ledger: &dyn Ledger, _: &VirtualClock) {
    let one = connect(ledger, 1, tenant()).await;
    let many: Vec<Approved> = (0..1_201).map(|number| template(&format!("order_{number}"), "de", "APPROVED")).collect();
    assert!(keep(ledger, tenant(), one, many).await);
    for name in ["order_0", "order_499", "order_500", "order_1200"] {
        assert_eq!(known(ledger, one, name).await, [template(name, "de", "APPROVED")]);
    }
}

async fn syncs_at_once_follow_each_other(ledger: &dyn Ledger, _: &VirtualClock) {
    let one = connect(ledger, 1, tenant()).await;
    let of = |sync: u32| (0..5).map(|number| template(&format!("order_{number}"), "de", &format!("S{sync}"))).collect::<Vec<_>>();
    let kept = join_all((0..8).map(|sync| keep(ledger, tenant(), one, of(sync)))).await;
    assert!(kept.into_iter().all(|kept| kept));
    let mut statuses = Vec::new();
    for number in 0..5 {
        statuses.push(known(ledger, one, &format!("order_{number}")).await[0].status.clone());
    }
    statuses.dedup();
    assert_eq!(statuses.len(), 1, "all are of one sync: {statuses:?}");
}

async fn templates_go_with_their_connection(ledger: &dyn Ledger, _: &VirtualClock) {
    let one = connect(ledger, 1, tenant()).await;
    assert!(keep(ledger, tenant(), one, vec![template("order", "de", "APPROVED")]).await);
    assert!(!ledger.delete_connection(&tenant_named("other"), one).await.expect("delete"));
    assert_eq!(known(ledger, one, "order").await.len(), 1);
    assert!(ledger.delete_connection(&tenant(), one).await.expect("delete"));
    assert_eq!(ledger.approved(&tenant(), one, "order").await.expect("read"), None);
    connect(ledger, 1, tenant()).await;
    assert_eq!(ledger.approved(&tenant(), one, "order").await.expect("read"), None, "one that is made anew was never synced");
}
