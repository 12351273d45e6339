//! A temporary file that is being written: what comes from outside goes there a piece at a time, and no document is ever whole in memory.

use std::io::{Read, Write};

use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempPath};

use super::fetch::Unfetched;

/// So many bytes are written at once: a page may come in pieces of a few.
const PIECE_BYTES: usize = 64 * 1024;

/// A file that is being written.
pub(super) struct Spool {
    /// None while a piece is written, and after one that nobody waited for.
    writing: Option<Writing>,
    /// What is not yet written.
    pending: Vec<u8>,
    bytes: u64,
}

struct Writing {
    file: NamedTempFile,
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
        let writing = off_thread(|| Ok(Writing { file: NamedTempFile::new()?, hash: Sha256::new() })).await?;
        Ok(Self { writing: Some(writing), pending: Vec::new(), bytes: 0 })
    }

    /// How large it is by now.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Has this at its end.
    pub async fn add(&mut self, piece: &[u8]) -> Result<(), Unfetched> {
        self.pending.extend_from_slice(piece);
        self.bytes += piece.len() as u64;
        if self.pending.len() >= PIECE_BYTES { self.write().await } else { Ok(()) }
    }

    pub async fn finish(mut self) -> Result<Spooled, Unfetched> {
        self.write().await?;
        let Writing { file, hash } = self.writing.ok_or_else(gone)?;
        Ok(Spooled { path: file.into_temp_path(), bytes: self.bytes, hash: hash.finalize().into() })
    }

    async fn write(&mut self) -> Result<(), Unfetched> {
        let mut writing = self.writing.take().ok_or_else(gone)?;
        let piece = std::mem::take(&mut self.pending);
        let written = off_thread(move || {
            writing.file.write_all(&piece)?;
            writing.hash.update(&piece);
            Ok(writing)
        });
        self.writing = Some(written.await?);
        Ok(())
    }
}

fn gone() -> Unfetched {
    Unfetched::later("failed", "the temporary file of what was fetched could not be written")
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
