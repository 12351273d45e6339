//! The master keys of a process of a cluster.

use crate::{
    connection::seal::Keyring,
    settings::{Error, Settings},
};

/// The master keys that are set. Without any the process runs on: what needs one fails, and says so.
pub fn keyring(settings: &Settings) -> Result<Keyring, Error> {
    let keyring = settings.master_keys()?.as_ref().map(Keyring::new).unwrap_or_default();
    match keyring.first() {
        Some(first) => tracing::info!(first, all = ?keyring, "master keys, by id"),
        None => tracing::warn!("without secrets.master_key, connections that have secrets do not open in this process"),
    }
    Ok(keyring)
}
