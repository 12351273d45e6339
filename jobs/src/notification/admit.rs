//! What is wrong with the payload of a notification that only the ledger knows: a template that is not there, a variable that it needs and
//! does not get, an attachment that is not there or too large. Asked wherever a job is made, so that it is a refusal and not a broken mail.
//!
//! It never looks for a payload without a template or an attachment. What a schema can say is said there; what needs no look at the ledger
//! says `kinds::check`.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    find::{Found, NotFound, find},
    wording::FromTemplate,
};
use crate::{
    artifact::Artifact,
    contract::Violation,
    job::JobId,
    kinds::{notification_broadcast, notification_email::ATTACHED_BYTES_MAX, notification_whatsapp},
    ledger::{Approvals, Connections, Inspect, Result, Wordings},
    tenant::TenantId,
};

/// What the names of these kinds begin with.
const FAMILY: &str = "notification.";
/// The variable that every template is given.
const LOCALE: &str = "locale";
/// What stands in a layout for what it goes around.
pub(super) const CONTENT: &str = "content";

/// Answers for one request: what several of its payloads ask for is looked for once.
pub struct Admission<'l, L: ?Sized> {
    ledger: &'l L,
    tenant: &'l TenantId,
    terms: HashMap<Asked, std::result::Result<Terms, NotFound>>,
    artifacts: HashMap<JobId, Vec<Artifact>>,
}

/// A template as it is asked for: name, language and version.
type Asked = (String, Option<String>, Option<u32>);

/// What a template asks of a payload.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Terms {
    /// What it needs, its layout's needs among it.
    pub needs: Vec<String>,
    /// What it has already, its layout's among it.
    pub defaults: Map<String, Value>,
}

/// What is looked for in a payload, of whatever kind.
#[derive(Deserialize)]
struct Wants {
    template: Option<FromTemplate>,
    #[serde(default)]
    attachments: Vec<Attached>,
}

#[derive(Deserialize)]
struct Attached {
    job: JobId,
    artifact: String,
}

impl<'l, L: Inspect + Connections + Wordings + Approvals + ?Sized> Admission<'l, L> {
    /// For one request of this tenant.
    pub fn new(ledger: &'l L, tenant: &'l TenantId) -> Self {
        Self { ledger, tenant, terms: HashMap::new(), artifacts: HashMap::new() }
    }

    /// What is wrong with the payload of a job of this kind; its pointer begins at the payload.
    pub async fn check(&mut self, kind: &str, payload: &RawValue) -> Result<std::result::Result<(), Violation>> {
        if !kind.starts_with(FAMILY) {
            return Ok(Ok(()));
        }
        let payload = serde_json::from_str(payload.get()).unwrap_or_default();
        if kind != notification_broadcast::KIND {
            return self.check_message(kind, &payload).await;
        }
        let Ok(broadcast) = serde_json::from_value::<notification_broadcast::Payload>(payload) else { return Ok(Ok(())) };
        for addressed in notification_broadcast::check::addressed(&broadcast) {
            let checked = self.check_message(&broadcast.message.kind, &addressed.payload).await?;
            if let Some(violation) = checked.err().and_then(|violation| addressed.place(violation)) {
                return Ok(Err(violation));
            }
        }
        Ok(Ok(()))
    }

    async fn check_message(&mut self, kind: &str, payload: &Value) -> Result<std::result::Result<(), Violation>> {
        if kind == notification_whatsapp::KIND
            && let Err(violation) = notification_whatsapp::admit::admit(self.ledger, self.tenant, payload).await?
        {
            return Ok(Err(violation));
        }
        // A kind whose payload has something else by these names has nothing of these.
        let Ok(wants) = Wants::deserialize(payload) else { return Ok(Ok(())) };
        if let Some(from) = &wants.template {
            let terms = match self.template(from).await? {
                Ok(terms) => terms,
                Err(not_found) => return Ok(Err(violation(format!("/template{}", not_found.pointer()), not_found.to_string()))),
            };
            if let Err(violation) = terms.check(&from.variables, "/template/variables") {
                return Ok(Err(violation));
            }
        }
        self.attachments(&wants.attachments).await
    }

    /// What this template asks for.
    pub async fn template(&mut self, from: &FromTemplate) -> Result<std::result::Result<Terms, NotFound>> {
        let asked = (from.name.clone(), from.locale.clone(), from.version);
        if let Some(known) = self.terms.get(&asked) {
            return Ok(known.clone());
        }
        let found = find(self.ledger, self.tenant, from).await?;
        let terms = found.map(|found| Terms::of(&found));
        self.terms.insert(asked, terms.clone());
        Ok(terms)
    }

    async fn attachments(&mut self, attachments: &[Attached]) -> Result<std::result::Result<(), Violation>> {
        let mut bytes = 0_u64;
        for (index, attached) in attachments.iter().enumerate() {
            let at = format!("/attachments/{index}");
            if !self.artifacts.contains_key(&attached.job) {
                let artifacts = self.ledger.artifacts(self.tenant, attached.job).await?;
                self.artifacts.insert(attached.job, artifacts);
            }
            let artifacts = self.artifacts.get(&attached.job).map(Vec::as_slice).unwrap_or_default();
            let Some(artifact) = artifacts.iter().find(|artifact| artifact.name == attached.artifact) else {
                let message = format!("the job {} has no artifact {:?}", attached.job, attached.artifact);
                return Ok(Err(violation(at, message)));
            };
            bytes = bytes.saturating_add(artifact.bytes);
            if bytes > ATTACHED_BYTES_MAX {
                let message =
                    format!("with this one of {} bytes the attachments have {bytes} of the {ATTACHED_BYTES_MAX} allowed", artifact.bytes);
                return Ok(Err(violation(at, message)));
            }
        }
        Ok(Ok(()))
    }
}

impl Terms {
    /// Those of these words and their layout.
    pub fn of(found: &Found) -> Self {
        let mut terms = Self::default();
        if let Some(layout) = &found.layout {
            terms.needs.extend(layout.needs.iter().filter(|need| *need != CONTENT).cloned());
            terms.defaults.extend(layout.content.defaults.clone());
        }
        terms.needs.extend(found.wording.needs.iter().cloned());
        terms.defaults.extend(found.wording.content.defaults.clone());
        terms
    }

    /// What these variables lack, at this pointer.
    pub fn check(&self, variables: &Map<String, Value>, pointer: &str) -> std::result::Result<(), Violation> {
        if variables.contains_key(LOCALE) {
            return Err(violation(format!("{pointer}/{LOCALE}"), "is given to every template by itself"));
        }
        let mut all = self.defaults.clone();
        all.extend(variables.clone());
        let all = Value::Object(all);
        for need in &self.needs {
            let steps: Vec<&str> = need.split('.').flat_map(steps).collect();
            if let Some(missing) = missing(&all, &steps) {
                return Err(violation(format!("{pointer}{missing}"), format!("the template needs {need}, which is missing")));
            }
        }
        Ok(())
    }
}

fn violation(pointer: String, message: impl Into<String>) -> Violation {
    Violation { pointer, message: message.into() }
}

/// `items[]` is the name, then each.
fn steps(part: &str) -> impl Iterator<Item = &str> {
    let name = part.trim_end_matches("[]");
    let each = (part.len() - name.len()) / 2;
    std::iter::once(name).chain(std::iter::repeat_n("[]", each))
}

/// Where the first of what these steps lead to is missing, as a JSON pointer.
fn missing(value: &Value, steps: &[&str]) -> Option<String> {
    let (step, rest) = steps.split_first()?;
    if *step == "[]" {
        // What is no list has nothing to be looked at one by one.
        let elements = value.as_array().into_iter().flatten().enumerate();
        return elements.into_iter().find_map(|(index, element)| Some(format!("/{index}{}", missing(element, rest)?)));
    }
    let name = format!("/{}", step.replace('~', "~0").replace('/', "~1"));
    match value.as_object().and_then(|fields| fields.get(*step)) {
        Some(value) => Some(format!("{name}{}", missing(value, rest)?)),
        None => Some(name),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lacks(needs: &[&str], defaults: Value, variables: Value) -> Option<String> {
        let object = |value: Value| value.as_object().cloned().unwrap_or_default();
        let terms = Terms { needs: needs.iter().map(ToString::to_string).collect(), defaults: object(defaults) };
        terms.check(&object(variables), "/v").err().map(|violation| violation.pointer)
    }

    #[test]
    fn what_is_missing_is_named_by_its_place() {
        let order = json!({ "order": { "items": [{ "name": "a" }, { "nome": "b" }] } });
        assert_eq!(lacks(&["order.items[].name"], json!({}), order.clone()).as_deref(), Some("/v/order/items/1/name"));
        assert_eq!(lacks(&["order.items[].name"], order, json!({})).as_deref(), Some("/v/order/items/1/name"));
        assert_eq!(lacks(&["order.id"], json!({}), json!({ "order": "7" })).as_deref(), Some("/v/order/id"));
        assert_eq!(lacks(&["a"], json!({}), json!({})).as_deref(), Some("/v/a"));
        assert_eq!(lacks(&["rows[][].x"], json!({}), json!({ "rows": [[{ "x": 1 }], [{}]] })).as_deref(), Some("/v/rows/1/0/x"));
        assert_eq!(lacks(&["a/b"], json!({}), json!({})).as_deref(), Some("/v/a~1b"));
        assert_eq!(lacks(&[], json!({}), json!({ "locale": "de" })).as_deref(), Some("/v/locale"));
    }

    #[test]
    fn what_is_there_or_has_a_default_is_not_missing() {
        assert_eq!(lacks(&["a", "b.c"], json!({ "a": 1 }), json!({ "b": { "c": null } })), None);
        assert_eq!(lacks(&["items[].name"], json!({}), json!({ "items": [] })), None);
        assert_eq!(lacks(&["items[].name"], json!({}), json!({ "items": { "key": 1 } })), None, "its keys are gone through");
        // What is given takes the place of the whole default.
        assert_eq!(lacks(&["b.c"], json!({ "b": { "c": 1 } }), json!({ "b": {} })).as_deref(), Some("/v/b/c"));
    }
}
