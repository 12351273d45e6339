//! Puts a document into a search store, up to a statement that it never finishes, or to the end; then waits. It makes a file when it has got
//! there, or SQLite its journal: somebody kills it to see what is left. In PostgreSQL it is whoever kills it that keeps a statement from
//! finishing.

use std::{env, fs::File, future::pending, path::PathBuf, sync::Arc};

use serde::Deserialize;
use sqlx::{AssertSqlSafe, SqlSafeStr};
use windrow_jobs::{
    clock::SystemClock,
    search::{
        postgres::PostgresSearch,
        sql::Statements,
        sqlite::SqliteSearch,
        store::{Place, Put, SearchStore},
    },
};
use windrow_tests::{jobs::tenant, searches};

#[derive(Deserialize)]
struct Orders {
    /// The file, or the database's URL.
    file: Option<PathBuf>,
    url: Option<String>,
    /// Where the vectors are, which it stages first.
    qdrant: Option<String>,
    generation: i64,
    version: u64,
    /// The statement that does not end; none means it goes through.
    step: Option<String>,
    /// The file that tells.
    reached: PathBuf,
}

#[tokio::main]
async fn main() {
    let orders: Orders = serde_json::from_str(&env::args().nth(1).expect("orders")).expect("orders in JSON");
    let store: Box<dyn SearchStore> = match (&orders.file, &orders.url) {
        (Some(file), _) => {
            let sqlite = SqliteSearch::open_with(file, Arc::new(SystemClock), statements(&orders)).await.expect("the store opens");
            match &orders.qdrant {
                Some(url) => Box::new(sqlite.with_points(searches::points(url))),
                None => Box::new(sqlite),
            }
        }
        (None, Some(url)) => Box::new(PostgresSearch::open(url).await.expect("the store opens")),
        (None, None) => panic!("a file or a URL"),
    };
    let place = Place { tenant: tenant(), index: searches::INDEX.into(), generation: orders.generation };
    let document = searches::versioned(orders.version);
    if orders.qdrant.is_some() {
        searches::stage(&*store, &place, &document).await;
    }
    let put = store.put_document(&place, &document).await;
    if orders.step.is_none() {
        assert!(matches!(put, Ok(Put::Stored { .. })), "{put:?}");
        File::create(&orders.reached).expect("a file that tells");
        pending::<()>().await;
    }
    panic!("the step is not reached: {put:?}");
}

fn statements(orders: &Orders) -> Statements {
    // Writing to another file within the transaction makes that one's journal, before the transaction's end.
    let other = orders.reached.with_extension("db");
    File::create(&other).expect("another file");
    let endless = format!(
        "ATTACH DATABASE '{}' AS other; CREATE TABLE other.t (n); \
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n FROM n) SELECT count(*) FROM n",
        other.display()
    );
    let mut statements = Statements::sqlite();
    let step = |(name, _): &(&str, _)| orders.step.as_deref() == Some(*name);
    statements.each().filter(step).for_each(|(_, text)| *text = AssertSqlSafe(endless.clone()).into_sql_str());
    statements
}
