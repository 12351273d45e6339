//! What of an e-mail could never be sent, said at submission: addresses that are none, headers that would write others. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Payload, RECIPIENTS_MAX, Unsubscribe};
use crate::{
    contract::Violation,
    notification::mailbox::{Mailbox, is_one_line},
};

/// Names below this are ours.
const OURS: &str = "x-windrow-";

/// What is wrong with it, and where.
pub fn check(payload: &Value) -> Result<(), Violation> {
    let payload = Payload::deserialized(payload)?;
    recipients(&payload)?;
    words(&payload)?;
    attachments(&payload)?;
    payload.unsubscribe.as_ref().map_or(Ok(()), unsubscribe)?;
    payload.headers.iter().try_for_each(|(name, value)| header(name, value))
}

impl Payload {
    /// The schema was asked before, so what is not read is its mistake.
    fn deserialized(payload: &Value) -> Result<Self, Violation> {
        serde::Deserialize::deserialize(payload).map_err(|error: serde_json::Error| wrong("", &error.to_string()))
    }

    /// Everybody who is to receive it, with where the payload names them.
    pub fn recipients(&self) -> impl Iterator<Item = (&'static str, usize, &Mailbox)> {
        let lists = [("to", &self.to), ("cc", &self.cc), ("bcc", &self.bcc)];
        lists.into_iter().flat_map(|(field, list)| list.iter().enumerate().map(move |(place, mailbox)| (field, place, mailbox)))
    }
}

fn recipients(payload: &Payload) -> Result<(), Violation> {
    for (field, place, mailbox) in payload.recipients() {
        mailbox.check().map_err(|why| wrong(&format!("/{field}/{place}"), why))?;
    }
    for (field, mailbox) in [("from", &payload.from), ("reply_to", &payload.reply_to)] {
        mailbox.as_ref().map_or(Ok(()), Mailbox::check).map_err(|why| wrong(&format!("/{field}"), why))?;
    }
    match payload.recipients().count() {
        0 => Err(wrong("/to", "is missing: somebody receives it, as to, cc or bcc")),
        many if many > RECIPIENTS_MAX => {
            Err(wrong("/to", &format!("to, cc and bcc have {many} recipients of the {RECIPIENTS_MAX} allowed")))
        }
        _ => Ok(()),
    }
}

fn words(payload: &Payload) -> Result<(), Violation> {
    let given = [("/subject", &payload.subject), ("/text", &payload.text), ("/html", &payload.html)];
    if payload.template.is_some() {
        let also = given.into_iter().find(|(_, words)| words.is_some());
        return also.map_or(Ok(()), |(pointer, _)| Err(wrong(pointer, "is the template's to say")));
    }
    let Some(subject) = &payload.subject else { return Err(wrong("/subject", "is missing, and there is no template")) };
    if !is_one_line(subject) {
        return Err(wrong("/subject", "has a line break or another control character"));
    }
    if payload.text.is_none() && payload.html.is_none() {
        return Err(wrong("/text", "is missing: there is no html either"));
    }
    let unwritable = |words: &str| words.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\r' | '\t'));
    match given[1..].iter().find(|(_, words)| words.as_deref().is_some_and(unwritable)) {
        Some((pointer, _)) => Err(wrong(pointer, "has a control character")),
        None => Ok(()),
    }
}

fn attachments(payload: &Payload) -> Result<(), Violation> {
    let mut inline = BTreeSet::new();
    for (place, attached) in payload.attachments.iter().enumerate() {
        let at = format!("/attachments/{place}");
        if attached.name.as_ref().is_some_and(|name| !is_one_line(name)) {
            return Err(wrong(&format!("{at}/name"), "has a line break or another control character"));
        }
        if attached.inline_id.as_ref().is_some_and(|id| !inline.insert(id)) {
            return Err(wrong(&format!("{at}/inline_id"), "is another attachment's"));
        }
    }
    Ok(())
}

fn unsubscribe(unsubscribe: &Unsubscribe) -> Result<(), Violation> {
    let at = |field: &str| format!("/unsubscribe/{field}");
    if let Some(url) = &unsubscribe.url {
        let scheme = url.split_once("://").filter(|(_, rest)| !rest.is_empty()).map(|(scheme, _)| scheme);
        match scheme {
            _ if !is_bare(url) => return Err(wrong(&at("url"), "has a character that a URL writes as %…")),
            Some("https") => {}
            Some("http") if !unsubscribe.one_click => {}
            Some("http") => return Err(wrong(&at("url"), "is not https, as one_click needs it (RFC 8058)")),
            _ => return Err(wrong(&at("url"), "is no https:// or http:// URL")),
        }
    } else if unsubscribe.one_click {
        return Err(wrong(&at("url"), "is missing: one_click needs it (RFC 8058)"));
    } else if unsubscribe.mailto.is_none() {
        return Err(wrong(&at("url"), "is missing: there is no mailto either"));
    }
    let Some(mailto) = &unsubscribe.mailto else { return Ok(()) };
    let address = mailto.split_once('?').map_or(mailto.as_str(), |(address, _)| address);
    let is_address = Mailbox { name: None, address: address.to_owned() }.check().is_ok();
    if is_address && is_bare(mailto) { Ok(()) } else { Err(wrong(&at("mailto"), "is no address like leave@example.com?subject=leave")) }
}

/// Whether it stands between `<` and `>` without ending there, or being taken for several (RFC 2369, section 2).
fn is_bare(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b',' | b'"' | b'\\'))
}

fn header(name: &str, value: &str) -> Result<(), Violation> {
    let pointer = format!("/headers/{}", name.replace('~', "~0").replace('/', "~1"));
    let lower = name.to_ascii_lowercase();
    let well_formed = lower.len() <= 64 && lower.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match lower.strip_prefix("x-") {
        Some(rest) if well_formed && !rest.is_empty() => {}
        _ => return Err(wrong(&pointer, "is no header that may be set: they are X-… of letters, digits and hyphens, 64 at most")),
    }
    if lower.starts_with(OURS) {
        return Err(wrong(&pointer, "is ours to set"));
    }
    if value.bytes().any(|byte| !matches!(byte, b' '..=b'~')) {
        return Err(wrong(&pointer, "has a character that is no visible ASCII"));
    }
    Ok(())
}

fn wrong(pointer: &str, message: &str) -> Violation {
    Violation { pointer: pointer.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests;
