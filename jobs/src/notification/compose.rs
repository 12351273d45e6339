//! From a template's name to a message: finds the words (`find.rs`), merges what they are filled in with, and has them filled in
//! (`crate::renderer`). Handlers of notifications call [`compose`], previews [`make`].

use serde_json::Map;

use super::{
    find::{Found, find},
    wording::{Composed, FromTemplate},
};
use crate::{
    handler::{Context, Outcome},
    renderer::{
        pool::{Renderers, Unmade},
        words::{Asked, Wordless},
    },
};

/// The code of a template that is not there, or not in this language or version.
pub const TEMPLATE_UNKNOWN: &str = "template_unknown";
/// The code of a variable that was not given.
pub const VARIABLE_MISSING: &str = "variable_missing";
/// The code of a template that cannot be rendered.
pub const TEMPLATE_FAILED: &str = "template_failed";
/// The code of what the renderer is to blame for.
pub const RENDERER_UNAVAILABLE: &str = "renderer_unavailable";
/// The code of a ledger that does not answer.
const LEDGER_UNAVAILABLE: &str = "ledger_unavailable";

/// What a job that composes can end in, for its kind's page: code, whether it is tried again, and what it means.
pub const ERRORS: [(&str, bool, &str); 4] = [
    (TEMPLATE_UNKNOWN, false, "the template is not there any more, or not in this language or version"),
    (VARIABLE_MISSING, false, "the template needs a variable that the payload does not give"),
    (TEMPLATE_FAILED, false, "the template cannot be rendered with these variables within its limits"),
    (RENDERER_UNAVAILABLE, true, "the process that renders could not be started, or gave no answer"),
];

/// The message that this template makes for a job, or how the job's attempt ends.
pub async fn compose(context: &Context, renderers: &Renderers, from: &FromTemplate) -> Result<Composed, Outcome> {
    let found = find(context.ledger.as_ref(), &context.tenant, from).await;
    let found = found.map_err(|error| Outcome::retry(LEDGER_UNAVAILABLE, format!("looking for the template {}: {error}", from.name)))?;
    let found = found.map_err(|not_found| Outcome::bury(TEMPLATE_UNKNOWN, not_found.to_string()))?;
    make(renderers, found, &from.variables).await.map_err(|unmade| {
        let message = format!("the template {}: {unmade}", from.name);
        match unmade {
            Unmade::Wordless(Wordless::VariableMissing(..)) => Outcome::bury(VARIABLE_MISSING, message),
            Unmade::Wordless(Wordless::Failed(..)) => Outcome::bury(TEMPLATE_FAILED, message),
            Unmade::Unavailable(_) => Outcome::retry(RENDERER_UNAVAILABLE, message),
        }
    })
}

/// The message of these words, filled in with these variables over their defaults, and those over the layout's.
pub async fn make(renderers: &Renderers, found: Found, given: &Map<String, serde_json::Value>) -> Result<Composed, Unmade> {
    let Found { wording, layout } = found;
    let mut variables = layout.as_ref().map(|layout| layout.content.defaults.clone()).unwrap_or_default();
    variables.extend(wording.content.defaults);
    variables.extend(given.clone());
    let asked = Asked {
        locale: wording.locale.clone(),
        subject: wording.content.subject,
        text: wording.content.text,
        html: wording.content.html,
        layout: layout.and_then(|layout| layout.content.html),
        variables,
    };
    let words = renderers.words(asked).await?;
    Ok(Composed {
        direction: wording.locale.direction(),
        locale: wording.locale,
        version: wording.version,
        subject: words.subject,
        text: words.text,
        html: words.html,
    })
}
