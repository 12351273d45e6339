//! Unpacks what comes, a piece at a time: of a small file that unpacks to a large one not a byte more is made than its limit allows.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

/// How gzip begins (RFC 1952, section 2.3.1).
pub(super) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Why there is no more.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// The limit is reached.
    Full,
    /// It is not packed as it says.
    Broken(String),
}

/// What is being unpacked.
pub(super) enum Unpacking {
    /// It comes as it is.
    Plain(Limited),
    /// It comes by gzip.
    Gzip(Box<MultiGzDecoder<Limited>>),
}

impl Unpacking {
    /// Of what comes by this coding (`Content-Encoding`), if it is one that is taken: at most `bytes_max` are made of it.
    pub fn of(coding: &str, bytes_max: u64) -> Option<Self> {
        let limited = Limited { made: Vec::new(), left: bytes_max };
        match coding {
            "" | "identity" => Some(Self::Plain(limited)),
            "gzip" | "x-gzip" => Some(Self::Gzip(Box::new(MultiGzDecoder::new(limited)))),
            _ => None,
        }
    }

    /// Takes a piece; what was made of it so far can be taken out, also where it stopped.
    pub fn take(&mut self, piece: &[u8]) -> Result<(), Stopped> {
        match self {
            Self::Plain(limited) => limited.write_all(piece),
            Self::Gzip(decoder) => decoder.write_all(piece),
        }
        .map_err(|error| stopped(&error))
    }

    /// Takes its end.
    pub fn end(&mut self) -> Result<(), Stopped> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Gzip(decoder) => decoder.try_finish().map_err(|error| stopped(&error)),
        }
    }

    /// What was made since this was asked last.
    pub fn made(&mut self) -> Vec<u8> {
        let limited = match self {
            Self::Plain(limited) => limited,
            Self::Gzip(decoder) => decoder.get_mut(),
        };
        std::mem::take(&mut limited.made)
    }
}

/// Unpacks a whole file of gzip.
pub(super) fn whole(packed: &[u8], bytes_max: u64) -> Result<Vec<u8>, Stopped> {
    let mut unpacking = Unpacking::of("gzip", bytes_max).expect("gzip is taken");
    unpacking.take(packed)?;
    unpacking.end()?;
    Ok(unpacking.made())
}

fn stopped(error: &io::Error) -> Stopped {
    if error.kind() == io::ErrorKind::QuotaExceeded { Stopped::Full } else { Stopped::Broken(error.to_string()) }
}

/// Takes no more than its limit.
pub(super) struct Limited {
    made: Vec<u8>,
    left: u64,
}

impl Write for Limited {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let taken = piece.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if taken == 0 && !piece.is_empty() {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        self.made.extend_from_slice(&piece[..taken]);
        self.left -= taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("written");
        encoder.finish().expect("packed")
    }

    #[test]
    fn what_is_packed_becomes_what_it_was_within_the_limit() {
        let bytes = b"what it was ".repeat(1_000);
        assert_eq!(whole(&packed(&bytes), 12_000).as_deref(), Ok(&bytes[..]));
        assert_eq!(whole(&packed(&bytes), 11_999), Err(Stopped::Full));
        assert_eq!(whole(&packed(&vec![0; 50_000_000]), 1_000_000), Err(Stopped::Full), "a bomb");
        assert_eq!(whole(&packed(b""), 0).as_deref(), Ok(&b""[..]));
        for broken in [&b"hello"[..], &packed(&bytes)[..20]] {
            assert!(matches!(whole(broken, 12_000), Err(Stopped::Broken(_))));
        }
    }

    #[test]
    fn pieces_are_taken_out_as_they_are_made() {
        let mut unpacking = Unpacking::of("", 5).expect("plain");
        unpacking.take(b"abc").expect("taken");
        assert_eq!(unpacking.made(), b"abc");
        assert_eq!(unpacking.take(b"def"), Err(Stopped::Full));
        assert_eq!(unpacking.made(), b"de", "up to the limit");
        assert!(Unpacking::of("br", 5).is_none());
    }
}
