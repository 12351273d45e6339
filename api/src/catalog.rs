//! The kinds this process accepts: the built-in ones, and whatever workers publish in the ledger.
//!
//! The ledger is read again now and then, and when somebody asks for a kind that is not known, so a new kind
//! needs no restart of the api.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use windrow_jobs::{
    contract::{Catalog, Known},
    ledger,
};

use crate::Front;

/// How old the catalog may become; a changed contract is accepted after that time.
const AGE_MAX: Duration = Duration::from_secs(10);
/// How often an unknown kind makes us look: a client that asks for nonsense costs the ledger one read a second.
const AGE_MIN: Duration = Duration::from_secs(1);

/// The catalog and its age. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Kinds(Arc<Inner>);

struct Inner {
    ledger: Arc<dyn Front>,
    known: Mutex<Known>,
    /// Held by whoever reads the ledger, with the time of the last read that succeeded.
    read_at: tokio::sync::Mutex<Option<Instant>>,
}

impl Kinds {
    /// The built-in kinds, and soon those of the ledger.
    pub(crate) fn of(ledger: Arc<dyn Front>) -> Self {
        Self(Arc::new(Inner { ledger, known: Mutex::new(Known::built_in()), read_at: tokio::sync::Mutex::default() }))
    }

    /// The catalog, in which `kind` is missing only if the ledger does not know it either.
    pub(crate) async fn with(&self, kind: &str) -> ledger::Result<Catalog> {
        let catalog = self.catalog();
        if catalog.get(kind).is_some() {
            return Ok(catalog);
        }
        self.0.read(AGE_MIN).await?;
        Ok(self.known())
    }

    /// The catalog as it is; if it is old it is read again behind the caller's back.
    pub(crate) fn catalog(&self) -> Catalog {
        if let Ok(read_at) = self.0.read_at.try_lock()
            && is_older(*read_at, AGE_MAX)
        {
            drop(read_at);
            let inner = self.0.clone();
            tokio::spawn(async move {
                if let Err(error) = inner.read(AGE_MAX).await {
                    tracing::warn!(%error, "the kinds could not be read again; those known stay");
                }
            });
        }
        self.known()
    }

    fn known(&self) -> Catalog {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner).catalog().clone()
    }
}

impl Inner {
    /// Reads the ledger's contracts, unless somebody did so less than `age` ago.
    async fn read(&self, age: Duration) -> ledger::Result<()> {
        let mut read_at = self.read_at.lock().await;
        if !is_older(*read_at, age) {
            return Ok(());
        }
        let published = self.ledger.contracts().await?;
        *read_at = Some(Instant::now());
        self.known.lock().unwrap_or_else(PoisonError::into_inner).publish(published);
        Ok(())
    }
}

fn is_older(read_at: Option<Instant>, age: Duration) -> bool {
    read_at.is_none_or(|read_at| read_at.elapsed() >= age)
}
