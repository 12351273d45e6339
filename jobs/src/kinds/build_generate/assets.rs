//! Fetches what an app brings itself, and takes nothing that is not what its hash says.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{Asset, error::BuildError};
use crate::{
    objects::{Key, hex},
    outbound::{Error, Limits, Outbound},
};

/// The asset that becomes the icons.
pub const ICON: &str = "icon";
/// The largest asset, and all of an app together.
const ASSET_BYTES_MAX: u64 = 64 * 1024 * 1024;
const ASSETS_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How long the fetching of one may take.
const FETCH_MS_MAX: u64 = 120_000;

/// Checks where assets would go, before anything is fetched.
pub fn check(assets: &BTreeMap<String, Asset>) -> Result<(), BuildError> {
    match assets.keys().find(|path| path.parse::<Key>().is_err()) {
        Some(path) => Err(BuildError::inputs("asset_invalid", format!("app.assets: {path:?} is no path within an app"))),
        None => Ok(()),
    }
}

/// The content of each asset, by its path.
pub async fn fetch(
    outbound: &Outbound,
    assets: &BTreeMap<String, Asset>,
    cancel: &CancellationToken,
) -> Result<BTreeMap<String, Vec<u8>>, BuildError> {
    let mut fetched = BTreeMap::new();
    let mut left = ASSETS_BYTES_MAX;
    for (path, asset) in assets {
        let limits = Limits { total_ms: FETCH_MS_MAX, body_bytes_max: left.min(ASSET_BYTES_MAX), ..Limits::default() };
        let content = tokio::select! {
            () = cancel.cancelled() => return Err(BuildError::Stopped),
            content = outbound.get(&asset.url, &limits) => content,
        };
        // Without the URL, whose query may be a permission.
        let told = |what: &str| format!("app.assets.{path}: {what}");
        let content = content.map_err(|error| match &error {
            Error::TooLarge { .. } | Error::Encoded { .. } => BuildError::inputs("asset_refused", told(&error.to_string())),
            Error::Status { status: 400..=407 | 410..=424 | 426 | 451, .. } => {
                BuildError::inputs("asset_refused", told(&error.to_string()))
            }
            error if error.is_final() => BuildError::inputs("asset_refused", told(&error.to_string())),
            error => BuildError::Asset(told(&error.to_string())),
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
