//! What syncs can be made of: the presets.

use axum::{
    Json as Answer,
    extract::{Path, rejection::PathRejection},
};
use serde::Serialize;
use utoipa::ToSchema;
use windrow_jobs::sync::presets::{self, Preset};

use crate::{auth::Caller, error::ApiError, openapi, query::NoParams};

openapi::gives! {
    Unknown: SYNC_PRESET_NOT_FOUND;
}
struct Unknown;

/// The presets that syncs may be made of.
#[derive(Serialize, ToSchema)]
#[schema(as = SyncPresets)]
pub(crate) struct Presets {
    /// By name.
    presets: Vec<&'static Preset>,
}

/// List the presets of syncs
///
/// Each with the connections that it needs, its parameters, and what was read of the provider. One that is `assumed` follows no publication.
#[utoipa::path(
    get,
    path = "/v1/sync-presets",
    tag = "syncs",
    operation_id = "listSyncPresets",
    params(Caller),
    responses((status = 200, description = "The presets.", body = Presets), Caller, NoParams)
)]
pub(crate) async fn list(_: Caller, _: NoParams) -> Answer<Presets> {
    Answer(Presets { presets: presets::presets().collect() })
}

/// Look at a preset of syncs
///
/// The connections that it needs, its parameters, and the definition that they are put into.
#[utoipa::path(
    get,
    path = "/v1/sync-presets/{name}",
    tag = "syncs",
    operation_id = "getSyncPreset",
    params(("name" = String, Path, description = "The preset's name.", example = "airtable"), Caller),
    responses((status = 200, description = "The preset.", body = Preset), Caller, NoParams, Unknown)
)]
pub(crate) async fn read(_: Caller, name: Result<Path<String>, PathRejection>, _: NoParams) -> Result<Answer<&'static Preset>, ApiError> {
    let Path(name) = name.map_err(|_| ApiError::SyncPresetNotFound)?;
    presets::preset(&name).map(Answer).ok_or(ApiError::SyncPresetNotFound)
}
