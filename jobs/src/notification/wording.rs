//! What a notification says: the words of a template in a language, and how a payload names them. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The languages that templates are written in, as their subtags of BCP 47.
pub const LANGUAGES: [&str; 10] = ["de", "en", "ar", "da", "fa", "nb", "ru", "sv", "tr", "uk"];

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

/// The direction of a language's writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Direction {
    /// Left to right.
    Ltr,
    /// Right to left.
    Rtl,
}

/// A template, filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Composed {
    /// Whose words they are: the locale that was found, which may be a wider one than was asked for.
    pub locale: String,
    /// The version of the words.
    pub version: u32,
    /// How the language is written.
    pub direction: Direction,
    /// An e-mail's subject, or a push message's title.
    pub subject: Option<String>,
    /// The plain words: an e-mail's text, a push message's body, an SMS.
    pub text: Option<String>,
    /// An e-mail's HTML, within its layout, with its styles inlined.
    pub html: Option<String>,
}
