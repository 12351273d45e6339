//! The job of one recipient. Pure.

use std::sync::LazyLock;

use serde_json::{Map, Value, json, value::to_raw_value};

use super::{KINDS, Message, Recipient};
use crate::{
    children,
    clock::Timestamp,
    contract::{Catalog, Violation},
    job::{JobId, State},
    kinds,
    submit::{NewJob, Rejection, Submission, submit},
    tenant::TenantId,
};

/// The contracts of the kinds of which there is a broadcast.
static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    let contracts = kinds::contracts().into_iter().filter(|contract| KINDS.contains(&contract.kind.as_str()));
    Catalog::new(contracts).expect("the schemas of the built-in kinds compile: a test does it")
});

/// What the tag of every child begins with; the broadcast's id follows.
const TAG: &str = "broadcast:";
/// What the tag with a recipient's row begins with.
const ROW: &str = "row:";

/// The payload of a recipient's job; an error says which of the recipient's fields does not fit, as a pointer.
pub(super) fn payload(message: &Message, recipient: &Recipient) -> Result<Map<String, Value>, Violation> {
    let mut payload = message.payload.clone();
    let to = match message.kind.as_str() {
        "notification.email" => json!([recipient.to]),
        "notification.push" => json!({ "token": recipient.to }),
        _ => json!(recipient.to),
    };
    payload.insert("to".into(), to);
    if recipient.locale.is_none() && recipient.variables.is_empty() {
        return Ok(payload);
    }
    fits(message, recipient)?;
    let Some(template) = payload.get_mut("template").and_then(Value::as_object_mut) else { return Ok(payload) };
    if let Some(locale) = &recipient.locale {
        template.insert("locale".into(), json!(locale));
    }
    if let Some(variables) = template.entry("variables").or_insert_with(|| json!({})).as_object_mut() {
        variables.extend(recipient.variables.clone());
    }
    Ok(payload)
}

/// Whether the message has a place for the recipient's language and variables; a pointer says which it has none for.
pub(super) fn fits(message: &Message, recipient: &Recipient) -> Result<(), Violation> {
    if recipient.locale.is_none() && recipient.variables.is_empty() {
        return Ok(());
    }
    let wrong = |pointer: &str| Err(Violation { pointer: pointer.into(), message: "the message is not made from a template".into() });
    match message.payload.get("template").and_then(Value::as_object) {
        None => wrong(if recipient.locale.is_some() { "/locale" } else { "/variables" }),
        Some(template) if template.get("variables").is_some_and(|variables| !variables.is_object()) => wrong("/variables"),
        Some(_) => Ok(()),
    }
}

/// What is wrong with a `to` for this kind: it is asked with the smallest message of the kind around it, whatever the broadcast's says.
pub(super) fn check_to(kind: &str, to: &str) -> Result<(), Violation> {
    let words = match kind {
        "notification.email" => json!({ "connection": "c", "subject": "s", "text": "t" }),
        "notification.push" => json!({ "connection": "c", "notification": { "title": "t" } }),
        _ => json!({ "connection": "c", "text": "t" }),
    };
    let Value::Object(smallest) = words else { return Ok(()) };
    let recipient = Recipient { to: to.to_owned(), locale: None, variables: Map::new() };
    let addressed = payload(&Message { kind: kind.to_owned(), payload: smallest }, &recipient)?;
    check(kind, &Value::Object(addressed))
}

/// What is wrong with a recipient's payload, by its kind's contract; pointers begin at that payload.
pub(super) fn check(kind: &str, payload: &Value) -> Result<(), Violation> {
    let unknown = || Violation { pointer: String::new(), message: format!("there is no broadcast of {kind}") };
    CATALOG.get(kind).ok_or_else(unknown)?.check(payload)?;
    kinds::check(kind, payload)
}

/// What is the same for all children of a broadcast.
pub(super) struct Family {
    pub tenant: TenantId,
    pub parent: JobId,
    pub deadline: Option<Timestamp>,
    pub message: Message,
    pub priority: i16,
}

impl Family {
    /// The id of this recipient's job.
    pub(super) fn id_of(&self, to: &str) -> JobId {
        // Two spellings of an address are one mailbox nearly everywhere; of a token or a number each sign counts.
        let to = to.trim();
        let folded = if self.message.kind == "notification.email" { to.to_lowercase() } else { to.to_owned() };
        children::id_of(self.parent, folded.as_bytes())
    }

    /// The job of the recipient in this row, to be run after this delay: its times count from when the ledger keeps it.
    pub(super) fn child(&self, row: u64, recipient: &Recipient, delay_ms: i64) -> Result<NewJob, String> {
        let mut payload = payload(&self.message, recipient).map_err(|violation| violation.message)?;
        payload.insert("part_of".into(), json!(self.parent));
        let payload = to_raw_value(&payload).map_err(|error| error.to_string())?;
        let tags = vec![format!("{TAG}{}", self.parent), format!("{ROW}{row}")];
        let submission =
            Submission { priority: Some(self.priority), deadline: self.deadline, tags, ..Submission::of(&self.message.kind, payload) };
        let zero = Timestamp::from_ms(0);
        let queues: Vec<_> = CATALOG.contracts().map(|contract| contract.queue.clone()).collect();
        let said = |rejection: Rejection| format!("{}: {rejection}", rejection.pointer().trim_start_matches("/payload"));
        let job = submit(&self.tenant, submission, &CATALOG, &queues, zero).map_err(said)?;
        let state = if delay_ms > 0 { State::Scheduled } else { State::Available };
        Ok(NewJob { id: self.id_of(&recipient.to), state, run_at: zero.plus_ms(delay_ms), ..job })
    }
}

/// The row that a child was made for, by its tags.
pub(super) fn row_of(tags: &[String]) -> Option<u64> {
    tags.iter().find_map(|tag| tag.strip_prefix(ROW)?.parse().ok())
}
