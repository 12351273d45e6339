//! The body of a publication: an archive alone, or a form of a manifest and an archive.

use std::{collections::BTreeMap, convert::Infallible};

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{
        HeaderMap,
        header::{CONTENT_ENCODING, CONTENT_TYPE},
    },
};
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{RefOr, Response},
};
use windrow_jobs::bundle::{
    archive::{ARCHIVE_BYTES_MAX, Format},
    manifest::{MANIFEST_BYTES_MAX, Source},
};

use crate::{
    Api,
    body::arrive,
    error::{ApiError, Code},
    openapi,
};

/// The largest body: an archive, and a form around it with a manifest.
pub(crate) const UPLOAD_BYTES_MAX: usize = ARCHIVE_BYTES_MAX + MANIFEST_BYTES_MAX + 16 * 1024;

const READ: &str = "application/x-tar, application/zstd, application/zip, application/octet-stream or multipart/form-data";

/// What was sent.
pub(crate) struct Upload {
    /// The archive.
    pub(super) archive: Bytes,
    /// What it is said to be.
    pub(super) announced: Option<Format>,
    /// The manifest, where it is not in the archive.
    pub(super) manifest: Option<Source>,
}

/// A manifest, and an archive of the files alone.
#[derive(ToSchema)]
#[schema(as = BundleForm)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) struct Form {
    /// TOML or JSON, by its media type or file name.
    manifest: String,
    /// A tar, a tar.zst or a zip.
    #[schema(format = Binary)]
    bundle: String,
}

impl IntoResponses for Upload {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        openapi::problems(&[
            Code::FIELD_INVALID,
            Code::MEDIA_TYPE_UNSUPPORTED,
            Code::BODY_TOO_LARGE,
            Code::BODY_UNREADABLE,
            Code::BODY_TIMED_OUT,
        ])
    }
}

impl FromRequest<Api> for Upload {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let announced = announced(request.headers())?;
        let body = arrive(request, api, UPLOAD_BYTES_MAX).await?;
        let upload = match announced {
            Announced::Archive(announced) => Self { archive: body, announced, manifest: None },
            Announced::Form(boundary) => form(body, boundary).await?,
        };
        if upload.archive.len() > ARCHIVE_BYTES_MAX {
            return Err(ApiError::BodyTooLarge { bytes_max: ARCHIVE_BYTES_MAX });
        }
        Ok(upload)
    }
}

enum Announced {
    Archive(Option<Format>),
    Form(String),
}

fn announced(headers: &HeaderMap) -> Result<Announced, ApiError> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(encoding) = text(CONTENT_ENCODING).filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return Err(ApiError::MediaType(format!("content encoding {encoding:?} is not read; send the body as it is")));
    }
    let media_type = text(CONTENT_TYPE).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Ok(match essence.as_str() {
        "application/octet-stream" => Announced::Archive(None),
        "application/x-tar" => Announced::Archive(Some(Format::Tar)),
        "application/zstd" => Announced::Archive(Some(Format::TarZst)),
        "application/zip" => Announced::Archive(Some(Format::Zip)),
        "multipart/form-data" => {
            let boundary = multer::parse_boundary(media_type);
            Announced::Form(boundary.map_err(|error| ApiError::MediaType(format!("the form has no boundary: {error}")))?)
        }
        "" => return Err(ApiError::MediaType(format!("send Content-Type: {READ}"))),
        _ => return Err(ApiError::MediaType(format!("{essence:?} is not read; send {READ}"))),
    })
}

async fn form(body: Bytes, boundary: String) -> Result<Upload, ApiError> {
    let refused = |part: &str, message: String| ApiError::Field { pointer: format!("/{part}"), message };
    let broken = |error: multer::Error| ApiError::Field { pointer: String::new(), message: format!("the form cannot be read: {error}") };
    let mut form = multer::Multipart::new(futures::stream::once(async { Ok::<_, Infallible>(body) }), boundary);
    let (mut manifest, mut archive, mut announced) = (None, None, None);
    while let Some(part) = form.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        let media_type = part.content_type().map(|media_type| media_type.essence_str().to_ascii_lowercase());
        let file_name = part.file_name().unwrap_or_default().to_owned();
        let content = part.bytes().await.map_err(broken)?;
        match name.as_str() {
            "manifest" if manifest.is_none() => {
                let Some(is_toml) = is_toml(media_type.as_deref(), &file_name) else {
                    let message =
                        "the manifest is TOML or JSON: give it the media type application/toml or application/json, or a file name";
                    return Err(refused("manifest", message.into()));
                };
                manifest = Some(Source { text: content.to_vec(), is_toml });
            }
            "bundle" if archive.is_none() => {
                announced = match media_type.as_deref() {
                    Some("application/x-tar") => Some(Format::Tar),
                    Some("application/zstd") => Some(Format::TarZst),
                    Some("application/zip") => Some(Format::Zip),
                    _ => None,
                };
                archive = Some(content);
            }
            "manifest" | "bundle" => return Err(refused(&name, "it is there twice".into())),
            _ => return Err(refused(&name, format!("the part {name:?} is not known; there are manifest and bundle"))),
        }
    }
    match (manifest, archive) {
        (Some(manifest), Some(archive)) => Ok(Upload { archive, announced, manifest: Some(manifest) }),
        (None, _) => Err(refused("manifest", "the form has no part of this name".into())),
        (_, None) => Err(refused("bundle", "the form has no part of this name".into())),
    }
}

fn is_toml(media_type: Option<&str>, file_name: &str) -> Option<bool> {
    match (media_type, file_name.rsplit_once('.').map(|(_, extension)| extension)) {
        (Some("application/toml" | "text/x-toml"), _) | (_, Some("toml")) => Some(true),
        (Some("application/json"), _) | (_, Some("json")) => Some(false),
        _ => None,
    }
}
