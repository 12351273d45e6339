//! What becomes a field of a record. `mapping.rs` of the sync makes it. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    /// What stands where nothing is there, and nothing stands in.
    #[serde(default, skip_serializing_if = "Absent::is_null")]
    pub absent: Absent,
}

/// What stands where nothing is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = SyncAbsent))]
pub enum Absent {
    /// `null`.
    #[default]
    Null,
    /// Nothing: the field is left out, for who takes `null` for a value that is to be written.
    Omit,
}

impl Absent {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_null(&self) -> bool {
        *self == Self::Null
    }
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
