//! What the routes of templates and of features have in common: publishing a bundle, listing, and looking at one.
//!
//! The bundle that is sent is read by `bundles/upload.rs`. Next: `windrow_jobs::bundle`, then the ledger's role `Library`.

pub(crate) mod features;
pub(crate) mod resolve;
pub(crate) mod templates;
pub(crate) mod upload;

use axum::{
    Json as Answer,
    extract::{FromRequestParts, Path},
    http::{HeaderValue, StatusCode, header::LOCATION, request::Parts},
    response::{IntoResponse, Response},
};
use semver::Version;
use serde::Serialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use windrow_jobs::{
    bundle::{
        self, Manifest, Publication, Published, Refused, Role, archive, is_name,
        manifest::{self, Source},
        shelf::{self, off_thread},
    },
    clock::Timestamp,
    library::{Edition, Entry},
    tenant::TenantId,
};

use self::upload::Upload;
use crate::{Api, auth::Caller, error::ApiError, openapi, page, query::Params};

/// Bundles that are unpacked at once: each may take some 200 MiB meanwhile.
pub(crate) const UNPACKINGS_MAX: usize = 2;

const PARAMETERS: [&str; 2] = ["page_size", "page_token"];

openapi::gives! {
    Publishing: BUNDLE_INVALID, VERSION_EXISTS, OBJECTS_UNAVAILABLE;
    NamePath: BUNDLE_NOT_FOUND;
    VersionPath: BUNDLE_NOT_FOUND;
}

/// What publishing may be refused for.
struct Publishing;

/// The name of a bundle in a path.
#[derive(IntoParams)]
#[into_params(names("name"), parameter_in = Path)]
pub(crate) struct NamePath(
    /// The name.
    #[param(pattern = "^[a-z0-9][a-z0-9-]{0,62}$", example = "task-list")]
    String,
);

/// A version of a bundle in a path.
#[derive(IntoParams)]
#[into_params(names("name", "version"), parameter_in = Path)]
pub(crate) struct VersionPath(
    /// The name: lower-case letters, digits and hyphens.
    #[param(pattern = "^[a-z0-9][a-z0-9-]{0,62}$", example = "task-list")]
    String,
    /// The version: three numbers, and what comes before a release (<https://semver.org>).
    #[param(pattern = "^(0|[1-9][0-9]{0,8})(\\.(0|[1-9][0-9]{0,8})){2}(-[a-z]{1,9}(\\.(0|[1-9][0-9]{0,8}))?)?$", example = "1.0.0")]
    String,
);

impl FromRequestParts<Api> for NamePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        Path::from_request_parts(parts, api).await.map(|Path(name)| Self(name)).map_err(|_| ApiError::RouteNotFound)
    }
}

impl FromRequestParts<Api> for VersionPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        Path::from_request_parts(parts, api).await.map(|Path((name, version))| Self(name, version)).map_err(|_| ApiError::RouteNotFound)
    }
}

/// A version of a bundle.
#[derive(Serialize, ToSchema)]
pub(crate) struct Bundle {
    /// The hash of all that it brings: its manifest, and through that its files.
    digest: String,
    /// The size of its files, packed.
    bytes: u64,
    /// When it was published.
    published_at: Timestamp,
    /// What it says of itself, and its files.
    manifest: Manifest,
}

impl From<Published> for Bundle {
    fn from(published: Published) -> Self {
        let Published { manifest, digest, bytes, published_at, .. } = published;
        Self { digest, bytes, published_at, manifest }
    }
}

/// Publishes what was sent under this name and version.
async fn publish(
    api: &Api,
    tenant: &TenantId,
    role: Role,
    VersionPath(name, version): VersionPath,
    upload: Upload,
) -> Result<Response, ApiError> {
    if !is_name(&name) {
        let message = format!("{name:?} is no bundle's name, which has up to 63 lower-case letters, digits and hyphens");
        return Err(ApiError::Bundle(Refused::invalid("", message)));
    }
    let parsed = Version::parse(&version)
        .map_err(|error| ApiError::Bundle(Refused::invalid("", format!("{version:?} is no version (semver.org): {error}"))))?;
    // Held for as long as the work takes, which goes on when the request has gone.
    let unpacking = api.unpacking.clone().acquire_owned().await.map_err(|_| ApiError::Stopping)?;
    // To the end of the publication, which holds the files.
    let (manifest, files, _unpacking) = {
        let (name, version) = (name.clone(), parsed.clone());
        let read = move || read(upload, role, &name, &version).map(|(manifest, files)| (manifest, files, unpacking));
        off_thread(read).await.map_err(ApiError::Bundle)?
    };
    let (status, published) = match bundle::publish(&*api.ledger, &*api.objects, tenant, manifest, files).await? {
        Publication::New(published) => (StatusCode::CREATED, published),
        Publication::Same(published) => (StatusCode::OK, published),
        Publication::Other(_) => return Err(ApiError::VersionExists { role, name, version }),
    };
    let mut response = (status, Answer(Bundle::from(published))).into_response();
    if status == StatusCode::CREATED {
        let location = format!("{}/v1/{role}s/{name}/{parsed}", api.public_url);
        response.headers_mut().insert(LOCATION, HeaderValue::try_from(location).map_err(|_| ApiError::Internal)?);
    }
    Ok(response)
}

fn read(upload: Upload, role: Role, name: &str, version: &Version) -> Result<(Manifest, archive::Files), Refused> {
    let mut files = archive::read(&upload.archive, archive::Format::of(&upload.archive, upload.announced)?)?;
    let source = match upload.manifest {
        Some(source) => source,
        None => Source::take(&mut files)?,
    };
    Ok((manifest::read(&source, role, name, version, &files)?, files))
}

/// A page of bundles.
#[derive(Serialize, ToSchema)]
#[schema(as = BundlePage)]
struct Page {
    /// The bundles, by name.
    bundles: Vec<Listed>,
    /// Where the list goes on; `null` at its end.
    next_page_token: Option<String>,
}

/// A bundle among others.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedBundle)]
struct Listed {
    /// Its name.
    name: String,
    /// What it gives, as its last publication says.
    description: String,
    /// Its versions, the greatest first.
    versions: Vec<String>,
}

impl From<Entry> for Listed {
    fn from(entry: Entry) -> Self {
        let mut versions = entry.versions;
        versions.sort_by_cached_key(|version| std::cmp::Reverse(Version::parse(version).ok()));
        Self { name: entry.name, description: entry.description, versions }
    }
}

async fn list(api: &Api, caller: Caller, role: Role, mut params: Params) -> Result<Response, ApiError> {
    let asked = page::Asked::take(&mut params)?;
    params.finish(&PARAMETERS)?;
    let list = json!([format!("{role}s"), caller.tenant]);
    let after = asked.after(&list, |last| String::from_utf8(last.to_vec()).ok())?;
    // One more than the page has tells whether there are any.
    let mut entries = api.ledger.bundles(&caller.tenant, role, after.as_deref(), asked.size + 1).await?;
    let more = entries.len() > asked.size;
    entries.truncate(asked.size);
    let next_page_token = entries.last().filter(|_| more).map(|last| page::token(&list, last.name.as_bytes()));
    let next = next_page_token.clone();
    let page = Page { bundles: entries.into_iter().map(Listed::from).collect(), next_page_token };
    Ok(page::answer(api, &format!("/v1/{role}s"), &[], asked.size, next.as_deref(), page))
}

/// Every version of a bundle.
#[derive(Serialize, ToSchema)]
#[schema(as = BundleVersions)]
pub(crate) struct Versions {
    /// Its name.
    name: String,
    /// The versions, the greatest first.
    versions: Vec<OneVersion>,
}

/// One version of a bundle among its versions.
#[derive(Serialize, ToSchema)]
#[schema(as = BundleVersion)]
pub(crate) struct OneVersion {
    /// The version.
    version: String,
    /// What it gives.
    description: String,
    /// The hash of all that it brings.
    digest: String,
    /// The size of its files, packed.
    bytes: u64,
    /// When it was published.
    published_at: Timestamp,
}

impl From<Edition> for OneVersion {
    fn from(edition: Edition) -> Self {
        let Edition { version, description, digest, bytes, published_at, .. } = edition;
        Self { version, description, digest, bytes, published_at }
    }
}

async fn versions(api: &Api, caller: Caller, role: Role, NamePath(name): NamePath) -> Result<Answer<Versions>, ApiError> {
    let mut editions = api.ledger.bundle_versions(&caller.tenant, role, &name).await?;
    if editions.is_empty() {
        return Err(ApiError::BundleNotFound { role });
    }
    editions.sort_by_cached_key(|edition| std::cmp::Reverse(Version::parse(&edition.version).ok()));
    Ok(Answer(Versions { name, versions: editions.into_iter().map(OneVersion::from).collect() }))
}

async fn look(api: &Api, caller: Caller, role: Role, VersionPath(name, version): VersionPath) -> Result<Answer<Bundle>, ApiError> {
    let edition = api.ledger.bundle(&caller.tenant, role, &name, &version).await?.ok_or(ApiError::BundleNotFound { role })?;
    Ok(Answer(shelf::published(edition)?.into()))
}
