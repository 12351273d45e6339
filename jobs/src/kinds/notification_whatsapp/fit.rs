//! Whether a message fits the approved template that it names: asked at submission, where the templates are known, and before it is sent. Pure.
//!
//! What a template asks for is read from its components as Meta tells them, as far as we know; we have not checked it
//! against the page, <https://developers.facebook.com/docs/whatsapp/business-management-api/message-templates/components>. What is not known
//! here, carousels for instance, is left to Meta.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Action, ApprovedTemplate, Header, Variables, components};
use crate::{
    contract::Violation,
    notification::approved::{APPROVED, Approved},
};

/// Why a message does not fit. The place is within `approved_template`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The error's code.
    pub code: &'static str,
    /// What is wrong, and where.
    pub violation: Violation,
}

fn misfit(code: &'static str, pointer: &str, message: String) -> Misfit {
    Misfit { code, violation: Violation { pointer: pointer.into(), message } }
}

/// The template in the language, of those of its name.
pub fn find<'a>(languages: &'a [Approved], wanted: &ApprovedTemplate) -> Result<&'a Approved, Misfit> {
    if languages.is_empty() {
        return Err(misfit("approved_template_unknown", "/name", format!("the account has no template {}", wanted.name)));
    }
    languages.iter().find(|one| one.language == wanted.language).ok_or_else(|| {
        let known: Vec<&str> = languages.iter().map(|one| one.language.as_str()).collect();
        misfit(
            "approved_template_unknown",
            "/language",
            format!("{} is not there in {}, only in {}", wanted.name, wanted.language, known.join(", ")),
        )
    })
}

/// Whether it may be sent.
pub fn may_be_sent(template: &Approved) -> Result<(), Misfit> {
    if template.status == APPROVED {
        return Ok(());
    }
    let said = format!("{} in {} is {} at Meta, not {APPROVED}", template.name, template.language, template.status);
    Err(misfit("template_not_approved", "/name", said))
}

/// Whether it is filled in as it asks.
pub fn fits(template: &Approved, wanted: &ApprovedTemplate) -> Result<(), Misfit> {
    let parts: &[Value] = template.components.as_array().map_or(&[], Vec::as_slice);
    if !wanted.components.is_empty() {
        return fits_raw(parts, wanted);
    }
    let part = |kind: &str| parts.iter().find(|part| part["type"] == kind);
    fits_body(part("BODY"), wanted)?;
    fits_header(part("HEADER"), wanted)?;
    fits_buttons(part("BUTTONS"), wanted)
}

fn fits_body(body: Option<&Value>, wanted: &ApprovedTemplate) -> Result<(), Misfit> {
    let asked = placeholders(body.and_then(|body| body["text"].as_str()).unwrap_or_default());
    let wrong = |message: String| Err(misfit("template_misfit", "/variables", message));
    match &wanted.variables {
        None if asked.is_empty() => Ok(()),
        None => wrong(format!("is missing: the template asks for {}", listed(&asked))),
        Some(Variables::Listed(values)) if asked.iter().any(|name| name.parse::<u32>().is_err()) => {
            wrong(format!("is a list of {}, but the template asks by name, for {}", values.len(), listed(&asked)))
        }
        Some(Variables::Listed(values)) if values.len() != asked.len() => {
            wrong(format!("has {} values, but the template asks for {}", values.len(), asked.len()))
        }
        Some(Variables::Listed(_)) => Ok(()),
        Some(Variables::Named(values)) => {
            let given: BTreeSet<&str> = values.keys().map(String::as_str).collect();
            let named: BTreeSet<&str> = asked.iter().map(String::as_str).collect();
            match (named.difference(&given).next(), given.difference(&named).next()) {
                (Some(missing), _) => wrong(format!("has no {missing}, for which the template asks")),
                (_, Some(unknown)) => wrong(format!("has {unknown}, for which the template does not ask")),
                _ => Ok(()),
            }
        }
    }
}

fn fits_header(header: Option<&Value>, wanted: &ApprovedTemplate) -> Result<(), Misfit> {
    let format = header.map(|header| header["format"].as_str().unwrap_or("TEXT"));
    let wrong = |message: String| Err(misfit("template_misfit", "/header", message));
    let asked = header.and_then(|header| header["text"].as_str()).map(placeholders).unwrap_or_default();
    match (format, &wanted.header) {
        (None, None) => Ok(()),
        (None, Some(_)) => wrong("the template has no header".into()),
        (Some("TEXT"), None) if asked.is_empty() => Ok(()),
        (Some("TEXT"), Some(Header::Text(_))) if !asked.is_empty() => Ok(()),
        (Some("TEXT"), Some(_)) if asked.is_empty() => wrong("the template's header has no placeholder".into()),
        (Some("IMAGE"), Some(Header::Image(_)))
        | (Some("VIDEO"), Some(Header::Video(_)))
        | (Some("DOCUMENT"), Some(Header::Document(_))) => Ok(()),
        // Media is needed with every message, though the template was approved with an example.
        (Some(format @ ("TEXT" | "IMAGE" | "VIDEO" | "DOCUMENT")), _) => {
            wrong(format!("the template asks for {} here", format.to_lowercase()))
        }
        // Locations and what may come are said by components.
        (Some(format), _) => wrong(format!("the template's header is {format}: say it by components")),
    }
}

fn fits_buttons(buttons: Option<&Value>, wanted: &ApprovedTemplate) -> Result<(), Misfit> {
    let buttons: &[Value] = buttons.and_then(|buttons| buttons["buttons"].as_array()).map_or(&[], Vec::as_slice);
    for (place, button) in wanted.buttons.iter().enumerate() {
        let wrong = |message: String| Err(misfit("template_misfit", &format!("/buttons/{place}"), message));
        let Some(standing) = buttons.get(usize::from(button.index)) else {
            return wrong(format!("the template has {} buttons", buttons.len()));
        };
        let kind = standing["type"].as_str().unwrap_or_default();
        let fits = match button.action {
            // An authentication template's one-time code goes as a URL's end.
            Action::Url => (kind == "URL" && asks(standing)) || kind == "OTP",
            Action::QuickReply => kind == "QUICK_REPLY",
            Action::CopyCode => kind == "COPY_CODE",
        };
        if !fits {
            return wrong(format!("button {} of the template is {kind} and asks for nothing of the kind", button.index));
        }
    }
    let filled = |place: usize| wanted.buttons.iter().any(|button| usize::from(button.index) == place);
    let needs = |button: &Value| match button["type"].as_str() {
        Some("URL") => asks(button),
        Some("OTP" | "COPY_CODE") => true,
        _ => false,
    };
    match (0..buttons.len()).find(|place| needs(&buttons[*place]) && !filled(*place)) {
        Some(place) => Err(misfit("template_misfit", "/buttons", format!("button {place} of the template is not filled in"))),
        None => Ok(()),
    }
}

fn asks(button: &Value) -> bool {
    button["url"].as_str().is_some_and(|url| !placeholders(url).is_empty())
}

/// Of components as Meta has them the number of a body's parameters is looked at.
fn fits_raw(parts: &[Value], wanted: &ApprovedTemplate) -> Result<(), Misfit> {
    let given = components(wanted);
    let body = given.iter().find(|part| part["type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("body")));
    let given = body.and_then(|body| body["parameters"].as_array()).map_or(0, Vec::len);
    let asked = parts.iter().find(|part| part["type"] == "BODY").and_then(|body| body["text"].as_str());
    let asked = asked.map(placeholders).unwrap_or_default().len();
    if given == asked {
        return Ok(());
    }
    let said = format!("fill in {given} placeholders of the body, but the template asks for {asked}");
    Err(misfit("template_misfit", "/components", said))
}

/// The placeholders of a text, each once, in their order.
fn placeholders(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else { break };
        let name = name.trim();
        let is_name = !name.is_empty() && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
        if is_name && !found.iter().any(|known| known == name) {
            found.push(name.to_owned());
        }
        rest = after;
    }
    found
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("{{{{{name}}}}}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn approved(components: Value) -> Approved {
        let template = json!({ "name": "order", "language": "de", "status": "APPROVED", "components": components });
        serde_json::from_value(template).expect("a template")
    }

    fn wanted(more: Value) -> ApprovedTemplate {
        let mut wanted = json!({ "name": "order", "language": "de" });
        wanted.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        serde_json::from_value(wanted).expect("a template")
    }

    #[test]
    fn a_template_is_found_in_its_language_only() {
        let languages = [approved(json!([])), Approved { language: "en_US".into(), ..approved(json!([])) }];
        assert!(find(&languages, &wanted(json!({}))).is_ok());
        let missing = find(&languages, &wanted(json!({ "language": "fr" }))).expect_err("not there");
        assert_eq!((missing.code, missing.violation.pointer.as_str()), ("approved_template_unknown", "/language"));
        assert_eq!(missing.violation.message, "order is not there in fr, only in de, en_US");
        assert_eq!(find(&[], &wanted(json!({}))).expect_err("none").violation.pointer, "/name");
        for status in ["PAUSED", "DISABLED", "REJECTED", "PENDING", "IN_APPEAL", "LIMIT_EXCEEDED", "approved", ""] {
            let template = Approved { status: status.into(), ..approved(json!([])) };
            assert_eq!(may_be_sent(&template).expect_err(status).code, "template_not_approved");
        }
        assert!(may_be_sent(&approved(json!([]))).is_ok());
    }

    #[test]
    fn what_is_given_is_what_is_asked_for() {
        let plain = approved(json!([{ "type": "BODY", "text": "Hello." }, { "type": "FOOTER", "text": "Bye" }]));
        let two = approved(json!([{ "type": "BODY", "text": "Hello {{1}}, your order {{2}} for {{1}} is on its way." }]));
        let named = approved(json!([{ "type": "BODY", "text": "Hello {{first_name}}, {{ order }} {{not one}} {{" }]));
        let image = approved(json!([{ "type": "HEADER", "format": "IMAGE" }, { "type": "BODY", "text": "Look" }]));
        let headed = approved(json!([{ "type": "HEADER", "format": "TEXT", "text": "For {{1}}" }, { "type": "BODY", "text": "Look" }]));
        let buttons = approved(json!([{ "type": "BODY", "text": "Look" }, { "type": "BUTTONS", "buttons": [
            { "type": "QUICK_REPLY", "text": "Yes" }, { "type": "URL", "text": "Go", "url": "https://example.com/{{1}}" },
            { "type": "URL", "text": "Home", "url": "https://example.com/" }, { "type": "PHONE_NUMBER", "text": "Call", "phone_number": "+1" }] }]));
        let filled = json!({ "index": 1, "action": "url", "value": "x" });
        let cases = [
            (&plain, json!({}), None),
            (&plain, json!({ "variables": [] }), None),
            (&plain, json!({ "variables": ["x"] }), Some("/variables")),
            (&plain, json!({ "header": { "text": "x" } }), Some("/header")),
            (&plain, json!({ "buttons": [filled] }), Some("/buttons/0")),
            (&two, json!({ "variables": ["Anna", "7"] }), None),
            (&two, json!({}), Some("/variables")),
            (&two, json!({ "variables": ["Anna"] }), Some("/variables")),
            (&two, json!({ "variables": ["Anna", "7", "8"] }), Some("/variables")),
            (&two, json!({ "variables": { "name": "Anna", "order": "7" } }), Some("/variables")),
            (&two, json!({ "components": [{ "type": "body", "parameters": [{}, {}] }] }), None),
            (&two, json!({ "components": [{ "type": "body", "parameters": [{}] }] }), Some("/components")),
            (&named, json!({ "variables": { "first_name": "Anna", "order": "7" } }), None),
            (&named, json!({ "variables": { "first_name": "Anna" } }), Some("/variables")),
            (&named, json!({ "variables": { "first_name": "Anna", "order": "7", "x": "y" } }), Some("/variables")),
            (&named, json!({ "variables": ["Anna", "7"] }), Some("/variables")),
            (&image, json!({ "header": { "image": "https://example.com/a.png" } }), None),
            (&image, json!({ "header": { "video": "https://example.com/a.mp4" } }), Some("/header")),
            (&image, json!({}), Some("/header")),
            (&headed, json!({ "header": { "text": "Anna" } }), None),
            (&headed, json!({}), Some("/header")),
            (&buttons, json!({ "buttons": [filled] }), None),
            (&buttons, json!({ "buttons": [filled, { "index": 0, "action": "quick_reply", "value": "x" }] }), None),
            (&buttons, json!({}), Some("/buttons")),
            (&buttons, json!({ "buttons": [{ "index": 2, "action": "url", "value": "x" }] }), Some("/buttons/0")),
            (&buttons, json!({ "buttons": [filled, { "index": 3, "action": "copy_code", "value": "x" }] }), Some("/buttons/1")),
            (&buttons, json!({ "buttons": [{ "index": 4, "action": "url", "value": "x" }] }), Some("/buttons/0")),
        ];
        for (template, given, pointer) in cases {
            let found = fits(template, &wanted(given.clone())).err();
            assert_eq!(found.as_ref().map(|found| found.violation.pointer.as_str()), pointer, "{given}: {found:?}");
            assert!(found.is_none_or(|found| found.code == "template_misfit"));
        }
        assert!(fits(&approved(Value::Null), &wanted(json!({}))).is_ok(), "what cannot be read asks for nothing");
    }
}
