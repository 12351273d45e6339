//! What a sync reads: over real HTTP, from a provider that pages in every way, throttles, breaks off, lies and never ends.

mod hostile;
mod listing;
mod since;
mod waiting;

use std::sync::Arc;

use serde_json::{Value, json};
use windrow_jobs::{
    handler::{Context, Outcome},
    kinds::Services,
    ledger::model::ModelLedger,
    sync::{
        Source as Declared,
        definition::Limits,
        reader::{Page, Patience, Place, Reader, Stopped},
        state::Since,
    },
};
use windrow_tests::{
    handlers::{Given, SwitchedLease, context_of, services},
    jobs::{claim, insert, ready},
    ledgers,
    source::Source,
};

/// The secret that opens the door in these tests: nothing that is told may have it.
const SECRET: &str = "planted-bearer-token-77";

/// A provider, and an attempt that reads it.
struct Play {
    source: Source,
    given: Arc<Given>,
    context: Context,
    services: Services,
    ledger: Arc<ModelLedger>,
    lease: Arc<SwitchedLease>,
}

impl Play {
    /// With a provider of so many records, through the connection `source`.
    async fn of(records: u64) -> Self {
        let source = Source::start(records).await;
        let (given, lease) = (Arc::new(Given::default()), Arc::new(SwitchedLease::default()));
        given.connect("source", "http", json!({ "url": source.url(), "headers": {} }), &[("bearer_token", SECRET)]);
        source.token(Some(SECRET));
        let ledger = Arc::new(ModelLedger::new(Arc::new(ledgers::clock())));
        insert(&*ledger, [ready(1)]).await;
        let claimed = claim(&*ledger, 1).await;
        let context = Context { access: given.clone(), ..context_of(&claimed, ledger.clone(), ledger.clone(), lease.clone()) };
        Self { source, given, context, services: services(), ledger, lease }
    }

    async fn reader(&self, http: &Value) -> Reader {
        self.reader_since(http, json!({}), None).await
    }

    async fn reader_since(&self, http: &Value, limits: Value, since: Option<&Since>) -> Reader {
        let declared: Declared = serde_json::from_value(json!({ "http": http })).expect("a source");
        let limits: Limits = serde_json::from_value(limits).expect("limits");
        let (services, context, records) = (&self.services, &self.context, self.ledger.clone());
        Reader::open_with(services, context, records, &declared, &limits, since, quick()).await.expect("it opens")
    }
}

/// Waits that a test has time for.
fn quick() -> Patience {
    let ms = std::time::Duration::from_millis;
    Patience { wait_max: ms(1_500), waits_max: ms(3_000), busy: Some(ms(20)), tries: 3, between_tries: ms(2) }
}

/// What came of reading all pages.
#[derive(Default)]
struct All {
    records: Vec<Value>,
    pages: Vec<Page>,
}

impl All {
    fn ids(&self) -> Vec<u64> {
        self.records.iter().filter_map(|record| number(&record["id"]).or_else(|| number(&record["@id"]))).collect()
    }

    fn mark(&self) -> Option<String> {
        self.pages.last().and_then(|page| page.mark.clone())
    }

    fn since(&self) -> Since {
        Since { version: 1, mark: self.mark().expect("a mark"), runs: 0, run: 1 }
    }
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Reads page after page; each place goes through JSON, as a run keeps it.
async fn read_all(reader: &mut Reader) -> Result<All, Stopped> {
    let (mut all, mut place): (All, Option<Place>) = (All::default(), None);
    loop {
        let page = reader.page(place.as_ref()).await?;
        all.records.extend(page.records.iter().cloned());
        let next = page.next.clone();
        all.pages.push(page);
        match next {
            Some(next) => place = Some(kept(&next)),
            None => return Ok(all),
        }
    }
}

fn kept(place: &Place) -> Place {
    let json = serde_json::to_string(place).expect("JSON");
    assert!(json.len() < 6_000 && !json.contains("planted"), "{json}");
    serde_json::from_str(&json).expect("a place")
}

/// The code of what failed, and whether it is tried again. Nothing of it tells the secret.
fn failure(stopped: Stopped) -> (String, bool, String) {
    let (error, retry) = match stopped {
        Stopped::Failed(Outcome::Retry { error, .. }) => (error, true),
        Stopped::Failed(Outcome::Bury(error)) => (error, false),
        other => panic!("{other:?}"),
    };
    assert!(!error.message.contains("planted"), "{}", error.message);
    (error.code, retry, error.message)
}
