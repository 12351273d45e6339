//! How FCM is spoken to: the message that a payload makes, a token that is good, and what the answer means.

use std::time::Duration;

use fcm::{AndroidConfig, AndroidNotification, ApnsConfig, Meaning, Message, SendError, Target};
use serde_json::{Map, Value};

use super::{Payload, Shown, fate::Said};
use crate::{
    clock::Clock,
    connection::Opened,
    handler::Context,
    job::JobError,
    kinds::http_request::retry_after,
    outbound::{
        self, HeaderValue, Limits, Method, Outbound, Request, header,
        tokens::{Token, TokenError, Tokens},
    },
};

/// What FCM may take, and say.
const LIMITS: Limits = Limits { total_ms: 30_000, silence_ms: 10_000, body_bytes_max: 64 * 1024, redirects_max: 0 };
/// How long is waited after `QUOTA_EXCEEDED` where FCM does not say: as its reference asks.
const QUOTA_WAIT: Duration = Duration::from_secs(60);

/// FCM as one connection opens it.
pub struct Google<'s> {
    /// The tokens of connections.
    pub tokens: &'s Tokens,
    /// The machine's time.
    pub clock: &'s dyn Clock,
    /// The connection.
    pub opened: &'s Opened,
    client: fcm::Client<Guarded>,
}

/// Posts by our one way out.
#[derive(Clone)]
struct Guarded(Outbound);

impl fcm::Transport for Guarded {
    type Error = outbound::Error;

    async fn post(&self, post: fcm::Post, access_token: &str) -> Result<fcm::Answer, Self::Error> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {access_token}")).expect("a token is of visible ASCII characters");
        authorization.set_sensitive(true);
        let mut request = Request::new(Method::POST, self.0.url(&post.url)?)
            .with(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .with(header::AUTHORIZATION, authorization);
        request.body = post.body;
        let answer = self.0.send(request, &LIMITS).await?;
        let retry_after = answer.headers.get(header::RETRY_AFTER).and_then(|after| after.to_str().ok()).map(str::to_owned);
        Ok(fcm::Answer { status: answer.status.as_u16(), retry_after, body: answer.bytes().await? })
    }
}

/// Why nothing came back.
pub enum Untold {
    /// There is no token.
    Token(TokenError),
    /// Nobody answered.
    Way(outbound::Error),
    /// The lease was too short, or the job to stop, before it was asked again with another token.
    Over,
}

impl<'s> Google<'s> {
    /// By this connection.
    pub fn new(outbound: &Outbound, tokens: &'s Tokens, clock: &'s dyn Clock, opened: &'s Opened) -> Self {
        let text = |name: &str| opened.config[name].as_str().unwrap_or_default();
        let client = fcm::Client::new(Guarded(outbound.clone()), text("base_url"), text("project_id"));
        Self { tokens, clock, opened, client }
    }

    /// A token to send with: had before a message's intent, as waiting for it sends nothing.
    pub(super) async fn token(&self, context: &Context) -> Result<Token, Said> {
        self.tokens.token(&context.access, self.opened).await.map_err(|error| tokenless(&error))
    }

    /// Sends a message with this token, and says what FCM says to it.
    pub(super) async fn send(&self, context: &Context, token: Token, message: &Message, validate_only: bool) -> Said {
        match self.ask(context, token, message, validate_only).await {
            Ok(Ok(sent)) => Said::Taken(sent.name),
            Ok(Err(error)) => self.read(&error),
            Err(Untold::Token(error)) => tokenless(&error),
            Err(Untold::Way(error)) => super::untold(&error),
            Err(Untold::Over) => super::over(),
        }
    }

    /// The same, as FCM says it. A token that is refused may have ended early: a new one is tried once.
    pub async fn ask(
        &self,
        context: &Context,
        mut token: Token,
        message: &Message,
        validate_only: bool,
    ) -> Result<Result<fcm::Sent, SendError>, Untold> {
        let mut answered = self.client.send(message, validate_only, token.as_str()).await.map_err(Untold::Way)?;
        if answered.as_ref().is_err_and(|error| error.meaning() == Meaning::Unauthenticated) {
            self.tokens.forget(self.opened, &token);
            token = self.tokens.token(&context.access, self.opened).await.map_err(Untold::Token)?;
            if !super::may_ask_again(context) {
                return Err(Untold::Over);
            }
            answered = self.client.send(message, validate_only, token.as_str()).await.map_err(Untold::Way)?;
        }
        // Whoever answers may repeat what it was sent.
        let hidden = self.opened.secrets.hidden().and_text(token.as_str());
        Ok(match answered {
            Ok(sent) => Ok(fcm::Sent { name: sent.name.map(|name| hidden.cut_text(&name)) }),
            Err(error) => {
                let code = error.code.map(|code| hidden.cut_text(&code.to_string()).into());
                let rpc_status = error.rpc_status.map(|status| hidden.cut_text(&status));
                Err(SendError { message: hidden.cut_text(&error.message), code, rpc_status, ..error })
            }
        })
    }

    fn read(&self, error: &SendError) -> Said {
        let asked = error.retry_after.as_deref().and_then(|after| retry_after(after, self.clock.now())).or(error.retry_delay);
        let job_error = |code: &str| JobError::new(code, error.to_string(), true);
        match error.meaning() {
            Meaning::DeadToken => Said::Dead { reason: error.reason(), at: None },
            Meaning::BadMessage | Meaning::ThirdParty => Said::Refused { reason: error.reason(), message: error.to_string() },
            Meaning::Unauthenticated | Meaning::Denied => Said::Closed(job_error("connection_refused"), None),
            Meaning::Later => Said::Later(job_error("push_later"), asked.or((error.status == 429).then_some(QUOTA_WAIT))),
            Meaning::Unclear => Said::Unclear(job_error("push_unanswered"), asked),
        }
    }
}

/// A connection that is refused waits to be mended, and the job with it as long as it has attempts.
fn tokenless(error: &TokenError) -> Said {
    Said::Closed(JobError { retryable: true, ..error.as_job_error() }, error.after())
}

/// The message that a payload makes with these words, without its target. What cannot be read is left out: it was checked when the
/// job was submitted.
pub(super) fn message(payload: &Payload, shown: Option<&Shown>) -> Message {
    let android: Option<AndroidConfig> = read(payload.android.as_ref());
    let apns: Option<ApnsConfig> = read(payload.apns.as_ref());
    Message {
        data: Some(payload.data.clone()).filter(|data| !data.is_empty()),
        notification: shown.map(|shown| fcm::Notification {
            title: shown.title.clone(),
            body: shown.body.clone(),
            image: shown.image.clone(),
        }),
        android,
        apns,
        webpush: read(payload.webpush.as_ref()),
        fcm_options: payload.analytics_label.clone().map(|label| fcm::FcmOptions { analytics_label: Some(label) }),
        ..Message::default()
    }
}

/// The same to one target, with a name of its own by which a repetition takes its place on the device.
pub(super) fn addressed(message: &Message, target: Target, key: &str) -> Message {
    let to = Message::to(target);
    let mut message = Message { token: to.token, fid: to.fid, topic: to.topic, condition: to.condition, ..message.clone() };
    let shown = message.notification.is_some();
    if shown || message.android.as_ref().is_some_and(|android| android.notification.is_some()) {
        let android = message.android.get_or_insert_default().notification.get_or_insert_with(AndroidNotification::default);
        android.tag.get_or_insert_with(|| key.to_owned());
    }
    let alerts =
        |apns: &ApnsConfig| apns.payload.as_ref().is_some_and(|payload| payload.get("aps").is_some_and(|aps| aps.get("alert").is_some()));
    if shown || message.apns.as_ref().is_some_and(alerts) {
        let headers = message.apns.get_or_insert_default().headers.get_or_insert_default();
        if !headers.keys().any(|name| name.eq_ignore_ascii_case("apns-collapse-id")) {
            headers.insert("apns-collapse-id".into(), key.to_owned());
        }
    }
    message
}

fn read<T: serde::de::DeserializeOwned>(given: Option<&Map<String, Value>>) -> Option<T> {
    serde_json::from_value(Value::Object(given?.clone())).ok()
}
