//! What a notification says: the words of a template in a language, and how a payload names them. Pure.
//!
//! Which language a reader gets is decided in `locale.rs`. Next: `compose.rs`, where words become a message.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::locale::{Direction, Locale};
use crate::{clock::Timestamp, tenant::TenantId};

/// The longest name of a template, in bytes.
pub const NAME_BYTES_MAX: usize = 63;
/// The longest subject of a template, in bytes: one line of an e-mail (RFC 5322 §2.1.1).
pub const SUBJECT_BYTES_MAX: usize = 998;
/// The largest text, and the largest HTML, of a template, in bytes.
pub const PART_BYTES_MAX: usize = 256 * 1024;
/// The largest defaults, and the largest sample, in bytes of JSON.
pub const DATA_BYTES_MAX: usize = 64 * 1024;
/// The most wordings of a tenant, each a template in a language.
pub const WORDINGS_MAX: usize = 2_000;
/// The versions of a wording that are kept: the newest ones.
pub const VERSIONS_KEPT: u32 = 100;
/// The most variables that a wording may need.
pub const NEEDS_MAX: usize = 500;

/// Words from a template, as a payload asks for them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FromTemplate {
    /// The template's name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// The language of whoever reads it, as a tag of BCP 47; none for the tenant's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 35))]
    pub locale: Option<String>,
    /// The template's version; none for the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub version: Option<u32>,
    /// What its placeholders are filled in with.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub variables: Map<String, Value>,
}

/// The words of a template in a language, as they are written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = WordingContent))]
pub struct Content {
    /// An e-mail's subject, or a push message's title; one line.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, min_length = 1, max_length = 998))]
    pub subject: Option<String>,
    /// The plain words: an e-mail's text, a push message's body, an SMS.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, min_length = 1, max_length = 262144))]
    pub text: Option<String>,
    /// An e-mail's HTML. Where it has `{{ content }}`, the template is a layout.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, min_length = 1, max_length = 262144))]
    pub html: Option<String>,
    /// The template whose HTML goes around this one's. A layout has none itself.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, min_length = 1, max_length = 63, pattern = "^[a-z0-9][a-z0-9_-]*$"))]
    pub layout: Option<String>,
    /// Values of variables that a job need not give.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub defaults: Map<String, Value>,
    /// Values for previews.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub sample: Map<String, Value>,
}

/// A field that may be left out but not be `null`.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

/// A version of a template's words in a language. What a version says never changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Wording {
    /// The template's name.
    pub name: String,
    /// The language.
    pub locale: Locale,
    /// Which version, from 1.
    pub version: u32,
    /// What it says.
    pub content: Content,
    /// What it needs to be filled in, its layout's needs not among it: paths such as `order.items[].name`.
    pub needs: Vec<String>,
    /// When it was kept.
    pub created_at: Timestamp,
}

/// Words that are to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewWording {
    /// Whose.
    pub tenant: TenantId,
    /// The template's name.
    pub name: String,
    /// The language.
    pub locale: Locale,
    /// What it says.
    pub content: Content,
    /// What it needs.
    pub needs: Vec<String>,
    /// The version that must be the newest, 0 for none; whichever it is where nobody says.
    pub seen: Option<u32>,
}

/// A template in a language, by its newest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The template's name.
    pub name: String,
    /// The language.
    pub locale: Locale,
    /// The newest version.
    pub version: u32,
    /// When the first version was kept.
    pub created_at: Timestamp,
    /// When the newest was.
    pub updated_at: Timestamp,
}

/// What became of words that were to be kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// They are the first of their template in this language.
    Created(Wording),
    /// They are a new version.
    Changed(Wording),
    /// The newest version says just that.
    Same(Wording),
    /// Another version is the newest.
    Stale,
    /// The tenant has [`WORDINGS_MAX`] already.
    TooMany,
}

/// What became of a template that was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Gone,
    /// There was none.
    Absent,
    /// Another version is the newest.
    Stale,
}

/// A template, filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Composed {
    /// Whose words they are: the locale that was found, which may be a wider one than was asked for.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub locale: Locale,
    /// The version of the words.
    pub version: u32,
    /// How the language is written.
    pub direction: Direction,
    /// An e-mail's subject, or a push message's title.
    pub subject: Option<String>,
    /// The plain words: an e-mail's text, a push message's body, an SMS. Made of the HTML where the template has none.
    pub text: Option<String>,
    /// An e-mail's HTML, within its layout, with its styles inlined.
    pub html: Option<String>,
}

/// Whether this may name a template.
pub fn is_name(name: &str) -> bool {
    let lower_or_digit = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= NAME_BYTES_MAX
        && name.as_bytes().first().is_some_and(lower_or_digit)
        && name.bytes().all(|byte| lower_or_digit(&byte) || b"_-".contains(&byte))
}
