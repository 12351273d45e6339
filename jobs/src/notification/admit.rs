//! What is wrong with the payload of a notification that only the ledger knows: a template that is not there, a variable that it needs and
//! does not get, an attachment that is not there or too large. Asked wherever a job is made, so that it is a refusal and not a broken mail.
//!
//! It never looks for a payload without a template or an attachment. What a schema can say is said there; what needs no look at the ledger
//! says `kinds::check`. Jobs of syncs are handed on to `sync/admit.rs`.

use std::{collections::HashMap, sync::Arc};

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    approved::Synced,
    find::{Found, NotFound, find},
    wording::FromTemplate,
};
use crate::{
    artifact::Artifact,
    contract::Violation,
    job::JobId,
    kinds::{
        notification_broadcast::{self, LOCALES_MAX},
        notification_email::ATTACHED_BYTES_MAX,
        notification_whatsapp,
    },
    ledger::{Approvals, Connections, Inspect, Result, Syncs, Wordings},
    sync,
    tenant::TenantId,
};

/// What the names of these kinds begin with.
const FAMILY: &str = "notification.";
/// The variable that every template is given.
const LOCALE: &str = "locale";
/// What stands in a layout for what it goes around.
pub(super) const CONTENT: &str = "content";

/// Recipients that are looked at before others get their turn on this thread.
const RECIPIENTS_AT_ONCE: usize = 100;
/// The lookups of approved templates that are kept.
const APPROVED_KEPT: usize = 100;

/// Answers for one request: what several of its payloads ask for is looked for once.
pub struct Admission<'l, L: ?Sized> {
    ledger: &'l L,
    tenant: &'l TenantId,
    terms: HashMap<Asked, std::result::Result<Arc<Terms>, NotFound>>,
    artifacts: HashMap<JobId, Vec<Artifact>>,
    /// By connection and name.
    approved: HashMap<(String, String), Option<Synced>>,
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

impl<'l, L: Inspect + Connections + Wordings + Approvals + Syncs + ?Sized> Admission<'l, L> {
    /// For one request of this tenant.
    pub fn new(ledger: &'l L, tenant: &'l TenantId) -> Self {
        Self { ledger, tenant, terms: HashMap::new(), artifacts: HashMap::new(), approved: HashMap::new() }
    }

    /// What is wrong with the payload of a job of this kind; its pointer begins at the payload.
    pub async fn check(&mut self, kind: &str, payload: &RawValue) -> Result<std::result::Result<(), Violation>> {
        if kind.starts_with(sync::admit::FAMILY) {
            return sync::admit::check(self.ledger, self.tenant, payload).await;
        }
        if !kind.starts_with(FAMILY) {
            return Ok(Ok(()));
        }
        if kind != notification_broadcast::KIND {
            return self.check_message(kind, &serde_json::from_str(payload.get()).unwrap_or_default()).await;
        }
        let Ok(broadcast) = serde_json::from_str::<notification_broadcast::Payload>(payload.get()) else { return Ok(Ok(())) };
        if let Some(addressed) = notification_broadcast::check::addressed(&broadcast) {
            let checked = self.check_message(&broadcast.message.kind, &addressed.payload).await?;
            if let Some(violation) = checked.err().and_then(|violation| addressed.place(violation)) {
                return Ok(Err(violation));
            }
        }
        self.recipients(&broadcast).await
    }

    /// What the template lacks of each listed recipient; what it has of all is looked at once for each language.
    async fn recipients(&mut self, broadcast: &notification_broadcast::Payload) -> Result<std::result::Result<(), Violation>> {
        let template = broadcast.message.payload.get("template").map(FromTemplate::deserialize);
        let Some(Ok(from)) = template else { return Ok(Ok(())) };
        let mut known: HashMap<Option<&str>, Shared> = HashMap::new();
        for (index, recipient) in broadcast.audience.recipients.iter().flatten().enumerate() {
            let place = |violation| Ok(notification_broadcast::check::place(violation, Some(index)).map_or(Ok(()), Err));
            let locale = recipient.locale.as_deref().or(from.locale.as_deref());
            if !known.contains_key(&locale) {
                if known.len() >= LOCALES_MAX {
                    return place(violation("/template/locale".into(), format!("is one more than the {LOCALES_MAX} languages allowed")));
                }
                let asked = FromTemplate {
                    name: from.name.clone(),
                    locale: locale.map(str::to_owned),
                    version: from.version,
                    variables: Map::new(),
                };
                match self.template(&asked).await? {
                    Ok(terms) => known.insert(locale, Shared::of(terms, &from.variables)),
                    Err(not_found) => return place(violation(format!("/template{}", not_found.pointer()), not_found.to_string())),
                };
            }
            if let Some(Err(violation)) = known.get(&locale).map(|shared| shared.check(&recipient.variables, "/template/variables")) {
                return place(violation);
            }
            if index % RECIPIENTS_AT_ONCE == RECIPIENTS_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
        }
        Ok(Ok(()))
    }

    async fn check_message(&mut self, kind: &str, payload: &Value) -> Result<std::result::Result<(), Violation>> {
        if kind == notification_whatsapp::KIND
            && let Some(wants) = notification_whatsapp::admit::wants(payload)
            && let Some(known) = self.approved(&wants.connection, &wants.template.name).await?
            && let Err(violation) = notification_whatsapp::admit::admit(known, &wants.template)
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

    /// The connection's approved templates of this name, where it was synced before.
    async fn approved(&mut self, connection: &str, name: &str) -> Result<Option<&Synced>> {
        let asked = (connection.to_owned(), name.to_owned());
        if !self.approved.contains_key(&asked) {
            // A connection may be made later.
            let known = match self.ledger.connection(self.tenant, connection).await? {
                Some(connection) => self.ledger.approved(self.tenant, connection.id, name).await?,
                None => None,
            };
            if self.approved.len() >= APPROVED_KEPT {
                self.approved.clear();
            }
            self.approved.insert(asked.clone(), known);
        }
        Ok(self.approved.get(&asked).and_then(Option::as_ref))
    }

    /// What this template asks for.
    pub async fn template(&mut self, from: &FromTemplate) -> Result<std::result::Result<Arc<Terms>, NotFound>> {
        let asked = (from.name.clone(), from.locale.clone(), from.version);
        if let Some(known) = self.terms.get(&asked) {
            return Ok(known.clone());
        }
        let found = find(self.ledger, self.tenant, from).await?;
        let terms = found.map(|found| Arc::new(Terms::of(&found)));
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
        check_names(variables, pointer)?;
        let layers = [variables, &self.defaults];
        match self.needs.iter().find_map(|need| Some((need, lacking(need, &layers)?))) {
            Some((need, missing)) => Err(lacks(need, &missing, pointer)),
            None => Ok(()),
        }
    }
}

/// Terms beside variables that all recipients share: what each may lay its own over.
struct Shared {
    terms: Arc<Terms>,
    /// What of each need is missing for whoever has nothing of their own.
    missing: Vec<Option<String>>,
}

impl Shared {
    fn of(terms: Arc<Terms>, shared: &Map<String, Value>) -> Self {
        let missing = terms.needs.iter().map(|need| lacking(need, &[shared, &terms.defaults])).collect();
        Self { terms, missing }
    }

    /// What is missing for whoever has these of their own.
    fn check(&self, variables: &Map<String, Value>, pointer: &str) -> std::result::Result<(), Violation> {
        check_names(variables, pointer)?;
        for (need, missing) in self.terms.needs.iter().zip(&self.missing) {
            let missing = if variables.contains_key(root(need)) { &lacking(need, &[variables]) } else { missing };
            if let Some(missing) = missing {
                return Err(lacks(need, missing, pointer));
            }
        }
        Ok(())
    }
}

fn check_names(variables: &Map<String, Value>, pointer: &str) -> std::result::Result<(), Violation> {
    let is_ours = variables.contains_key(LOCALE);
    if is_ours { Err(violation(format!("{pointer}/{LOCALE}"), "is given to every template by itself")) } else { Ok(()) }
}

fn lacks(need: &str, missing: &str, pointer: &str) -> Violation {
    violation(format!("{pointer}{missing}"), format!("the template needs {need}, which is missing"))
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

/// The variable that a need begins with.
fn root(need: &str) -> &str {
    need.split('.').next().and_then(|part| steps(part).next()).unwrap_or(need)
}

/// Where the first of what a need leads to is missing, as a JSON pointer: the variable is the first layer's that has it.
fn lacking(need: &str, layers: &[&Map<String, Value>]) -> Option<String> {
    let path: Vec<&str> = need.split('.').flat_map(steps).collect();
    let (root, rest) = path.split_first()?;
    let rest = match layers.iter().find_map(|layer| layer.get(*root)) {
        Some(value) => missing(value, rest)?,
        None => String::new(),
    };
    Some(format!("{}{rest}", token(root)))
}

fn token(step: &str) -> String {
    format!("/{}", step.replace('~', "~0").replace('/', "~1"))
}

/// Where the first of what these steps lead to is missing, as a JSON pointer.
fn missing(value: &Value, steps: &[&str]) -> Option<String> {
    let (step, rest) = steps.split_first()?;
    if *step == "[]" {
        // What is no list has nothing to be looked at one by one.
        let elements = value.as_array().into_iter().flatten().enumerate();
        return elements.into_iter().find_map(|(index, element)| Some(format!("/{index}{}", missing(element, rest)?)));
    }
    let rest = match value.as_object().and_then(|fields| fields.get(*step)) {
        Some(value) => missing(value, rest)?,
        None => String::new(),
    };
    Some(format!("{}{rest}", token(step)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lacks(needs: &[&str], defaults: Value, variables: Value) -> Option<String> {
        let object = |value: Value| value.as_object().cloned().unwrap_or_default();
        let terms = Terms { needs: needs.iter().map(ToString::to_string).collect(), defaults: object(defaults) };
        let variables = object(variables);
        let alone = terms.check(&variables, "/v").err().map(|violation| violation.pointer);
        // However they are shared out between what all have and what is a recipient's own, the same is missing.
        let terms = Arc::new(terms);
        for name in variables.keys().map(Some).chain([None]) {
            let (own, shared) = variables.clone().into_iter().partition(|(other, _)| Some(other) == name);
            let (own, shared): (Map<_, _>, Map<_, _>) = (own, shared);
            if shared.contains_key(LOCALE) {
                continue;
            }
            let together = Shared::of(terms.clone(), &shared).check(&own, "/v").err().map(|violation| violation.pointer);
            assert_eq!(together, alone, "{own:?} over {shared:?}");
        }
        alone
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
