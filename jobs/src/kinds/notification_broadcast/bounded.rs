//! Reads a file by position, so that several readers share it, and each time no more than it is allowed: what a record may take in memory.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileExt as _,
    sync::Arc,
};

/// A reader of its own position.
pub(super) struct Bounded {
    file: Arc<File>,
    at: u64,
    left: usize,
}

impl Bounded {
    /// At the file's beginning, with nothing allowed.
    pub(super) const fn new(file: Arc<File>) -> Self {
        Self { file, at: 0, left: 0 }
    }

    /// So many bytes may be read from here on; more is an error of the kind `InvalidData`.
    pub(super) const fn allow(&mut self, bytes: usize) {
        self.left = bytes;
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !buffer.is_empty() {
            // The end of the file may still be read.
            return match self.file.read_at(&mut [0], self.at)? {
                0 => Ok(0),
                _ => Err(io::ErrorKind::InvalidData.into()),
            };
        }
        let most = buffer.len().min(self.left);
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        self.left -= read;
        Ok(read)
    }
}

impl Seek for Bounded {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let moved = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
        };
        self.at = moved.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
