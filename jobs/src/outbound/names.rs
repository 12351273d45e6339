//! Resolves names, and gives only addresses that may be called: what was checked is what is connected to.

use std::{io, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::address;

/// The most names that are asked for at once. The machine's resolver takes a thread for each, for as long as a slow name likes, of the 512
/// on which everything else that blocks runs as well: files, builds.
pub(super) const LOOKUPS_MAX: usize = 64;

/// Who knows the addresses of names.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// The addresses of this name.
    async fn lookup(&self, name: &str) -> io::Result<Vec<SocketAddr>>;
}

/// The machine's own resolver.
pub struct System;

#[async_trait]
impl Lookup for System {
    async fn lookup(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.collect())
    }
}

/// A name that leads where nobody may have us call. Which address it was is not said: names of the inside would be told.
#[derive(Debug, thiserror::Error)]
#[error("{name} leads to {purpose}")]
pub(super) struct LeadsInside {
    name: String,
    purpose: &'static str,
}

/// Resolves for one of the two clients.
pub(super) struct Resolver {
    pub lookup: Arc<dyn Lookup>,
    /// Whether addresses are checked.
    pub guarded: bool,
    /// [`LOOKUPS_MAX`] at once, of both clients.
    pub lookups: Arc<Semaphore>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, guarded, lookups) = (self.lookup.clone(), self.guarded, self.lookups.clone());
        Box::pin(async move {
            let turn = lookups.acquire_owned().await?;
            let asked = name.as_str().to_owned();
            // Apart, as the thread goes on when nobody waits any more: only then is it the next one's turn.
            let looking = tokio::spawn(async move {
                let _turn = turn;
                lookup.lookup(&asked).await
            });
            let addresses = looking.await??;
            if guarded {
                check(name.as_str(), &addresses)?;
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

/// One that leads inside makes the whole name suspect, and it would only wait for the others to fail.
fn check(name: &str, addresses: &[SocketAddr]) -> Result<(), LeadsInside> {
    match addresses.iter().find_map(|address| address::refused(address.ip())) {
        Some(purpose) => Err(LeadsInside { name: name.to_owned(), purpose }),
        None => Ok(()),
    }
}
