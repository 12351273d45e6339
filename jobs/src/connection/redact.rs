//! Takes a connection's secrets out of what others say: a provider may repeat in its error what it was sent. Pure.

use std::fmt;

use serde_json::Value;

use super::Secrets;
use crate::job::{ERROR_MESSAGE_BYTES_MAX, JobError};

/// Shorter secrets are left in: taking out every `a` would leave nothing to read, and they protect nothing.
const REDACTED_BYTES_MIN: usize = 4;
/// Shorter ones are words as well: in what is data they are taken out only where they stand alone.
const TELLING_BYTES_MIN: usize = 8;
/// What stands in a secret's place.
const HIDDEN: &str = "(hidden)";

/// What is taken out: every form of what was hidden. Never shown.
#[derive(Clone, Default)]
pub struct Hidden {
    /// The longest first: a secret within another must not leave the rest of it.
    forms: Vec<String>,
}

impl Hidden {
    /// With these secrets as well.
    #[must_use]
    pub fn and(self, secrets: &Secrets) -> Self {
        secrets.0.values().fold(self, |hidden, secret| hidden.and_text(secret))
    }

    /// With this one as well: a token, for instance, that is no secret of a connection.
    #[must_use]
    pub fn and_text(mut self, secret: &str) -> Self {
        if secret.len() >= REDACTED_BYTES_MIN {
            self.forms.extend(forms(secret));
            self.forms.sort_by(|one, other| (other.len(), other).cmp(&(one.len(), one)));
            self.forms.dedup();
        }
        self
    }

    /// The text without them, whether as they are, or in one of the forms in which a request carries them.
    pub fn text(&self, text: &str) -> String {
        self.forms.iter().fold(text.to_owned(), |text, form| if text.contains(form) { text.replace(form, HIDDEN) } else { text })
    }

    /// The same of a text that was cut off: the beginning of a secret at its end goes too.
    pub fn cut_text(&self, text: &str) -> String {
        let mut text = self.text(text);
        let begun = |form: &String| {
            let ends = (REDACTED_BYTES_MIN..form.len()).rev().filter(|end| form.is_char_boundary(*end));
            ends.into_iter().find(|end| text.ends_with(&form[..*end]))
        };
        if let Some(begun) = self.forms.iter().filter_map(begun).max() {
            text.truncate(text.len() - begun);
            text.push_str(HIDDEN);
        }
        text
    }

    /// The same of an error.
    pub fn error(&self, error: JobError) -> JobError {
        // One that is as long as they may be was cut, at a character.
        let was_cut = error.message.len() + 4 > ERROR_MESSAGE_BYTES_MAX;
        let message = if was_cut { self.cut_text(&error.message) } else { self.text(&error.message) };
        // What stands in a secret's place may be longer than it.
        JobError::new(self.text(&error.code), message, error.retryable)
    }

    /// Whether one of them stands in this text.
    pub fn is_in(&self, text: &str) -> bool {
        self.forms.iter().any(|form| text.contains(form))
    }

    /// Whether what somebody says of their own tells one of them: a record's text, a mark. One that is short is found only where it stands alone.
    pub fn told_by(&self, text: &str) -> bool {
        self.forms.iter().any(|form| if form.len() < TELLING_BYTES_MIN { text == form } else { text.contains(form) })
    }

    /// Whether it is one of them and nothing else; a short one is a word as well.
    pub fn is_one(&self, text: &str) -> bool {
        text.len() >= TELLING_BYTES_MIN && self.forms.iter().any(|form| form == text)
    }

    /// Takes them out of data, names included, where it tells them. Whether it did.
    pub fn take_out_of(&self, data: &mut Value) -> bool {
        match data {
            Value::String(text) if self.told_by(text) => {
                *text = self.text(text);
                true
            }
            Value::Array(values) => self.take_out_of_all(values),
            Value::Object(members) => {
                let mut did = self.take_out_of_all(members.values_mut());
                if members.keys().any(|name| self.told_by(name)) {
                    let hidden = |name: String| if self.told_by(&name) { self.text(&name) } else { name };
                    *members = std::mem::take(members).into_iter().map(|(name, value)| (hidden(name), value)).collect();
                    did = true;
                }
                did
            }
            _ => false,
        }
    }

    /// The same of each of these. Whether it did anywhere.
    pub fn take_out_of_all<'d>(&self, data: impl IntoIterator<Item = &'d mut Value>) -> bool {
        let mut did = false;
        for value in data {
            did |= self.take_out_of(value);
        }
        did
    }

    /// The same of all texts within a value, names included.
    pub fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(values) => values.into_iter().map(|value| self.value(value)).collect(),
            Value::Object(members) => members.into_iter().map(|(name, value)| (self.text(&name), self.value(value))).collect(),
            other => other,
        }
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hidden({} forms)", self.forms.len())
    }
}

impl Secrets {
    /// What takes these out.
    pub fn hidden(&self) -> Hidden {
        Hidden::default().and(self)
    }

    /// The text without these secrets, whether as they are, or in one of the forms in which a request carries them.
    pub fn redact(&self, text: &str) -> String {
        self.hidden().text(text)
    }

    /// The same of an error.
    pub fn redact_error(&self, error: JobError) -> JobError {
        self.hidden().error(error)
    }
}

/// The secret itself, its lines, as a JSON string and a form field would carry it, and in base 64.
fn forms(secret: &str) -> Vec<String> {
    let in_form = encoded(secret);
    let mut forms = vec![secret.to_owned(), in_form.replace('+', "%20")];
    // Basic has it behind a name and a colon, as it is or encoded (RFC 6749, 2.3.1).
    for text in [secret, &in_form] {
        forms.extend(["+/", "-_"].iter().flat_map(|last| anywhere_in_base64(text.as_bytes(), last)));
    }
    if let Ok(json) = serde_json::to_string(secret) {
        let json = json.trim_matches('"').to_owned();
        forms.extend([json.replace('/', "\\/"), ascii(&json), json]);
    }
    forms.push(in_form);
    // A key of several lines is quoted by its lines. Its frame is no secret.
    let lines = secret.lines().filter(|line| line.len() >= 16 && !line.starts_with("-----"));
    forms.extend(lines.map(str::to_owned));
    forms.retain(|form| form.len() >= REDACTED_BYTES_MIN);
    forms
}

/// A JSON string as those write it who write ASCII only.
fn ascii(json: &str) -> String {
    let mut text = String::new();
    for unit in json.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\u{unit:04x}")),
        }
    }
    text
}

/// In base 64 a text looks one of three ways, by where it begins: the digits that it shares with what stands before are left out, and
/// those that it may share with what follows are there and left out.
fn anywhere_in_base64(bytes: &[u8], last: &str) -> Vec<String> {
    let shifted = (0..3_usize).flat_map(|before| {
        let padded = [&vec![0; before], bytes].concat();
        let digits = base64(&padded, last);
        let digits = &digits[[0, 2, 3][before]..];
        let shared = usize::from(!padded.len().is_multiple_of(3));
        [digits.to_owned(), digits[..digits.len() - shared].to_owned()]
    });
    shifted.collect()
}

/// As `application/x-www-form-urlencoded` has it.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => encoded.push(char::from(byte)),
            b' ' => encoded.push('+'),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Base 64 (RFC 4648) with these last two digits, without padding, so that it is found with and without.
fn base64(bytes: &[u8], last: &str) -> String {
    let digits: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(last.chars()).collect();
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let padded = [group[0], group.get(1).copied().unwrap_or(0), group.get(2).copied().unwrap_or(0)];
        let bits = u32::from_be_bytes([0, padded[0], padded[1], padded[2]]);
        text.extend((0..=group.len()).map(|place| digits[(bits >> (18 - 6 * place)) as usize & 63]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_out_in_every_form() {
        let secret = "pl/anted s\"cret+1";
        let secrets = Secrets([("one".to_owned(), secret.to_owned()), ("two".to_owned(), "pl/anted".to_owned())].into());
        let cases = [
            (format!("no: {secret}!"), "no: (hidden)!"),
            (format!(r#"{{"e": {}}}"#, serde_json::to_string(secret).expect("JSON")), r#"{"e": "(hidden)"}"#),
            ("client_secret=pl%2Fanted+s%22cret%2B1&a=b".to_owned(), "client_secret=(hidden)&a=b"),
            ("Basic cGwvYW50ZWQgcyJjcmV0KzE=".to_owned(), "Basic (hidden)="),
            ("a pl/anted one".to_owned(), "a (hidden) one"),
            ("nothing".to_owned(), "nothing"),
        ];
        for (text, expected) in cases {
            assert_eq!(secrets.redact(&text), expected);
        }
    }

    #[test]
    fn basic_has_it_behind_a_name() {
        use ::base64::{Engine, engine::general_purpose::STANDARD};
        let secret = "client-secret/+ &";
        let secrets = Secrets([("one".to_owned(), secret.to_owned())].into());
        for user in ["", "m", "me", "you", "them"] {
            for carried in [secret.to_owned(), encoded(secret)] {
                for after in ["", "\n", ", and more"] {
                    let basic = STANDARD.encode(format!("{user}:{carried}{after}"));
                    let left = secrets.redact(&basic);
                    assert!(left.contains(HIDDEN) && left.len() < basic.len() - secret.len() + HIDDEN.len(), "{user:?} {left}");
                }
            }
        }
    }

    #[test]
    fn what_was_cut_keeps_no_beginning_of_a_secret() {
        let hidden = Hidden::default().and_text("planted-secret-ü");
        assert_eq!(hidden.cut_text("it was planted-sec"), "it was (hidden)");
        assert_eq!(hidden.cut_text("it was pla"), "it was pla");
        assert_eq!(hidden.text("it was planted-sec"), "it was planted-sec", "it was not cut");
        let message = format!("{}planted-secret", "x".repeat(ERROR_MESSAGE_BYTES_MAX - 9));
        let error = hidden.error(JobError::new("code", message, true));
        assert!(!error.message.contains("planted") && error.message.len() <= ERROR_MESSAGE_BYTES_MAX, "{}", error.message.len());
        assert_eq!(format!("{hidden:?}").find("planted"), None);
    }

    #[test]
    fn all_texts_of_a_value_are_looked_through() {
        let hidden = Hidden::default().and_text("planted").and_text("ü/secret");
        let value = serde_json::json!({ "a planted": ["planted", 1, { "b": "not planted?" }] });
        assert_eq!(hidden.value(value), serde_json::json!({ "a (hidden)": ["(hidden)", 1, { "b": "not (hidden)?" }] }));
        assert_eq!(hidden.text(r"in JSON: \u00fc/secret, ü\/secret"), "in JSON: (hidden), (hidden)");
    }

    #[test]
    fn data_loses_what_tells_a_secret_and_keeps_words() {
        let hidden = Hidden::default().and_text("planted-secret").and_text("late");
        let mut data = serde_json::json!({ "a": ["Bearer planted-secret", "latest", 1], "planted-secret": { "b": "late" } });
        assert!(hidden.take_out_of(&mut data));
        assert_eq!(data, serde_json::json!({ "a": ["Bearer (hidden)", "latest", 1], "(hidden)": { "b": "(hidden)" } }));
        let mut data = serde_json::json!({ "filter": "latest", "n": [null, { "late_fee": 1 }] });
        let before = data.clone();
        assert!(!hidden.take_out_of(&mut data));
        assert_eq!(data, before);
        assert!(hidden.is_in("x planted-secret") && hidden.is_in("latest") && !hidden.is_in("plant"));
        assert!(hidden.told_by("late") && !hidden.told_by("latest") && hidden.told_by("a=planted-secret&b"));
    }

    #[test]
    fn base_64_is_as_published() {
        // RFC 4648, section 10, without padding.
        for (text, expected) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(text.as_bytes(), "+/"), expected);
        }
    }

    #[test]
    fn the_lines_of_a_key_are_taken_out_and_its_frame_stays() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\n-----END PRIVATE KEY-----\n";
        let secrets = Secrets([("key".to_owned(), key.to_owned())].into());
        assert_eq!(secrets.redact("at MIGHAgEAMBMGByqGSM49AgEG"), "at (hidden)");
        assert_eq!(secrets.redact("-----BEGIN PRIVATE KEY----- is missing"), "-----BEGIN PRIVATE KEY----- is missing");
    }
}
