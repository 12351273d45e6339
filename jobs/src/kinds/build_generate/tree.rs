//! Measures and removes folders that a command has made, however deep: no path is longer than a name, nothing recurses, and
//! few descriptors are open at once. Follows no link.

use std::{ffi::CString, io, os::fd::AsFd, path::Path};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, chmodat, openat, renameat, statat, unlinkat},
    io::Errno,
    process::geteuid,
};

/// The deepest folder that is measured: each level costs a descriptor.
const DEPTH_MAX: usize = 128;
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What lies in a folder, in bytes and in files; stops counting once there is more than that.
/// What cannot be read, or lies too deep, is more than anything.
pub fn measure(folder: &Path, bytes_max: u64, files_max: u64) -> (u64, u64) {
    const MORE: (u64, u64) = (u64::MAX, u64::MAX);
    let (mut bytes, mut files) = (0_u64, 0_u64);
    let mut open = match openat(CWD, folder, FOLDER, Mode::empty()).and_then(Dir::new) {
        Ok(dir) => vec![dir],
        Err(_) => return MORE,
    };
    while let Some(dir) = open.last_mut() {
        let Some(entry) = dir.read() else {
            open.pop();
            continue;
        };
        let Ok(entry) = entry else { return MORE };
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let Ok(folder) = dir.fd() else { return MORE };
        let stat = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // Gone by now.
            Err(Errno::NOENT) => continue,
            Err(_) => return MORE,
        };
        files += 1;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            match openat(folder, name, FOLDER, Mode::empty()).and_then(Dir::new) {
                Ok(below) if open.len() < DEPTH_MAX => open.push(below),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                _ => return MORE,
            }
        } else {
            bytes = bytes.saturating_add(u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512));
        }
        if bytes > bytes_max || files > files_max {
            break;
        }
    }
    (bytes, files)
}

/// Removes a folder and all in it, `last` after everything else in it. Folders within folders are moved up first, so that
/// none is ever deeper than two.
pub fn remove(folder: &Path, last: &str) -> io::Result<()> {
    let top = openat(CWD, folder, FOLDER, Mode::empty())?;
    let mut moved = Moved { mark: rand::random(), count: 0 };
    loop {
        let names = names(&top, last)?;
        if names.is_empty() {
            break;
        }
        for name in names {
            remove_entry(&top, &name, &mut moved)?;
        }
    }
    gone(unlinkat(&top, last, AtFlags::empty()))?;
    gone(unlinkat(CWD, folder, AtFlags::REMOVEDIR))
}

/// The most names that are held at once.
const NAMES_MAX: usize = 10_000;

fn names(folder: impl AsFd, but: &str) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if !matches!(name.to_bytes(), b"." | b"..") && name.to_bytes() != but.as_bytes() {
            names.push(name.to_owned());
        }
        if names.len() == NAMES_MAX {
            break;
        }
    }
    Ok(names)
}

fn remove_entry(top: impl AsFd, name: &CString, moved: &mut Moved) -> io::Result<()> {
    let top = top.as_fd();
    match unlinkat(top, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        removed => return gone(removed),
    }
    let opened = match openat(top, name, FOLDER, Mode::empty()) {
        Err(Errno::ACCESS) => {
            open_up(top, name)?;
            openat(top, name, FOLDER, Mode::empty())?
        }
        Err(Errno::NOENT) => return Ok(()),
        opened => opened?,
    };
    // Its owner may have locked itself out of changing it, too.
    open_up(top, name)?;
    loop {
        let names = names(&opened, "")?;
        if names.is_empty() {
            return gone(unlinkat(top, name, AtFlags::REMOVEDIR));
        }
        for name in names {
            match unlinkat(&opened, &name, AtFlags::empty()) {
                Err(Errno::ISDIR | Errno::PERM) => {}
                removed => {
                    gone(removed)?;
                    continue;
                }
            }
            if unlinkat(&opened, &name, AtFlags::REMOVEDIR).is_ok() {
                continue;
            }
            open_up(&opened, &name)?;
            gone(renameat(&opened, &name, top, moved.next()))?;
        }
    }
}

/// Names that nothing else there has.
struct Moved {
    mark: u64,
    count: u64,
}

impl Moved {
    fn next(&mut self) -> String {
        self.count += 1;
        format!("{:016x}-{}", self.mark, self.count)
    }
}

/// Makes a folder its owner's to change. Root needs none of it, and must follow no link that somebody puts in its place.
fn open_up(parent: impl AsFd, name: &CString) -> io::Result<()> {
    if geteuid().is_root() {
        return Ok(());
    }
    gone(chmodat(parent, name, Mode::RWXU, AtFlags::empty()))
}

/// That it is not there any more is no error.
fn gone(done: rustix::io::Result<()>) -> io::Result<()> {
    match done {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
pub mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    /// Folders in each other, deeper than any path can say, in a folder of this name.
    pub fn chain(home: &Path, levels: u32) {
        let mut folder = openat(CWD, home, FOLDER, Mode::empty()).expect("a folder");
        for _ in 0..levels {
            rustix::fs::mkdirat(&folder, "d", Mode::RWXU).expect("a folder");
            folder = openat(&folder, "d", FOLDER, Mode::empty()).expect("opened");
        }
        rustix::fs::openat(&folder, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).expect("a file");
    }

    #[test]
    fn a_hundred_thousand_folders_in_each_other_are_too_deep_and_can_be_removed() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("deep");
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("lock"), "").expect("written");
        chain(&folder, 100_000);
        assert_eq!(measure(&folder, u64::MAX, u64::MAX - 1), (u64::MAX, u64::MAX));
        remove(&folder, "lock").expect("removed");
        assert!(!folder.exists());
    }

    #[test]
    fn what_is_wide_linked_or_locked_is_measured_and_removed_and_links_lead_nowhere() {
        let home = tempfile::tempdir().expect("a folder");
        let (folder, kept) = (home.path().join("wide"), home.path().join("kept"));
        fs::create_dir_all(folder.join("a/b/c")).expect("folders");
        fs::create_dir(&kept).expect("a folder");
        fs::write(kept.join("file"), "kept").expect("written");
        std::os::unix::fs::symlink(&kept, folder.join("a/link")).expect("a link");
        std::os::unix::fs::symlink(&kept, folder.join("link")).expect("a link");
        for number in 0..20_000 {
            fs::write(folder.join(format!("a/{number}")), "").expect("written");
        }
        assert_eq!(measure(&folder, 1 << 20, 100_000), (0, 20_005));
        assert!(measure(&folder, 1 << 20, 100).1 > 100);
        fs::set_permissions(folder.join("a/b/c"), fs::Permissions::from_mode(0o000)).expect("locked");
        fs::set_permissions(folder.join("a"), fs::Permissions::from_mode(0o500)).expect("locked");
        remove(&folder, "lock").expect("removed");
        assert!(!folder.exists() && kept.join("file").exists());
    }
}
