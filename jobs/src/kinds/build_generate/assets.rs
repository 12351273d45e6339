//! Fetches what an app brings itself, and takes nothing that is not what its hash says.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{Asset, error::BuildError};
use crate::objects::{Key, hex};

/// The asset that becomes the icons.
pub const ICON: &str = "icon";
/// The largest asset, and all of an app together.
const ASSET_BYTES_MAX: u64 = 64 * 1024 * 1024;
const ASSETS_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Why a URL was not fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It never will be: the address is refused, it is not there, it is too large.
    #[error("{0}")]
    Refused(String),
    /// Perhaps later.
    #[error("{0}")]
    Unavailable(String),
}

/// Fetches URLs that tenants choose, and so guards against where they may lead.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// The content, if it has at most `bytes_max`.
    async fn fetch(&self, url: &str, bytes_max: u64) -> Result<Vec<u8>, FetchError>;
}

/// Checks where assets would go, before anything is fetched.
pub fn check(assets: &BTreeMap<String, Asset>) -> Result<(), BuildError> {
    match assets.keys().find(|path| path.parse::<Key>().is_err()) {
        Some(path) => Err(BuildError::inputs("asset_invalid", format!("app.assets: {path:?} is no path within an app"))),
        None => Ok(()),
    }
}

/// The content of each asset, by its path.
pub async fn fetch(
    fetcher: &dyn Fetch,
    assets: &BTreeMap<String, Asset>,
    cancel: &CancellationToken,
) -> Result<BTreeMap<String, Vec<u8>>, BuildError> {
    let mut fetched = BTreeMap::new();
    let mut left = ASSETS_BYTES_MAX;
    for (path, asset) in assets {
        let content = tokio::select! {
            () = cancel.cancelled() => return Err(BuildError::Stopped),
            content = fetcher.fetch(&asset.url, left.min(ASSET_BYTES_MAX)) => content,
        };
        // Without the URL, whose query may be a permission.
        let told = |what: &str| format!("app.assets.{path}: {what}");
        let content = content.map_err(|error| match error {
            FetchError::Refused(message) => BuildError::inputs("asset_refused", told(&message)),
            FetchError::Unavailable(message) => BuildError::Asset(told(&message)),
        })?;
        let sha256 = hex(&Sha256::digest(&content));
        if sha256 != asset.sha256 {
            return Err(BuildError::inputs("asset_changed", told(&format!("its SHA-256 is {sha256}, not {}", asset.sha256))));
        }
        left -= content.len() as u64;
        fetched.insert(path.clone(), content);
    }
    Ok(fetched)
}
