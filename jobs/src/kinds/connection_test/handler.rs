//! The code of `connection.test`.
//!
//! A refusal puts the connection into `error` and buries the job, since asking again is of no use. What may pass, such as a
//! provider that is away, fails the attempt and leaves the connection as it stands.

use std::sync::Arc;

use super::{Payload, Report, contract};
use crate::{
    clock::{Clock, SystemClock},
    connection::{
        Opened, Used,
        catalog::{apns, deepl, fcm, http, oauth2, service_account, smtp, twilio, whatsapp},
        door::Doors,
    },
    contract::Contract,
    handler::{Context, Failure, Handler, Outcome},
    job::JobError,
    kinds::{Services, notification_push::apple::Apple},
    outbound::{
        Outbound,
        tokens::{TokenError, Tokens},
    },
};

mod account;
mod mail;
mod phone;
mod ping;
mod push;

/// The handler.
pub struct TestConnection {
    outbound: Outbound,
    doors: Doors,
    tokens: Tokens,
    apple: Apple,
    clock: Arc<dyn Clock>,
}

/// How a test went wrong.
pub(super) enum Failed {
    /// The provider says no.
    Refused(JobError),
    /// The same of a token endpoint, which is known already.
    NoToken(JobError),
    /// It could not be asked.
    Unasked(JobError),
}

impl TestConnection {
    /// One that calls the outside world this way. The tokens are those of the jobs beside it: two that ask by one refresh token at once
    /// would take it from each other.
    pub fn new(services: &Services) -> Self {
        let Services { outbound, doors, tokens, apple, .. } = services.clone();
        Self { outbound, doors, tokens, apple, clock: Arc::new(SystemClock) }
    }

    /// Does what the catalogue says, and returns what was seen.
    async fn test(&self, context: &Context, opened: &Opened) -> Result<String, Failed> {
        match opened.provider.as_str() {
            apns::NAME => push::device_of_nobody(&self.apple, context, opened).await,
            deepl::NAME => account::deepl_usage(&self.outbound, opened).await,
            fcm::NAME => push::message_to_nobody(&self.outbound, &self.tokens, self.clock.as_ref(), context, opened).await,
            http::NAME => ping::ping(&self.doors, opened, self.clock.now()).await,
            oauth2::NAME | service_account::NAME => {
                self.tokens.new_token(&context.access, opened).await?;
                Ok("a token was given".into())
            }
            twilio::NAME => phone::twilio_account(&self.outbound, opened).await,
            whatsapp::NAME => phone::whatsapp_number(&self.outbound, opened).await,
            smtp::NAME => mail::converse(&self.outbound, opened).await,
            other => Err(Failed::Unasked(JobError::new("provider_unknown", format!("this worker knows no provider {other}"), true))),
        }
    }
}

impl From<TokenError> for Failed {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Refused(_) => Self::NoToken(error.as_job_error()),
            TokenError::Unavailable { .. } => Self::Unasked(error.as_job_error()),
        }
    }
}

impl Handler for TestConnection {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        let opened = match context.access.open_to_test(&context.tenant, &payload.connection).await {
            Ok(opened) => opened,
            Err(error) => return Ok(Outcome::Bury(error.as_job_error())),
        };
        match self.test(&context, &opened).await {
            Ok(seen) => {
                context.access.report(&opened, Used::Tested).await?;
                let seen = opened.secrets.redact(&seen);
                Ok(Outcome::done(&Report { connection: opened.name.clone(), provider: opened.provider.clone(), seen }))
            }
            Err(Failed::Refused(error)) => {
                let error = opened.secrets.redact_error(error);
                context.access.report(&opened, Used::Refused(error.clone())).await?;
                Ok(Outcome::Bury(error))
            }
            Err(Failed::NoToken(error)) => Ok(Outcome::Bury(opened.secrets.redact_error(error))),
            Err(Failed::Unasked(error)) => Ok(Outcome::Retry { error: opened.secrets.redact_error(error), after: None }),
        }
    }
}
