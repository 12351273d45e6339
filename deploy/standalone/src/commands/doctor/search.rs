//! Whether indexes can be kept, so that searching works, and what it takes.

use windrow_jobs::{
    search::{
        postgres::checkup::{Checkup, VERSION_MIN, Vectors, is_new},
        sqlite::{FILE, SqliteSearch},
    },
    settings::{Migrate, Settings},
};

use super::{Finding, ledger::schema};

const CHECK: &str = "search";

/// The store of indexes that goes with the database of the settings.
pub(super) async fn check(settings: &Settings) -> Option<Finding> {
    if let Ok(url) = settings.postgres_url() {
        // Why it does not answer is told by the ledger's check.
        return Checkup::of(url).await.ok().map(|checkup| postgres(&checkup, settings));
    }
    let file = settings.data_dir.join(FILE);
    Some(match SqliteSearch::schema(&file).await {
        Ok(_) if !file.exists() => Finding::ok(CHECK, format!("{} is not there; its first use makes it", file.display())),
        Ok(found) => schema(CHECK, found, settings),
        Err(error) => Finding::fail(CHECK, format!("{} cannot be read: {error}", file.display()), "is this the server's user?"),
    })
}

fn postgres(checkup: &Checkup, settings: &Settings) -> Finding {
    let without = "searching answers 503, and everything else works";
    match &checkup.vectors {
        Vectors::There(version) | Vectors::Offered(version) if !is_new(version) => {
            let (major, minor) = VERSION_MIN;
            let advice = "install a newer one on the server, and have a superuser run `ALTER EXTENSION vector UPDATE` in this database";
            Finding::warn(CHECK, format!("pgvector {version} is older than {major}.{minor}"), advice)
        }
        Vectors::There(version) => {
            let found = schema(CHECK, checkup.schema, settings);
            Finding { detail: format!("pgvector {version}; {}", found.detail), ..found }
        }
        Vectors::Offered(version) => {
            let detail = format!("the server has pgvector {version}, and the database has not yet");
            match settings.ledger.migrate {
                Migrate::Auto => Finding::ok(CHECK, format!("{detail}: the first start, or `windrow migrate`, sees to that")),
                Migrate::Check => Finding::warn(CHECK, format!("{detail}: {without}"), "run `windrow migrate`"),
            }
        }
        Vectors::Withheld(version) => Finding::warn(
            CHECK,
            format!("the server has pgvector {version}, and the database has not: {without}"),
            "to search, have a superuser run `CREATE EXTENSION vector` in this database",
        ),
        Vectors::Missing => Finding::warn(
            CHECK,
            format!("the server has no pgvector: {without}"),
            "to search, install pgvector 0.8 or later on the server, and have a superuser run `CREATE EXTENSION vector` in this database",
        ),
    }
}
