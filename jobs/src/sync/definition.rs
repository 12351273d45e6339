//! What a sync says: the body of `PUT /v1/syncs/{name}`, after a preset was laid under it. Pure.
//!
//! Pointers are JSON Pointers (RFC 6901); the empty one means the whole. What a schema cannot say, `check.rs` does.
//! Next: `definition/source.rs`, `definition/destination.rs`, `check.rs`, `mapping.rs`.

mod destination;
mod field;
mod limits;
mod paging;
mod source;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    destination::{
        Bulk, Call, CallMethod, Destination, Find, HttpDestination, KnownBy, ObjectDestination, ObjectFormat, RecordsDestination, Several,
        Single,
    },
    field::{Absent, Field, FieldType},
    limits::Limits,
    paging::{Incremental, Pagination, Place, Size, TimeFormat, Verify},
    source::{ErrorBody, Format, HttpSource, List, ListMethod, OneOrMany, RecordsSource, Source, Texts, Tombstone},
};

/// The whole of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncDefinition))]
pub struct Definition {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub description: Option<String>,
    /// Where records come from.
    pub source: Source,
    /// What is made of each record; without it a record is taken as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub mapping: Vec<Field>,
    /// Where they go.
    pub destination: Destination,
    /// What becomes of a record that the source no longer has. Unless said: `soft` in records, `keep` over HTTP, `hard` in an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<Delete>,
    /// Who wins where both sides changed a record.
    #[serde(default)]
    pub conflict: Conflict,
    /// How much is taken and borne.
    #[serde(default)]
    pub limits: Limits,
}

impl Definition {
    /// What becomes of vanished records, said or not.
    pub fn delete(&self) -> Delete {
        let unsaid = if self.destination.object.is_some() {
            Delete::Hard
        } else if self.destination.http.is_some() {
            Delete::Keep
        } else {
            Delete::Soft
        };
        self.delete.unwrap_or(unsaid)
    }
}

/// What becomes of a record that the source no longer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncDelete))]
pub enum Delete {
    /// It is marked as deleted.
    Soft,
    /// It is deleted.
    Hard,
    /// It stays.
    Keep,
}

/// Who wins where both sides changed a record since the last run. What is not `source` needs records as destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncConflict))]
pub enum Conflict {
    /// The source, even over what was changed at the destination alone.
    #[default]
    Source,
    /// The destination: what was changed there stays.
    Destination,
    /// Whose change is later; needs the source's `updated_at`.
    Newest,
    /// Nobody: it is kept as a conflict until somebody decides.
    Manual,
}
