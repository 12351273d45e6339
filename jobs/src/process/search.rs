//! Opening the search store that the settings name: beside the ledger, in a file of its own or in a schema of its own; the vectors in Qdrant, where
//! the settings name one.

use std::{path::PathBuf, sync::Arc};

use crate::{
    clock::SystemClock,
    ledger::Result,
    search::{
        lazily::LazySearch,
        points::Points,
        postgres::PostgresSearch,
        qdrant::Qdrant,
        sql::Statements,
        sqlite::{FILE, SqliteSearch},
        store::SearchStore,
    },
    settings::{Migrate, SearchSettings, Settings},
};

/// The store of these settings; it is opened by its first use.
pub fn open(settings: &Settings) -> LazySearch {
    let (migrate, search) = (settings.ledger.migrate, settings.search.clone());
    match settings.postgres_url() {
        Ok(url) => {
            let url = url.to_owned();
            LazySearch::new(move || postgres(url.clone(), migrate, search.clone()))
        }
        Err(_) => {
            let file = settings.data_dir.join(FILE);
            LazySearch::new(move || sqlite(file.clone(), migrate, search.clone()))
        }
    }
}

async fn postgres(url: String, migrate: Migrate, search: SearchSettings) -> Result<Arc<dyn SearchStore>> {
    if migrate == Migrate::Check {
        PostgresSearch::schema(&url).await?.check()?;
    }
    Ok(Arc::new(match points(&search)? {
        Some(points) => PostgresSearch::open_with_points(&url, None, Statements::postgres(), points).await?,
        None => PostgresSearch::open(&url).await?,
    }))
}

async fn sqlite(file: PathBuf, migrate: Migrate, search: SearchSettings) -> Result<Arc<dyn SearchStore>> {
    let opened = match migrate {
        Migrate::Auto => SqliteSearch::open(&file, Arc::new(SystemClock)).await?,
        Migrate::Check => SqliteSearch::open_checked(&file, Arc::new(SystemClock)).await?,
    };
    Ok(match points(&search)? {
        Some(points) => Arc::new(opened.with_points(points)),
        None => Arc::new(opened),
    })
}

/// The Qdrant of these settings, if they name one.
pub fn qdrant(search: &SearchSettings) -> Result<Option<Qdrant>> {
    let key = search.qdrant_api_key.as_ref().map(|key| key.as_str());
    search.qdrant_url.as_ref().map(|url| Qdrant::new(url, key)).transpose()
}

/// What keeps the vectors, if not the database.
fn points(search: &SearchSettings) -> Result<Option<Arc<dyn Points>>> {
    Ok(qdrant(search)?.map(|qdrant| Arc::new(qdrant) as Arc<dyn Points>))
}
