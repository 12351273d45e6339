//! Archives of our own making: what is read, and what is refused before it costs anything. Archives by others are judged in
//! `tests/it/bundles/`.

use std::io::Write;

use super::*;
use crate::bundle::pack::pack;

fn tar(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut archive = ::tar::Builder::new(Vec::new());
    for (path, kind, content) in entries {
        let mut header = ::tar::Header::new_ustar();
        // Around the checks of the crate that writes.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        if kind.is_symlink() || kind.is_hard_link() {
            header.set_link_name("a").expect("a name");
        }
        header.set_cksum();
        archive.append(&header, *content).expect("appended");
    }
    archive.into_inner().expect("finished")
}

fn refused(archive: &[u8], format: Format) -> String {
    read(archive, format).expect_err("refused").message
}

#[test]
fn what_is_packed_is_read_back() {
    let files: Files = [("a/b.txt".to_owned(), b"b".to_vec()), (format!("ö/{}", "long".repeat(40)), vec![7; 100_000])].into();
    let packed = pack(&files).expect("packed");
    assert_eq!(Format::of(&packed, None), Ok(Format::TarZst));
    assert!(read(&packed, Format::TarZst).expect("read") == files);
    assert_eq!(packed, pack(&files).expect("packed"));
}

#[test]
fn what_leaves_the_bundle_or_means_two_things_is_refused() {
    let file = EntryType::Regular;
    let deep = "a/".repeat(32) + "b";
    let cases: [(&[(&str, EntryType)], &str); 20] = [
        (&[(&deep, file)], "it is deeper than 32 segments"),
        (&[("../a", file)], "\"../a\" is refused: it leads out of its folder by .."),
        (&[("a/../../b", file)], "it leads out of its folder by .."),
        (&[("/etc/passwd", file)], "it is absolute"),
        (&[("a\\b", file)], "it has a backslash"),
        (&[("C:a", file)], "it begins with a drive's letter"),
        (&[("a//b", file)], "it has an empty segment"),
        (&[("a\nb", file)], "it has a control character"),
        (&[("../a/", EntryType::Directory)], "it leads out of its folder by .."),
        (&[("a", EntryType::Symlink)], "\"a\" is a symbolic link; a bundle has files and folders only"),
        (&[("a", EntryType::Link)], "\"a\" is a hard link"),
        (&[("a", EntryType::Char)], "\"a\" is a device"),
        (&[("a", EntryType::Block)], "\"a\" is a device"),
        (&[("a", EntryType::Fifo)], "\"a\" is a pipe"),
        (&[("a", EntryType::GNUSparse)], "sparse"),
        (&[("a", file), ("a", file)], "\"a\" is there twice"),
        (&[("./a", file), ("a", file)], "\"a\" is there twice"),
        (&[("a", file), ("a/b", file)], "\"a\" is a file and a folder at once"),
        (&[("a/b", file), ("a", file)], "\"a\" is a file and a folder at once"),
        (&[("src/a", file), ("SRC/b", file)], "differ in case only"),
    ];
    for (entries, message) in cases {
        let entries: Vec<_> = entries.iter().map(|(path, kind)| (*path, *kind, &b""[..])).collect();
        let said = refused(&tar(&entries), Format::Tar);
        assert!(said.contains(message), "{said}");
    }
    let mut latin = tar(&[("a", file, b"")]);
    latin[0] = 0xe4;
    let sum: u32 = latin[..512].iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) }).sum();
    latin[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert!(refused(&latin, Format::Tar).contains("is not UTF-8"));
}

#[test]
fn folders_and_a_dot_before_are_only_places() {
    let folder = EntryType::Directory;
    let archive = tar(&[("./", folder, b""), ("./a/", folder, b""), ("./a/b", EntryType::Regular, b"x"), ("a/", folder, b"")]);
    assert_eq!(read(&archive, Format::Tar).expect("read"), Files::from([("a/b".to_owned(), b"x".to_vec())]));
}

#[test]
fn numbers_have_ends() {
    let many: Vec<_> = (0..=FILES_MAX).map(|place| format!("f{place}")).collect();
    let many: Vec<_> = many.iter().map(|path| (path.as_str(), EntryType::Regular, &b""[..])).collect();
    assert!(refused(&tar(&many), Format::Tar).contains("more than the 2000 files"));
    assert!(read(&tar(&many[1..]), Format::Tar).is_ok());
    let large = vec![0; usize::try_from(FILE_BYTES_MAX).expect("small") + 1];
    assert!(refused(&tar(&[("a", EntryType::Regular, &large)]), Format::Tar).contains("\"a\" is larger than the 16777216 bytes"));
    let full = &large[1..];
    let five: Vec<_> = ["a", "b", "c", "d", "e"].map(|path| (path, EntryType::Regular, full)).into();
    // Packed, as a plain tar of that size is no longer a body.
    let packed = |entries: &[(&str, EntryType, &[u8])]| zstd::encode_all(tar(entries).as_slice(), 1).expect("packed");
    assert!(read(&packed(&five[..4]), Format::TarZst).is_ok());
    assert!(refused(&packed(&five), Format::TarZst).contains("with \"e\" the files have more than the 67108864 bytes"));
    assert!(refused(&vec![0; ARCHIVE_BYTES_MAX + 1], Format::Tar).contains("bytes of the 33554432 allowed"));
}

#[test]
fn a_bomb_is_not_unpacked() {
    // 4 GiB of nothing in some hundred kilobytes: a header that claims little, and a long name that claims much.
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("an encoder");
    let mut header = ::tar::Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(4 << 30);
    header.set_path("././@LongLink").expect("a path");
    header.set_cksum();
    encoder.write_all(header.as_bytes()).expect("written");
    for _ in 0..4096 {
        encoder.write_all(&[b'a'; 1 << 20]).expect("written");
    }
    let bomb = encoder.finish().expect("finished");
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    assert!(refused(&bomb, Format::TarZst).contains("it has more than"));
    // A window of 2 GiB, asked for before there is a single byte.
    let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
    assert!(refused(&window, Format::TarZst).contains("cannot be read"));
}

#[test]
fn what_is_cut_short_or_something_else_is_refused() {
    let whole = tar(&[("a", EntryType::Regular, &[1; 2_000])]);
    assert!(refused(&whole[..1_000], Format::Tar).contains("\"a\" ends after 488 of its 2000 bytes"));
    // Cut where an entry ends: zeros of a file are not the zeros of the end.
    let zeros = tar(&[("a", EntryType::Regular, &[0; 2_048]), ("b", EntryType::Regular, b"b")]);
    for cut in [512 + 2_048, zeros.len() - 1_024] {
        assert!(refused(&zeros[..cut], Format::Tar).contains("it has no end"), "{cut}");
    }
    assert_eq!(read(&zeros[..zeros.len() - 512], Format::Tar).map(|files| files.len()), Ok(2));
    let packed = zstd::encode_all(whole.as_slice(), 1).expect("packed");
    assert!(refused(&packed[..packed.len() / 2], Format::TarZst).contains("cannot be read to its end"));
    let of = |bytes: &[u8], announced| Format::of(bytes, announced).map_err(|refused| refused.message);
    assert!(of(&whole, Some(Format::Zip)).expect_err("refused").contains("announced as zip, but it is tar"));
    assert!(of(&[0x1f, 0x8b, 8], None).expect_err("refused").contains("gzip"));
    assert!(of(b"hello", None).is_err() && of(b"", Some(Format::Zip)).is_err());
    assert!(refused(b"PK\x03\x04 and nothing else", Format::Zip).contains("cannot be read"));
    let mut header = whole[..512].to_vec();
    header[148] = b'7';
    assert!(refused(&header, Format::Tar).contains("checksum"));
}
