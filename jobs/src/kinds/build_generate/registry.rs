//! The bundles in the object store, at `registry/<name>/<version>/`: `bundle.json`, and `files/<path>`.
//!
//! The manifest is written last, so a bundle that can be found is whole; every file is checked against it.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;
use sha2::{Digest, Sha256};

use super::{error::BuildError, resolve::Shelf};
use crate::{
    bundle::{FILE_BYTES_MAX, FILES_MAX, FileEntry, Manifest, Wanted, is_name},
    objects::{Key, Objects, hex},
};

const MANIFEST: &str = "bundle.json";
const MANIFEST_BYTES_MAX: u64 = 1024 * 1024;
/// Keys of one bundle's name that are looked at: versions times files.
const KEYS_MAX: usize = 200_000;
const PAGE: usize = 1_000;
/// The most bundles that one build looks at.
const NAMES_MAX: usize = 256;

/// Every version of the wanted bundles, and of all that these may need.
pub async fn shelf(objects: &dyn Objects, wanted: &[&Wanted]) -> Result<Shelf, BuildError> {
    let mut shelf = Shelf::new();
    let mut open: BTreeSet<String> = wanted.iter().map(|wanted| wanted.name.clone()).collect();
    while let Some(name) = open.pop_first() {
        if shelf.len() >= NAMES_MAX {
            return Err(BuildError::inputs("bundle_invalid", format!("the bundles need more than {NAMES_MAX} others")));
        }
        let versions = versions(objects, &name).await?;
        let needed = versions.values().flat_map(|manifest| manifest.requires.keys().chain(manifest.templates.keys()));
        open.extend(needed.filter(|needed| **needed != name && !shelf.contains_key(*needed) && is_name(needed)).cloned());
        shelf.insert(name, versions);
    }
    Ok(shelf)
}

async fn versions(objects: &dyn Objects, name: &str) -> Result<BTreeMap<Version, Manifest>, BuildError> {
    let prefix = format!("registry/{name}/");
    let mut versions = BTreeMap::new();
    let mut after: Option<Key> = None;
    for _ in 0..KEYS_MAX / PAGE {
        let page = objects.list(&prefix, after.as_ref(), PAGE).await?;
        for key in &page {
            let manifest = key.as_str()[prefix.len()..].split_once('/').filter(|(_, rest)| *rest == MANIFEST);
            let Some(version) = manifest.and_then(|(version, _)| Version::parse(version).ok()) else {
                continue;
            };
            if let Some(object) = objects.get(key).await? {
                let manifest = read(&object.bytes(MANIFEST_BYTES_MAX).await?, name, &version)?;
                versions.insert(version, manifest);
            }
        }
        let full = page.len() == PAGE;
        after = page.into_iter().next_back();
        if !full {
            break;
        }
    }
    Ok(versions)
}

fn read(json: &[u8], name: &str, version: &Version) -> Result<Manifest, BuildError> {
    let invalid = |message: String| BuildError::inputs("bundle_invalid", format!("the manifest of {name} {version}: {message}"));
    let manifest: Manifest = serde_json::from_slice(json).map_err(|error| invalid(error.to_string()))?;
    if manifest.name != name || manifest.version != *version {
        return Err(invalid(format!("it says that it is {manifest}")));
    }
    if manifest.files.len() > FILES_MAX {
        return Err(invalid(format!("it has {} files of the {FILES_MAX} allowed", manifest.files.len())));
    }
    if let Some(file) = manifest.files.iter().find(|file| file.path.parse::<Key>().is_err()) {
        return Err(invalid(format!("{:?} is no path within an app", file.path)));
    }
    Ok(manifest)
}

/// A file of a bundle, checked against its manifest.
pub async fn file(objects: &dyn Objects, manifest: &Manifest, file: &FileEntry) -> Result<Vec<u8>, BuildError> {
    let corrupt = |what: &str| BuildError::inputs("bundle_corrupt", format!("{} of {manifest} {what}", file.path));
    let object = objects.get(&file_key(manifest, &file.path)?).await?.ok_or_else(|| corrupt("is not there"))?;
    let content = object.bytes(FILE_BYTES_MAX).await?;
    if hex(&Sha256::digest(&content)) != file.sha256 {
        return Err(corrupt("is not what its manifest says"));
    }
    Ok(content)
}

/// Publishes a bundle; its files are hashed on the way. One that is there already stays as it is.
pub async fn publish(objects: &dyn Objects, manifest: Manifest, contents: &[(&str, &str)]) -> Result<(), BuildError> {
    let manifest_key: Key = format!("{}/{MANIFEST}", root(&manifest)).parse()?;
    if objects.head(&manifest_key).await?.is_some() {
        return Ok(());
    }
    let keys = manifest.files.iter().map(|file| file_key(&manifest, &file.path)).collect::<Result<Vec<_>, _>>()?;
    for ((_, content), key) in contents.iter().zip(keys) {
        objects.put(&key, "application/octet-stream", content.as_bytes().to_vec().into()).await?;
    }
    let json = serde_json::to_vec_pretty(&manifest).map_err(|error| BuildError::inputs("bundle_invalid", error.to_string()))?;
    objects.put(&manifest_key, "application/json", json.into()).await?;
    Ok(())
}

fn root(manifest: &Manifest) -> String {
    format!("registry/{}/{}", manifest.name, manifest.version)
}

fn file_key(manifest: &Manifest, path: &str) -> Result<Key, BuildError> {
    Ok(format!("{}/files/{path}", root(manifest)).parse()?)
}
