//! A store that is opened by its first use, and tried again by the next where that failed: without pgvector, or while the database is away,
//! a process does everything else, and searching says why it cannot.

use std::{future::Future, pin::Pin, sync::Arc};

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::{
    ChunkHash, Document, Hit, Index, Listed, Query, Settings,
    store::{Begun, Place, Put, SearchStore, Spent, Switched, Which},
};
use crate::{job::JobId, ledger::Result, tenant::TenantId};

type Opening = Pin<Box<dyn Future<Output = Result<Arc<dyn SearchStore>>> + Send>>;

/// A store that is opened by its first use.
pub struct LazySearch {
    open: Box<dyn Fn() -> Opening + Send + Sync>,
    opened: OnceCell<Arc<dyn SearchStore>>,
}

impl LazySearch {
    /// The store that this opens.
    pub fn new<F>(open: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Arc<dyn SearchStore>>> + Send + 'static,
    {
        Self { open: Box::new(move || Box::pin(open())), opened: OnceCell::new() }
    }

    /// The store, opened if it was not; an error says why it cannot be.
    pub async fn store(&self) -> Result<&Arc<dyn SearchStore>> {
        self.opened.get_or_try_init(|| (self.open)()).await
    }
}

macro_rules! passed_on {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)+) => {
        #[async_trait]
        impl SearchStore for LazySearch {
            $(
                async fn $name(&self, $($argument: $kind),*) -> Result<$answer> {
                    self.store().await?.$name($($argument),*).await
                }
            )+
        }
    };
}

passed_on! {
    open_index(tenant: &TenantId, name: &str, or: &Settings) -> Index;
    index(tenant: &TenantId, name: &str) -> Option<Index>;
    indexes(tenant: &TenantId, after: Option<&str>, limit: u32) -> Vec<Index>;
    drop_index(tenant: &TenantId, name: &str) -> bool;
    known(place: &Place, hashes: &[ChunkHash]) -> Vec<ChunkHash>;
    stage(place: &Place, vectors: &[(ChunkHash, Vec<f32>)]) -> ();
    put_document(place: &Place, document: &Document) -> Put;
    delete_documents(tenant: &TenantId, name: &str, which: &Which, version: JobId) -> u64;
    documents(tenant: &TenantId, name: &str, after: Option<&str>, limit: u32) -> Vec<Listed>;
    search(tenant: &TenantId, name: &str, query: &Query) -> Option<Vec<Hit>>;
    begin_generation(tenant: &TenantId, name: &str, settings: &Settings) -> Begun;
    behind(next: &Place, limit: u32) -> Vec<(String, JobId)>;
    document(tenant: &TenantId, name: &str, id: &str) -> Option<Document>;
    switch(next: &Place) -> Switched;
    give_up(next: &Place) -> ();
    spend(tenant: &TenantId, tokens: u64, day_max: Option<u64>) -> Spent;
    spent(tenant: &TenantId) -> u64;
    tend() -> bool;
    prune() -> bool;
}
