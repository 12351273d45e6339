//! Resolves names, and gives only addresses that may be called: what was checked is what is connected to.

use std::{error, io, net::SocketAddr, sync::Arc};

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
#[derive(Clone)]
pub(super) struct Resolver {
    pub lookup: Arc<dyn Lookup>,
    /// Whether addresses are checked.
    pub guarded: bool,
    /// [`LOOKUPS_MAX`] at once, of both clients.
    pub lookups: Arc<Semaphore>,
}

impl Resolver {
    /// The addresses of this name, checked where that is asked.
    pub async fn addresses(&self, name: &str) -> Result<Vec<SocketAddr>, Box<dyn error::Error + Send + Sync>> {
        let turn = self.lookups.clone().acquire_owned().await?;
        let (lookup, asked) = (self.lookup.clone(), name.to_owned());
        // Apart, as the thread goes on when nobody waits any more: only then is it the next one's turn.
        let looking = tokio::spawn(async move {
            let _turn = turn;
            lookup.lookup(&asked).await
        });
        let addresses = looking.await??;
        if self.guarded {
            check(name, &addresses)?;
        }
        Ok(addresses)
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses: Addrs = Box::new(resolver.addresses(name.as_str()).await?.into_iter());
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
