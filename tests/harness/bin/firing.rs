//! Fires what is due in a SQLite ledger, up to a statement that it never finishes, or to the end; then waits. It makes a file
//! when it has got there: somebody kills it to see what is left.

use std::{env, fs::File, future::pending, path::PathBuf, sync::Arc};

use serde::Deserialize;
use sqlx::{AssertSqlSafe, SqlSafeStr};
use windrow_jobs::{
    clock::{Timestamp, VirtualClock},
    ledger::{
        Upkeep,
        sqlite::{SqliteLedger, Statements},
    },
};
use windrow_tests::{jobs::ALL, schedules::rules};

#[derive(Deserialize)]
struct Orders {
    file: PathBuf,
    now_ms: i64,
    /// The statement that does not end; none means it goes through.
    step: Option<String>,
    /// The file that tells.
    reached: PathBuf,
}

#[tokio::main]
async fn main() {
    let orders: Orders = serde_json::from_str(&env::args().nth(1).expect("orders")).expect("orders in JSON");
    let mut statements = Statements::default();
    // Attaching makes the file, from within the transaction and before its end.
    let endless = format!(
        "ATTACH DATABASE '{}' AS reached; WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n FROM n) SELECT count(*) FROM n",
        orders.reached.display()
    );
    let step = |(name, _): &(&str, _)| orders.step.as_deref() == Some(*name);
    statements.each().filter(step).for_each(|(_, text)| *text = AssertSqlSafe(endless.clone()).into_sql_str());
    let clock = VirtualClock::starting_at(Timestamp::from_ms(orders.now_ms));
    let ledger = SqliteLedger::open_with(&orders.file, Arc::new(clock), statements).await.expect("the ledger opens");
    ledger.fire(&rules(), ALL).await.expect("it fires");
    if orders.step.is_none() {
        File::create(&orders.reached).expect("a file that tells");
        pending::<()>().await;
    }
    panic!("the step is not reached");
}
