//! Whether indexes can be kept, so that searching works, and what it takes.

use windrow_jobs::{
    process,
    search::{
        postgres::checkup::{Checkup, VERSION_MIN, Vectors, is_new},
        sqlite::{FILE, SqliteSearch},
        store::said,
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

/// Qdrant, where the settings say that it keeps the vectors.
pub(super) async fn qdrant(settings: &Settings) -> Option<Finding> {
    const CHECK: &str = "search.qdrant";
    let answered = match process::search::qdrant(&settings.search).transpose()? {
        Ok(qdrant) => qdrant.check().await,
        Err(error) => Err(error),
    };
    Some(match answered {
        Ok(()) => Finding::ok(CHECK, "Qdrant answers"),
        Err(error) => Finding::fail(CHECK, said(&error), "is it up, and are WINDROW_QDRANT_URL and WINDROW_QDRANT_API_KEY right?"),
    })
}

fn postgres(checkup: &Checkup, settings: &Settings) -> Finding {
    let without = "searching answers 503, and everything else works";
    if settings.search.qdrant_url.is_some() {
        let found = schema(CHECK, checkup.schema, settings);
        return Finding { detail: format!("the vectors are in Qdrant; {}", found.detail), ..found };
    }
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
