//! The code of `notification.sms`: open the connection, find the words, send the message once more often than it is taken, note the sending.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use super::{
    Payload, Reply, TEXT_CHARS_MAX, contract,
    form::{Listed, Message, Sender, fields, sender},
    is_unsendable,
    report::CORRELATION,
    segments::segments,
    verdict::{Complaint, verdict},
};
use crate::{
    connection::{
        Hidden, Opened, Used,
        catalog::twilio::{API_KEY_SECRET, API_KEY_SID, AUTH_TOKEN, NAME},
    },
    contract::Contract,
    effect::{Call, Failed, Performed, Receipt, Sent},
    handler::{Context, Failure, Handler, Outcome},
    job::JobError,
    kinds::Services,
    notification::{
        compose,
        phone::{Asked, EFFECT, ask, closed, confirmed, failed, heard_of, hide, is_settled, judged, kept, note, unsent, use_of, word},
    },
    outbound::{self, HeaderMap, HeaderValue, Method, Outbound, Request, Url, header},
};

/// The version of Twilio's API, which is part of every path.
const VERSION: &str = "2010-04-01";
/// The messages of a page when a message is looked for: the most there are.
const PAGE: &str = "1000";
/// The pages that are looked through: nobody sends so many messages to one number between two attempts.
const PAGES_MAX: usize = 5;
/// By how much Twilio's clock may go before the ledger's when a message is looked for.
const SKEW_MS: i64 = 30_000;

/// The handler.
pub struct Sms {
    services: Services,
}

impl Sms {
    /// With what it needs.
    pub const fn new(services: Services) -> Self {
        Self { services }
    }
}

impl Handler for Sms {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        let kept = match kept(&context).await {
            Ok(kept) => kept,
            Err(outcome) => return Ok(outcome),
        };
        let making = match Making::of(&self.services, &context, &payload).await {
            Ok(making) => making,
            Err(outcome) => {
                return Ok(confirmed(kept.as_ref()).map_or(outcome, |sent| Outcome::done(&reply(sent, 0))));
            }
        };
        // What may wait comes before the intent: an attempt that dies there leaves nothing in doubt.
        if !is_settled(kept.as_ref())
            && let Err(outcome) = context.turn(&making.opened).await
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
        let reply = reply(performed, making.segments());
        if let Some(provider_id) = &reply.provider_id {
            note(&context, &making.opened, &payload.to, provider_id).await?;
        }
        Ok(Outcome::done(&reply))
    }
}

/// What is told of a message that was sent. Of what nobody knows more, or was dropped, only that.
fn reply(performed: Performed<Reply>, segments: usize) -> Reply {
    let Performed { result, provider_id, .. } = performed;
    result.unwrap_or_else(|| Reply { provider_id, status: "unknown".into(), segments })
}

/// A message in the making.
struct Making<'a> {
    services: &'a Services,
    context: &'a Context,
    payload: &'a Payload,
    opened: Opened,
    text: Option<String>,
    callback: Option<Url>,
    /// What opens a door: the connection's secrets, and the hook's token.
    hidden: Hidden,
}

impl<'a> Making<'a> {
    async fn of(services: &'a Services, context: &'a Context, payload: &'a Payload) -> Result<Self, Outcome> {
        let opened = context.connection(&payload.connection, &[NAME]).await.map_err(|error| closed(&error))?;
        let text = words(services, context, payload).await?;
        // Where a hook was made, and the api's address is known: a message without reports is a message all the same.
        let hook = context.hook_url(&opened, services.public_url.as_deref()).await.map_err(|error| closed(&error))?;
        let callback: Option<Url> = hook.and_then(|url| url.parse().ok());
        let token = callback.as_ref().and_then(|url| url.path_segments()?.next_back()).unwrap_or_default();
        let hidden = opened.secrets.hidden().and_text(token);
        Ok(Self { services, context, payload, opened, text, callback, hidden })
    }

    async fn send(&self, call: Call) -> Result<Sent<Reply>, Failed> {
        let request = self.request(&call).map_err(Failed::not_done)?;
        let answer = ask(&self.services.outbound, request, self.services.clock.now()).await.map_err(|error| failed(&error))?;
        match answer.json::<Message>().filter(|_| (200..300).contains(&answer.status)) {
            Some(message) => {
                use_of(self.context, &self.opened, Used::Well).await;
                Ok(Sent::Done(self.receipt(message)))
            }
            None => Err(self.refused(&answer).await),
        }
    }

    fn request(&self, call: &Call) -> Result<Request, Outcome> {
        let text = |name: &str| self.opened.config[name].as_str();
        let Some(sender) = sender(self.payload, text("from"), text("messaging_service_sid")) else {
            let message = "nobody is named who sends: give from, or the connection a from or a messaging_service_sid";
            return Err(Outcome::bury("sender_invalid", message));
        };
        let callback = self.callback.clone().map(|mut url| {
            url.query_pairs_mut().append_pair(CORRELATION, &call.key);
            String::from(url)
        });
        self.post(sender, callback.as_deref()).map_err(|error| unsent(&error))
    }

    fn post(&self, sender: Sender<'_>, callback: Option<&str>) -> Result<Request, outbound::Error> {
        let mut request = Request::new(Method::POST, below(&self.services.outbound, &self.opened, &["Messages.json"])?);
        request.headers = headers(&self.opened);
        request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let fields = fields(self.payload, sender, self.text.as_deref(), callback);
        request.body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes();
        Ok(request)
    }

    /// What an answer means that is no message.
    async fn refused(&self, answer: &Asked) -> Failed {
        let complaint: Complaint = answer.json().unwrap_or_default();
        let said = match (&complaint.message, complaint.code) {
            (Some(message), Some(code)) => format!("Twilio answered {} ({code}): {message}", answer.status),
            _ => format!("Twilio answered {}: {}", answer.status, answer.excerpt(&self.hidden)),
        };
        let said = self.hidden.text(&said);
        judged(self.context, &self.opened, verdict(answer.status, complaint.code), said, answer.after).await
    }

    fn receipt(&self, message: Message) -> Receipt<Reply> {
        let (sid, status) = (word(&self.hidden, &message.sid), word(&self.hidden, &message.status));
        let result = Reply { provider_id: Some(sid.clone()), status, segments: self.segments() };
        Receipt { provider_id: Some(sid), result }
    }

    /// With media a message counts as one, however long its text.
    fn segments(&self) -> usize {
        if self.payload.media_urls.is_empty() { self.text.as_deref().map_or(0, segments) } else { 0 }
    }

    /// Looks for the message among those to its number since the first try.
    async fn look(&self) -> Result<Option<Receipt<Reply>>, Failed> {
        self.found().await.map_err(|failed| hide(&self.hidden, failed))
    }

    async fn found(&self) -> Result<Option<Receipt<Reply>>, Failed> {
        if let Some(sid) = heard_of(self.context, &self.opened).await? {
            let result = Reply { provider_id: Some(sid.clone()), status: "reported".into(), segments: self.segments() };
            return Ok(Some(Receipt { provider_id: Some(sid), result }));
        }
        let away = |error: crate::ledger::Error| Failed::unknown(Outcome::retry("ledger_unavailable", error.to_string()));
        let effects = self.context.effects.effects(&self.context.tenant, self.context.job).await.map_err(away)?;
        let Some(effect) = effects.into_iter().find(|effect| effect.key == EFFECT) else { return Ok(None) };
        let since_ms = effect.created_at.ms() - SKEW_MS;
        let outbound = &self.services.outbound;
        let mut url = below(outbound, &self.opened, &["Messages.json"]).map_err(|error| failed(&error))?;
        url.query_pairs_mut().append_pair("To", &self.payload.to).append_pair("PageSize", PAGE);
        for _ in 0..PAGES_MAX {
            let page = self.page(&url).await?;
            let ours = |message: &&Message| message.is_of(self.text.as_deref(), self.payload.media_urls.len(), since_ms);
            if let Some(message) = page.messages.iter().find(ours) {
                return Ok(Some(self.receipt(message.clone())));
            }
            // The newest come first.
            let past = !page.messages.is_empty() && page.messages.iter().all(|message| message.is_before(since_ms));
            let next = page.next_page_uri.filter(|_| !past).and_then(|uri| url.join(&uri).ok());
            match next.filter(|next| next.origin() == url.origin()) {
                Some(next) => url = next,
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    async fn page(&self, url: &Url) -> Result<Listed, Failed> {
        let mut request = Request::new(Method::GET, url.clone());
        request.headers = headers(&self.opened);
        let answer = ask(&self.services.outbound, request, self.services.clock.now()).await.map_err(|error| failed(&error))?;
        match answer.json::<Listed>().filter(|_| answer.status == 200) {
            Some(page) => Ok(page),
            // What is wrong with the look is not wrong with the message.
            None => Err(self.refused(&answer).await.map(|outcome| match outcome {
                Outcome::Bury(error) => Outcome::Retry { error: JobError::new("provider_failed", error.message, true), after: None },
                outcome => outcome,
            })),
        }
    }
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
        text => Ok(Some(text.chars().filter(|character| !is_unsendable(*character)).collect())),
    }
}

/// What reads the account, for its connection's test.
pub(crate) fn account(outbound: &Outbound, opened: &Opened) -> Result<Request, outbound::Error> {
    let mut url = below(outbound, opened, &[])?;
    let path = format!("{}.json", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(Request { headers: headers(opened), ..Request::new(Method::GET, url) })
}

/// Something of the account's.
fn below(outbound: &Outbound, opened: &Opened, path: &[&str]) -> Result<Url, outbound::Error> {
    let mut url = outbound.url(opened.config["base_url"].as_str().unwrap_or_default())?;
    let account = opened.config["account_sid"].as_str().unwrap_or_default();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend([VERSION, "Accounts", account]).extend(path);
    }
    Ok(url)
}

fn headers(opened: &Opened) -> HeaderMap {
    let secret = |name: &str| opened.secrets.get(name);
    let (user, password) = match (secret(API_KEY_SID), secret(API_KEY_SECRET)) {
        (Some(key), Some(secret)) => (key, secret),
        _ => (opened.config["account_sid"].as_str().unwrap_or_default(), secret(AUTH_TOKEN).unwrap_or_default()),
    };
    let basic = format!("Basic {}", BASE64.encode(format!("{user}:{password}")));
    let mut basic = HeaderValue::try_from(basic).expect("base 64 fits a header");
    basic.set_sensitive(true);
    HeaderMap::from_iter([(header::AUTHORIZATION, basic), (header::ACCEPT, HeaderValue::from_static("application/json"))])
}
