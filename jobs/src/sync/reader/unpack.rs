//! Takes in a page's body, unpacked and within its limit: not a byte more than that is ever made of it.
//!
//! gzip is asked for; zlib (`deflate`) is taken as well, and gzip of a provider that does not say so. Next: `format.rs`.

use std::io::{self, Write};

use flate2::write::{MultiGzDecoder, ZlibDecoder};

use super::Wrong;
use crate::outbound::{self, Answer, header};

/// How gzip begins (RFC 1952, section 2.3.1); no format of ours does.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Why there is no body.
pub(super) enum Unpacked {
    /// It did not come.
    Failed(outbound::Error),
    /// It is not what we take.
    Wrong(Wrong),
}

/// The whole body.
pub(super) async fn body(mut answer: Answer, bytes_max: u64) -> Result<Vec<u8>, Unpacked> {
    let coding =
        answer.headers.get(header::CONTENT_ENCODING).map(|coding| String::from_utf8_lossy(coding.as_bytes()).trim().to_ascii_lowercase());
    let mut unpacking = None;
    while let Some(piece) = answer.packed_piece().await.map_err(|error| too_large_or(error, bytes_max))? {
        let unpacking = match &mut unpacking {
            Some(unpacking) => unpacking,
            None => unpacking.insert(Unpacking::of(coding.as_deref(), &piece, bytes_max).map_err(Unpacked::Wrong)?),
        };
        unpacking.take(&piece).map_err(Unpacked::Wrong)?;
    }
    unpacking.map_or(Ok(Vec::new()), Unpacking::finish).map_err(Unpacked::Wrong)
}

fn too_large_or(error: outbound::Error, bytes_max: u64) -> Unpacked {
    match error {
        outbound::Error::TooLarge { of: "", .. } => Unpacked::Wrong(too_large(bytes_max)),
        error => Unpacked::Failed(error),
    }
}

fn too_large(bytes_max: u64) -> Wrong {
    Wrong::always("page_too_large", format!("the page has more than {bytes_max} bytes, unpacked (limits.page_bytes_max)"))
}

/// What is being unpacked.
enum Unpacking {
    Plain(Limited),
    Gzip(Box<MultiGzDecoder<Limited>>),
    Zlib(Box<ZlibDecoder<Limited>>),
}

impl Unpacking {
    fn of(coding: Option<&str>, begin: &[u8], bytes_max: u64) -> Result<Self, Wrong> {
        let limited = Limited { bytes: Vec::new(), bytes_max };
        match coding {
            Some("gzip" | "x-gzip") => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(limited)))),
            Some("deflate") => Ok(Self::Zlib(Box::new(ZlibDecoder::new(limited)))),
            None | Some("" | "identity") if begin.starts_with(&GZIP_MAGIC) => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(limited)))),
            None | Some("" | "identity") => Ok(Self::Plain(limited)),
            Some(other) => {
                let other: String = other.chars().take(40).collect();
                Err(Wrong::always("answer_encoded", format!("the page is encoded as {other:?}, which was not asked for")))
            }
        }
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), Wrong> {
        let (written, bytes_max) = match self {
            Self::Plain(limited) => (limited.write_all(piece), limited.bytes_max),
            Self::Gzip(decoder) => (decoder.write_all(piece), decoder.get_ref().bytes_max),
            Self::Zlib(decoder) => (decoder.write_all(piece), decoder.get_ref().bytes_max),
        };
        written.map_err(|error| unpacked_badly(&error, bytes_max))
    }

    fn finish(self) -> Result<Vec<u8>, Wrong> {
        let finished = match self {
            Self::Plain(limited) => Ok(limited),
            Self::Gzip(mut decoder) => decoder.try_finish().and_then(|()| decoder.finish()),
            Self::Zlib(decoder) => decoder.finish(),
        };
        finished.map(|limited| limited.bytes).map_err(|error| unpacked_badly(&error, 0))
    }
}

fn unpacked_badly(error: &io::Error, bytes_max: u64) -> Wrong {
    if error.kind() == io::ErrorKind::QuotaExceeded {
        return too_large(bytes_max);
    }
    Wrong::now("page_unreadable", format!("the page cannot be unpacked: {error}"))
}

/// Takes no more than its limit.
struct Limited {
    bytes: Vec<u8>,
    bytes_max: u64,
}

impl Write for Limited {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if (self.bytes.len() + piece.len()) as u64 > self.bytes_max {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::{
        Compression,
        write::{GzEncoder, ZlibEncoder},
    };

    use super::*;

    fn unpack(coding: Option<&str>, packed: &[u8], bytes_max: u64, at_once: usize) -> Result<Vec<u8>, String> {
        let mut unpacking = Unpacking::of(coding, packed, bytes_max).map_err(|wrong| wrong.0.code)?;
        for piece in packed.chunks(at_once) {
            unpacking.take(piece).map_err(|wrong| wrong.0.code)?;
        }
        unpacking.finish().map_err(|wrong| wrong.0.code)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("written");
        encoder.finish().expect("packed")
    }

    #[test]
    fn what_was_packed_comes_out_in_pieces_of_any_size() {
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&bytes).expect("written");
        let zlib = zlib.finish().expect("packed");
        let twice = [gzip(&bytes), gzip(b"and more")].concat();
        for at_once in [1, 7, 1_000, usize::MAX] {
            assert_eq!(unpack(Some("gzip"), &gzip(&bytes), 400_000, at_once).as_ref(), Ok(&bytes));
            assert_eq!(unpack(None, &gzip(&bytes), 400_000, at_once).as_ref(), Ok(&bytes), "it says nothing of it");
            assert_eq!(unpack(Some("deflate"), &zlib, 400_000, at_once).as_ref(), Ok(&bytes));
            assert_eq!(unpack(None, &bytes, 400_000, at_once).as_ref(), Ok(&bytes));
            assert_eq!(unpack(Some("gzip"), &twice, 500_000, at_once).map(|all| all.len()), Ok(400_008), "of two members");
        }
    }

    #[test]
    fn a_bomb_goes_off_within_its_limit() {
        // Gzip within gzip would go further; only one layer is taken off.
        let bomb = gzip(&vec![0; 64 * 1024 * 1024]);
        assert!(bomb.len() < 70_000, "{}", bomb.len());
        assert_eq!(unpack(Some("gzip"), &bomb, 1_000_000, usize::MAX), Err("page_too_large".into()));
        assert_eq!(unpack(None, &[0; 11], 10, usize::MAX), Err("page_too_large".into()));
        let mut limited = Unpacking::of(Some("gzip"), &bomb, 1_000_000).expect("it begins well");
        assert!(limited.take(&bomb).is_err());
        let Unpacking::Gzip(decoder) = limited else { panic!("it is gzip") };
        assert!(decoder.get_ref().bytes.len() <= 1_000_000);
    }

    #[test]
    fn what_breaks_off_or_is_none_is_not_taken() {
        let packed = gzip(b"a text that is long enough to be cut");
        assert_eq!(unpack(Some("gzip"), &packed[..packed.len() - 9], 1_000, usize::MAX), Err("page_unreadable".into()));
        assert_eq!(unpack(Some("gzip"), b"{\"plain\": true}", 1_000, usize::MAX), Err("page_unreadable".into()));
        let mut flipped = packed.clone();
        *flipped.last_mut().expect("bytes") ^= 1;
        assert_eq!(unpack(Some("gzip"), &flipped, 1_000, usize::MAX), Err("page_unreadable".into()), "its sum is wrong");
        assert_eq!(unpack(Some("br"), b"x", 1_000, usize::MAX), Err("answer_encoded".into()));
    }
}
