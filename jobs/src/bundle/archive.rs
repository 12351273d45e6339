//! Reads an archive into memory: tar, tar.zst or zip, told apart by their first bytes.
//!
//! Never writes to disk and never holds more than the limits allow, whatever an archive claims: what is compressed is unpacked only
//! up to the first byte too many. What could mean different things on different machines is refused, naming the path
//! (`archive/path.rs`). Packing is in `pack.rs`.

pub mod path;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io::{self, Cursor, Read},
};

use tar::EntryType;
use zip::{
    read::{Config, ZipFile},
    unstable::read::ZipIterable,
};

use self::path::Paths;
use super::{FILE_BYTES_MAX, FILES_MAX, Refused};

/// The largest archive.
pub const ARCHIVE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The most bytes of a bundle's files, unpacked.
pub const UNPACKED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Files and folders of an archive.
const ENTRIES_MAX: usize = 2 * FILES_MAX;
/// What a tar may have beside the contents of its files: headers, long names, padding.
const HEADERS_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The largest window of zstd, as a power of two: what its highest regular level uses.
const WINDOW_LOG_MAX: u32 = 27;

/// Contents by path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// tar, of any age and make.
    Tar,
    /// tar, packed by zstd.
    TarZst,
    /// zip, stored or deflated.
    Zip,
}

impl Format {
    /// The format, by the first bytes. A tar from before 1988 has no mark, so it is one only if that was `announced`.
    pub fn of(archive: &[u8], announced: Option<Self>) -> Result<Self, Refused> {
        let found = match archive {
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Self::Zip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::TarZst),
            [0x1f, 0x8b, ..] => return Err(Refused::invalid("", "the archive is packed by gzip; send a tar, a tar.zst or a zip")),
            _ if archive.get(257..262) == Some(b"ustar") => Some(Self::Tar),
            _ => announced.filter(|format| *format == Self::Tar),
        };
        match (found, announced) {
            (Some(found), Some(announced)) if found != announced => {
                Err(Refused::invalid("", format!("the archive is announced as {announced}, but it is {found}")))
            }
            (Some(found), _) => Ok(found),
            (None, _) => Err(Refused::invalid("", "the archive is neither a tar, a tar.zst nor a zip, by its first bytes")),
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tar => "tar",
            Self::TarZst => "tar.zst",
            Self::Zip => "zip",
        })
    }
}

/// The files of an archive.
pub fn read(archive: &[u8], format: Format) -> Result<Files, Refused> {
    if archive.len() > ARCHIVE_BYTES_MAX {
        return Err(Refused::invalid("", format!("the archive has {} bytes of the {ARCHIVE_BYTES_MAX} allowed", archive.len())));
    }
    unpack(archive, format)
}

/// The files of an archive of any size; what is in it is limited all the same.
pub(super) fn unpack(archive: &[u8], format: Format) -> Result<Files, Refused> {
    let mut taken = Taken::default();
    match format {
        Format::Tar => read_tar(archive, &mut taken)?,
        Format::TarZst => {
            let mut decoder = zstd::Decoder::new(archive).map_err(|error| unreadable(&error))?;
            decoder.window_log_max(WINDOW_LOG_MAX).map_err(|error| unreadable(&error))?;
            read_tar(decoder, &mut taken)?;
        }
        Format::Zip => read_zip(archive, &mut taken)?,
    }
    Ok(taken.files)
}

fn unreadable(error: &dyn std::fmt::Display) -> Refused {
    Refused::invalid("", format!("the archive cannot be read to its end: {error}"))
}

fn read_tar(source: impl Read, taken: &mut Taken) -> Result<(), Refused> {
    let mut archive = tar::Archive::new(Capped { source, left: UNPACKED_BYTES_MAX + HEADERS_BYTES_MAX, ended: false });
    for entry in archive.entries().map_err(|error| unreadable(&error))? {
        let mut entry = entry.map_err(|error| unreadable(&error))?;
        let path = taken.path(&entry.path_bytes())?;
        let is_sparse = entry
            .pax_extensions()
            .map_err(|error| unreadable(&error))?
            .into_iter()
            .flatten()
            .any(|extension| extension.is_ok_and(|extension| extension.key_bytes().starts_with(b"GNU.sparse")));
        match entry.header().entry_type() {
            EntryType::XGlobalHeader => continue,
            EntryType::Directory => taken.folder(&path)?,
            EntryType::Regular | EntryType::Continuous if !is_sparse => {
                // A folder of the oldest tars is a file whose name ends so.
                if path.ends_with('/') { taken.folder(&path)? } else { taken.file(&path, entry.size(), &mut entry)? }
            }
            other => return Err(refused_kind(&path, tar_kind(other))),
        }
    }
    // Every tar ends with blocks of zeros, and there reading ends too: whoever saw the stream's own end was given a part.
    if archive.into_inner().ended {
        return Err(unreadable(&"it has no end, so something may be missing"));
    }
    Ok(())
}

const fn tar_kind(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Symlink => "a symbolic link",
        EntryType::Link => "a hard link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a pipe",
        EntryType::GNUSparse | EntryType::Regular | EntryType::Continuous => "a sparse file",
        _ => "neither a file nor a folder",
    }
}

fn refused_kind(path: &str, kind: &str) -> Refused {
    Refused::invalid("", format!("{path:?} is {kind}; a bundle has files and folders only"))
}

/// Bits of a Unix mode that say what an entry is.
const KIND_BITS: u32 = 0o170_000;

fn read_zip(archive: &[u8], taken: &mut Taken) -> Result<(), Refused> {
    let zip = ZipIterable::try_new(Cursor::new(archive), Config::default()).map_err(|error| unreadable(&error))?;
    if zip.len() > ENTRIES_MAX {
        return Err(too_many());
    }
    let mut zip = zip.enforce_header_consistency(true);
    let mut entries = zip.files_with_cloned_reader(zip::ZipReadOptions::new()).map_err(|error| unreadable(&error))?;
    while let Some(entry) = entries.next() {
        let mut entry = entry.map_err(|error| unreadable(&error))?;
        let path = taken.path(entry.name_raw())?;
        match zip_kind(&entry) {
            Some("") => taken.folder(&path)?,
            Some(kind) => return Err(refused_kind(&path, kind)),
            None => {
                let size = entry.size();
                taken.file(&path, size, &mut entry)?;
            }
        }
    }
    Ok(())
}

/// What an entry is: nothing for a file, nothing's name for a folder, and a name for what a bundle cannot have.
fn zip_kind<R: Read>(entry: &ZipFile<'_, R>) -> Option<&'static str> {
    match entry.unix_mode().unwrap_or_default() & KIND_BITS {
        0o120_000 => Some("a symbolic link"),
        0o020_000 | 0o060_000 => Some("a device"),
        0o010_000 => Some("a pipe"),
        0o140_000 => Some("a socket"),
        _ if entry.encrypted() => Some("encrypted"),
        _ if entry.is_dir() => Some(""),
        _ => None,
    }
}

fn too_many() -> Refused {
    Refused::invalid("", format!("the archive has more than the {FILES_MAX} files allowed"))
}

/// What was read so far.
#[derive(Default)]
struct Taken {
    files: Files,
    paths: Paths,
    entries: usize,
    bytes: u64,
}

impl Taken {
    /// The next entry's path, as text.
    fn path(&mut self, raw: &[u8]) -> Result<String, Refused> {
        self.entries += 1;
        if self.entries > ENTRIES_MAX {
            return Err(too_many());
        }
        let lossy = || String::from_utf8_lossy(raw).into_owned();
        String::from_utf8(raw.to_vec()).map_err(|_| Refused::invalid("", format!("the path {:?} is not UTF-8", lossy())))
    }

    fn folder(&mut self, path: &str) -> Result<(), Refused> {
        self.paths.folder(path)
    }

    /// Takes a file that says it has `size` bytes.
    fn file(&mut self, path: &str, size: u64, content: &mut dyn Read) -> Result<(), Refused> {
        let path = self.paths.file(path)?;
        if self.files.len() == FILES_MAX {
            return Err(too_many());
        }
        let too_large = || Refused::invalid("", format!("{path:?} is larger than the {FILE_BYTES_MAX} bytes allowed of a file"));
        if size > FILE_BYTES_MAX {
            return Err(too_large());
        }
        let left = UNPACKED_BYTES_MAX - self.bytes;
        let mut read = Vec::new();
        // One byte more than may be there tells whether it is.
        let capped = content.take(FILE_BYTES_MAX.min(left) + 1).read_to_end(&mut read);
        capped.map_err(|error| Refused::invalid("", format!("{path:?} cannot be read to its end: {error}")))?;
        if read.len() as u64 > FILE_BYTES_MAX {
            return Err(too_large());
        }
        if read.len() as u64 > left {
            return Err(Refused::invalid(
                "",
                format!("with {path:?} the files have more than the {UNPACKED_BYTES_MAX} bytes allowed, unpacked"),
            ));
        }
        if read.len() as u64 != size {
            return Err(Refused::invalid("", format!("{path:?} ends after {} of its {size} bytes", read.len())));
        }
        self.bytes += size;
        self.files.insert(path, read);
        Ok(())
    }
}

/// Ends a stream that has more to say than anything of use.
struct Capped<R> {
    source: R,
    left: u64,
    /// Whether the source had no more.
    ended: bool,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if room == 0 && !buffer.is_empty() {
            let mut more = [0];
            return match self.source.read(&mut more)? {
                0 => {
                    self.ended = true;
                    Ok(0)
                }
                _ => Err(io::Error::other(format!("it has more than {} bytes, unpacked", UNPACKED_BYTES_MAX + HEADERS_BYTES_MAX))),
            };
        }
        let read = self.source.read(&mut buffer[..room])?;
        self.left -= read as u64;
        self.ended |= read == 0 && !buffer.is_empty();
        Ok(read)
    }
}
