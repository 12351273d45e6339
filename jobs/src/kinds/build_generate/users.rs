//! Who runs commands where the worker is root: of a range of users each running build has one to itself, so that builds cannot
//! touch each other's files and processes, and whatever a user still runs when its build is over can be ended.
//!
//! A user is held by a lock on a file, the same for all workers of the machine, whatever their workspaces' folder.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    ops::Range,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::PathBuf,
};

use super::processes;
use crate::settings::builds::USERS;

/// Where the locks lie, also where `TMPDIR` differs from worker to worker.
const LOCKS: &str = "/tmp/windrow-build-users";

/// The users of a range.
#[derive(Debug, Clone)]
pub struct Users {
    first: u32,
}

/// A user that nobody else has, until this is dropped.
#[derive(Debug)]
pub struct Held {
    /// Its id, and its group's.
    pub user: u32,
    _lock: File,
}

impl Users {
    /// The users from this one on. Ends what they still run, but for those that are held: a dead worker's.
    pub fn open(first: u32) -> io::Result<Self> {
        match DirBuilder::new().mode(0o700).create(LOCKS) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let metadata = fs::symlink_metadata(LOCKS)?;
        if !metadata.is_dir() || metadata.uid() != 0 || metadata.mode() & 0o077 != 0 {
            return Err(io::Error::other(format!("{LOCKS} is not root's own folder")));
        }
        let users = Self { first };
        // Those who run something, and no more: whoever looks for a user meanwhile must find one.
        let busy: Vec<_> = processes::users().into_iter().filter(|user| users.ids().contains(user)).collect();
        let dead: Vec<_> = busy.into_iter().filter_map(|user| users.try_hold(user).transpose()).collect::<io::Result<_>>()?;
        processes::kill_of_users(&dead.iter().map(|held| held.user).collect::<Vec<_>>());
        Ok(users)
    }

    /// One that nobody has, and that runs nothing.
    pub fn hold(&self) -> io::Result<Held> {
        for user in self.ids() {
            if let Some(held) = self.try_hold(user)? {
                processes::kill_of_users(&[user]);
                return Ok(held);
            }
        }
        Err(io::Error::other(format!("all {USERS} users from {} on (builds.user) run builds", self.first)))
    }

    const fn ids(&self) -> Range<u32> {
        self.first..self.first + USERS
    }

    fn try_hold(&self, user: u32) -> io::Result<Option<Held>> {
        let path = PathBuf::from(LOCKS).join(user.to_string());
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Held { user, _lock: lock })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }
}
