//! Takes a connection's secrets out of what others say: a provider may repeat in its error what it was sent. Pure.

use super::Secrets;
use crate::job::JobError;

/// Shorter secrets are left in: taking out every `a` would leave nothing to read, and they protect nothing.
const REDACTED_BYTES_MIN: usize = 4;
/// What stands in a secret's place.
const HIDDEN: &str = "(hidden)";

impl Secrets {
    /// The text without these secrets, whether as they are, or in one of the forms in which a request carries them.
    pub fn redact(&self, text: &str) -> String {
        let mut forms: Vec<String> =
            self.0.values().filter(|secret| secret.len() >= REDACTED_BYTES_MIN).flat_map(|one| forms(one)).collect();
        // A secret within another must not leave the rest of it.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms.iter().fold(text.to_owned(), |text, form| text.replace(form, HIDDEN))
    }

    /// The same of an error's message.
    pub fn redact_error(&self, error: JobError) -> JobError {
        JobError { message: self.redact(&error.message), code: self.redact(&error.code), ..error }
    }
}

/// The secret itself, its lines, as a JSON string and a form field would carry it, and in base 64.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), encoded(secret), base64(secret.as_bytes(), "+/"), base64(secret.as_bytes(), "-_")];
    if let Ok(json) = serde_json::to_string(secret) {
        forms.push(json.trim_matches('"').to_owned());
    }
    // A key of several lines is quoted by its lines. Its frame is no secret.
    let lines = secret.lines().filter(|line| line.len() >= 16 && !line.starts_with("-----"));
    forms.extend(lines.map(str::to_owned));
    forms.retain(|form| form.len() >= REDACTED_BYTES_MIN);
    forms
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
