//! `hook.apply` by a virtual clock and killed at each of its awaits: what is told counts once, and what nobody knows is given up in its time.

use std::{collections::BTreeMap, future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use serde_json::{Value, json};
use uuid::Uuid;
use windrow_jobs::{
    clock::VirtualClock,
    connection::ConnectionId,
    handler::{AnyHandler, Context, Outcome},
    hook::{Event, EventId, Facts, Keeping, NewEvent, UNMATCHED_AFTER_MS},
    kinds::hook_apply::handler::ApplyHook,
    ledger::{Ledger, model::ModelLedger, sqlite::SqliteLedger},
    notification::delivery::{Came, Sending, Status},
};
use windrow_tests::{
    handlers::{SwitchedLease, context_of},
    jobs::{claim, id, insert, ready, tenant},
    ledgers::clock,
};

const CONNECTION: ConnectionId = ConnectionId(Uuid::from_u128(7));
const EVENT: EventId = EventId(Uuid::from_u128(9));
/// More than one commit applies.
const MESSAGES: usize = 230;

/// A ledger's only job, which runs; and an event that reports on these of its messages.
async fn told(ledger: &Arc<dyn Ledger>, reported: impl Iterator<Item = usize>) -> Context {
    insert(&**ledger, [ready(1)]).await;
    let claimed = claim(&**ledger, 1).await;
    let reports: Vec<Value> = reported.map(|number| json!({ "provider_id": format!("m-{number}"), "status": "delivered" })).collect();
    let payload = json!({ "type": "delivery.status", "reports": reports }).to_string().into_bytes();
    let facts = Facts {
        provider: "http".into(),
        account: None,
        query: String::new(),
        content_type: "application/json".into(),
        headers: BTreeMap::new(),
        bytes: payload.len() as u64,
        job: id(1),
        reports: BTreeMap::new(),
        applied_at: None,
        error: None,
    };
    let event = NewEvent { id: EVENT, tenant: tenant(), connection: CONNECTION, digest: [1; 32], facts, payload };
    assert_eq!(ledger.keep_event(event, vec![]).await.expect("keep"), Keeping::Kept);
    context_of(&claimed, ledger.clone(), ledger.clone(), Arc::new(SwitchedLease::default()))
}

async fn note(ledger: &Arc<dyn Ledger>, number: usize) {
    let sending = Sending {
        tenant: tenant(),
        job: id(1),
        key: format!("key-{number:03}"),
        connection: CONNECTION,
        recipient: "somebody".into(),
        provider_id: Some(format!("m-{number}")),
    };
    assert!(ledger.note_sending(sending).await.expect("note"));
}

async fn run(context: Context) -> Outcome {
    AnyHandler::run(&ApplyHook, context, &json!({ "event": EVENT }).to_string()).await
}

async fn event(ledger: &Arc<dyn Ledger>) -> Event {
    ledger.event(&tenant(), EVENT).await.expect("event").expect("it is there").0
}

#[tokio::test]
async fn whoever_is_killed_at_whichever_await_what_was_told_counts_once() {
    let mut went_on = 0;
    for polls in 1.. {
        let folder = tempfile::tempdir().expect("a folder");
        let opened = SqliteLedger::open(&folder.path().join("ledger.db"), Arc::new(clock())).await.expect("a ledger");
        let ledger: Arc<dyn Ledger> = Arc::new(opened);
        let context = told(&ledger, 0..MESSAGES).await;
        for number in 0..MESSAGES {
            note(&ledger, number).await;
        }
        let ended = {
            let mut running = pin!(run(context.clone()));
            let mut left = polls;
            poll_fn(|waker| {
                if left == 0 {
                    return Poll::Ready(None);
                }
                left -= 1;
                running.as_mut().poll(waker).map(Some)
            })
            .await
        };
        went_on += usize::from(!event(&ledger).await.facts.reports.is_empty() && ended.is_none());
        let again = run(context).await;
        let expected = json!({ "event": EVENT, "applied": MESSAGES, "unchanged": 0, "unmatched": 0 });
        let Outcome::Done(result) = &again else { panic!("{again:?}") };
        assert_eq!(serde_json::from_str::<Value>(result).ok(), Some(expected), "killed after {polls} polls");
        let deliveries = ledger.deliveries(&tenant(), id(1)).await.expect("deliveries");
        assert!(deliveries.iter().all(|one| (one.facts.status(), one.version) == (Status::Delivered, 2)), "killed after {polls} polls");
        assert!(event(&ledger).await.facts.applied_at.is_some());
        if let Some(ended) = ended {
            assert_eq!(ended, again, "run twice, it says the same");
            break;
        }
    }
    assert!(went_on >= 2, "some were killed between two commits: {went_on}");
}

#[tokio::test]
async fn a_report_of_nobodys_message_is_looked_at_again_and_given_up_in_its_time() {
    let clock: VirtualClock = clock();
    let ledger: Arc<dyn Ledger> = Arc::new(ModelLedger::new(Arc::new(clock.clone())));
    let context = told(&ledger, 0..3).await;
    note(&ledger, 0).await;
    let (mut waited_ms, mut looks) = (0, 0);
    let done = loop {
        match run(context.clone()).await {
            Outcome::Snooze(wait) => {
                assert!(wait >= Duration::from_secs(1) && wait <= Duration::from_secs(600), "{wait:?}");
                waited_ms += i64::try_from(wait.as_millis()).expect("short");
                clock.advance_ms(i64::try_from(wait.as_millis()).expect("short"));
                looks += 1;
            }
            other => break other,
        }
        if looks == 3 {
            // Its sender was killed, and has noted it only now.
            note(&ledger, 1).await;
        }
    };
    let Outcome::Done(result) = &done else { panic!("{done:?}") };
    let expected = json!({ "event": EVENT, "applied": 2, "unchanged": 0, "unmatched": 1 });
    assert_eq!(serde_json::from_str::<Value>(result).ok(), Some(expected));
    assert!(waited_ms >= UNMATCHED_AFTER_MS && looks < 15, "{looks} looks in {waited_ms} ms");
    let outcomes: Vec<Came> = event(&ledger).await.facts.reports.values().map(|outcome| outcome.came).collect();
    assert_eq!(outcomes, [Came::Applied, Came::Applied, Came::Unmatched]);
}
