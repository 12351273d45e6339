//! The role `Hooks`: one URL per connection, events that are kept once with the jobs that see to them, and reports that count once.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde_json::json;
use uuid::Uuid;
use windrow_jobs::{
    clock::VirtualClock,
    connection::{ConnectionId, Facts as ConnectionFacts, NewConnection, Stored},
    hook::{Event, EventId, Facts, Hook, Keeping, Listed, NewEvent, NewHook, Page},
    job::JobError,
    ledger::Ledger,
    notification::delivery::{Came, Status},
    submit::NewJob,
    tenant::TenantId,
};
use windrow_tests::{jobs::*, ledgers::START};

use super::deliveries::{CONNECTION, deliveries, report, sending, theirs};

conformance! {
    a_hook_is_made_found_by_its_token_and_replaced,
    a_hook_ends_with_its_connection,
    refused_calls_are_counted,
    an_event_is_kept_once_with_its_jobs,
    of_the_same_told_twenty_times_at_once_one_is_kept,
    events_come_latest_first_and_are_their_tenants_alone,
    reports_of_an_event_count_once_however_often_they_are_applied,
    an_event_is_closed_once,
    events_are_forgotten_in_their_time,
}

async fn connect(ledger: &dyn Ledger, connection: ConnectionId, tenant: TenantId) {
    let facts = ConnectionFacts::new(json!({ "url": "https://example.com" }), vec![], false);
    let new = NewConnection { id: connection, tenant, name: "shop".into(), provider: "http".into(), facts, sealed: None };
    assert!(matches!(ledger.create_connection(new).await.expect("create"), Stored::Done(_)));
}

fn hook(token: u8) -> NewHook {
    let (salt, forward_url) = (Uuid::from_u128(token.into()), (token > 1).then(|| "https://example.com/told".to_owned()));
    NewHook { tenant: tenant(), connection: CONNECTION, salt, token: [token; 32], forward_url }
}

async fn set(ledger: &dyn Ledger, token: u8) -> Hook {
    ledger.set_hook(hook(token)).await.expect("set").expect("there is a connection")
}

fn event(number: u128, digest: u8) -> NewEvent {
    let facts = Facts {
        provider: "http".into(),
        account: None,
        query: "a=b".into(),
        content_type: "application/json".into(),
        headers: BTreeMap::from([("webhook-id".into(), "msg_1".into())]),
        bytes: 4,
        job: id(100),
        reports: BTreeMap::new(),
        applied_at: None,
        error: None,
    };
    let (id, payload) = (EventId(Uuid::from_u128(number)), vec![0, 255, b'{', b'"']);
    NewEvent { id, tenant: tenant(), connection: CONNECTION, digest: [digest; 32], facts, payload }
}

async fn keep(ledger: &dyn Ledger, number: u128, digest: u8, jobs: Vec<NewJob>) -> Keeping {
    ledger.keep_event(event(number, digest), jobs).await.expect("keep")
}

async fn look(ledger: &dyn Ledger, number: u128) -> Option<Event> {
    ledger.event(&tenant(), EventId(Uuid::from_u128(number))).await.expect("event").map(|(event, _)| event)
}

async fn listed(ledger: &dyn Ledger, before: Option<EventId>, size: usize) -> Listed {
    ledger.events(&tenant(), CONNECTION, Page { before, size, bytes_max: ALL }).await.expect("events")
}

async fn a_hook_is_made_found_by_its_token_and_replaced(ledger: &dyn Ledger, clock: &VirtualClock) {
    assert_eq!(ledger.set_hook(hook(1)).await.expect("set"), None, "there is no connection yet");
    connect(ledger, CONNECTION, tenant()).await;
    assert_eq!(ledger.set_hook(NewHook { tenant: tenant_named("other"), ..hook(1) }).await.expect("set"), None);
    let first = set(ledger, 1).await;
    assert_eq!((first.created_at, first.rotated_at, first.refused, &first.forward_url), (START, None, 0, &None));
    clock.advance_ms(5);
    let (found, connection, now) = ledger.hook_of(&[1; 32]).await.expect("look").expect("a hook");
    assert_eq!((found, connection.name.as_str(), now), (first, "shop", START.plus_ms(5)));
    let second = set(ledger, 2).await;
    assert_eq!((second.created_at, second.rotated_at, second.salt), (START, Some(START.plus_ms(5)), Uuid::from_u128(2)));
    assert_eq!(second.forward_url.as_deref(), Some("https://example.com/told"));
    assert!(ledger.hook_of(&[1; 32]).await.expect("look").is_none(), "another has taken its place");
    assert_eq!(ledger.hook(&tenant(), CONNECTION).await.expect("look"), Some(second));
    assert_eq!(ledger.hook(&tenant_named("other"), CONNECTION).await.expect("look"), None);
    assert!(!ledger.end_hook(&tenant_named("other"), CONNECTION).await.expect("end"));
    assert!(ledger.end_hook(&tenant(), CONNECTION).await.expect("end"));
    assert!(!ledger.end_hook(&tenant(), CONNECTION).await.expect("end"), "it has ended");
    assert!(ledger.hook_of(&[2; 32]).await.expect("look").is_none());
}

async fn a_hook_ends_with_its_connection(ledger: &dyn Ledger, _: &VirtualClock) {
    connect(ledger, CONNECTION, tenant()).await;
    set(ledger, 1).await;
    keep(ledger, 1, 1, vec![]).await;
    assert!(!ledger.delete_connection(&tenant_named("other"), CONNECTION).await.expect("delete"));
    assert!(ledger.hook(&tenant(), CONNECTION).await.expect("look").is_some(), "it is the tenant's");
    assert!(ledger.delete_connection(&tenant(), CONNECTION).await.expect("delete"));
    assert!(ledger.hook_of(&[1; 32]).await.expect("look").is_none());
    assert_eq!(ledger.hook(&tenant(), CONNECTION).await.expect("look"), None);
    assert!(look(ledger, 1).await.is_some(), "what it was told stays");
}

async fn refused_calls_are_counted(ledger: &dyn Ledger, clock: &VirtualClock) {
    connect(ledger, CONNECTION, tenant()).await;
    set(ledger, 1).await;
    for calls in [1, 7, 2] {
        clock.advance_ms(1);
        ledger.count_refused(&tenant(), CONNECTION, calls).await.expect("count");
    }
    ledger.count_refused(&tenant_named("other"), CONNECTION, 1).await.expect("count");
    let hook = set(ledger, 2).await;
    assert_eq!((hook.refused, hook.refused_at), (10, Some(START.plus_ms(3))), "another token keeps the count");
}

async fn an_event_is_kept_once_with_its_jobs(ledger: &dyn Ledger, clock: &VirtualClock) {
    clock.advance_ms(9);
    assert_eq!(keep(ledger, 1, 1, vec![ready(1), ready(2)]).await, Keeping::Kept);
    assert_eq!(keep(ledger, 1, 1, vec![ready(1), ready(2)]).await, Keeping::Kept, "its answer may have been lost");
    assert_eq!(keep(ledger, 2, 1, vec![ready(3)]).await, Keeping::Repeated(EventId(Uuid::from_u128(1))));
    assert_eq!(keep(ledger, 3, 2, vec![ready(4)]).await, Keeping::Kept);
    let other = NewEvent { connection: ConnectionId(Uuid::from_u128(8)), ..event(4, 1) };
    assert_eq!(ledger.keep_event(other, vec![]).await.expect("keep"), Keeping::Kept, "each hook has its own");
    let kept = look(ledger, 1).await.expect("an event");
    let NewEvent { payload, facts, digest, .. } = event(1, 1);
    assert_eq!((kept.payload, kept.facts, kept.digest, kept.received_at), (payload, facts, digest, START.plus_ms(9)));
    for (number, there) in [(1, true), (2, true), (3, false), (4, true)] {
        assert_eq!(ledger.get(&tenant(), id(number)).await.expect("get").is_some(), there, "job {number}");
    }
    assert!(ledger.balances().await.expect("balances").iter().all(|balance| balance.holds() && balance.accepted == 3));
    assert_eq!(claim(ledger, 1).await.snapshot.id, id(1), "the planner may give it out");
}

async fn of_the_same_told_twenty_times_at_once_one_is_kept(ledger: &dyn Ledger, _: &VirtualClock) {
    let told = join_all((1..=20).map(|number| keep(ledger, number, 1, vec![ready(number as u64)]))).await;
    assert_eq!(told.iter().filter(|told| **told == Keeping::Kept).count(), 1, "{told:?}");
    assert_eq!(listed(ledger, None, 50).await.events.len(), 1);
    assert_eq!(ledger.balances().await.expect("balances")[0].accepted, 1);
}

async fn events_come_latest_first_and_are_their_tenants_alone(ledger: &dyn Ledger, _: &VirtualClock) {
    for number in 1..=5_u8 {
        keep(ledger, number.into(), number, vec![]).await;
    }
    let numbers = |events: &[Event]| events.iter().map(|event| event.id.0.as_u128()).collect::<Vec<_>>();
    let Listed { events: page, more } = listed(ledger, None, 2).await;
    assert!(more);
    assert_eq!((numbers(&page), page[0].payload.len(), page[0].facts.bytes), (vec![5, 4], 0, 4));
    let next = listed(ledger, Some(page[1].id), 3).await;
    assert_eq!((numbers(&next.events), next.more), (vec![3, 2, 1], false));
    let all = Page { before: None, size: 10, bytes_max: ALL };
    let one = Page { bytes_max: 0, ..all };
    let first = ledger.events(&tenant(), CONNECTION, one).await.expect("events");
    assert_eq!((numbers(&first.events), first.more), (vec![5], true), "one is told, however long it is");
    let bytes = serde_json::to_string(&page[0].facts).expect("JSON").len();
    for (bytes_max, told) in [(bytes - 1, vec![5]), (bytes, vec![5, 4]), (2 * bytes, vec![5, 4, 3]), (4 * bytes, vec![5, 4, 3, 2, 1])] {
        let listed = ledger.events(&tenant(), CONNECTION, Page { bytes_max, ..all }).await.expect("events");
        assert_eq!((numbers(&listed.events), listed.more), (told.clone(), told.len() < 5), "{bytes_max}");
    }
    let other = tenant_named("other");
    assert_eq!(ledger.events(&other, CONNECTION, all).await.expect("events"), Listed { events: vec![], more: false });
    assert!(ledger.event(&other, page[0].id).await.expect("event").is_none());
    assert_eq!(ledger.apply_reports(&other, page[0].id, vec![], true).await.expect("apply"), None);
    assert!(!ledger.close_event(&other, page[0].id, None).await.expect("close"));
}

async fn reports_of_an_event_count_once_however_often_they_are_applied(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    ledger.note_sending(sending(1, "a", Some("SM-a"))).await.expect("note");
    keep(ledger, 1, 1, vec![]).await;
    let reports: Vec<_> = [("SM-a", Status::Delivered), ("SM-b", Status::Read), ("SM-a", Status::Sent)]
        .into_iter()
        .enumerate()
        .map(|(place, (id, status))| (place as u32, report([theirs(id)], status)))
        .collect();
    let apply = async |last| ledger.apply_reports(&tenant(), EventId(Uuid::from_u128(1)), reports.clone(), last).await;
    let came = |event: &Event| event.facts.reports.iter().map(|(place, one)| (*place, one.came)).collect::<Vec<_>>();
    let first = apply(false).await.expect("apply").expect("an event");
    assert_eq!(came(&first), [(0, Came::Applied), (2, Came::Unchanged)]);
    assert_eq!((first.facts.reports[&0].about.as_slice(), first.payload.len()), (["SM-a".to_owned()].as_slice(), 0));
    let stands = deliveries(ledger, 1).await;
    clock.advance_ms(3);
    assert_eq!(apply(false).await.expect("apply").as_ref().map(came), Some(came(&first)), "run again");
    assert_eq!(deliveries(ledger, 1).await, stands);
    ledger.note_sending(sending(1, "b", Some("SM-b"))).await.expect("note");
    let second = apply(false).await.expect("apply").expect("an event");
    assert_eq!(came(&second), [(0, Came::Applied), (1, Came::Applied), (2, Came::Unchanged)]);
    keep(ledger, 2, 2, vec![]).await;
    let lost = vec![(0, report([theirs("nobody's")], Status::Sent))];
    let lost = ledger.apply_reports(&tenant(), EventId(Uuid::from_u128(2)), lost, true).await.expect("apply").expect("an event");
    assert_eq!(came(&lost), [(0, Came::Unmatched)]);
    assert_eq!(look(ledger, 1).await.expect("an event").payload.len(), 4, "its payload is as it was");
}

async fn an_event_is_closed_once(ledger: &dyn Ledger, clock: &VirtualClock) {
    keep(ledger, 1, 1, vec![]).await;
    let id = EventId(Uuid::from_u128(1));
    clock.advance_ms(4);
    assert!(ledger.close_event(&tenant(), id, Some(JobError::new("event_unreadable", "no", false))).await.expect("close"));
    clock.advance_ms(4);
    assert!(ledger.close_event(&tenant(), id, None).await.expect("close"));
    let facts = look(ledger, 1).await.expect("an event").facts;
    assert_eq!((facts.applied_at, facts.error.map(|error| error.code)), (Some(START.plus_ms(4)), Some("event_unreadable".into())));
}

async fn events_are_forgotten_in_their_time(ledger: &dyn Ledger, clock: &VirtualClock) {
    for number in 1..=3_u8 {
        keep(ledger, number.into(), number, vec![]).await;
        clock.advance_ms(10);
    }
    assert_eq!(ledger.forget_events(15, 1).await.expect("forget"), 1, "no more than it may");
    assert_eq!(ledger.forget_events(15, ALL).await.expect("forget"), 1);
    let left = listed(ledger, None, 10).await.events;
    assert_eq!(left.iter().map(|event| event.id.0.as_u128()).collect::<Vec<_>>(), [3]);
    assert_eq!(keep(ledger, 9, 1, vec![]).await, Keeping::Kept, "what was forgotten is new");
}
