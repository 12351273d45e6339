//! Builds the message (MIME, RFC 5322). Pure: the same parts make the same bytes, however often it is sent.

use std::time::{Duration, SystemTime};

use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Attachment, Body, Mailbox as Named, Mailboxes, MessageBuilder, MultiPart, MultiPartKind, SinglePart,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue, Headers, To},
    },
};
use sha2::{Digest, Sha256};

use super::{Payload, Unsubscribe, attachments::File, smtp::address_of};
use crate::{clock::Timestamp, notification::mailbox::Mailbox};

/// By this a message that came twice is recognised, whoever it passed through: the outer key of the effect that sent it.
pub const EFFECT_HEADER: &str = "Windrow-Effect";

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// Its subject.
    pub subject: String,
    /// The plain words.
    pub text: Option<String>,
    /// The words as HTML.
    pub html: Option<String>,
}

/// What a message is made of, beside the payload's recipients and headers.
pub struct Parts<'a> {
    /// Who sends it.
    pub from: &'a Mailbox,
    /// Where answers go.
    pub reply_to: Option<&'a Mailbox>,
    /// Its words.
    pub words: &'a Words,
    /// Its files.
    pub files: Vec<File>,
    /// Its `Message-ID`.
    pub message_id: String,
    /// The outer key of the effect.
    pub effect: &'a str,
    /// When it was first sent.
    pub at: Timestamp,
}

/// The message as it is sent; the error says what of it cannot be written.
pub fn message(payload: &Payload, parts: Parts<'_>) -> Result<Vec<u8>, String> {
    let mut builder = headers(payload, &parts)?;
    // What it is sent by is said to the server, so what is here does not matter; and the blind copies stay out of the headers.
    let sender = address(&parts.from.address)?;
    builder = builder.envelope(Envelope::new(Some(sender.clone()), vec![sender]).map_err(|error| error.to_string())?);
    let hash: String = Sha256::digest(parts.effect).iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    let message = body(builder, parts.words, parts.files, &hash)?;
    Ok(message.formatted())
}

fn headers(payload: &Payload, parts: &Parts<'_>) -> Result<MessageBuilder, String> {
    let millis = Duration::from_millis(parts.at.ms().unsigned_abs());
    let mut builder = Message::builder()
        .message_id(Some(parts.message_id.clone()))
        .date(SystemTime::UNIX_EPOCH + millis)
        .from(named(parts.from)?)
        .subject(&parts.words.subject);
    if let Some(reply_to) = parts.reply_to {
        builder = builder.reply_to(named(reply_to)?);
    }
    builder = mailboxes(builder, "To", &payload.to)?;
    builder = mailboxes(builder, "Cc", &payload.cc)?;
    if payload.to.is_empty() && payload.cc.is_empty() {
        builder = raw(builder, "To", "undisclosed-recipients:;")?;
    }
    builder = raw(builder, EFFECT_HEADER, parts.effect)?;
    if let Some(unsubscribe) = &payload.unsubscribe {
        builder = raw(builder, "List-Unsubscribe", &ways_out(unsubscribe))?;
        if unsubscribe.one_click {
            builder = raw(builder, "List-Unsubscribe-Post", "List-Unsubscribe=One-Click")?;
        }
    }
    for (name, value) in &payload.headers {
        let header = HeaderName::new_from_ascii(name.clone()).map_err(|_| format!("the header {name:?} cannot be written"))?;
        builder = builder.raw_header(HeaderValue::new(header, value.clone()));
    }
    Ok(builder)
}

/// A header of mailboxes, each on a line of its own: lettre goes on in the next line within names, not between addresses that have none, and
/// a line has at most 998 bytes (RFC 5322, section 2.1.1).
fn mailboxes(builder: MessageBuilder, name: &'static str, all: &[Mailbox]) -> Result<MessageBuilder, String> {
    if all.is_empty() {
        return Ok(builder);
    }
    let written = |one: &Mailbox| {
        let mut headers = Headers::new();
        headers.set(To::from(Mailboxes::from(named(one)?)));
        Ok::<_, String>(headers.to_string().trim_start_matches("To: ").trim_end().to_owned())
    };
    let folded = all.iter().map(written).collect::<Result<Vec<_>, _>>()?.join(",\r\n ");
    let plain = folded.replace("\r\n", "");
    Ok(builder.raw_header(HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), plain, folded)))
}

/// A header of ours, as it is: what `check.rs` let through has visible ASCII only, and fits a line of 998 characters.
fn raw(builder: MessageBuilder, name: &'static str, value: &str) -> Result<MessageBuilder, String> {
    if value.len() > 1_900 || !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(format!("the header {name} cannot be written"));
    }
    // One too long for a line goes on in the next (RFC 5322, section 2.2.3).
    let folded = if value.len() > 900 { value.replace(">, <", ">,\r\n <") } else { value.to_owned() };
    let name = HeaderName::new_from_ascii_str(name);
    Ok(builder.raw_header(HeaderValue::dangerous_new_pre_encoded(name, value.to_owned(), folded)))
}

fn ways_out(unsubscribe: &Unsubscribe) -> String {
    let mailto = unsubscribe.mailto.as_ref().map(|mailto| format!("<mailto:{mailto}>"));
    let url = unsubscribe.url.as_ref().map(|url| format!("<{url}>"));
    [url, mailto].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn body(builder: MessageBuilder, words: &Words, files: Vec<File>, hash: &str) -> Result<Message, String> {
    let multipart = |kind, name: &str| MultiPart::builder().kind(kind).boundary(format!("={hash}-{name}"));
    // An image that HTML shows has no place where there is none.
    let (inline, attached): (Vec<File>, Vec<File>) = files.into_iter().partition(|file| file.inline_id.is_some() && words.html.is_some());
    let text = words.text.as_ref().map(|text| SinglePart::plain(lines(text)));
    let html = words.html.as_ref().map(|html| SinglePart::html(lines(html)));
    let related = html.map(|html| match inline.is_empty() {
        true => Part::Single(html),
        false => Part::Multi(
            inline.into_iter().map(part_of).fold(multipart(MultiPartKind::Related, "related").singlepart(html), MultiPart::singlepart),
        ),
    });
    let said = match (text, related) {
        (Some(text), Some(html)) => Part::Multi(html.into(multipart(MultiPartKind::Alternative, "alternative").singlepart(text))),
        (Some(text), None) => Part::Single(text),
        (None, Some(html)) => html,
        (None, None) => return Err("it says nothing".to_owned()),
    };
    let whole = match attached.is_empty() {
        true => said,
        false => {
            let mixed = multipart(MultiPartKind::Mixed, "mixed");
            let mixed = match said {
                Part::Single(part) => mixed.singlepart(part),
                Part::Multi(part) => mixed.multipart(part),
            };
            Part::Multi(attached.into_iter().map(part_of).fold(mixed, MultiPart::singlepart))
        }
    };
    let built = match whole {
        Part::Single(part) => builder.singlepart(part),
        Part::Multi(part) => builder.multipart(part),
    };
    built.map_err(|error| error.to_string())
}

enum Part {
    Single(SinglePart),
    Multi(MultiPart),
}

impl Part {
    fn into(self, whole: MultiPart) -> MultiPart {
        match self {
            Self::Single(part) => whole.singlepart(part),
            Self::Multi(part) => whole.multipart(part),
        }
    }
}

fn part_of(file: File) -> SinglePart {
    // What consists of parts itself may not be in base 64 (RFC 2045, section 6.4), and is a file here all the same.
    let composite = ["multipart/", "message/"].iter().any(|kind| file.media_type.to_ascii_lowercase().starts_with(kind));
    let unknown = || ContentType::parse("application/octet-stream").expect("it is a media type");
    let media_type = ContentType::parse(&file.media_type).ok().filter(|_| !composite).unwrap_or_else(unknown);
    let attachment = match file.inline_id {
        Some(id) => Attachment::new_inline_with_name(id, file.name),
        None => Attachment::new(file.name),
    };
    // As base 64 always: as text its lines would be made into ours.
    let body = Body::new_with_encoding(file.bytes, ContentTransferEncoding::Base64).expect("base 64 takes every byte");
    attachment.body(body, media_type)
}

/// Text whose lines all end alike: a line end of another kind within a message may end it for some server.
fn lines(text: &str) -> String {
    let mut text = text.replace("\r\n", "\n").replace('\r', "\n");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn named(mailbox: &Mailbox) -> Result<Named, String> {
    Ok(Named::new(mailbox.name.clone(), address(&mailbox.address)?))
}

fn address(text: &str) -> Result<Address, String> {
    address_of(text).ok_or_else(|| format!("{text:?} is no e-mail address"))
}
