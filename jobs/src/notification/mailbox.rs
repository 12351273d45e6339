//! A mailbox as people write it: `ana@example.com`, `Ana <ana@example.com>`, or its two parts. Pure.
//!
//! Reading one never fails: what cannot be an address is kept as it is, so that [`Mailbox::check`] can say what is wrong with it, and where.

use std::borrow::Cow;

use email_address::{EmailAddress, Options};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

/// The longest address, in bytes (RFC 5321, section 4.5.3.1.3, without its brackets).
pub const ADDRESS_BYTES_MAX: usize = 254;
/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 256;

/// Somebody who sends or receives mail.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Mailbox {
    /// Who that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where mail goes.
    pub address: String,
}

impl Mailbox {
    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.name.as_ref().is_some_and(|name| name.len() > NAME_BYTES_MAX || !is_one_line(name)) {
            return Err("has a name that is longer than 256 bytes, or has a line break or another control character");
        }
        if self.address.len() > ADDRESS_BYTES_MAX || !is_one_line(&self.address) {
            return Err("is no e-mail address: it is longer than 254 bytes, or has a line break or another control character");
        }
        let options = Options::default().without_display_text().without_domain_literal();
        match EmailAddress::parse_with_options(&self.address, options) {
            Ok(_) => Ok(()),
            Err(_) => Err("is no e-mail address: they are like ana@example.com or Ana <ana@example.com>"),
        }
    }
}

/// Whether a text may stand in a header: it ends no line, and has nothing that only looks as if it did not.
pub fn is_one_line(text: &str) -> bool {
    !text.chars().any(|character| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}'))
}

impl From<&str> for Mailbox {
    fn from(text: &str) -> Self {
        let written = text.trim_matches(' ');
        let parts = written.strip_suffix('>').and_then(|before| before.rsplit_once('<'));
        let Some((name, address)) = parts else { return Self { name: None, address: written.to_owned() } };
        let name = unquoted(name.trim_matches(' '));
        Self { name: (!name.is_empty()).then(|| name.into_owned()), address: address.to_owned() }
    }
}

/// A name without the quotes that it may be written in (RFC 5322, section 3.2.4).
fn unquoted(name: &str) -> Cow<'_, str> {
    let Some(inner) = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) else { return name.into() };
    let mut plain = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        plain.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    plain.into()
}

impl<'de> Deserialize<'de> for Mailbox {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Given {
            Text(String),
            Parts { name: Option<String>, address: String },
        }
        Ok(match Given::deserialize(deserializer)? {
            Given::Text(text) => Self::from(text.as_str()),
            Given::Parts { name, address } => Self { name, address },
        })
    }
}

impl JsonSchema for Mailbox {
    fn schema_name() -> Cow<'static, str> {
        "Mailbox".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "object"],
            "maxLength": 640,
            "additionalProperties": false,
            "required": ["address"],
            "properties": {
                "name": { "type": ["string", "null"], "maxLength": NAME_BYTES_MAX, "description": "Who that is." },
                "address": { "type": "string", "maxLength": ADDRESS_BYTES_MAX, "description": "Where mail goes." }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<String>, String) {
        let read: Mailbox = serde_json::from_value(text.into()).expect("reading never fails");
        (read.name, read.address)
    }

    #[test]
    fn it_is_read_as_people_write_it() {
        let cases = [
            ("ana@example.com", None, "ana@example.com"),
            (" ana@example.com ", None, "ana@example.com"),
            ("<ana@example.com>", None, "ana@example.com"),
            ("Ana <ana@example.com>", Some("Ana"), "ana@example.com"),
            ("Ana Müller<ana@example.com>", Some("Ana Müller"), "ana@example.com"),
            (r#""Müller, \"Ana\"" <ana@example.com>"#, Some(r#"Müller, "Ana""#), "ana@example.com"),
            ("a <b> <c@example.com>", Some("a <b>"), "c@example.com"),
        ];
        for (text, name, address) in cases {
            assert_eq!(read(text), (name.map(str::to_owned), address.to_owned()), "{text}");
        }
        let parts: Mailbox = serde_json::from_value(serde_json::json!({ "name": "Ana", "address": "a@b" })).expect("parts");
        assert_eq!((parts.name.as_deref(), parts.address.as_str()), (Some("Ana"), "a@b"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "x".repeat(65));
        let good = ["a@b", "a.b+c@example.com", "ana@bücher.example", "ünï@example.com", r#""a b"@example.com"#];
        for text in good {
            assert_eq!(Mailbox::from(text).check(), Ok(()), "{text}");
        }
        for text in [
            "",
            "a",
            "@example.com",
            "a@",
            "a b@example.com",
            "a@exa mple.com",
            "a@-b",
            "a@b..c",
            "a@b, c@d",
            "a@b\r\nBcc: c@d",
            "a\0@b",
            "a@b\u{85}",
            "Ana\r\nBcc: c@d <a@b>",
            "Ana\u{2028}Bcc <a@b>",
            "Ana <a@b> <c@d",
            "a@[127.0.0.1]",
            "a>b@example.com",
            &long,
        ] {
            assert!(Mailbox::from(text).check().is_err(), "{text:?}");
        }
    }
}
