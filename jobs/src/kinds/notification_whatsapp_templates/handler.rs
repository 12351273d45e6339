//! The code of `notification.whatsapp_templates`: page by page, then all of it is kept at once.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use tokio::time::Instant;

use super::{
    Payload, Report, contract,
    read::{FIELDS, page},
};
use crate::{
    connection::{Opened, Used, catalog::whatsapp::NAME},
    contract::Contract,
    handler::{Context, Failure, Handler, Outcome},
    job::JobError,
    kinds::{
        Services,
        notification_whatsapp::{
            handler::{below, headers},
            verdict::{Complaint, verdict},
        },
    },
    notification::{
        approved::{Approved, Fetched, TEMPLATES_MAX},
        phone::{Asked, Verdict, ask, closed, unsent, use_of},
    },
    outbound::{Method, Request},
};

/// The templates of a page.
const PAGE: &str = "100";
/// The most pages: an account has fewer, whatever says that there is one more.
const PAGES_MAX: usize = TEMPLATES_MAX / 50;
/// How long a sync may take before its last page.
const SYNC: Duration = Duration::from_secs(240);

/// The handler.
pub struct SyncTemplates {
    services: Services,
}

impl SyncTemplates {
    /// With what it needs.
    pub const fn new(services: Services) -> Self {
        Self { services }
    }
}

impl Handler for SyncTemplates {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        let opened = match context.connection(&payload.connection, &[NAME]).await {
            Ok(opened) => opened,
            Err(error) => return Ok(closed(&error)),
        };
        let templates = match sync(&self.services, &context, &opened, SYNC).await {
            Ok(templates) => templates,
            Err(outcome) => return Ok(outcome),
        };
        let mut by_status: BTreeMap<String, usize> = BTreeMap::new();
        for template in &templates {
            *by_status.entry(template.status.clone()).or_default() += 1;
        }
        Ok(Outcome::done(&Report { templates: templates.len(), by_status }))
    }
}

/// Asks for all templates of a connection, as long as there is patience, keeps them, and returns them. The error is how the attempt ends.
pub(crate) async fn sync(services: &Services, context: &Context, opened: &Opened, patience: Duration) -> Result<Vec<Approved>, Outcome> {
    let templates = fetch(services, context, opened, patience).await.map_err(|outcome| match outcome {
        Outcome::Retry { error, after } => Outcome::Retry { error: opened.secrets.redact_error(error), after },
        Outcome::Bury(error) => Outcome::Bury(opened.secrets.redact_error(error)),
        outcome => outcome,
    })?;
    let fetched = Fetched { tenant: context.tenant.clone(), connection: opened.id, templates: templates.clone() };
    // A connection that was deleted meanwhile has nothing to be kept.
    let kept = context.ledger.keep_approved(fetched).await;
    kept.map_err(|error| Outcome::retry("ledger_unavailable", format!("keeping the templates: {error}")))?;
    context.info(format!("{} templates are known of {}", templates.len(), opened.name));
    Ok(templates)
}

async fn fetch(services: &Services, context: &Context, opened: &Opened, patience: Duration) -> Result<Vec<Approved>, Outcome> {
    let account = opened.config["business_account_id"].as_str().unwrap_or_default();
    // By name and language: a page may tell again what the one before told.
    let mut templates: BTreeMap<(String, String), Approved> = BTreeMap::new();
    let mut after: Option<String> = None;
    let until = Instant::now() + patience;
    for _ in 0..PAGES_MAX {
        if Instant::now() > until {
            return Err(Outcome::retry("answer_late", format!("Meta did not tell of all templates within {patience:?}")));
        }
        let mut url = below(&services.outbound, opened, &[account, "message_templates"]).map_err(|error| unsent(&error))?;
        url.query_pairs_mut().append_pair("fields", FIELDS).append_pair("limit", PAGE);
        if let Some(after) = &after {
            url.query_pairs_mut().append_pair("after", after);
        }
        let request = Request { headers: headers(opened), ..Request::new(Method::GET, url) };
        let answer = ask(&services.outbound, request, services.clock.now()).await.map_err(|error| unsent(&error))?;
        let read = answer.json::<Value>().filter(|_| answer.status == 200).and_then(page);
        let Some(read) = read else { return Err(refused(context, opened, &answer).await) };
        use_of(context, opened, Used::Well).await;
        templates.extend(read.templates.into_iter().map(|one| ((one.name.clone(), one.language.clone()), one)));
        if templates.len() > TEMPLATES_MAX {
            break;
        }
        match read.after {
            Some(next) if after.as_ref() != Some(&next) => after = Some(next),
            _ => return Ok(templates.into_values().collect()),
        }
    }
    Err(Outcome::bury("too_many_templates", format!("the account has more than {TEMPLATES_MAX} templates")))
}

async fn refused(context: &Context, opened: &Opened, answer: &Asked) -> Outcome {
    let complaint = answer.json::<Complaint>().and_then(|complaint| complaint.error);
    let hidden = opened.secrets.hidden();
    let said = complaint.as_ref().map_or_else(|| answer.excerpt(&hidden), |error| error.said());
    let code = complaint.and_then(|error| error.code);
    let said = format!("Meta answered {} ({}) to a question for templates: {said}", answer.status, code.unwrap_or_default());
    let said = hidden.text(&said);
    let again = |code| Outcome::Retry { error: JobError::new(code, &said, true), after: answer.after };
    match verdict(answer.status, code) {
        Verdict::Refused => {
            use_of(context, opened, Used::Refused(JobError::new("connection_refused", &said, false))).await;
            again("connection_refused")
        }
        Verdict::NotNow => again("provider_busy"),
        Verdict::Unclear => again("provider_failed"),
        Verdict::Never(_) => Outcome::bury("templates_refused", said),
    }
}
