//! The code of `notification.whatsapp`: open the connection, find the words or look the template up, send the message once more often than it is
//! taken, note the sending.

use std::time::Duration;

use serde::Deserialize;

use super::{
    ApprovedTemplate, Payload, Reply, TEXT_CHARS_MAX, contract,
    fit::{self, Misfit},
    message::body,
    verdict::{Complaint, verdict},
};
use crate::{
    connection::{
        Hidden, Opened, Used,
        catalog::whatsapp::{ACCESS_TOKEN, NAME},
    },
    contract::Contract,
    effect::{Call, Failed, Performed, Receipt, Sent, Standing},
    handler::{Context, Failure, Handler, Outcome},
    kinds::{Services, notification_whatsapp_templates::handler::sync},
    notification::{
        approved::Approved,
        compose,
        phone::{Asked, EFFECT, ask, closed, confirmed, failed, heard_of, hide, is_settled, judged, kept, note, unsent, use_of, word},
    },
    outbound::{self, HeaderMap, HeaderValue, Method, Outbound, Request, Url, header},
};

/// How long what is known of templates is good enough to say no by.
const KNOWN_MS: i64 = 600_000;
/// How long a message waits for a sync, before its last page: with that one less than the kind's time-out.
const SYNC: Duration = Duration::from_secs(45);

/// The handler.
pub struct WhatsApp {
    services: Services,
}

impl WhatsApp {
    /// With what it needs.
    pub const fn new(services: Services) -> Self {
        Self { services }
    }
}

impl Handler for WhatsApp {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        let kept = match kept(&context).await {
            Ok(kept) => kept,
            Err(outcome) => return Ok(outcome),
        };
        let mut making = match Making::of(&self.services, &context, &payload).await {
            Ok(making) => making,
            Err(outcome) => return Ok(confirmed(kept.as_ref()).map_or(outcome, |sent| Outcome::done(&reply(sent)))),
        };
        making.in_doubt = kept.as_ref().is_some_and(|kept| kept.facts.standing == Standing::Intended);
        // What may wait comes before the intent: an attempt that dies there leaves nothing in doubt.
        if !is_settled(kept.as_ref())
            && let Err(outcome) = making.ready().await
        {
            return Ok(outcome);
        }
        let effect = context.effect(EFFECT, payload.when_unknown.into());
        let sent = effect.run_asking(
            |_| making.look(),
            |call| async {
                tokio::select! {
                    sent = making.send(call) => sent.map_err(|failed| hide(&making.hidden, failed)),
                    () = context.cancel.cancelled() => Err(Failed::unknown(Outcome::Cancel)),
                }
            },
        );
        let performed = match sent.await {
            Ok(performed) => performed,
            Err(stopped) => return Ok(stopped.into_outcome()),
        };
        let reply = reply(performed);
        if let Some(provider_id) = &reply.provider_id {
            note(&context, &making.opened, &payload.to, provider_id).await?;
        }
        Ok(Outcome::done(&reply))
    }
}

/// What is told of a message that was sent. Of what nobody knows more, or was dropped, only that.
fn reply(performed: Performed<Reply>) -> Reply {
    let Performed { result, provider_id, .. } = performed;
    result.unwrap_or_else(|| Reply { provider_id, status: "unknown".into() })
}

/// A message in the making.
struct Making<'a> {
    services: &'a Services,
    context: &'a Context,
    payload: &'a Payload,
    opened: Opened,
    text: Option<String>,
    hidden: Hidden,
    /// Whether it may have been sent before: then its template is looked up only if it is sent again.
    in_doubt: bool,
}

/// What Meta answers to a message that it takes.
#[derive(Deserialize)]
struct Taken {
    messages: Vec<TakenMessage>,
}

#[derive(Deserialize)]
struct TakenMessage {
    id: String,
    #[serde(default)]
    message_status: Option<String>,
}

impl<'a> Making<'a> {
    async fn of(services: &'a Services, context: &'a Context, payload: &'a Payload) -> Result<Self, Outcome> {
        let opened = context.connection(&payload.connection, &[NAME]).await.map_err(|error| closed(&error))?;
        let text = words(services, context, payload).await?;
        let hidden = opened.secrets.hidden();
        Ok(Self { services, context, payload, opened, text, hidden, in_doubt: false })
    }

    /// Looks the template up, and waits for a turn.
    async fn ready(&self) -> Result<(), Outcome> {
        if let Some(template) = self.payload.approved_template.as_ref().filter(|_| !self.in_doubt) {
            self.approved(template).await?;
        }
        self.context.turn(&self.opened).await
    }

    async fn send(&self, call: Call) -> Result<Sent<Reply>, Failed> {
        if let Some(template) = self.payload.approved_template.as_ref().filter(|_| self.in_doubt) {
            self.approved(template).await.map_err(Failed::not_done)?;
        }
        let request = self.request(&call).map_err(|error| Failed::not_done(unsent(&error)))?;
        let answer = ask(&self.services.outbound, request, self.services.clock.now()).await.map_err(|error| failed(&error))?;
        let taken = answer.json::<Taken>().filter(|_| (200..300).contains(&answer.status));
        match taken.and_then(|taken| taken.messages.into_iter().next()) {
            Some(message) => {
                use_of(self.context, &self.opened, Used::Well).await;
                let status = word(&self.hidden, message.message_status.as_deref().unwrap_or("accepted"));
                let id = word(&self.hidden, &message.id);
                let result = Reply { provider_id: Some(id.clone()), status };
                Ok(Sent::Done(Receipt { provider_id: Some(id), result }))
            }
            None => Err(self.refused(&answer).await),
        }
    }

    fn request(&self, call: &Call) -> Result<Request, outbound::Error> {
        let number = self.opened.config["phone_number_id"].as_str().unwrap_or_default();
        let mut request = Request::new(Method::POST, below(&self.services.outbound, &self.opened, &[number, "messages"])?);
        request.headers = headers(&self.opened);
        request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.body = body(self.payload, self.text.as_deref(), &call.key).to_string().into_bytes();
        Ok(request)
    }

    /// Looks the template up. A no by what was known some time ago is asked about once more.
    async fn approved(&self, wanted: &ApprovedTemplate) -> Result<(), Outcome> {
        let known = self.context.ledger.approved(&self.context.tenant, self.opened.id, &wanted.name).await;
        let known = known.map_err(|error| Outcome::retry("ledger_unavailable", format!("looking for the template: {error}")))?;
        if let Some(known) = known {
            match may_go(&known.languages, wanted) {
                Ok(()) => return Ok(()),
                Err(misfit) if known.now.ms_since(known.at) < KNOWN_MS => return Err(buried(misfit)),
                Err(_) => {}
            }
        }
        let mut there = sync(self.services, self.context, &self.opened, SYNC).await?;
        there.retain(|template| template.name == wanted.name);
        may_go(&there, wanted).map_err(buried)
    }

    /// What an answer means that is no message.
    async fn refused(&self, answer: &Asked) -> Failed {
        let complaint = answer.json::<Complaint>().and_then(|complaint| complaint.error);
        let code = complaint.as_ref().and_then(|error| error.code);
        let said = match (&complaint, code) {
            (Some(error), Some(code)) => format!("Meta answered {} ({code}): {}", answer.status, error.said()),
            _ => format!("Meta answered {}: {}", answer.status, answer.excerpt(&self.hidden)),
        };
        let said = self.hidden.text(&said);
        judged(self.context, &self.opened, verdict(answer.status, code), said, answer.after).await
    }

    /// Looks whether anything was reported of the message: Meta lists none.
    async fn look(&self) -> Result<Option<Receipt<Reply>>, Failed> {
        let found = heard_of(self.context, &self.opened).await?;
        let receipt =
            |id: String| Receipt { provider_id: Some(id.clone()), result: Reply { provider_id: Some(id), status: "reported".into() } };
        Ok(found.map(receipt))
    }
}

fn may_go(languages: &[Approved], wanted: &ApprovedTemplate) -> Result<(), Misfit> {
    let template = fit::find(languages, wanted)?;
    fit::may_be_sent(template)?;
    fit::fits(template, wanted)
}

fn buried(misfit: Misfit) -> Outcome {
    Outcome::bury(misfit.code, format!("approved_template{}: {}", misfit.violation.pointer, misfit.violation.message))
}

/// The message's words.
async fn words(services: &Services, context: &Context, payload: &Payload) -> Result<Option<String>, Outcome> {
    let Some(template) = &payload.template else { return Ok(payload.text.clone()) };
    let composed = compose(context, &services.renderers, template).await?;
    let text = composed.text.unwrap_or_default();
    match text.trim() {
        "" => Err(Outcome::bury("text_missing", format!("the template {} has no text", template.name))),
        text if text.chars().count() > TEXT_CHARS_MAX => {
            let chars = text.chars().count();
            Err(Outcome::bury("text_too_long", format!("the template's text has {chars} characters of the {TEXT_CHARS_MAX} allowed")))
        }
        text => Ok(Some(text.to_owned())),
    }
}

/// What reads the phone number, for its connection's test.
pub(crate) fn number(outbound: &Outbound, opened: &Opened) -> Result<Request, outbound::Error> {
    let number = opened.config["phone_number_id"].as_str().unwrap_or_default();
    let mut url = below(outbound, opened, &[number])?;
    url.query_pairs_mut().append_pair("fields", "display_phone_number,verified_name,quality_rating");
    Ok(Request { headers: headers(opened), ..Request::new(Method::GET, url) })
}

/// Something of the Graph API.
pub(crate) fn below(outbound: &Outbound, opened: &Opened, path: &[&str]) -> Result<Url, outbound::Error> {
    let mut url = outbound.url(opened.config["base_url"].as_str().unwrap_or_default())?;
    let version = opened.config["api_version"].as_str().unwrap_or_default();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push(version).extend(path);
    }
    Ok(url)
}

/// The headers of every question.
pub(crate) fn headers(opened: &Opened) -> HeaderMap {
    let bearer = format!("Bearer {}", opened.secrets.get(ACCESS_TOKEN).unwrap_or_default());
    // The catalogue lets no other signs in.
    let mut bearer = HeaderValue::try_from(bearer).unwrap_or_else(|_| HeaderValue::from_static(""));
    bearer.set_sensitive(true);
    HeaderMap::from_iter([(header::AUTHORIZATION, bearer), (header::ACCEPT, HeaderValue::from_static("application/json"))])
}
