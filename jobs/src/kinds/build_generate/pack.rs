//! Packs what is in the workspace: one `tar.zst`, whose bytes depend on the files and on nothing else.
//!
//! Commands may have put anything there, so no link is followed, on the way to a file either, and what is no plain file is an error.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::Path,
};

use rustix::{
    fs::{CWD, Dir, FileType, Mode, OFlags, fstat, openat},
    io::Errno,
};
use tokio_util::sync::CancellationToken;

use super::error::BuildError;
use crate::bundle::{Output, glob};

/// Small enough to travel, quick enough to wait for; a change of it changes every archive.
const LEVEL: i32 = 10;
/// The largest app, before it is packed.
const APP_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// The deepest folder.
const DEPTH_MAX: usize = 100;
const FILE: u32 = 0o644;
const PROGRAM: u32 = 0o755;
const READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// The files to pack, by path: whether each is a program.
pub type Listed = BTreeMap<String, bool>;

/// The files in this folder that are outputs; all of them where none are declared.
pub fn list(work: &Path, outputs: &[Output]) -> Result<Listed, BuildError> {
    let root = open_root(work).map_err(|error| failed(work, error))?;
    let owner = owner(root.as_fd()).map_err(|error| failed(work, error))?;
    let mut listed = Listed::new();
    walk(root.as_fd(), "", owner, outputs, &mut listed)?;
    let unmatched = outputs.iter().find(|output| !listed.keys().any(|path| glob::fits(&output.path, path)));
    if let Some(output) = unmatched {
        let message = format!("the declared output {} is not there: no file of the workspace fits", output.path);
        return Err(BuildError::inputs("output_missing", message));
    }
    Ok(listed)
}

fn walk(folder: BorrowedFd<'_>, path: &str, owner: u32, outputs: &[Output], listed: &mut Listed) -> Result<(), BuildError> {
    let dir = Dir::read_from(folder).map_err(|error| failed(path, error.into()))?;
    for entry in dir {
        let entry = entry.map_err(|error| failed(path, error.into()))?;
        let Ok(name) = entry.file_name().to_str() else {
            return Err(BuildError::inputs("output_invalid", format!("a name in {path:?} is not UTF-8")));
        };
        if matches!(name, "." | "..") {
            continue;
        }
        let below = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        let wanted = outputs.is_empty() || outputs.iter().any(|output| glob::fits(&output.path, &below));
        let opened = match openat(folder, name, READ, Mode::empty()) {
            Ok(opened) => opened,
            // A link, a socket, or what its owner may not read: no matter unless it is wanted.
            Err(_) if !wanted => continue,
            Err(error) => return Err(not_plain(&below, error)),
        };
        let stat = fstat(&opened).map_err(|error| failed(&below, error.into()))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory if below.split('/').count() > DEPTH_MAX => {
                return Err(BuildError::inputs("output_invalid", format!("{below} lies deeper than {DEPTH_MAX} folders")));
            }
            FileType::Directory => walk(opened.as_fd(), &below, owner, outputs, listed)?,
            // A hard link, which a worker who is root could read where the command could not.
            FileType::RegularFile if wanted && stat.st_uid != owner => {
                let message = format!("{below} is another user's file (user {}), which is none of this build", stat.st_uid);
                return Err(BuildError::inputs("output_invalid", message));
            }
            FileType::RegularFile if wanted => _ = listed.insert(below, stat.st_mode & 0o100 != 0),
            _ if wanted => return Err(not_plain(&below, Errno::INVAL)),
            _ => {}
        }
    }
    Ok(())
}

/// Whose the workspace is, and so all that commands have made in it.
fn owner(root: BorrowedFd<'_>) -> io::Result<u32> {
    Ok(fstat(root)?.st_uid)
}

fn not_plain(path: &str, error: Errno) -> BuildError {
    let why = match error {
        Errno::LOOP | Errno::MLINK => "is a symbolic link".to_owned(),
        Errno::INVAL | Errno::NXIO => "is neither a file nor a folder".to_owned(),
        error => format!("cannot be read: {error}"),
    };
    BuildError::inputs("output_invalid", format!("{path} {why}, and an app has plain files only"))
}

/// Packs these files of the folder into a new file.
pub fn pack(work: &Path, listed: &Listed, archive: &Path, cancel: &CancellationToken) -> Result<(), BuildError> {
    let packed = (|| {
        let root = open_root(work)?;
        let owner = owner(root.as_fd())?;
        let mut encoder = zstd::Encoder::new(File::create_new(archive)?, LEVEL)?;
        encoder.include_checksum(true)?;
        let mut tar = tar::Builder::new(encoder);
        let mut left = APP_BYTES_MAX;
        for (path, program) in listed {
            if cancel.is_cancelled() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let file = File::from(open_below(root.as_fd(), path)?);
            let metadata = file.metadata()?;
            if metadata.uid() != owner {
                return Err(changed(path));
            }
            let bytes = metadata.len();
            left = left.checked_sub(bytes).ok_or(io::ErrorKind::FileTooLarge)?;
            append(&mut tar, path, *program, bytes, file)?;
        }
        tar.into_inner()?.finish()?.sync_all()
    })();
    packed.map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::Interrupted => BuildError::Stopped,
        io::ErrorKind::FileTooLarge => {
            BuildError::inputs("output_too_large", format!("the app has more than the {APP_BYTES_MAX} bytes allowed"))
        }
        _ => failed(archive, error),
    })
}

fn append(tar: &mut tar::Builder<impl Write>, path: &str, program: bool, bytes: u64, content: impl Read) -> io::Result<()> {
    // Time, owner and mode stay what a new header has (nothing, and nobody) but for these.
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(if program { PROGRAM } else { FILE });
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    let mut content = content.take(bytes);
    tar.append_data(&mut header, path, &mut content)?;
    // The rest of the archive would be read at the wrong places.
    if content.limit() == 0 { Ok(()) } else { Err(changed(path)) }
}

fn changed(path: &str) -> io::Error {
    io::Error::other(format!("{path} was changed while it was packed"))
}

fn open_root(work: &Path) -> io::Result<OwnedFd> {
    Ok(openat(CWD, work, READ | OFlags::DIRECTORY, Mode::empty())?)
}

/// Opens a file folder by folder, so that none of them is a link.
fn open_below(root: BorrowedFd<'_>, path: &str) -> io::Result<OwnedFd> {
    let mut open: Option<OwnedFd> = None;
    for segment in path.split('/') {
        let next = openat(open.as_ref().map_or(root, AsFd::as_fd), segment, READ, Mode::empty())?;
        open = Some(next);
    }
    open.ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn failed(what: impl AsRef<Path>, error: io::Error) -> BuildError {
    BuildError::Workspace(format!("{}: {error}", what.as_ref().display()))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn outputs(globs: &[&str]) -> Vec<Output> {
        globs.iter().map(|path| Output { path: (*path).to_owned() }).collect()
    }

    fn packed(work: &Path, globs: &[&str]) -> Result<Vec<u8>, BuildError> {
        let home = tempfile::tempdir().expect("a folder");
        let archive = home.path().join("archive");
        pack(work, &list(work, &outputs(globs))?, &archive, &CancellationToken::new())?;
        Ok(fs::read(archive).expect("an archive"))
    }

    /// The same app, written in another order, at another time, with other masks and under another path.
    fn app(reversed: bool) -> tempfile::TempDir {
        let home = tempfile::tempdir().expect("a folder");
        let long = format!("a/{}.txt", "long".repeat(40));
        let mut files: Vec<(&str, &[u8], u32)> =
            vec![("b.txt", b"b", 0o600), (&long, &[0; 100_000], 0o664), ("ö", b"", 0o644), ("run", b"#!", 0o700)];
        if reversed {
            files.reverse();
            files.iter_mut().for_each(|(_, _, mode)| *mode |= 0o44);
        }
        for (path, content, mode) in files {
            let path = home.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
            fs::write(&path, content).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
            let file = File::options().write(true).open(&path).expect("the file");
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(mode))).expect("its time");
        }
        home
    }

    #[test]
    fn the_same_files_make_the_same_bytes_and_come_back() {
        let archive = packed(app(false).path(), &[]).expect("packed");
        assert!(archive == packed(app(true).path(), &[]).expect("packed"));
        let mut unpacked = Vec::new();
        let mut tar = tar::Archive::new(zstd::Decoder::new(archive.as_slice()).expect("zstd"));
        for entry in tar.entries().expect("entries") {
            let mut entry = entry.expect("an entry");
            let header = entry.header();
            assert_eq!([header.mtime(), header.uid(), header.gid()].map(|number| number.expect("a number")), [0, 0, 0]);
            let mode = header.mode().expect("a mode");
            let path = entry.path().expect("a path").to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("content");
            unpacked.push((path, mode, content.len()));
        }
        let long = format!("a/{}.txt", "long".repeat(40));
        let expected = [(long.as_str(), 0o644, 100_000), ("b.txt", 0o644, 1), ("run", 0o755, 2), ("ö", 0o644, 0)];
        assert_eq!(unpacked, expected.map(|(path, mode, length)| (path.to_owned(), mode, length)));
    }

    #[test]
    fn declared_outputs_are_all_that_is_packed_and_must_be_there() {
        let home = app(false);
        let listed = list(home.path(), &outputs(&["a/**", "*.txt"])).expect("they are there");
        assert_eq!(listed.keys().filter(|path| !path.starts_with("a/")).collect::<Vec<_>>(), ["b.txt"]);
        let error = packed(home.path(), &["b.txt", "dist/**"]).expect_err("refused");
        assert_eq!(error.code(), "output_missing");
        assert!(error.to_string().contains("dist/**"), "{error}");
    }

    #[test]
    fn links_and_devices_do_not_get_into_an_app() {
        use std::os::unix::{fs::symlink, net::UnixListener};
        type Make<'m> = &'m dyn Fn(&Path);
        let cases: [(&str, Make<'_>); 4] = [
            ("link is a symbolic link", &|home| symlink("/etc/passwd", home.join("link")).expect("a link")),
            ("folder is a symbolic link", &|home| symlink("/etc", home.join("folder")).expect("a link")),
            ("socket is neither", &|home| drop(UnixListener::bind(home.join("socket")).expect("a socket"))),
            ("pipe is neither", &|home| {
                let made = std::process::Command::new("mkfifo").arg(home.join("pipe")).status().expect("mkfifo");
                assert!(made.success());
            }),
        ];
        for (message, make) in cases {
            let home = app(false);
            make(home.path());
            let error = packed(home.path(), &[]).expect_err(message);
            assert_eq!(error.code(), "output_invalid");
            assert!(error.to_string().starts_with(message), "{error}");
            assert!(packed(home.path(), &["b.txt"]).is_ok(), "what is no output does not matter");
        }
    }

    #[test]
    fn a_file_that_shrinks_while_it_is_packed_ends_the_packing() {
        let mut tar = tar::Builder::new(Vec::new());
        assert!(append(&mut tar, "whole", false, 3, b"hay".as_slice()).is_ok());
        let error = append(&mut tar, "short", false, 4, b"hay".as_slice()).expect_err("refused");
        assert!(error.to_string().contains("short was changed"), "{error}");
    }

    #[test]
    fn a_hard_link_to_anothers_file_does_not_get_into_an_app() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let home = app(false);
        let foreign = tempfile::NamedTempFile::new().expect("a file of root's");
        let work = home.path().join("work");
        fs::create_dir(&work).expect("a folder");
        fs::write(work.join("own"), "own").expect("written");
        fs::hard_link(work.join("own"), work.join("twice")).expect("a link");
        for path in [&work, &work.join("own")] {
            std::os::unix::fs::chown(path, Some(60_600), Some(60_600)).expect("given");
        }
        assert!(packed(&work, &[]).is_ok(), "links to its own are its own");
        fs::hard_link(foreign.path(), work.join("theirs")).expect("a link");
        let error = packed(&work, &[]).expect_err("refused");
        assert_eq!(error.code(), "output_invalid");
        assert!(error.to_string().starts_with("theirs is another user's"), "{error}");
    }
}
