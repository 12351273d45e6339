//! Reads what DeepL answers. Pure.
//!
//! Statuses by <https://developers.deepl.com/docs/best-practices/error-handling> and the responses of `/v2/translate` in DeepL's openapi.yaml
//! (DeepLcom/openapi at 017b2f7d), both read 2026-11-22.

use serde::Deserialize;

/// What an answer that is none of what was asked for means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The key is not let in.
    Refused,
    /// The quota of the billing period is used up.
    Quota,
    /// Not now.
    NotNow,
    /// Something is wrong at DeepL, or it is somebody else who answers.
    Failed,
    /// There is no such thing.
    Unknown,
    /// It will not be done, however often it is asked.
    Never,
}

/// By the status of an answer.
pub(super) const fn verdict(status: u16) -> Verdict {
    match status {
        401 | 403 => Verdict::Refused,
        456 => Verdict::Quota,
        429 | 503 | 529 => Verdict::NotNow,
        404 => Verdict::Unknown,
        // A success that is no translation: something else answers.
        200..=299 | 408 | 500..=599 => Verdict::Failed,
        _ => Verdict::Never,
    }
}

/// What DeepL says beside a status.
#[derive(Debug, Deserialize)]
pub(super) struct Complaint {
    message: Option<String>,
    detail: Option<String>,
}

impl Complaint {
    /// It in one line; none where it says nothing.
    pub fn said(self) -> Option<String> {
        let said: Vec<String> = [self.message, self.detail].into_iter().flatten().filter(|said| !said.is_empty()).collect();
        (!said.is_empty()).then(|| said.join(": "))
    }
}

#[derive(Debug, Deserialize)]
struct Answer {
    translations: Vec<Told>,
}

/// A translation as it is told.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Told {
    /// What it says.
    pub text: String,
    /// The language of the text.
    #[serde(default)]
    pub detected_source_language: Option<String>,
    /// What it cost.
    #[serde(default)]
    pub billed_characters: Option<u64>,
    /// The model.
    #[serde(default)]
    pub model_type_used: Option<String>,
}

/// The longest name of a language or a model that is kept.
const WORD_BYTES_MAX: usize = 64;

/// How much longer than its text a translation may be: the longest of a language is a few times as long, and a short text may become a sentence.
const GROWTH_MAX: usize = 8;
const GROWTH_BYTES_MAX: usize = 4 * 1024;

/// The translations of these texts; the error says what is wrong with the answer.
pub(super) fn translations(body: &[u8], texts: &[&str]) -> Result<Vec<Told>, String> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_| "DeepL answered 200 with something else than translations".to_owned())?;
    let told = answer.translations.len();
    if told != texts.len() {
        return Err(format!("DeepL answered {told} translations of {} texts", texts.len()));
    }
    let longest = |text: &str| GROWTH_MAX * text.len() + GROWTH_BYTES_MAX;
    if let Some((told, text)) = answer.translations.iter().zip(texts).find(|(told, text)| told.text.len() > longest(text)) {
        return Err(format!("DeepL answered a translation of {} bytes for a text of {}", told.text.len(), text.len()));
    }
    let word = |word: &Option<String>| word.as_ref().is_none_or(|word| word.len() <= WORD_BYTES_MAX && !word.chars().any(char::is_control));
    if answer.translations.iter().all(|told| word(&told.detected_source_language) && word(&told.model_type_used)) {
        Ok(answer.translations)
    } else {
        Err("DeepL answered a language or a model that is no name".into())
    }
}

/// A glossary as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Listed {
    /// Its id.
    pub glossary_id: String,
    /// Its name.
    pub name: String,
    /// Whether it can be used.
    #[serde(default)]
    pub ready: Option<bool>,
    /// How many terms it has.
    #[serde(default)]
    pub entry_count: Option<u64>,
}

impl Listed {
    /// Whether this can be an id of DeepL's: it goes into a request.
    pub fn is_sound(&self) -> bool {
        (1..=64).contains(&self.glossary_id.len()) && self.glossary_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    }
}

/// `GET /v2/glossaries`.
#[derive(Debug, Deserialize)]
pub(super) struct Glossaries {
    /// All there are.
    pub glossaries: Vec<Listed>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_fall_into_their_classes() {
        use Verdict::*;
        for (statuses, expected) in [
            (vec![401, 403], Refused),
            (vec![456], Quota),
            (vec![429, 503, 529], NotNow),
            (vec![200, 204, 408, 500, 502, 504, 530, 599], Failed),
            (vec![404], Unknown),
            (vec![300, 302, 307, 400, 405, 413, 414, 415, 422, 451, 600], Never),
        ] {
            for status in statuses {
                assert_eq!(verdict(status), expected, "{status}");
            }
        }
    }

    /// The examples of openapi.yaml.
    #[test]
    fn translations_are_one_for_each_text_or_none() {
        let basic = br#"{"translations": [{"detected_source_language": "EN", "text": "Hallo, Welt!", "billed_characters": 42}]}"#;
        let told = Told {
            text: "Hallo, Welt!".into(),
            detected_source_language: Some("EN".into()),
            billed_characters: Some(42),
            model_type_used: None,
        };
        let of = |body: &[u8], texts: usize| translations(body, &vec!["Hello, world!"; texts]);
        assert_eq!(of(basic, 1), Ok(vec![told]));
        assert!(of(br#"{"translations": [{"text": "Hallo, Welt!"}]}"#, 1).is_ok());
        for (body, texts) in [
            (&basic[..], 2),
            (br#"{"translations": [{"text": "a"}, {"text": "b"}]}"#, 1),
            (br#"{"translations": []}"#, 1),
            (br#"{"translations": [null]}"#, 1),
            (br#"{"translations": [{"text": null}]}"#, 1),
            (br#"{"translations": [{"text": "a", "detected_source_language": "E\nN"}]}"#, 1),
            (br#"{"message": "Quota exceeded"}"#, 1),
            (b"<html>", 1),
            (b"", 1),
        ] {
            assert!(of(body, texts).is_err(), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn a_translation_is_not_endlessly_longer_than_its_text() {
        let longest = GROWTH_BYTES_MAX + GROWTH_MAX * "text".len();
        for (bytes, is_taken) in [(longest, true), (longest + 1, false)] {
            let body = serde_json::json!({ "translations": [{ "text": "t" }, { "text": "t".repeat(bytes) }] }).to_string();
            assert_eq!(translations(body.as_bytes(), &["other", "text"]).is_ok(), is_taken, "{bytes}");
        }
    }
}
