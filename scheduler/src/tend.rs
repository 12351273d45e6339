//! The duty `tend`: forgets what no index needs any more (what was dropped, vectors that were staged and never used, deletions of long ago), a
//! little at a time, and makes what searches of large indexes are faster with.
//!
//! That takes minutes, so it goes on beside the duty. Where there is no store, as in a PostgreSQL without pgvector, there is nothing to tend,
//! and nothing to say: whoever searches is told. Its lag is by how much its next look is late.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::JoinHandle;
use windrow_jobs::{
    ledger::{Error, Result},
    search::store::SearchStore,
};

use crate::{
    Scheduler,
    duty::{Acted, Duty},
};

/// The pause while there is something to forget: a commit that others wait for is short, and so is the next.
const BUSY_PAUSE_MS: i64 = 100;
/// The pause between two looks.
const IDLE_PAUSE_MS: i64 = 10_000;
/// The pause where there is no store.
const AWAY_PAUSE_MS: i64 = 60_000;

pub(crate) struct Tend {
    search: Arc<dyn SearchStore>,
    making: Option<Making>,
}

/// What is being made; it ends with the term.
struct Making(JoinHandle<Result<bool>>);

impl Drop for Making {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Tend {
    pub(crate) fn new(scheduler: &Scheduler) -> Self {
        Self { search: scheduler.search.clone(), making: None }
    }

    /// Goes on with what is being made, or begins to look whether there is something to make.
    async fn make(&mut self) {
        match &mut self.making {
            Some(making) if !making.0.is_finished() => return,
            Some(making) => match (&mut making.0).await {
                Ok(Ok(made)) if made => tracing::info!("a large index has an index of its vectors now, or one that nobody needs is gone"),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "making an index of vectors; searches of large indexes are slow until there is one")
                }
                Err(error) => tracing::error!(%error, "making an index of vectors"),
            },
            None => {}
        }
        let search = self.search.clone();
        self.making = Some(Making(tokio::spawn(async move { search.tend().await })));
    }
}

#[async_trait]
impl Duty for Tend {
    const NAME: &'static str = "tend";

    async fn act(&mut self) -> Result<Acted> {
        let more = match self.search.prune().await {
            Ok(more) => more,
            Err(error @ (Error::Unavailable(_) | Error::Outdated { .. })) => {
                tracing::debug!(%error, "there is no store of indexes");
                return Ok(Acted { sleep_ms: AWAY_PAUSE_MS, lag_ms: 0 });
            }
            Err(error) => return Err(error),
        };
        self.make().await;
        Ok(Acted { sleep_ms: if more { BUSY_PAUSE_MS } else { IDLE_PAUSE_MS }, lag_ms: 0 })
    }
}
