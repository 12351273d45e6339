//! Runs one attempt of a job whose handler does one effect: a line in a file, which stands for the provider's books. It stops at
//! a point that the orders name, makes a file that tells, and waits: somebody kills it to see what is left. Without a point it
//! goes through, settles, and says how it ended.

use std::{
    env,
    fs::{File, OpenOptions},
    future::pending,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use serde::Deserialize;
use windrow_jobs::{
    backoff::Backoff,
    clock::{Clock, SystemClock, Timestamp},
    effect::{Failed, Intended, Intent, Kept, Policy, Receipt, Sent, Turn},
    handler::{Context, Outcome},
    job::JobId,
    ledger::{self, Effects, Ledger, postgres::PostgresLedger, sqlite::SqliteLedger},
    lifecycle::{self, Ending},
    tenant::TenantId,
};
use windrow_tests::{
    handlers::{SwitchedLease, context_of},
    jobs::claim_of,
};

#[derive(Deserialize)]
struct Orders {
    /// A SQLite file, or a PostgreSQL URL.
    ledger: String,
    job: JobId,
    attempt: u32,
    policy: Policy,
    /// Where to stop; none means to go through.
    stop: Option<String>,
    /// The file that tells.
    reached: PathBuf,
    /// The provider's books: a line for each call that it took.
    books: PathBuf,
}

#[tokio::main]
async fn main() {
    let orders: Arc<Orders> = Arc::new(serde_json::from_str(&env::args().nth(1).expect("orders")).expect("orders in JSON"));
    let (ledger, effects): (Arc<dyn Ledger>, Arc<dyn Effects>) = if orders.ledger.contains("://") {
        let ledger = PostgresLedger::open(&orders.ledger).await.expect("the ledger opens");
        (Arc::new(ledger.clone()), Arc::new(ledger))
    } else {
        let ledger = SqliteLedger::open(Path::new(&orders.ledger), Arc::new(SystemClock)).await.expect("the ledger opens");
        (Arc::new(ledger.clone()), Arc::new(ledger))
    };
    let claimed = ledger.claim(claim_of([(orders.job, orders.attempt)])).await.expect("claim").pop().expect("it is available");
    let effects = Arc::new(Stopping { below: effects, orders: orders.clone() });
    let context = context_of(&claimed, ledger.clone(), effects, Arc::new(SwitchedLease::default()));
    let ending = match run(&context, &orders).await {
        Outcome::Done(result) => Ending::Done(result),
        Outcome::Retry { error, .. } => Ending::Retry { error, after_ms: Some(0) },
        Outcome::Bury(error) => Ending::Bury(error),
        other => panic!("{other:?}"),
    };
    orders.stop_at("before the ending").await;
    let now = SystemClock.now();
    let change = lifecycle::settle(&claimed.snapshot, claimed.snapshot.attempt, ending, now, &Backoff::default(), 0.0).expect("it runs");
    assert_eq!(ledger.settle(vec![change]).await.expect("settle"), [true]);
    assert!(orders.stop.is_none(), "{:?} is not reached", orders.stop);
    println!("through");
}

async fn run(context: &Context, orders: &Arc<Orders>) -> Outcome {
    let (books, key) = (orders.books.clone(), format!("{}.mail", orders.job));
    let ask = |asked: String| async move {
        assert_eq!(asked, key);
        let known = std::fs::read_to_string(&books).unwrap_or_default().lines().any(|line| line == asked);
        Ok(known.then(|| Receipt { provider_id: Some("asked".into()), result: "sent".to_owned() }))
    };
    let told = orders.clone();
    let send = |call: windrow_jobs::effect::Call| async move {
        told.stop_at("before the call").await;
        note(&told.books, &call.key).map_err(|error| Failed::not_done(Outcome::retry("books", error.to_string())))?;
        told.stop_at("after the call").await;
        Ok(Sent::Done(Receipt { provider_id: Some("sent".into()), result: "sent".to_owned() }))
    };
    match context.effect("mail", orders.policy).run_asking(ask, send).await {
        Ok(performed) => Outcome::done(&performed.result),
        Err(stopped) => stopped.into_outcome(),
    }
}

fn note(books: &Path, key: &str) -> std::io::Result<()> {
    let mut books = OpenOptions::new().create(true).append(true).open(books)?;
    writeln!(books, "{key}")?;
    books.sync_all()
}

impl Orders {
    async fn stop_at(&self, point: &str) {
        if self.stop.as_deref() == Some(point) {
            File::create(&self.reached).expect("a file that tells");
            pending::<()>().await;
        }
    }
}

/// The ledger's role, stopping before and after each of its writes.
struct Stopping {
    below: Arc<dyn Effects>,
    orders: Arc<Orders>,
}

#[async_trait]
impl Effects for Stopping {
    async fn intend(&self, intent: Intent) -> ledger::Result<Intended> {
        self.orders.stop_at("before the intent").await;
        let intended = self.below.intend(intent).await?;
        self.orders.stop_at("after the intent").await;
        Ok(intended)
    }

    async fn turn_effect(&self, turn: Turn) -> ledger::Result<bool> {
        self.orders.stop_at("before the confirmation").await;
        let turned = self.below.turn_effect(turn).await?;
        self.orders.stop_at("after the confirmation").await;
        Ok(turned)
    }

    async fn effects(&self, tenant: &TenantId, job: JobId) -> ledger::Result<Vec<Kept>> {
        self.below.effects(tenant, job).await
    }

    async fn awaited(&self, callback: &[u8; 32]) -> ledger::Result<Option<(Kept, Timestamp)>> {
        self.below.awaited(callback).await
    }
}
