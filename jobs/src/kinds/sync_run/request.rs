//! What is sent elsewhere about a record: where the key, the provider's id and the record's own values stand in a path and in parameters, and
//! where the record stands in a body. Pure. Next: `elsewhere.rs`.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{
    clock::Timestamp,
    outbound::{Method, Url},
    sync::{
        SyncId,
        definition::{Call, Texts},
        state::{Incoming, REMOTE_ID_BYTES_MAX, is_remote_id},
        template::{self, Piece},
    },
};

/// What stands in a call for a record.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct About<'a> {
    /// `{key}`.
    pub key: Option<&'a str>,
    /// `{id}`: what the provider calls it.
    pub id: Option<&'a str>,
    /// `{/pointer}`: what stands there in it.
    pub record: Option<&'a Value>,
}

/// Why there is no such call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The provider's id is not known.
    NoId,
    /// Something else is missing, or does not fit into a URL.
    Other(String),
}

/// The text with what stands in it for this record.
fn fill(text: &str, about: &About<'_>) -> Result<String, Unfit> {
    let mut filled = String::new();
    for piece in template::pieces(text) {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Key => filled.push_str(about.key.ok_or_else(|| Unfit::Other("there is no {key} here".into()))?),
            Piece::Id => filled.push_str(about.id.ok_or(Unfit::NoId)?),
            Piece::Pointer { pointer, as_json } => {
                let value = about.record.and_then(|record| record.pointer(pointer));
                let told = if as_json { value.map(Value::to_string) } else { text_of(value) };
                filled.push_str(&told.ok_or_else(|| Unfit::Other(format!("the record has no text at {pointer}")))?);
            }
        }
    }
    Ok(filled)
}

/// A value that can stand in a URL, or be somebody's id, as text.
pub(super) fn text_of(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// What a provider calls a record, where it says so; the error says why it cannot be kept.
pub(super) fn id_of(value: Option<&Value>) -> Result<Option<String>, String> {
    let Some(id) = text_of(value) else { return Ok(None) };
    if is_remote_id(&id) {
        return Ok(Some(id));
    }
    let begin: String = id.chars().filter(|c| !c.is_control()).take(40).collect();
    Err(format!(
        "what the provider calls the record has {} bytes and begins {begin:?}; an id has at most {REMOTE_ID_BYTES_MAX}, and no control characters",
        id.len()
    ))
}

/// The parameters of a call.
pub(super) fn query(call: &Call, about: &About<'_>) -> Result<Vec<(String, String)>, Unfit> {
    let mut pairs = Vec::new();
    for (name, texts) in &call.query {
        let texts = match texts {
            Texts::One(text) => std::slice::from_ref(text),
            Texts::Many(texts) => texts,
        };
        for text in texts {
            pairs.push((name.clone(), fill(text, about)?));
        }
    }
    Ok(pairs)
}

/// The URL below this one where a call goes. What stands for a record stays within its segment, whatever it says.
pub(super) fn below(mut url: Url, call: &Call, about: &About<'_>) -> Result<Url, Unfit> {
    let path = call.path.trim_start_matches('/');
    if path.is_empty() {
        return Ok(url);
    }
    let mut segments = Vec::new();
    for template in template::segments(path) {
        let segment = fill(template, about)?;
        // What makes URLs leaves tabs and line breaks out, after which a segment may be another one.
        let is_odd = segment.chars().any(char::is_control) || segment == "." || segment == "..";
        if is_odd || segment.is_empty() && !template.is_empty() {
            return Err(Unfit::Other(format!("{segment:?} is no segment of a path")));
        }
        segments.push(segment);
    }
    url.path_segments_mut().map_err(|()| Unfit::Other("the connection's URL has no path".into()))?.pop_if_empty().extend(segments);
    Ok(url)
}

/// The body of a call with this in it, a record or a list of them; nothing where the call has none and there is nothing.
pub(super) fn body(call: &Call, content: Option<Value>) -> Result<Vec<u8>, Unfit> {
    let body = match (&call.body, content) {
        (None, None) => return Ok(Vec::new()),
        (None, Some(content)) => match &call.record {
            None => content,
            Some(pointer) => with(Value::Object(Map::new()), pointer, content)?,
        },
        (Some(around), None) => Value::Object(around.clone()),
        (Some(around), Some(content)) => with(Value::Object(around.clone()), call.record.as_deref().unwrap_or_default(), content)?,
    };
    Ok(serde_json::to_vec(&body).expect("a JSON value has a JSON form"))
}

/// The value with this at a pointer, where objects come to be on the way.
fn with(mut around: Value, pointer: &str, content: Value) -> Result<Value, Unfit> {
    let mut place = &mut around;
    for token in pointer.split('/').skip(1) {
        let name = token.replace("~1", "/").replace("~0", "~");
        place = match place {
            Value::Array(items) => {
                let count = items.len();
                let item = name.parse().ok().and_then(|index: usize| items.get_mut(index));
                item.ok_or_else(|| Unfit::Other(format!("{pointer} leads into a list of {count}")))?
            }
            other => {
                if !other.is_object() {
                    *other = Value::Object(Map::new());
                }
                other.as_object_mut().expect("it was made one").entry(name).or_insert(Value::Null)
            }
        };
    }
    *place = content;
    Ok(around)
}

/// The same for the same request that carries out the same intents: a provider that knows it does nothing twice. What is meant again later,
/// though it says the same, has another: it is no repetition.
pub(super) fn idempotency_key<'r>(
    sync: SyncId,
    method: &Method,
    url: &Url,
    records: impl IntoIterator<Item = (&'r Incoming, Timestamp)>,
) -> String {
    let mut digest = Sha256::new();
    digest.update(sync.0.as_bytes());
    digest.update(method.as_str());
    digest.update([0]);
    digest.update(url.as_str());
    for (record, meant_at) in records {
        digest.update([0]);
        digest.update(&record.key);
        digest.update([0]);
        digest.update(record.hash);
        digest.update(meant_at.ms().to_be_bytes());
    }
    digest.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(value: Value) -> Call {
        serde_json::from_value(value).expect("a call")
    }

    fn at(path: &str, about: &About<'_>) -> Result<String, Unfit> {
        let call = call(json!({ "method": "PUT", "path": path }));
        below("https://crm.example/api/?v=1".parse().expect("a URL"), &call, about).map(String::from)
    }

    #[test]
    fn what_stands_for_a_record_stays_in_its_segment() {
        let record = json!({ "email": "ana+1@example.org", "n": 7, "none": null });
        let about = About { key: Some("a/../b?c#d%2e é"), id: Some("17"), record: Some(&record) };
        assert_eq!(at("contacts/{key}", &about).as_deref(), Ok("https://crm.example/api/contacts/a%2F..%2Fb%3Fc%23d%252e%20%C3%A9?v=1"));
        assert_eq!(
            at("/contacts/{id}/of/{/email}-{/n}", &about).as_deref(),
            Ok("https://crm.example/api/contacts/17/of/ana+1@example.org-7?v=1")
        );
        assert_eq!(at("contacts/", &about).as_deref(), Ok("https://crm.example/api/contacts/?v=1"));
        assert_eq!(at("", &about).as_deref(), Ok("https://crm.example/api/?v=1"));
        for key in ["..", "."] {
            assert!(matches!(at("contacts/{key}", &About { key: Some(key), ..about }), Err(Unfit::Other(_))));
        }
        assert_eq!(at("contacts/{id}", &About { id: None, ..about }), Err(Unfit::NoId));
        for path in ["contacts/{/none}", "contacts/{/nowhere}"] {
            assert!(matches!(at(path, &about), Err(Unfit::Other(_))), "{path}");
        }
        assert_eq!(at("contacts/{key", &about).as_deref(), Ok("https://crm.example/api/contacts/%7Bkey?v=1"));
    }

    #[test]
    fn what_a_url_leaves_out_is_no_segment() {
        for odd in ["\t", ".\t.", "1\n7", ".\r", "..\u{7f}"] {
            let record = json!({ "email": odd });
            let about = About { key: Some("k"), id: Some(odd), record: Some(&record) };
            for path in ["contacts/{id}", "contacts/{/email}", "contacts/{/email|json}/x"] {
                let url = at(path, &about);
                let is_escaped = path.contains("json") && url.as_ref().is_ok_and(|url| url.contains("%22"));
                assert!(matches!(url, Err(Unfit::Other(_))) || is_escaped, "{odd:?} in {path}: {url:?}");
            }
        }
    }

    #[test]
    fn what_a_provider_calls_a_record_can_be_kept() {
        assert_eq!(id_of(Some(&json!(17))), Ok(Some("17".into())));
        assert_eq!(id_of(Some(&json!("x".repeat(512)))).map(|id| id.map(|id| id.len())), Ok(Some(512)));
        for none in [None, Some(json!("")), Some(json!(null)), Some(json!([1]))] {
            assert_eq!(id_of(none.as_ref()), Ok(None));
        }
        for odd in ["x".repeat(513), "a\0b".into(), "\t".into()] {
            assert!(id_of(Some(&json!(odd))).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn a_record_goes_where_the_call_says() {
        let body_of = |of: Value, content: Option<Value>| {
            let bytes = body(&call(of), content)?;
            Ok::<_, Unfit>(if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).expect("JSON") })
        };
        let plain = json!({ "method": "POST", "path": "" });
        assert_eq!(body_of(plain.clone(), Some(json!({ "a": 1 }))), Ok(json!({ "a": 1 })));
        assert_eq!(body_of(plain, None), Ok(Value::Null));
        let deep =
            json!({ "method": "POST", "path": "", "body": { "list": "x", "data": [{ "type": "c" }] }, "record": "/data/0/attributes" });
        assert_eq!(body_of(deep, Some(json!({ "a": 1 }))), Ok(json!({ "list": "x", "data": [{ "type": "c", "attributes": { "a": 1 } }] })));
        let made = json!({ "method": "POST", "path": "", "record": "/data/a~1b" });
        assert_eq!(body_of(made, Some(json!([1]))), Ok(json!({ "data": { "a/b": [1] } })));
        let outside = json!({ "method": "POST", "path": "", "body": { "data": [] }, "record": "/data/0" });
        assert!(body_of(outside, Some(json!(1))).is_err());
        let gone = json!({ "method": "POST", "path": "", "body": { "deleted": true } });
        assert_eq!(body_of(gone, None), Ok(json!({ "deleted": true })));
    }

    #[test]
    fn parameters_are_filled_in() {
        let formula = "{Email}={/quoted|json}";
        let call = call(json!({ "method": "GET", "path": "", "query": { "email": "{/email}", "f": formula, "of": ["{key}", "x"] } }));
        let record = json!({ "email": "a&b@example.org", "quoted": "x\") , TRUE()" });
        let pairs = query(&call, &About { key: Some("k"), id: None, record: Some(&record) }).expect("filled in");
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("email", "a&b@example.org"), ("f", r#"{Email}="x\") , TRUE()""#), ("of", "k"), ("of", "x")]);
    }

    #[test]
    fn an_idempotency_key_is_of_a_request_for_an_intent() {
        let record =
            |key: &str, hash| Incoming { key: key.into(), data: String::new(), hash: [hash; 32], updated_at: None, is_deleted: false };
        let sync = SyncId::generate();
        let at = Timestamp::from_ms;
        let key_of = |method: &Method, url: &str, meant_ms: i64, records: &[Incoming]| {
            idempotency_key(sync, method, &url.parse().expect("a URL"), records.iter().map(|record| (record, at(meant_ms))))
        };
        let of = |records: &[Incoming]| key_of(&Method::POST, "https://crm.example/1", 5, records);
        assert_eq!(of(&[record("a", 1)]), of(&[record("a", 1)]));
        let others = [
            of(&[record("a", 2)]),
            of(&[record("b", 1)]),
            of(&[record("a", 1), record("b", 1)]),
            key_of(&Method::DELETE, "https://crm.example/1", 5, &[record("a", 1)]),
            key_of(&Method::POST, "https://crm.example/2", 5, &[record("a", 1)]),
            key_of(&Method::POST, "https://crm.example/1", 6, &[record("a", 1)]),
        ];
        assert!(others.iter().all(|other| *other != of(&[record("a", 1)])));
    }
}
