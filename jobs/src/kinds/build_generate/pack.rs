//! Packs the app: one `tar.zst`, whose bytes depend on the files and on nothing else.

use std::collections::BTreeMap;

use super::error::BuildError;

/// Small enough to travel, quick enough to wait for; a change of it changes every archive.
const LEVEL: i32 = 10;
/// The largest app, before it is packed.
const APP_BYTES_MAX: usize = 256 * 1024 * 1024;
const MODE: u32 = 0o644;

/// The archive of these files.
pub fn pack(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, BuildError> {
    let bytes: usize = files.values().map(Vec::len).sum();
    if bytes > APP_BYTES_MAX {
        return Err(BuildError::inputs("output_too_large", format!("the app has {bytes} bytes of the {APP_BYTES_MAX} allowed")));
    }
    packed(files).map_err(|error| BuildError::inputs("pack_failed", error.to_string()))
}

fn packed(files: &BTreeMap<String, Vec<u8>>) -> std::io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
    encoder.include_checksum(true)?;
    let mut archive = tar::Builder::new(encoder);
    for (path, content) in files {
        // Time, owner and mode stay what a new header has (nothing, and nobody) but for these.
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

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_same_files_make_the_same_bytes_and_come_back() {
        let files: BTreeMap<String, Vec<u8>> =
            [("b.txt".to_owned(), b"b".to_vec()), (format!("a/{}.txt", "long".repeat(40)), vec![0; 100_000]), ("ö".into(), Vec::new())]
                .into();
        let archive = pack(&files).expect("packed");
        assert!(archive == pack(&files).expect("packed"));
        let mut unpacked = BTreeMap::new();
        let mut tar = tar::Archive::new(zstd::Decoder::new(archive.as_slice()).expect("zstd"));
        for entry in tar.entries().expect("entries") {
            let mut entry = entry.expect("an entry");
            let header = entry.header();
            let plain = [header.mtime(), header.uid(), header.gid()].map(|number| number.expect("a number"));
            assert_eq!((plain, header.mode().expect("a mode")), ([0, 0, 0], 0o644));
            let path = entry.path().expect("a path").to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("content");
            unpacked.insert(path, content);
        }
        assert!(unpacked == files);
    }
}
