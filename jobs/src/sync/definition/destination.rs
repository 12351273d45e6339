//! Where a sync's records go: a collection, a provider's requests, or a file. Pure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::source::Texts;
use crate::kinds::http_request::headers_schema;

/// Where records go: exactly one of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncDestination))]
pub struct Destination {
    /// A collection of the tenant's records, which the ledger keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<RecordsDestination>,
    /// A provider that takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpDestination>,
    /// A file of all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectDestination>,
}

/// A collection of the tenant's records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncRecordsDestination))]
pub struct RecordsDestination {
    /// Its name.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9][a-z0-9_-]*$"))]
    pub collection: String,
    /// Fields by whose values records are found, as pointers or names: `GET /v1/records/{collection}?field=email&value=…`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub lookup: Vec<String>,
}

/// A file of all records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncObjectDestination))]
pub struct ObjectDestination {
    /// Its name, which is the artifact's of the run as well.
    #[schemars(length(min = 1, max = 100), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    pub name: String,
    /// What it is written in.
    #[serde(default)]
    pub format: ObjectFormat,
}

/// What a file is written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncObjectFormat))]
pub enum ObjectFormat {
    /// A record in each line.
    #[default]
    JsonLines,
    /// CSV (RFC 4180), a column for each field of the mapping.
    Csv,
}

/// A provider that takes records over HTTP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncHttpDestination))]
pub struct HttpDestination {
    /// The connection of the provider `http` whose URL paths lie below.
    #[schemars(length(min = 1, max = 63))]
    pub connection: String,
    /// The connection whose tokens open the door.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub token_connection: Option<String>,
    /// Many at once. One of `bulk` and `single`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bulk: Option<Bulk>,
    /// One at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub single: Option<Single>,
    /// What deletes one (`delete: hard`), or marks it as deleted (`delete: soft`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<Call>,
}

/// A request about a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncCall))]
pub struct Call {
    /// The method.
    pub method: CallMethod,
    /// The path below the connection's URL, in which `{key}` is the record's key and `{id}` what the provider calls it.
    #[schemars(length(max = 2000))]
    pub path: String,
    /// Parameters, in which both stand as well.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 64))]
    pub query: BTreeMap<String, Texts>,
    /// Headers beside the connection's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "headers_schema")]
    pub headers: BTreeMap<String, String>,
    /// What lies around the record; without it the body is the record itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub body: Option<Map<String, Value>>,
    /// Where in that body the record goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub record: Option<String>,
}

/// The method of a request about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncCallMethod))]
#[expect(missing_docs, reason = "the methods of HTTP")]
pub enum CallMethod {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// Many records at once, which are made or changed by key: sending them again changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncBulk))]
pub struct Bulk {
    /// The request, whose `record` is where the list of records goes.
    pub call: Call,
    /// The most records of a request.
    #[schemars(range(min = 1, max = 1_000))]
    pub records_max: u32,
    /// Where in the answer the results are, one for each record, in their order unless `known_by` is said; without it an answer of 2xx means that
    /// all were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub results: Option<String>,
    /// By what it is known which result is of which record, where their order is promised by nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_by: Option<KnownBy>,
    /// Where in a result an error is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub error: Option<String>,
    /// Where in a result is what the provider calls the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub id: Option<String>,
}

/// Fields that a result has as they were sent. Where none has them, or several have, it stays unknown what the provider calls the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncKnownBy))]
pub struct KnownBy {
    /// Where the object of these fields is, in a record as in a result.
    #[serde(default)]
    #[schemars(length(max = 500))]
    pub within: String,
    /// Their names.
    #[schemars(length(min = 1, max = 8))]
    pub fields: Vec<String>,
}

/// One record at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncSingle))]
pub struct Single {
    /// Makes a record, or, where there is no `update`, makes or changes it by key.
    pub create: Call,
    /// Changes one that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<Call>,
    /// Looks whether the provider has it already, before it is made: by e-mail, or by an id of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub find: Option<Find>,
    /// Where in an answer an error is, of a provider that answers 200 even then: what stands there, unless it is `null`, `false`, 0 or empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub error: Option<String>,
    /// Where in an answer is what the provider calls the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub id: Option<String>,
}

/// Looks whether the provider has a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncFind))]
pub struct Find {
    /// The request; in its path and parameters `{/email}` is what stands there in the record.
    pub call: Call,
    /// Where in the answer the matches are: a list.
    #[serde(default)]
    #[schemars(length(max = 500))]
    pub records: String,
    /// Where in a match is what the provider calls it.
    #[schemars(length(max = 500))]
    pub id: String,
    /// What is done where several match.
    #[serde(default)]
    pub several: Several,
}

/// What is done where several of the provider's records match one of ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncSeveral))]
pub enum Several {
    /// The record fails, and its error names the matches.
    #[default]
    Fail,
    /// The first is changed.
    First,
    /// All are changed.
    All,
}
