//! Where a sync's records come from, and how a page of them is asked for and read. Next: `paging.rs`. Pure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::paging::{Incremental, Pagination};
use crate::kinds::http_request::headers_schema;

/// Where records come from: exactly one of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncSource))]
pub struct Source {
    /// A provider that lists them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpSource>,
    /// The tenant's own records: the push direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<RecordsSource>,
}

/// A collection of the tenant's records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncRecordsSource))]
pub struct RecordsSource {
    /// Its name.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9][a-z0-9_-]*$"))]
    pub collection: String,
}

/// A provider that lists records over HTTP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncHttpSource))]
pub struct HttpSource {
    /// The connection of the provider `http` whose URL paths lie below.
    #[schemars(length(min = 1, max = 63))]
    pub connection: String,
    /// The connection whose tokens open the door (`oauth2`, `service_account`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub token_connection: Option<String>,
    /// How they are listed.
    pub list: List,
    /// Where in a page the records are: an array, an object of records by key, or a single record (as XML has it where a list has one; of JSON one
    /// that has the key and is not the whole page). A part `*` of the pointer stands for each member of an array or object. Where nothing is there
    /// the page is an error, not empty.
    #[serde(default)]
    #[schemars(length(max = 500))]
    pub records: String,
    /// Where in a record its key is; several make one key together. `/@key` is the key of an object of records by key.
    pub key: OneOrMany,
    /// Where in a record is when it last changed (RFC 3339, or Unix seconds or milliseconds): for `conflict: newest` and `updated_since`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub updated_at: Option<String>,
    /// How a record says that it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Tombstone>,
}

/// One pointer or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncKey))]
pub enum OneOrMany {
    /// One.
    One(#[schemars(length(max = 500))] String),
    /// Several.
    Many(#[schemars(length(min = 1, max = 8))] Vec<String>),
}

/// How a record says that it is deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncTombstone))]
pub struct Tombstone {
    /// Where it says so.
    #[schemars(length(max = 500))]
    pub pointer: String,
    /// The values that mean deleted; without them: anything but `null`, `false`, `0`, an empty text, or nothing at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Value>))]
    pub values: Vec<Value>,
}

/// How a page is asked for, and how the next is found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncList))]
pub struct List {
    /// The method.
    #[serde(default)]
    pub method: ListMethod,
    /// The path below the connection's URL.
    #[serde(default)]
    #[schemars(length(max = 2000))]
    pub path: String,
    /// Parameters; several values of one name as a list.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 64))]
    pub query: BTreeMap<String, Texts>,
    /// Headers beside the connection's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "headers_schema")]
    pub headers: BTreeMap<String, String>,
    /// The body of a `POST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub body: Option<Map<String, Value>>,
    /// What a page is written in.
    #[serde(default)]
    pub format: Format,
    /// How the next page is found; without it there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagination: Option<Pagination>,
    /// How only what changed is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incremental: Option<Incremental>,
    /// How an answer of 200 says that it is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

/// The method of a listing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncListMethod))]
pub enum ListMethod {
    /// Asked for.
    #[default]
    Get,
    /// Searched for, with a body.
    Post,
}

/// One text or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncTexts))]
pub enum Texts {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// What a page is written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncFormat))]
pub enum Format {
    /// JSON (RFC 8259).
    #[default]
    Json,
    /// A JSON value in each line.
    JsonLines,
    /// CSV (RFC 4180) with a header: each row an object of texts.
    Csv,
    /// XML 1.0: an element is an object of its attributes (`@name`), its text (`#text`, or itself where there is nothing else) and its children
    /// by local name, those of one name in a list.
    Xml,
}

/// How an answer of 200 says that it is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncErrorBody))]
pub struct ErrorBody {
    /// What stands here, unless it is `null`, `false`, 0 or empty, is an error.
    #[schemars(length(max = 500))]
    pub pointer: String,
    /// Where something always stands here: the values that mean that all is well, beside which nothing is well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Value>))]
    pub good: Vec<Value>,
    /// Where its message is, from the answer's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub message: Option<String>,
}
