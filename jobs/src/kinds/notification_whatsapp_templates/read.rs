//! Reads a page of `GET /{version}/{business_account_id}/message_templates`. Pure.
//!
//! `{"data": [{"name", "components", "language", "status", "category", "id"}], "paging": {"cursors": {"before", "after"}, "next"}}`: the
//! paging by Meta's own description (github.com/facebook/openapi, business-messaging-api_v23.0.yaml at 231e1845, `CursorPaging`, read
//! 2026-11-22), the rest as we know it and as public code shows it. We have not checked it against the page,
//! <https://developers.facebook.com/docs/whatsapp/business-management-api/message-templates>.

use serde::Deserialize;
use serde_json::Value;

use crate::notification::approved::{Approved, COMPONENTS_BYTES_MAX};

/// What is asked for of each template.
pub(super) const FIELDS: &str = "name,language,status,category,components,parameter_format,quality_score";
/// The longest name that Meta gives: 512 characters (templates.md of the copy that `notification_whatsapp/message.rs` names).
const NAME_BYTES_MAX: usize = 512;
/// The longest of its other words that are kept.
const WORD_BYTES_MAX: usize = 64;

/// A page of templates.
#[derive(Debug, Default, PartialEq)]
pub(super) struct PageOf {
    pub templates: Vec<Approved>,
    /// Where the next one begins; none for the last.
    pub after: Option<String>,
}

#[derive(Deserialize)]
struct Told {
    data: Vec<Value>,
    #[serde(default)]
    paging: Option<Paging>,
}

#[derive(Deserialize)]
struct Paging {
    #[serde(default)]
    cursors: Option<Cursors>,
    #[serde(default)]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Cursors {
    #[serde(default)]
    after: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    language: String,
    status: String,
    #[serde(default)]
    category: Option<String>,
    #[serde(default)]
    components: Value,
    #[serde(default)]
    parameter_format: Option<String>,
    #[serde(default)]
    quality_score: Option<Quality>,
}

#[derive(Deserialize)]
struct Quality {
    #[serde(default)]
    score: Option<String>,
}

/// The page; none for what is no page. A template that cannot be read, or is too large, is passed over: one must not hide the others.
pub(super) fn page(body: Value) -> Option<PageOf> {
    let told: Told = serde_json::from_value(body).ok()?;
    let templates = told.data.into_iter().filter_map(template).collect();
    // There is a cursor on the last page too, but nothing next.
    let after = told.paging.filter(|paging| paging.next.is_some()).and_then(|paging| paging.cursors?.after);
    Some(PageOf { templates, after })
}

fn template(entry: Value) -> Option<Approved> {
    let entry: Entry = serde_json::from_value(entry).ok()?;
    let is_word = |text: &String, bytes_max| (1..=bytes_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    let word = |text: &String| is_word(text, WORD_BYTES_MAX);
    let fits = is_word(&entry.name, NAME_BYTES_MAX) && word(&entry.language) && word(&entry.status);
    (fits && entry.components.to_string().len() <= COMPONENTS_BYTES_MAX).then(|| Approved {
        name: entry.name,
        language: entry.language,
        status: entry.status,
        category: entry.category.filter(word),
        quality: entry.quality_score.and_then(|quality| quality.score).filter(word),
        parameter_format: entry.parameter_format.filter(word),
        components: entry.components,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Made up from what public code quotes of Meta's examples: the first name, its id and body, the account and the cursors are theirs.
    #[test]
    fn a_page_is_read() {
        let body = json!({
            "data": [
                { "name": "seasonal_promotion_text_only", "language": "en", "status": "APPROVED", "category": "MARKETING", "id": "564750795574598",
                  "components": [{ "type": "HEADER", "format": "TEXT", "text": "Our {{1}} is on!", "example": { "header_text": ["Spring Sale"] } },
                                 { "type": "BODY", "text": "Shop now through {{1}} and use code {{2}} to get {{3}} off of all merchandise." }] },
                { "name": "hello_world", "language": "en_US", "status": "APPROVED", "category": "UTILITY", "id": "1192339204654487",
                  "quality_score": { "score": "GREEN", "date": 1_700_000_000 }, "components": [{ "type": "BODY", "text": "Welcome" }] }
            ],
            "paging": { "cursors": { "before": "MAZDZD", "after": "MjQZD" }, "next": "https://graph.facebook.com/v23.0/102290129340398/message_templates?after=MjQZD" }
        });
        let page = page(body).expect("a page");
        assert_eq!(page.after.as_deref(), Some("MjQZD"));
        let names: Vec<&str> = page.templates.iter().map(|template| template.name.as_str()).collect();
        assert_eq!(names, ["seasonal_promotion_text_only", "hello_world"]);
        assert_eq!((page.templates[1].quality.as_deref(), page.templates[0].category.as_deref()), (Some("GREEN"), Some("MARKETING")));
    }

    #[test]
    fn what_cannot_be_read_is_passed_over() {
        let good = json!({ "name": "good", "language": "de", "status": "APPROVED" });
        let large = json!({ "name": "large", "language": "de", "status": "APPROVED", "components": "x".repeat(COMPONENTS_BYTES_MAX) });
        let odd = json!([good, large, 7, null, { "name": "x" }, { "name": "a\u{0}b", "language": "de", "status": "APPROVED" },
            { "name": "", "language": "de", "status": "APPROVED" }, { "name": "x", "language": "d e", "status": "APPROVED" }]);
        let read = page(json!({ "data": odd, "paging": { "cursors": { "after": "x" } } })).expect("a page");
        assert_eq!((read.templates.len(), read.after), (1, None));
        assert_eq!(page(json!({ "data": [] })), Some(PageOf::default()));
        assert_eq!(page(json!({ "error": {} })), None);
        assert_eq!(page(json!([])), None);
    }
}
