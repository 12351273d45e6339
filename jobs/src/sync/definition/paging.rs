//! How the next page is found, what is done against a list that changes meanwhile, and how only what changed is asked for. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

impl Pagination {
    /// What is done against a list that changes while it is read.
    pub fn verify(&self) -> Verify {
        match self {
            Self::Page { verify, .. } => verify.unwrap_or(Verify::SecondPass),
            Self::Offset { verify, .. } => verify.unwrap_or(Verify::Overlap),
            Self::Cursor { .. } | Self::NextLink { .. } | Self::Keyset { .. } => Verify::None,
        }
    }
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
