//! What is wrong with a payload that its schema cannot say. Pure; pointers begin at the payload.

use std::collections::BTreeMap;

use fcm::{AndroidConfig, ApnsConfig, WebpushConfig};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use super::{MESSAGE_BYTES_MAX, Payload, Shown, TOPIC_MESSAGE_BYTES_MAX, To, condition};
use crate::contract::Violation;

/// For how long FCM keeps a message at most: four weeks.
const TTL_S_MAX: u64 = 2_419_200;
/// Headers that say who sends, or what is ours to give.
const HEADERS_REFUSED: [&str; 2] = ["authorization", "apns-id"];

/// What is wrong with a payload that keeps to the schema.
pub fn check(payload: &Value) -> Result<(), Violation> {
    let payload: Payload = serde_json::from_value(payload.clone()).map_err(|error| wrong("", error.to_string()))?;
    check_to(&payload.to)?;
    if payload.notification.is_some() && payload.template.is_some() {
        return Err(wrong("/template", "there is a notification: give one of the two"));
    }
    if payload.notification == Some(Shown::default()) {
        return Err(wrong("/notification", "has neither title nor body nor image"));
    }
    check_data("/data", &payload.data)?;
    check_overrides(&payload)?;
    let says = payload.notification.is_some() || payload.template.is_some() || !payload.data.is_empty();
    if !says && payload.android.is_none() && payload.apns.is_none() && payload.webpush.is_none() {
        return Err(wrong("/notification", "is missing: there is nothing else to send either"));
    }
    check_size(&payload)
}

fn check_to(to: &To) -> Result<(), Violation> {
    let given = [to.token.is_some(), to.tokens.is_some(), to.topic.is_some(), to.condition.is_some()];
    match given.iter().filter(|given| **given).count() {
        0 => return Err(wrong("/to", "is empty: give token, tokens, topic or condition")),
        1 => {}
        _ => return Err(wrong("/to", "has more than one of token, tokens, topic and condition")),
    }
    match &to.condition {
        Some(condition) => condition::check(condition).map_err(|message| wrong("/to/condition", message)),
        None => Ok(()),
    }
}

/// Names that FCM keeps for itself, by the references of `Message.data` and of `INVALID_ARGUMENT`.
fn check_data(at: &str, data: &BTreeMap<String, String>) -> Result<(), Violation> {
    let kept = |name: &str| matches!(name, "" | "from" | "message_type" | "gcm") || name.starts_with("google") || name.starts_with("gcm.");
    match data.keys().find(|name| kept(name)) {
        Some(name) => Err(wrong(&pointer(at, name), "is a name that FCM keeps for itself")),
        None => Ok(()),
    }
}

fn check_overrides(payload: &Payload) -> Result<(), Violation> {
    let android: AndroidConfig = read("/android", payload.android.as_ref())?;
    let apns: ApnsConfig = read("/apns", payload.apns.as_ref())?;
    let webpush: WebpushConfig = read("/webpush", payload.webpush.as_ref())?;
    check_data("/android/data", &android.data.unwrap_or_default())?;
    check_data("/webpush/data", &webpush.data.unwrap_or_default())?;
    if let Some(ttl) = &android.ttl {
        check_ttl(ttl)?;
    }
    for (at, headers) in [("/apns/headers", &apns.headers), ("/webpush/headers", &webpush.headers)] {
        for (name, value) in headers.iter().flatten() {
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            if !is_name || HEADERS_REFUSED.contains(&name.to_ascii_lowercase().as_str()) {
                return Err(wrong(&pointer(at, name), "is no header that may be set"));
            }
            if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
                return Err(wrong(&pointer(at, name), "has characters that no header carries"));
            }
        }
    }
    let link = webpush.fcm_options.as_ref().and_then(|options| options.link.as_deref());
    if link.is_some_and(|link| !link.starts_with("https://")) {
        return Err(wrong("/webpush/fcm_options/link", "is no https:// URL"));
    }
    Ok(())
}

/// A duration as Google writes it: `3.5s`.
fn check_ttl(ttl: &str) -> Result<(), Violation> {
    let seconds = ttl.strip_suffix('s').map(|seconds| seconds.split_once('.').unwrap_or((seconds, "0")));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match seconds {
        Some((whole, part)) if is_number(whole) && is_number(part) && part.len() <= 9 => match whole.parse::<u64>() {
            Ok(whole) if whole <= TTL_S_MAX => Ok(()),
            _ => Err(wrong("/android/ttl", format!("is more than {TTL_S_MAX} seconds"))),
        },
        _ => Err(wrong("/android/ttl", "is no duration like 3600s")),
    }
}

/// What is counted is what goes to the device: what is shown, and names and values of data.
fn check_size(payload: &Payload) -> Result<(), Violation> {
    let most = if payload.to.topic.is_some() || payload.to.condition.is_some() { TOPIC_MESSAGE_BYTES_MAX } else { MESSAGE_BYTES_MAX };
    let shown = payload.notification.as_ref().map_or(0, Shown::bytes);
    let data: usize = payload.data.iter().map(|(name, value)| name.len() + value.len()).sum();
    let too_large = |at: &str, bytes: usize| wrong(at, format!("makes a message of {bytes} bytes of the {most} allowed"));
    if shown + data > most {
        return Err(too_large(if data > shown { "/data" } else { "/notification" }, shown + data));
    }
    for (at, part) in [
        ("/android", payload.android.as_ref().and_then(|android| android.get("data"))),
        ("/apns/payload", payload.apns.as_ref().and_then(|apns| apns.get("payload"))),
        ("/webpush/data", payload.webpush.as_ref().and_then(|webpush| webpush.get("data"))),
    ] {
        let bytes = part.map_or(0, |part| part.to_string().len());
        if bytes > most {
            return Err(too_large(at, bytes));
        }
    }
    Ok(())
}

impl Shown {
    /// How much of a message it takes.
    pub(super) fn bytes(&self) -> usize {
        [&self.title, &self.body, &self.image].into_iter().flatten().map(String::len).sum()
    }
}

/// Reads an override as FCM has it; what it does not have is refused.
fn read<T: DeserializeOwned + Default>(at: &str, given: Option<&Map<String, Value>>) -> Result<T, Violation> {
    let Some(given) = given else { return Ok(T::default()) };
    serde_path_to_error::deserialize(Value::Object(given.clone())).map_err(|error| {
        let inside = error.path().iter().fold(at.to_owned(), |at, segment| match segment {
            Segment::Seq { index } => format!("{at}/{index}"),
            Segment::Map { key } => pointer(&at, key),
            Segment::Enum { .. } | Segment::Unknown => at,
        });
        wrong(&inside, error.inner().to_string())
    })
}

fn pointer(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn wrong(pointer: &str, message: impl Into<String>) -> Violation {
    Violation { pointer: pointer.to_owned(), message: message.into() }
}

#[cfg(test)]
mod tests;
