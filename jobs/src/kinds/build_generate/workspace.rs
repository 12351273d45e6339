//! Where a build works: a folder of its own below one root, held by a lock for as long as the build lives.
//!
//! Where the worker is root each build also has a user of its own (`users.rs`). Whoever opens the root or makes another workspace removes those that nobody holds: a killed worker's. Nothing of a build
//! lies anywhere else. The root and a build's folder may be walked through but not listed by others; what is in `work`,
//! `home` and `tmp` is its owner's alone, who is unprivileged where the worker is root.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    processes, tree,
    users::{Held, Users},
};

/// Whoever makes or removes workspaces holds this file.
const ROOT_LOCK: &str = "lock";
/// Whoever uses a workspace holds this file in it.
const LOCK: &str = "lock";
/// A file that nobody else may open: whoever opens it can lock it.
const OWN: u32 = 0o600;
/// Owner's alone.
const PRIVATE: u32 = 0o700;
/// Others may walk through, not look.
const PASSAGE: u32 = 0o711;
/// A file of the app, and one that is a program.
const FILE: u32 = 0o644;
const PROGRAM: u32 = 0o755;
/// How often a folder is tried to be removed in which something that is being killed may still write.
const REMOVE_TRIES: u32 = 20;
const REMOVE_PAUSE: std::time::Duration = std::time::Duration::from_millis(25);

/// The root of all workspaces on this machine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Workspaces {
    root: Arc<PathBuf>,
    /// Who runs the commands, where that is not the worker itself.
    users: Option<Users>,
}

impl Workspaces {
    /// Takes the workspaces below `folder`, made if need be, and removes what dead workers left there.
    /// Commands run as one of the users from `user` on where this process is root, and as whoever it is otherwise.
    pub fn open(folder: &Path, user: u32) -> io::Result<Self> {
        let own = rustix::process::geteuid();
        let users = if own.is_root() { Some(Users::open(user)?) } else { None };
        // By user, since a folder of another would have to be trusted.
        let root = folder.join(format!("windrow-builds-{}", own.as_raw()));
        match DirBuilder::new().recursive(false).mode(PASSAGE).create(&root) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(named(&error, "making", &root)),
            _ => {}
        }
        let metadata = fs::symlink_metadata(&root).map_err(|error| named(&error, "looking at", &root))?;
        if !metadata.is_dir() || metadata.uid() != own.as_raw() || metadata.mode() & 0o022 != 0 {
            return Err(io::Error::other(format!("{} is not this user's own folder", root.display())));
        }
        fs::set_permissions(&root, Permissions::from_mode(PASSAGE))?;
        let workspaces = Self { root: Arc::new(root), users };
        workspaces.sweep()?;
        Ok(workspaces)
    }

    /// A workspace for one build.
    pub fn make(&self) -> io::Result<Workspace> {
        self.sweep()?;
        let user = self.users.as_ref().map(Users::hold).transpose()?;
        let folder = self.root.join(format!("{:016x}", rand::random::<u64>()));
        // Held while the folder has no lock yet, or a sweep would take it for abandoned.
        let root_lock = self.lock()?;
        let made = (|| {
            DirBuilder::new().mode(PASSAGE).create(&folder)?;
            let lock = OpenOptions::new().write(true).create_new(true).mode(OWN).open(folder.join(LOCK))?;
            lock.try_lock()?;
            Ok(lock)
        })();
        drop(root_lock);
        let lock = made.map_err(|error: io::Error| named(&error, "making", &folder))?;
        let workspace = Workspace { folder, user, _lock: lock };
        for name in [WORK, HOME, TMP] {
            let path = workspace.folder.join(name);
            DirBuilder::new().mode(PRIVATE).create(&path)?;
            // Once more, past the umask.
            fs::set_permissions(&path, Permissions::from_mode(PRIVATE))?;
        }
        fs::set_permissions(&workspace.folder, Permissions::from_mode(PASSAGE))?;
        Ok(workspace)
    }

    /// Removes the workspaces that nobody holds, and ends what still runs in them.
    fn sweep(&self) -> io::Result<()> {
        let _root_lock = self.lock()?;
        for entry in fs::read_dir(&*self.root)? {
            let folder = entry?.path();
            if !folder.is_dir() {
                continue;
            }
            let lock = File::open(folder.join(LOCK));
            if lock.as_ref().is_ok_and(|lock| lock.try_lock().is_err()) {
                continue;
            }
            tracing::warn!(folder = %folder.display(), "removing what a dead worker's build left");
            processes::kill_of(&folder);
            remove(&folder);
        }
        Ok(())
    }

    fn lock(&self) -> io::Result<File> {
        let path = self.root.join(ROOT_LOCK);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(OWN).open(&path);
        let file = file.map_err(|error| named(&error, "opening", &path))?;
        // One of an earlier version may be everybody's to open, and so to hold.
        file.set_permissions(Permissions::from_mode(OWN))?;
        file.lock()?;
        Ok(file)
    }
}

const WORK: &str = "work";
const HOME: &str = "home";
const TMP: &str = "tmp";

/// A build's folder. It goes with this value.
#[derive(Debug)]
pub struct Workspace {
    folder: PathBuf,
    /// Its own for as long as it is there: dropped last, when nothing of it runs any more.
    user: Option<Held>,
    _lock: File,
}

impl Workspace {
    /// All of it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Who runs its commands, where that is not the worker itself.
    pub fn user(&self) -> Option<u32> {
        self.user.as_ref().map(|held| held.user)
    }

    /// Ends whatever its commands have left running.
    pub fn end_processes(&self) {
        match &self.user {
            Some(held) => processes::kill_of_users(&[held.user]),
            None => processes::kill_of(&self.folder),
        }
    }

    /// Where the app grows.
    pub fn work(&self) -> PathBuf {
        self.folder.join(WORK)
    }

    /// The home of the commands.
    pub fn home(&self) -> PathBuf {
        self.folder.join(HOME)
    }

    /// Where the commands put what they throw away.
    pub fn tmp(&self) -> PathBuf {
        self.folder.join(TMP)
    }

    /// A file of the build itself, which no command can reach.
    pub fn own(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file of the app. The path was checked to be one within it.
    pub fn write(&self, path: &str, content: &[u8], program: bool) -> io::Result<()> {
        let target = self.work().join(path);
        if let Some(parent) = target.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
        }
        fs::write(&target, content)?;
        fs::set_permissions(&target, Permissions::from_mode(if program { PROGRAM } else { FILE }))
    }

    /// Adds to a file of the app, which need not be there yet.
    pub fn append(&self, path: &str, content: &[u8], program: bool) -> io::Result<()> {
        let target = self.work().join(path);
        if let Some(parent) = target.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
        }
        OpenOptions::new().append(true).create(true).open(&target)?.write_all(content)?;
        fs::set_permissions(&target, Permissions::from_mode(if program { PROGRAM } else { FILE }))
    }

    /// Hands all that commands may touch to whoever runs them, and checks that it can be reached by its name.
    pub fn hand_over(&self) -> io::Result<()> {
        let Some(user) = self.user() else {
            return Ok(());
        };
        for name in [WORK, HOME, TMP] {
            give(&self.folder.join(name), user)?;
        }
        for above in self.folder.ancestors().skip(1) {
            let metadata = fs::metadata(above)?;
            let passes = metadata.mode() & 0o001 != 0 || (metadata.uid() == user && metadata.mode() & 0o100 != 0);
            if !passes {
                let message =
                    format!("user {user}, who runs build commands, cannot pass {}: name another folder (builds.folder)", above.display());
                return Err(io::Error::other(message));
            }
        }
        Ok(())
    }
}

impl Drop for Workspace {
    /// May take a while: who can wait elsewhere drops it there.
    fn drop(&mut self) {
        self.end_processes();
        remove(&self.folder);
    }
}

/// Gives a folder and all in it to this user, following no link.
fn give(path: &Path, user: u32) -> io::Result<()> {
    lchown(path, Some(user), Some(user))?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), user)?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) {
    let mut tried = Ok(());
    for _ in 0..REMOVE_TRIES {
        tried = tree::remove(folder, LOCK);
        match &tried {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_) => std::thread::sleep(REMOVE_PAUSE),
        }
    }
    tracing::error!(folder = %folder.display(), ?tried, "a build's folder cannot be removed; the next build tries again");
}

fn named(error: &io::Error, doing: &str, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{doing} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::builds::USER;

    fn names(root: &Path) -> Vec<String> {
        let entries = fs::read_dir(root).expect("the root").map(|entry| entry.expect("an entry"));
        entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_workspace_goes_with_its_build_and_a_dead_one_with_the_next_start() {
        let home = tempfile::tempdir().expect("a folder");
        let workspaces = Workspaces::open(home.path(), USER).expect("workspaces");
        let root = workspaces.root.to_path_buf();
        let (held, dropped) = (workspaces.make().expect("one"), workspaces.make().expect("another"));
        held.write("a/b.txt", b"b", false).expect("written");
        held.write("run.sh", b"#!/bin/sh", true).expect("written");
        let mode = |name: &str| fs::metadata(held.work().join(name)).expect("a file").mode() & 0o777;
        assert_eq!((mode("a/b.txt"), mode("run.sh"), mode("")), (0o644, 0o755, 0o700));
        assert_eq!(names(&root).len(), 2);
        drop(dropped);
        assert_eq!(names(&root).len(), 1);
        let mode = |path: PathBuf| fs::metadata(path).expect("a file").mode() & 0o777;
        assert_eq!((mode(root.join(ROOT_LOCK)), mode(held.folder.join(LOCK))), (0o600, 0o600), "who may open it may hold it");
        fs::set_permissions(root.join(ROOT_LOCK), Permissions::from_mode(0o644)).expect("as it was once");
        // As a killed worker leaves it: a folder with a lock that nobody holds, and one that was killed before it had any.
        for (name, lock) in [("dead", true), ("half", false)] {
            fs::create_dir_all(root.join(name).join("work/deep")).expect("a folder");
            fs::set_permissions(root.join(name).join("work"), Permissions::from_mode(0o000)).expect("locked out");
            if lock {
                File::create(root.join(name).join(LOCK)).expect("a lock");
            }
        }
        tree::tests::chain(&root.join("half"), 100_000);
        Workspaces::open(home.path(), USER).expect("a second worker");
        assert_eq!(mode(root.join(ROOT_LOCK)), 0o600);
        assert_eq!(names(&root), [held.folder.file_name().expect("a name").to_string_lossy()]);
        drop(held);
        assert_eq!(names(&root), [""; 0]);
    }

    /// A worker that starts once held every user for as long as it looked, so that another's build found none.
    #[test]
    fn a_build_finds_a_user_while_other_workers_start() {
        let home = tempfile::tempdir().expect("a folder");
        let workspaces = Workspaces::open(home.path(), USER).expect("workspaces");
        std::thread::scope(|scope| {
            let starting = || (0..20).for_each(|_| drop(Workspaces::open(home.path(), USER).expect("workspaces")));
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(starting)).collect();
            while workers.iter().any(|worker| !worker.is_finished()) {
                workspaces.make().expect("a workspace");
            }
        });
    }

    #[test]
    fn another_users_folder_is_not_trusted() {
        let home = tempfile::tempdir().expect("a folder");
        let root = home.path().join(format!("windrow-builds-{}", rustix::process::geteuid().as_raw()));
        fs::create_dir(&root).expect("a folder");
        fs::set_permissions(&root, Permissions::from_mode(0o777)).expect("everybody's");
        assert!(Workspaces::open(home.path(), USER).is_err());
        fs::remove_dir(&root).expect("removed");
        std::os::unix::fs::symlink(home.path(), &root).expect("a link");
        assert!(Workspaces::open(home.path(), USER).is_err());
    }
}
