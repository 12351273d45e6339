//! Packs a bundle's files: one tar.zst, whose bytes depend on the files and on nothing else. `archive.rs` reads it back.

use std::io;

use super::{archive::Files, hex};

/// The media type of what is packed.
pub const MEDIA_TYPE: &str = "application/zstd";
/// Quick: a bundle is packed once, while somebody waits.
const LEVEL: i32 = 6;
const MODE: u32 = 0o644;

/// The archive of these files.
pub fn pack(files: &Files) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
    encoder.include_checksum(true)?;
    let mut archive = tar::Builder::new(encoder);
    for (path, content) in files {
        // Time and owner stay what a new header has: nothing, and nobody.
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(MODE);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        archive.append_data(&mut header, path, content.as_slice())?;
    }
    archive.into_inner()?.finish()
}

/// SHA-256, as text.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};

    hex(&Sha256::digest(bytes))
}
