//! What Meta is sent: `POST /{version}/{phone_number_id}/messages`. Pure.
//!
//! By Meta's pages on text, image and document messages and on templates, as github.com/LimaLb01/endpoint-flow has copied them for v24.0
//! (docs_whatsappflow/docs_apiwhatsapp at 2d85b2b3: text.md, imagem.md, document.md, templates.md; read 2026-11-22). Headers, buttons and
//! the other kinds of media are as we know them; pywa from PyPI judges the bodies (`tests/it/notification_phone`).

#[cfg(feature = "handlers")]
use serde_json::Map;
use serde_json::{Value, json};

use super::{Action, ApprovedTemplate, Header, Variables};
#[cfg(feature = "handlers")]
use super::{Media, MediaKind, Payload};

/// The body of a message. `text` are the words, where it has any; `ours` is repeated to us by whatever is reported of it.
#[cfg(feature = "handlers")]
pub(super) fn body(payload: &Payload, text: Option<&str>, ours: &str) -> Value {
    let (kind, content) = match (&payload.approved_template, &payload.media, text) {
        (Some(template), ..) => ("template", template_of(template)),
        (_, Some(media), _) => (name_of(media.kind), media_of(media)),
        (_, _, text) => ("text", json!({ "body": text.unwrap_or_default(), "preview_url": payload.preview_url })),
    };
    let mut body = json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": payload.to.trim_start_matches('+'),
        "type": kind,
        "biz_opaque_callback_data": ours
    });
    body[kind] = content;
    body
}

#[cfg(feature = "handlers")]
fn template_of(template: &ApprovedTemplate) -> Value {
    let mut body = json!({ "name": template.name, "language": { "code": template.language } });
    let components = components(template);
    if !components.is_empty() {
        body["components"] = components.into();
    }
    body
}

/// What a template is filled in with, as Meta has it.
pub fn components(template: &ApprovedTemplate) -> Vec<Value> {
    if !template.components.is_empty() {
        return template.components.clone();
    }
    let header = template.header.as_ref().map(|header| json!({ "type": "header", "parameters": [header_of(header)] }));
    let values = template.variables.as_ref().map(values_of).filter(|values| !values.is_empty());
    let body = values.map(|values| json!({ "type": "body", "parameters": values }));
    let buttons = template.buttons.iter().map(|button| {
        let (kind, parameter) = match button.action {
            Action::Url => ("url", json!({ "type": "text", "text": button.value })),
            Action::QuickReply => ("quick_reply", json!({ "type": "payload", "payload": button.value })),
            Action::CopyCode => ("copy_code", json!({ "type": "coupon_code", "coupon_code": button.value })),
        };
        json!({ "type": "button", "sub_type": kind, "index": button.index, "parameters": [parameter] })
    });
    header.into_iter().chain(body).chain(buttons).collect()
}

fn header_of(header: &Header) -> Value {
    match header {
        Header::Text(text) => json!({ "type": "text", "text": text }),
        Header::Image(link) => json!({ "type": "image", "image": { "link": link } }),
        Header::Video(link) => json!({ "type": "video", "video": { "link": link } }),
        Header::Document(link) => json!({ "type": "document", "document": { "link": link } }),
    }
}

fn values_of(variables: &Variables) -> Vec<Value> {
    match variables {
        Variables::Listed(values) => values.iter().map(|value| json!({ "type": "text", "text": value })).collect(),
        Variables::Named(values) => {
            values.iter().map(|(name, value)| json!({ "type": "text", "parameter_name": name, "text": value })).collect()
        }
    }
}

#[cfg(feature = "handlers")]
const fn name_of(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image",
        MediaKind::Video => "video",
        MediaKind::Audio => "audio",
        MediaKind::Document => "document",
        MediaKind::Sticker => "sticker",
    }
}

#[cfg(feature = "handlers")]
fn media_of(media: &Media) -> Value {
    let mut body = Map::from_iter([("link".to_owned(), media.link.clone().into())]);
    let more = [("caption", &media.caption), ("filename", &media.filename)];
    body.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into()))));
    body.into()
}

#[cfg(all(test, feature = "handlers"))]
mod tests {
    use super::*;

    fn sent(payload: Value) -> Value {
        let mut whole = json!({ "connection": "whatsapp", "to": "+16505555555" });
        whole.as_object_mut().expect("an object").extend(payload.as_object().expect("an object").clone());
        let payload: Payload = serde_json::from_value(whole).expect("a payload");
        let mut body = body(&payload, payload.text.as_deref(), "job.send");
        assert_eq!(body.as_object_mut().expect("an object").remove("biz_opaque_callback_data"), Some("job.send".into()));
        body
    }

    /// After the pages that this file's head names. The text is their example with our recipient; image and document have the values that
    /// they give as examples; the template has the parameters of theirs, with a header and buttons of our own.
    #[test]
    fn bodies_are_like_metas_examples() {
        let around = |kind: &str, content: Value| {
            let mut body = json!({ "messaging_product": "whatsapp", "recipient_type": "individual", "to": "16505555555", "type": kind });
            body[kind] = content;
            body
        };
        let text = "As requested, here's the link to our latest product: https://www.meta.com/quest/quest-3/";
        assert_eq!(sent(json!({ "text": text, "preview_url": true })), around("text", json!({ "preview_url": true, "body": text })));
        let link = "https://www.luckyshrub.com/assets/succulents/aloe.png";
        assert_eq!(
            sent(json!({ "media": { "type": "image", "link": link, "caption": "The best succulent ever?" } })),
            around("image", json!({ "link": link, "caption": "The best succulent ever?" }))
        );
        let pdf = "https://www.luckyshrub.com/invoices/FmOzfD9cKf/lucky-shrub-invoice.pdf";
        assert_eq!(
            sent(
                json!({ "media": { "type": "document", "link": pdf, "caption": "Lucky Shrub Invoice", "filename": "lucky-shrub-invoice.pdf" } })
            ),
            around("document", json!({ "link": pdf, "caption": "Lucky Shrub Invoice", "filename": "lucky-shrub-invoice.pdf" }))
        );
        let template = json!({ "name": "order_delivery_update", "language": "en_US", "header": { "image": link }, "variables": ["Jessica", "SKBUP2-4CPIG9"],
            "buttons": [{ "index": 0, "action": "quick_reply", "value": "aGlzIHRoaXMgaXMg" }, { "index": 1, "action": "url", "value": "?code=1" }] });
        assert_eq!(
            sent(json!({ "approved_template": template })),
            around(
                "template",
                json!({ "name": "order_delivery_update", "language": { "code": "en_US" }, "components": [
                { "type": "header", "parameters": [{ "type": "image", "image": { "link": link } }] },
                { "type": "body", "parameters": [{ "type": "text", "text": "Jessica" }, { "type": "text", "text": "SKBUP2-4CPIG9" }] },
                { "type": "button", "sub_type": "quick_reply", "index": 0, "parameters": [{ "type": "payload", "payload": "aGlzIHRoaXMgaXMg" }] },
                { "type": "button", "sub_type": "url", "index": 1, "parameters": [{ "type": "text", "text": "?code=1" }] }
            ] })
            )
        );
        assert_eq!(
            sent(json!({ "approved_template": { "name": "hello_world", "language": "en_US" } })),
            around("template", json!({ "name": "hello_world", "language": { "code": "en_US" } }))
        );
    }
}
