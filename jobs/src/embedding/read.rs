//! Reads what a provider of embeddings answers. Pure; whatever it is, it takes no more memory than a few times its length.
//!
//! Answers by `CreateEmbeddingResponse` and `Embedding` of openapi.yaml (openai/openai-openapi at 57800086); statuses and waits by the official
//! package (openai 3.54.0, _base_client.py), all read 2026-11-22. Many who speak alike leave something out: only what is needed is asked for.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};

use crate::{clock::Timestamp, kinds::http_request::retry_after, search::DIMENSION_MAX};

/// The longest wait that is taken from an answer: whoever means more says it again.
const AFTER_MAX: Duration = Duration::from_secs(86_400);

/// What an answer that has no vectors means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The key is not let in.
    Refused,
    /// The account has no money left: no waiting helps.
    Unpaid,
    /// Not now.
    NotNow,
    /// Something is wrong over there, or it is somebody else who answers.
    Failed,
    /// It will not be done, however often it is asked.
    Never,
}

/// By the status of an answer, and what it says.
pub(super) fn verdict(status: u16, complaint: &Complaint) -> Verdict {
    match status {
        401 | 403 => Verdict::Refused,
        402 => Verdict::Unpaid,
        429 if complaint.is_unpaid() => Verdict::Unpaid,
        429 | 503 | 529 => Verdict::NotNow,
        // A success that has no vectors: something else answers.
        200..=299 | 408 | 409 | 500..=599 => Verdict::Failed,
        _ => Verdict::Never,
    }
}

/// `{"error": {"message", "type", "param", "code"}}`, as far as it is one.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Complaint {
    #[serde(default)]
    error: Said,
}

#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Said {
    Whole {
        message: String,
        #[serde(default, rename = "type")]
        kind: Option<String>,
        #[serde(default)]
        code: Option<serde_json::Value>,
    },
    /// Of others who speak alike.
    Message(String),
    #[default]
    Nothing,
}

impl Complaint {
    /// What was answered, where it is a complaint.
    pub fn of(body: &str) -> Self {
        serde_json::from_str(body).unwrap_or_default()
    }

    /// What it says.
    pub fn said(&self) -> Option<&str> {
        match &self.error {
            Said::Whole { message, .. } | Said::Message(message) if !message.is_empty() => Some(message),
            _ => None,
        }
    }

    fn is_unpaid(&self) -> bool {
        const UNPAID: &str = "insufficient_quota";
        matches!(&self.error, Said::Whole { kind, code, .. }
            if kind.as_deref() == Some(UNPAID) || code.as_ref().and_then(serde_json::Value::as_str) == Some(UNPAID))
    }
}

/// How long an answer asks us to wait: `retry-after-ms`, or `retry-after` in seconds, parts of them, or as a date.
pub(super) fn wait(after_ms: Option<&str>, after: Option<&str>, now: Timestamp) -> Option<Duration> {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    let seconds = |seconds: f64| Duration::from_secs_f64(seconds.min(AFTER_MAX.as_secs_f64()));
    let by_ms = after_ms.and_then(number).map(|ms| seconds(ms / 1_000.0));
    by_ms.or_else(|| after.and_then(|after| number(after).map(seconds).or_else(|| retry_after(after, now)))).map(|wait| wait.min(AFTER_MAX))
}

/// Why an answer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is none.
    Unreadable(String),
    /// Its vectors have another dimension than those beside which they would lie.
    Dimension(usize),
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Datum>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Datum {
    index: usize,
    embedding: Vector,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    total_tokens: Option<u64>,
    #[serde(default)]
    prompt_tokens: Option<u64>,
}

/// The vectors of so many texts, in their order, each of this dimension where it is known; and the tokens that were counted, if any were.
pub(super) fn vectors(body: &[u8], texts: usize, dimension: Option<u16>) -> Result<(Vec<Vec<f32>>, Option<u64>), Wrong> {
    let unreadable = |why: String| Wrong::Unreadable(why);
    // What serde_json says may repeat what was answered: its place is enough.
    let answer: Answer = serde_json::from_slice(body).map_err(|error| {
        unreadable(format!("something else than vectors, by line {} column {} of {} bytes", error.line(), error.column(), body.len()))
    })?;
    let told = answer.data.len();
    if told != texts {
        return Err(unreadable(format!("{told} vectors of {texts} texts")));
    }
    let mut vectors: Vec<Vec<f32>> = vec![Vec::new(); texts];
    for Datum { index, embedding: Vector(mut vector) } in answer.data {
        let place = vectors.get_mut(index).filter(|place| place.is_empty());
        let place = place.ok_or_else(|| unreadable(format!("index {index} of {texts} texts, or twice")))?;
        let length: f32 = vector.iter().map(|one| one * one).sum();
        if vector.is_empty() || !length.is_finite() {
            return Err(unreadable("a vector without numbers, or with some that are none".into()));
        }
        if !length.is_normal() {
            // It has no direction that could be reckoned with.
            vector.fill(0.0);
        }
        *place = vector;
    }
    let wanted = dimension.map(usize::from).or_else(|| vectors.first().map(Vec::len)).unwrap_or_default();
    if let Some(other) = vectors.iter().map(Vec::len).find(|length| *length != wanted) {
        return Err(Wrong::Dimension(other));
    }
    Ok((vectors, answer.usage.and_then(|usage| usage.total_tokens.or(usage.prompt_tokens))))
}

/// A vector: a list of numbers, or the base64 of little-endian 32-bit floats.
struct Vector(Vec<f32>);

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Vector;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers, or their base64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vector, E> {
        let bytes = STANDARD.decode(text).map_err(|_| E::custom("no base64"))?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() || numbers.len() > DIMENSION_MAX.into() {
            return Err(E::custom("no vector"));
        }
        Ok(Vector(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Vector, A::Error> {
        let mut vector = Vec::new();
        while let Some(number) = numbers.next_element::<f32>()? {
            if vector.len() == usize::from(DIMENSION_MAX) {
                return Err(de::Error::custom("too many numbers"));
            }
            vector.push(number);
        }
        Ok(Vector(vector))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(answer: &Value, texts: usize, dimension: Option<u16>) -> Result<(Vec<Vec<f32>>, Option<u64>), Wrong> {
        vectors(answer.to_string().as_bytes(), texts, dimension)
    }

    fn base64(vector: &[f32]) -> String {
        STANDARD.encode(vector.iter().flat_map(|one| one.to_le_bytes()).collect::<Vec<u8>>())
    }

    #[test]
    fn vectors_come_in_the_order_of_their_texts_in_either_form() {
        let answer = json!({
            "object": "list", "model": "m", "usage": { "prompt_tokens": 7, "total_tokens": 8 },
            "data": [
                { "object": "embedding", "index": 1, "embedding": base64(&[0.5, -1.5]) },
                { "object": "embedding", "index": 0, "embedding": [1, 2.25e0] },
            ],
        });
        let expected = vec![vec![1.0, 2.25], vec![0.5, -1.5]];
        assert_eq!(read(&answer, 2, None), Ok((expected.clone(), Some(8))));
        assert_eq!(read(&answer, 2, Some(2)), Ok((expected, Some(8))));
        assert_eq!(read(&answer, 2, Some(3)), Err(Wrong::Dimension(2)));
        assert!(matches!(read(&answer, 1, None), Err(Wrong::Unreadable(_))));
        let bare = json!({ "data": [{ "index": 0, "embedding": [1e-30, 0] }] });
        assert_eq!(read(&bare, 1, None), Ok((vec![vec![0.0, 0.0]], None)), "too short to have a direction");
    }

    #[test]
    fn what_is_no_vector_is_none() {
        let of = |vectors: Value| json!({ "data": vectors });
        let one = |vector: Value| json!({ "data": [{ "index": 0, "embedding": vector }] });
        for answer in [
            of(json!([])),
            of(json!([null])),
            of(json!([{ "embedding": [1] }])),
            of(json!([{ "index": 1, "embedding": [1] }])),
            of(json!([{ "index": -1, "embedding": [1] }])),
            one(json!([])),
            one(json!("")),
            one(json!(null)),
            one(json!([null])),
            one(json!(["1"])),
            one(json!({ "0": 1 })),
            one(json!([[1]])),
            one(json!([1e300])),
            one(json!([3e38, 3e38])),
            one(json!("AAAA")),
            one(json!("no base64!")),
            one(json!(base64(&[f32::NAN, 1.0]))),
            one(json!(base64(&[f32::INFINITY]))),
            one(json!(vec![1; usize::from(DIMENSION_MAX) + 1])),
            one(json!(base64(&vec![1.0; usize::from(DIMENSION_MAX) + 1]))),
            json!({ "error": { "message": "no" } }),
            json!([]),
        ] {
            let read = read(&answer, 1, None);
            assert!(matches!(read, Err(Wrong::Unreadable(_))), "{}: {read:?}", answer.to_string().chars().take(80).collect::<String>());
        }
        for text in ["", "<html>", r#"{"data": [{"index": 0, "embedding": [NaN]}]}"#, r#"{"data": [{"index": 0, "embedding": [1e999]}]}"#] {
            assert!(matches!(vectors(text.as_bytes(), 1, None), Err(Wrong::Unreadable(_))), "{text}");
        }
        let two = json!({ "data": [{ "index": 0, "embedding": [1] }, { "index": 1, "embedding": [1, 2] }] });
        assert_eq!(read(&two, 2, None), Err(Wrong::Dimension(2)));
        let twice = json!({ "data": [{ "index": 0, "embedding": [1] }, { "index": 0, "embedding": [1] }] });
        assert!(matches!(read(&twice, 2, None), Err(Wrong::Unreadable(_))));
    }

    /// The first two bodies are quoted from github.com/VectorInstitute/health-rec/issues/103 (shortened) and from help.openai.com's article
    /// on error codes, as embed-notes say; read 2026-11-22.
    #[test]
    fn no_money_is_another_thing_than_too_many_requests() {
        let rate = r#"{"error": {"message": "Rate limit reached for text-embedding-3-small", "type": "tokens", "param": null, "code": "rate_limit_exceeded"}}"#;
        let unpaid = r#"{"error": {"message": "You exceeded your current quota", "type": "insufficient_quota", "param": null, "code": "insufficient_quota"}}"#;
        let coded = r#"{"error": {"message": "no", "code": "insufficient_quota"}}"#;
        for (status, body, expected) in [
            (429, rate, Verdict::NotNow),
            (429, unpaid, Verdict::Unpaid),
            (429, coded, Verdict::Unpaid),
            (429, "<html>", Verdict::NotNow),
            (429, r#"{"error": {"message": "no", "code": 429}}"#, Verdict::NotNow),
            (402, "", Verdict::Unpaid),
            (401, rate, Verdict::Refused),
            (403, "", Verdict::Refused),
            (503, "", Verdict::NotNow),
            (529, "", Verdict::NotNow),
            (500, unpaid, Verdict::Failed),
            (408, "", Verdict::Failed),
            (409, "", Verdict::Failed),
            (204, "", Verdict::Failed),
            (400, unpaid, Verdict::Never),
            (404, "", Verdict::Never),
            (413, "", Verdict::Never),
            (307, "", Verdict::Never),
        ] {
            assert_eq!(verdict(status, &Complaint::of(body)), expected, "{status} {body}");
        }
        assert_eq!(Complaint::of(rate).said(), Some("Rate limit reached for text-embedding-3-small"));
        assert_eq!(Complaint::of(r#"{"error": "model not found"}"#).said(), Some("model not found"));
        assert_eq!(Complaint::of(r#"{"detail": 1}"#).said(), None);
    }

    #[test]
    fn waits_are_read_as_the_official_package_reads_them() {
        let now = Timestamp::from_ms(784_111_777_000 - 30_000);
        let ms = |ms| Some(Duration::from_millis(ms));
        for (after_ms, after, expected) in [
            (None, None, None),
            (Some("1500"), Some("7"), ms(1_500)),
            (Some("0.5"), None, Some(Duration::from_micros(500))),
            (Some("soon"), Some("7"), ms(7_000)),
            (None, Some("2.5"), ms(2_500)),
            (None, Some("Sun, 06 Nov 1994 08:49:37 GMT"), ms(30_000)),
            (None, Some("-1"), None),
            (Some("inf"), Some("NaN"), None),
            (Some("1e300"), None, Some(AFTER_MAX)),
            (None, Some("99999999999"), Some(AFTER_MAX)),
        ] {
            assert_eq!(wait(after_ms, after, now), expected, "{after_ms:?} {after:?}");
        }
    }
}
