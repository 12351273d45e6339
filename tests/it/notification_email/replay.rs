//! What was confirmed is taken as it was, though the connection is gone by then.

use std::sync::Arc;

use serde_json::{Value, json};
use windrow_jobs::{
    effect::{Policy, Receipt, Sent},
    handler::{Context, Handler, Outcome},
    kinds::notification_email::handler::NotificationEmail,
    ledger::model::ModelLedger,
    lifecycle::Ending,
};
use windrow_tests::{
    handlers::{SwitchedLease, context_of, services},
    jobs::{claim, insert, ready, settle},
    ledgers,
};

/// The handler in a context that has no connections.
async fn run(context: Context) -> Outcome {
    let payload = json!({ "connection": "mail", "to": ["ana@example.com", "bo@example.com"], "subject": "Hello", "text": "Hello." });
    let payload = serde_json::from_value(payload).expect("a payload");
    NotificationEmail::new(services()).run(context, payload).await.expect("an outcome")
}

#[tokio::test]
async fn a_message_that_everybody_was_sent_is_done_with_though_its_connection_is_gone() {
    let ledger = Arc::new(ModelLedger::new(Arc::new(ledgers::clock())));
    insert(&*ledger, [ready(1)]).await;
    let first = json!({
        "at": "2026-01-01T00:00:00.000Z", "accepted": ["ana@example.com"], "refused": [], "answer": "250 first",
        "deferred": [{ "address": "bo@example.com", "answer": "450 later" }]
    });
    let second = json!({
        "at": "2026-01-01T00:00:00.000Z", "accepted": [], "deferred": [], "answer": null,
        "refused": [{ "address": "bo@example.com", "answer": "550 never" }]
    });
    let mut rounds = [("send", Some("<1.send@example.com>"), first), ("send.2", None, second)].into_iter();
    let mut outcomes = Vec::new();
    loop {
        let claimed = claim(&*ledger, 1).await;
        let context = context_of(&claimed, ledger.clone(), ledger.clone(), Arc::new(SwitchedLease::default()));
        outcomes.push(run(context.clone()).await);
        let Some((key, provider_id, result)) = rounds.next() else { break };
        let receipt = Receipt { provider_id: provider_id.map(str::to_owned), result };
        let done = context.effect(key, Policy::Resend).run(|_| async { Ok(Sent::Done(receipt)) }).await;
        assert!(!done.expect("it is kept").replayed);
        // Its worker dies, and another claims it.
        assert!(settle(&*ledger, &claimed, Ending::Interrupted).await);
    }
    let done = outcomes.pop();
    let reply = json!({
        "message_id": "<1.send@example.com>", "accepted": ["ana@example.com"], "answer": "250 first",
        "refused": [{ "address": "bo@example.com", "answer": "550 never" }]
    });
    let Some(Outcome::Done(result)) = done else { panic!("{done:?}") };
    assert_eq!(serde_json::from_str::<Value>(&result).expect("JSON"), reply);
    // While something is left, the connection is needed, and there is none.
    assert!(outcomes.len() == 2 && outcomes.iter().all(|outcome| !matches!(outcome, Outcome::Done(_))), "{outcomes:?}");
}
