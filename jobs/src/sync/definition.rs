//! What a sync says: the body of `PUT /v1/syncs/{name}`, after a preset was laid under it. Pure.
//!
//! Pointers are JSON Pointers (RFC 6901); the empty one means the whole. What a schema cannot say, `check.rs` does.
//! Next: `check.rs`, `mapping.rs`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::kinds::http_request::headers_schema;

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
    /// Where in a page the records are: an array, an object of records by key, or a single record (as XML has it where a list has one). A part
    /// `*` of the pointer stands for each member of an array or object. Where nothing is there the page is an error, not empty.
    #[serde(default)]
    #[schemars(length(max = 500))]
    pub records: String,
    /// Where in a record its key is; several make one key together.
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
    /// What stands here, unless it is `null`, `false` or empty, is an error.
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

/// Where a parameter of the pagination goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncPlace))]
pub enum Place {
    /// Into the query, by name.
    #[default]
    Query,
    /// Into the body, where its name is a pointer.
    Body,
}

/// What is done against a list that changes while its pages are read, so that a record which stood there all the time is not passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncVerify))]
pub enum Verify {
    /// Each page asks for the last record of the one before again; where another stands there, the list is read anew. For `offset`.
    Overlap,
    /// The list is read again until nothing new is found and the total, if one is told, is what was counted.
    SecondPass,
    /// Nothing: the list is in an order in which nothing moves to where it was read already.
    None,
}

/// How the next page is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "style", rename_all = "snake_case", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncPagination))]
pub enum Pagination {
    /// By numbers of pages, until one is empty or shorter than asked for.
    Page {
        /// The number's parameter.
        parameter: String,
        /// The first page's number.
        #[serde(default = "one")]
        first: u32,
        /// The page size's parameter, and the size.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<Size>,
        /// Where the parameters go.
        #[serde(default, rename = "in")]
        place: Place,
        /// Where a page says how many records there are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<String>,
        /// Against a list that changes meanwhile; unless said `second_pass`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verify: Option<Verify>,
    },
    /// By how many records come before.
    Offset {
        /// The offset's parameter.
        parameter: String,
        /// The page size's parameter, and the size.
        size: Size,
        /// Where the parameters go.
        #[serde(default, rename = "in")]
        place: Place,
        /// Where a page says how many records there are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<String>,
        /// Against a list that changes meanwhile; unless said `overlap`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verify: Option<Verify>,
    },
    /// By a mark in each page that asks for the next, until there is none.
    Cursor {
        /// The mark's parameter.
        parameter: String,
        /// Where the mark is in a page.
        pointer: String,
        /// Where a page says whether there are more, should it give a mark even at the end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        more: Option<String>,
        /// The page size's parameter, and the size.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<Size>,
        /// Where the parameters go.
        #[serde(default, rename = "in")]
        place: Place,
    },
    /// By a link in each page to the next, until there is none. It must lie at the connection's origin.
    NextLink {
        /// Where the link is in a page; without it: the header `Link` with `rel="next"` (RFC 8288).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pointer: Option<String>,
    },
    /// By a value of the page's last record, in whose order the list is, until a page is empty or shorter than asked for.
    Keyset {
        /// The value's parameter.
        parameter: String,
        /// Where the value is in a record; a list or an object is sent as JSON (in a body: as it is).
        pointer: String,
        /// The page size's parameter, and the size.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<Size>,
        /// Where the parameters go.
        #[serde(default, rename = "in")]
        place: Place,
    },
}

const fn one() -> u32 {
    1
}

/// How many records a page has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncPageSize))]
pub struct Size {
    /// The parameter; none where the provider's size is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// How many.
    #[schemars(range(min = 1, max = 10_000))]
    pub records: u32,
}

/// How only what changed is asked for. A run that asks so finds no vanished records, but for those that say that they are deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "style", rename_all = "snake_case", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncIncremental))]
pub enum Incremental {
    /// By the greatest `updated_at` that was seen.
    UpdatedSince {
        /// Its parameter.
        parameter: String,
        /// Where it goes.
        #[serde(default, rename = "in")]
        place: Place,
        /// How it is written.
        #[serde(default)]
        format: TimeFormat,
        /// What is said around it: `{since}` stands for the instant. Such as `IS_AFTER(LAST_MODIFIED_TIME(), '{since}')`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        template: Option<String>,
        /// So many seconds are asked for again, as clocks differ and commits come late.
        #[serde(default = "minute")]
        #[schemars(range(max = 86_400))]
        overlap_s: u32,
        /// Every so many runs one reads all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1, max = 10_000))]
        full_every: Option<u32>,
    },
    /// By a mark that the last page gives for the next run. A provider that refuses the mark (410) is read in full.
    Cursor {
        /// The mark's parameter.
        parameter: String,
        /// Where it goes.
        #[serde(default, rename = "in")]
        place: Place,
        /// Where the mark is in the last page.
        pointer: String,
        /// Every so many runs one reads all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1, max = 10_000))]
        full_every: Option<u32>,
    },
    /// By `ETag` and `Last-Modified` of the whole list, which has one page (RFC 9110, section 13): 304 means that nothing changed.
    Validators {},
}

const fn minute() -> u32 {
    60
}

/// How an instant is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncTimeFormat))]
pub enum TimeFormat {
    /// RFC 3339, in UTC.
    #[default]
    Rfc3339,
    /// Seconds since 1970.
    UnixS,
    /// Milliseconds since 1970.
    UnixMs,
    /// The day, `YYYY-MM-DD`.
    Date,
}

/// What becomes a field of the record at the destination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncField))]
pub struct Field {
    /// Where it goes: a name, or a pointer for what lies deeper.
    #[schemars(length(min = 1, max = 500))]
    pub to: String,
    /// Where it is in the source's record. One of `from`, `value` and `expression`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub from: Option<String>,
    /// It is always this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Value>))]
    pub value: Option<Value>,
    /// An expression of Jinja over the source's record, which is called `record`: `record.first ~ " " ~ record.last`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub expression: Option<String>,
    /// What it is made into; without it it stays what it is.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub r#type: Option<FieldType>,
    /// What stands in for what is not there or `null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Value>))]
    pub default: Option<Value>,
    /// A record without it fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
}

/// What a field is made into. What cannot be made so fails the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncFieldType))]
pub enum FieldType {
    /// A text; numbers and truths are written out.
    String,
    /// A whole number, of a text as well.
    Integer,
    /// A number, of a text as well.
    Number,
    /// True or false, of `"true"`, `"yes"`, `"1"` and their like as well.
    Boolean,
    /// An instant, written as RFC 3339 in UTC with milliseconds; of RFC 3339, or Unix seconds or milliseconds.
    Timestamp,
    /// A day, `YYYY-MM-DD`.
    Date,
    /// An object.
    Object,
    /// A list.
    Array,
}

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
    /// Where in the answer the results are, one for each record in their order; without it an answer of 2xx means that all were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub results: Option<String>,
    /// Where in a result an error is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub error: Option<String>,
    /// Where in a result is what the provider calls the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub id: Option<String>,
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

/// How much is taken and borne.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncLimits))]
pub struct Limits {
    /// Pages of a run.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub pages_max: u32,
    /// Records of a run.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub records_max: u64,
    /// Bytes of a page, unpacked.
    #[schemars(range(min = 1_024, max = 67_108_864))]
    pub page_bytes_max: u64,
    /// How long a page may take, in seconds.
    #[schemars(range(min = 1, max = 600))]
    pub page_timeout_s: u32,
    /// Requests a second to the source, of this run.
    #[schemars(range(min = 0.01, max = 1_000.0))]
    pub requests_per_s: Option<f64>,
    /// How long the source is left alone after an answer of 429 or 503 that does not say, in seconds.
    #[schemars(range(min = 1, max = 3_600))]
    pub throttled_wait_s: u32,
    /// A run fails that would have more records fail.
    #[schemars(range(max = 1_000_000))]
    pub failed_max: u64,
    /// A run deletes nothing, and fails, that would delete a larger part than this of what was there (and more than 10 records): a source that
    /// suddenly has nothing is more likely broken than empty.
    #[schemars(range(min = 0, max = 100))]
    pub deleted_percent_max: u8,
    /// How often a list that changes while it is read is read anew within a run.
    #[schemars(range(min = 1, max = 10))]
    pub passes_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pages_max: 100_000,
            records_max: 1_000_000,
            page_bytes_max: 8 * 1024 * 1024,
            page_timeout_s: 60,
            requests_per_s: None,
            throttled_wait_s: 10,
            failed_max: 10_000,
            deleted_percent_max: 50,
            passes_max: 3,
        }
    }
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
