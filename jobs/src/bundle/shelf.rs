//! Publishing bundles and finding them again: the ledger's role `Library` and the object store, as one.
//!
//! A bundle's files are one object, at `tenants/<tenant>/bundles/<sha256>.tar.zst`, which is written before its row: a crash between
//! the two leaves an object that nobody names, and that the next try uses. What was read back is checked, file by file.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

use super::{
    Manifest, Refused, Role, Wanted,
    archive::{self, Files, Format},
    demo,
    pack::{self, pack, sha256},
    resolve::{Needs, Resolved, Shelf, Unresolvable, resolve},
};
use crate::{
    clock::Timestamp,
    ledger::{self, Library},
    library::Edition,
    objects::{self, Key, Objects},
    tenant::TenantId,
};

/// The most versions of one bundle.
pub const VERSIONS_MAX: usize = 500;
/// The most bundles that one answer looks at.
const NAMES_MAX: usize = 256;

/// The most bytes of what these ask of each other, in all their versions.
pub const NEEDS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A bundle that was published.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The hash of all that it brings.
    pub digest: String,
    /// The object with its files.
    pub object: Key,
    /// The object's size.
    pub bytes: u64,
    /// When it was published.
    pub published_at: Timestamp,
}

/// Why a bundle is not published, found or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not as it must be, and will not be if it is tried again.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The bundles do not go together.
    #[error(transparent)]
    Unresolvable(#[from] Unresolvable),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The object store.
    #[error(transparent)]
    Objects(#[from] objects::Error),
}

/// What became of a publication.
#[derive(Debug, Clone, PartialEq)]
pub enum Publication {
    /// It is published now.
    New(Published),
    /// The very same was published before.
    Same(Published),
    /// Something else was published under this version before.
    Other(Published),
}

/// Publishes a bundle of these files, unless its version is taken.
pub async fn publish(
    library: &(impl Library + ?Sized),
    objects: &dyn Objects,
    tenant: &TenantId,
    manifest: Manifest,
    files: Files,
) -> Result<Publication, Error> {
    let (name, version, role) = (manifest.name.clone(), manifest.version.to_string(), manifest.role);
    let digest = manifest.digest();
    // What stands already costs no object.
    if let Some(standing) = library.bundle(tenant, role, &name, &version).await? {
        return of_standing(standing, &digest);
    }
    if library.bundle_versions(tenant, role, &name).await?.len() >= VERSIONS_MAX {
        return Err(
            Refused::invalid("", format!("there are {VERSIONS_MAX} versions of {role} {name} already, and no more are kept")).into()
        );
    }
    let packed = off_thread(move || pack(&files)).await.map_err(|error| objects::Error::Refused(error.to_string()))?;
    let object: Key = format!("tenants/{tenant}/bundles/{}.tar.zst", sha256(&packed)).parse()?;
    let bytes = packed.len() as u64;
    objects.put(&object, pack::MEDIA_TYPE, packed.into()).await?;
    let edition = Edition {
        role,
        name,
        version,
        description: manifest.description.clone(),
        digest: digest.clone(),
        needs: serde_json::to_string(&Needs::of(&manifest)).map_err(ledger::Error::from)?,
        manifest: serde_json::to_string(&manifest).map_err(ledger::Error::from)?,
        object_key: object.to_string(),
        bytes,
        published_at: Timestamp::from_ms(0),
    };
    match library.publish_bundle(tenant, edition).await? {
        (edition, true) => Ok(Publication::New(published(edition)?)),
        (standing, false) => of_standing(standing, &digest),
    }
}

fn of_standing(standing: Edition, digest: &str) -> Result<Publication, Error> {
    let is_same = standing.digest == digest;
    let standing = published(standing)?;
    Ok(if is_same { Publication::Same(standing) } else { Publication::Other(standing) })
}

/// A bundle as it was kept.
pub fn published(edition: Edition) -> Result<Published, Error> {
    let corrupt = |error: &dyn std::fmt::Display| {
        Refused::new("bundle_corrupt", format!("the row of {} {} cannot be read: {error}", edition.name, edition.version))
    };
    Ok(Published {
        manifest: serde_json::from_str(&edition.manifest).map_err(|error| corrupt(&error))?,
        object: edition.object_key.parse().map_err(|error| corrupt(&error))?,
        digest: edition.digest,
        bytes: edition.bytes,
        published_at: edition.published_at,
    })
}

/// What these bundles of a tenant resolve to. A tenant that asks for the demo's bundles has them.
pub async fn find(
    library: &(impl Library + ?Sized),
    objects: &dyn Objects,
    tenant: &TenantId,
    template: &str,
    features: &[String],
) -> Result<Resolved, Error> {
    let template = Wanted::parse(template)?;
    let features = features.iter().map(|text| Wanted::parse(text)).collect::<Result<Vec<_>, _>>()?;
    demo::seed(library, objects, tenant, &template.name).await?;
    let shelf = shelf(library, tenant, &template, &features).await?;
    Ok(off_thread(move || resolve(&template, &features, &shelf)).await?)
}

/// The same, as they were published: the template first, then each feature after what it needs.
pub async fn pick(
    library: &(impl Library + ?Sized),
    objects: &dyn Objects,
    tenant: &TenantId,
    template: &str,
    features: &[String],
) -> Result<Vec<Published>, Error> {
    let resolved = find(library, objects, tenant, template, features).await?;
    let mut bundles = Vec::new();
    let all =
        [(Role::Template, resolved.template)].into_iter().chain(resolved.features.into_iter().map(|feature| (Role::Feature, feature)));
    for (role, picked) in all {
        let edition = library.bundle(tenant, role, &picked.name, &picked.version.to_string()).await?;
        let gone = || Refused::new("bundle_corrupt", format!("{role} {} {} is not there any more", picked.name, picked.version));
        bundles.push(published(edition.ok_or_else(gone)?)?);
    }
    Ok(bundles)
}

/// Every version of the wanted bundles, and of all that these may need.
async fn shelf(library: &(impl Library + ?Sized), tenant: &TenantId, template: &Wanted, features: &[Wanted]) -> Result<Shelf, Error> {
    let (mut shelf, mut left) = (Shelf::default(), NEEDS_BYTES_MAX);
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut open: BTreeSet<String> = features.iter().map(|wanted| wanted.name.clone()).collect();
    open.extend(read(library, tenant, Role::Template, &template.name, &mut shelf, &mut left).await?);
    // As deep as the longest chain of needs, which is no longer than there are names.
    while !open.is_empty() {
        seen.extend(open.iter().cloned());
        if seen.len() > NAMES_MAX {
            return Err(Refused::new("version_conflict", format!("these bundles may need more than {NAMES_MAX} others")).into());
        }
        let mut needed = BTreeSet::new();
        for name in open {
            needed.extend(read(library, tenant, Role::Feature, &name, &mut shelf, &mut left).await?);
        }
        open = needed.difference(&seen).cloned().collect();
    }
    Ok(shelf)
}

/// Puts every version of a bundle on the shelf, as long as there is room `left`. Returns what they need.
async fn read(
    library: &(impl Library + ?Sized),
    tenant: &TenantId,
    role: Role,
    name: &str,
    shelf: &mut Shelf,
    left: &mut usize,
) -> Result<BTreeSet<String>, Error> {
    let mut needed = BTreeSet::new();
    // One bundle at a time, so that no more is read than the versions of one beyond the limit.
    for asking in library.shelf(tenant, role, &[name.to_owned()]).await? {
        let too_much = || {
            let message =
                format!("with {role} {name}, what all versions of these bundles ask of others has more than {NEEDS_BYTES_MAX} bytes");
            Refused::new("version_conflict", message)
        };
        *left = left.checked_sub(asking.needs.len()).ok_or_else(too_much)?;
        let corrupt = |error: &dyn std::fmt::Display| {
            Refused::new("bundle_corrupt", format!("the row of {role} {} {} cannot be read: {error}", asking.name, asking.version))
        };
        let version = Version::parse(&asking.version).map_err(|error| corrupt(&error))?;
        let needs: Needs = serde_json::from_str(&asking.needs).map_err(|error| corrupt(&error))?;
        needed.extend(needs.requires.keys().cloned());
        shelf.put(role, &asking.name, version, needs);
    }
    Ok(needed)
}

/// The files of a bundle, each checked against its manifest.
pub async fn open(objects: &dyn Objects, bundle: &Published) -> Result<Files, Error> {
    let corrupt = |what: String| Refused::new("bundle_corrupt", format!("{what} of {}", bundle.manifest));
    let object = objects.get(&bundle.object).await?.ok_or_else(|| corrupt(format!("the object {} is not there", bundle.object)))?;
    let packed = object.bytes(bundle.bytes).await?;
    let files = off_thread(move || archive::unpack(&packed, Format::TarZst)).await;
    let files = files.map_err(|error| corrupt(format!("the object cannot be read ({error})")))?;
    let expected: BTreeMap<&str, &str> = bundle.manifest.files.iter().map(|file| (file.path.as_str(), file.sha256.as_str())).collect();
    let sums: Vec<(&str, String)> = files.iter().map(|(path, content)| (path.as_str(), sha256(content))).collect();
    for (path, sum) in &sums {
        if expected.get(path) != Some(&sum.as_str()) {
            return Err(corrupt(format!("{path} is not what the manifest says, in the object")).into());
        }
    }
    match expected.keys().find(|path| !files.contains_key(**path)) {
        Some(missing) => Err(corrupt(format!("{missing} is missing from the object")).into()),
        None => Ok(files),
    }
}

/// Work that would hold up others on this thread.
pub async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.try_into_panic().unwrap_or_else(|error| Box::new(error.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{clock::SystemClock, ledger::model::ModelLedger};

    #[tokio::test]
    async fn what_versions_ask_of_others_is_read_up_to_a_limit() {
        let (ledger, tenant) = (ModelLedger::new(Arc::new(SystemClock)), TenantId::default_tenant());
        let wanted = Wanted::parse("large").expect("well-formed");
        let needs = r#"{"requires":{}}"#.to_owned() + &" ".repeat(NEEDS_BYTES_MAX / 4);
        for minor in 0..4 {
            let edition = Edition {
                role: Role::Template,
                name: "large".into(),
                version: format!("1.{minor}.0"),
                description: String::new(),
                digest: String::new(),
                needs: needs.clone(),
                manifest: String::new(),
                object_key: String::new(),
                bytes: 0,
                published_at: Timestamp::from_ms(0),
            };
            assert!(ledger.publish_bundle(&tenant, edition).await.expect("published").1);
            let read = shelf(&ledger, &tenant, &wanted, &[]).await;
            match read {
                Ok(_) => assert!(minor < 3),
                Err(Error::Refused(refused)) => assert!(minor == 3 && refused.message.contains("template large"), "{minor}: {refused}"),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
