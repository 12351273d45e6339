//! Objects in a folder: the standalone shape.
//!
//! A key is a folder that holds a file with the content, named by its hash, and `%meta.json`, which names that file:
//! renaming the latter into place is the one instant at which an object changes. A key below another key is no
//! clash, and no key has a `%`. One process may write at a time; any number may read.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::{Content, Error, Key, Link, Meta, Object, Objects, Result, hex, link::Signer};
use crate::clock::Timestamp;

const META: &str = "%meta.json";
const TEMPORARY: &str = "%tmp";
/// The most keys of one list, as S3 has it.
const LIST_MAX: usize = 1_000;
/// How often an object that changes while it is opened is looked at anew.
const OPEN_TRIES: u32 = 5;
/// What is read from a file at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// A folder of objects. Cheap to clone.
#[derive(Clone)]
pub struct FolderObjects(Arc<Inner>);

struct Inner {
    root: PathBuf,
    signer: Signer,
    links_base: String,
    /// Held while an object is put in place or removed.
    placing: Mutex<()>,
    temporaries: AtomicU64,
}

impl FolderObjects {
    /// The store in `root`, which is made if need be. Its links lie below `links_base`, where an api serves them.
    pub fn open(root: &Path, signer: Signer, links_base: String) -> Result<Self> {
        let temporary = root.join(TEMPORARY);
        fs::create_dir_all(&temporary).map_err(|error| failed("making the folder", root, &error))?;
        remove_abandoned(&temporary).map_err(|error| failed("clearing", &temporary, &error))?;
        Ok(Self(Arc::new(Inner { root: root.to_owned(), signer, links_base, placing: Mutex::default(), temporaries: AtomicU64::new(0) })))
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> Result<T> + Send + 'static) -> Result<T> {
        let inner = self.0.clone();
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        done.unwrap_or_else(|error| Err(Error::Unavailable(error.to_string())))
    }
}

#[async_trait]
impl Objects for FolderObjects {
    async fn put(&self, key: &Key, media_type: &str, content: Content) -> Result<Meta> {
        let (key, media_type) = (key.clone(), media_type.to_owned());
        self.blocking(move |inner| inner.put(&key, media_type, content)).await
    }

    async fn head(&self, key: &Key) -> Result<Option<Meta>> {
        let key = key.clone();
        self.blocking(move |inner| inner.meta(&key)).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Object>> {
        let key = key.clone();
        let opened = self.blocking(move |inner| inner.open(&key)).await?;
        Ok(opened.map(|(meta, file)| Object { meta, content: Box::pin(tokio::fs::File::from_std(file)) }))
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>> {
        let (prefix, after) = (prefix.to_owned(), after.cloned());
        self.blocking(move |inner| inner.list(&prefix, after.as_ref(), limit.min(LIST_MAX))).await
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        let key = key.clone();
        self.blocking(move |inner| inner.delete(&key)).await
    }

    async fn link(&self, key: &Key, now: Timestamp, lasts: Duration) -> Result<Link> {
        Ok(self.0.signer.link(&self.0.links_base, key, now, lasts))
    }
}

impl Inner {
    fn put(&self, key: &Key, media_type: String, content: Content) -> Result<Meta> {
        let folder = self.folder(key);
        let blob = self.temporary();
        let meta_file = self.temporary();
        let put = (|| {
            let (bytes, sha256) = write(&blob, content)?;
            let meta = Meta { bytes, sha256: Some(sha256), media_type };
            let json = serde_json::to_vec(&meta)?;
            write(&meta_file, Content::Bytes(json))?;
            self.place(&folder, &blob, &meta_file, &meta)?;
            Ok(meta)
        })();
        if put.is_err() {
            let _ = fs::remove_file(&blob);
            let _ = fs::remove_file(&meta_file);
        }
        put.map_err(|error: io::Error| failed("keeping", &folder, &error))
    }

    fn place(&self, folder: &Path, blob: &Path, meta_file: &Path, meta: &Meta) -> io::Result<()> {
        let _placing = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        fs::create_dir_all(folder)?;
        let name = blob_name(meta);
        fs::rename(blob, folder.join(&name))?;
        fs::rename(meta_file, folder.join(META))?;
        self.sync_up(folder)?;
        // What is not named any more. A reader that has it open reads it to its end.
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let other = entry.file_name();
            if other != META && other != name.as_str() && entry.file_type()?.is_file() {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Makes sure that the folder itself is on disk, and its place in the folders above.
    fn sync_up(&self, folder: &Path) -> io::Result<()> {
        folder.ancestors().take_while(|above| above.starts_with(&self.root)).try_for_each(|above| File::open(above)?.sync_all())
    }

    fn meta(&self, key: &Key) -> Result<Option<Meta>> {
        let path = self.folder(key).join(META);
        match fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json).map(Some).map_err(|error| Error::Refused(format!("{}: {error}", path.display()))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed("reading", &path, &error)),
        }
    }

    fn open(&self, key: &Key) -> Result<Option<(Meta, File)>> {
        let folder = self.folder(key);
        for _ in 0..OPEN_TRIES {
            let Some(meta) = self.meta(key)? else {
                return Ok(None);
            };
            match File::open(folder.join(blob_name(&meta))) {
                Ok(file) => return Ok(Some((meta, file))),
                // It was replaced or removed since; look at what is there now.
                Err(error) if is_missing(&error) => {}
                Err(error) => return Err(failed("opening", &folder, &error)),
            }
        }
        Err(Error::Unavailable(format!("{} has lost its content, or changes all the time", folder.display())))
    }

    fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<Key>> {
        let mut found = Vec::new();
        // The last folder that the prefix names whole; below it the prefix decides.
        let begin = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        if !begin.is_empty() && begin.parse::<Key>().is_err() {
            return Ok(found);
        }
        self.walk(begin, prefix, &mut found).map_err(|error| failed("listing", &self.root.join(begin), &error))?;
        found.retain(|key| after.is_none_or(|after| key > after));
        found.sort();
        found.truncate(limit);
        Ok(found)
    }

    fn walk(&self, folder: &str, prefix: &str, found: &mut Vec<Key>) -> io::Result<()> {
        let entries = match fs::read_dir(self.root.join(folder)) {
            Err(error) if is_missing(&error) => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let name = entry?.file_name();
            match name.to_str() {
                Some(META) if folder.starts_with(prefix) => found.extend(folder.parse::<Key>()),
                Some(name) if !name.starts_with('%') => {
                    let below = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
                    if below.starts_with(prefix) || prefix.starts_with(&format!("{below}/")) {
                        self.walk(&below, prefix, found)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn delete(&self, key: &Key) -> Result<()> {
        let folder = self.folder(key);
        let _placing = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        let deleted = (|| {
            fs::remove_file(folder.join(META))?;
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        })();
        match deleted {
            Err(error) if !is_missing(&error) => return Err(failed("removing", &folder, &error)),
            _ => {}
        }
        // Folders that are empty now; the first that is not ends it.
        let emptied = folder.ancestors().take_while(|above| *above != self.root);
        let _ = emptied.map(fs::remove_dir).find(io::Result::is_err);
        Ok(())
    }

    fn folder(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    fn temporary(&self) -> PathBuf {
        let number = self.temporaries.fetch_add(1, Ordering::Relaxed);
        self.root.join(TEMPORARY).join(format!("{}-{number}", std::process::id()))
    }
}

/// Removes what processes that are dead had begun to write.
fn remove_abandoned(temporary: &Path) -> io::Result<()> {
    for entry in fs::read_dir(temporary)? {
        let entry = entry?;
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.split('-').next()?.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            match fs::remove_file(entry.path()) {
                Err(error) if !is_missing(&error) => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

fn blob_name(meta: &Meta) -> String {
    format!("%{}", meta.sha256.as_deref().unwrap_or_default())
}

/// Writes a new file to disk; its size and hash.
fn write(path: &Path, content: Content) -> io::Result<(u64, String)> {
    let mut file = File::create(path)?;
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let mut keep = |chunk: &[u8]| {
        hash.update(chunk);
        bytes += chunk.len() as u64;
        file.write_all(chunk)
    };
    match content {
        Content::Bytes(content) => keep(&content)?,
        Content::File(from) => {
            let mut from = File::open(from)?;
            let mut chunk = vec![0; CHUNK_BYTES];
            loop {
                match from.read(&mut chunk)? {
                    0 => break,
                    length => keep(&chunk[..length])?,
                }
            }
        }
    }
    file.sync_all()?;
    Ok((bytes, hex(&hash.finalize())))
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn failed(doing: &str, what: &Path, error: &io::Error) -> Error {
    Error::Unavailable(format!("{doing} {}: {error}", what.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_had_begun_to_write_is_removed_by_the_next() {
        let home = tempfile::tempdir().expect("a folder");
        let temporary = home.path().join(TEMPORARY);
        fs::create_dir(&temporary).expect("a folder");
        // No process has a number beyond what the kernel gives (2^22, proc(5)).
        let (dead, living) = (temporary.join("99999999-0"), temporary.join(format!("{}-7", std::process::id())));
        for path in [&dead, &living] {
            fs::write(path, "half").expect("written");
        }
        FolderObjects::open(home.path(), Signer::new(b"master"), String::new()).expect("a store");
        assert_eq!((dead.exists(), living.exists()), (false, true));
    }
}
