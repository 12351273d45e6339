//! Opening the search store that the settings name: beside the ledger, in a file of its own or in a schema of its own.

use std::{path::PathBuf, sync::Arc};

use crate::{
    clock::SystemClock,
    ledger::Result,
    search::{
        lazily::LazySearch,
        postgres::PostgresSearch,
        sqlite::{FILE, SqliteSearch},
        store::SearchStore,
    },
    settings::{Migrate, Settings},
};

/// The store of these settings; it is opened by its first use.
pub fn open(settings: &Settings) -> LazySearch {
    let migrate = settings.ledger.migrate;
    match settings.postgres_url() {
        Ok(url) => {
            let url = url.to_owned();
            LazySearch::new(move || postgres(url.clone(), migrate))
        }
        Err(_) => {
            let file = settings.data_dir.join(FILE);
            LazySearch::new(move || sqlite(file.clone(), migrate))
        }
    }
}

async fn postgres(url: String, migrate: Migrate) -> Result<Arc<dyn SearchStore>> {
    Ok(Arc::new(match migrate {
        Migrate::Auto => PostgresSearch::open(&url).await?,
        Migrate::Check => PostgresSearch::open_checked(&url).await?,
    }))
}

async fn sqlite(file: PathBuf, migrate: Migrate) -> Result<Arc<dyn SearchStore>> {
    Ok(Arc::new(match migrate {
        Migrate::Auto => SqliteSearch::open(&file, Arc::new(SystemClock)).await?,
        Migrate::Check => SqliteSearch::open_checked(&file, Arc::new(SystemClock)).await?,
    }))
}
