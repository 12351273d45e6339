//! A temporary file that is being written: what comes from outside goes there a piece at a time, and no document is ever whole in memory.

use std::io::{Read, Write};

use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempPath};

use super::fetch::Unfetched;

/// A file that is being written.
pub(super) struct Spool(Option<Writing>);

struct Writing {
    file: NamedTempFile,
    bytes: u64,
    hash: Sha256,
}

/// A file that is written. It is removed when nobody has it any more.
#[derive(Debug)]
pub(super) struct Spooled {
    /// Where it is.
    pub path: TempPath,
    /// How large it is.
    pub bytes: u64,
    /// SHA-256 of it.
    pub hash: [u8; 32],
}

impl Spool {
    pub async fn new() -> Result<Self, Unfetched> {
        Ok(Self(Some(off_thread(|| Ok(Writing { file: NamedTempFile::new()?, bytes: 0, hash: Sha256::new() })).await?)))
    }

    /// How large it is by now.
    pub fn bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, |writing| writing.bytes)
    }

    /// Writes this at its end. Whoever stops waiting for that has no file any more.
    pub async fn add(&mut self, piece: Vec<u8>) -> Result<(), Unfetched> {
        if piece.is_empty() {
            return Ok(());
        }
        let mut writing = self.0.take().ok_or_else(|| Unfetched::later("failed", "the temporary file broke off"))?;
        let written = off_thread(move || {
            writing.file.write_all(&piece)?;
            writing.hash.update(&piece);
            writing.bytes += piece.len() as u64;
            Ok(writing)
        });
        self.0 = Some(written.await?);
        Ok(())
    }

    pub fn finish(self) -> Result<Spooled, Unfetched> {
        let Writing { file, bytes, hash } = self.0.ok_or_else(|| Unfetched::later("failed", "the temporary file broke off"))?;
        Ok(Spooled { path: file.into_temp_path(), bytes, hash: hash.finalize().into() })
    }
}

impl Spooled {
    /// All of it: of one whose limit is small.
    pub async fn read(self) -> Result<Vec<u8>, Unfetched> {
        off_thread(move || {
            let mut bytes = Vec::new();
            std::fs::File::open(&self.path)?.read_to_end(&mut bytes)?;
            Ok(bytes)
        })
        .await
    }
}

/// Of this machine, so another time it may go well.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> Result<T, Unfetched> {
    let done = tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other).and_then(|done| done);
    done.map_err(|error| Unfetched::later("failed", format!("keeping what was fetched in a temporary file: {error}")))
}
