//! The tests of `fcm` and `apns`: a message that reaches nobody.

use fcm::{Meaning, Message};

use super::Failed;
use crate::{
    clock::Clock,
    connection::Opened,
    handler::Context,
    job::JobError,
    kinds::notification_push::{
        apple::{self, Apple},
        google::{Google, Untold},
    },
    outbound::{self, Outbound, tokens::Tokens},
};

/// The topic of the message that FCM checks and does not deliver.
const TOPIC: &str = "windrow-connection-test";

/// Fetches a new token, and has FCM check a message by it.
pub(super) async fn message_to_nobody(
    outbound: &Outbound,
    tokens: &Tokens,
    clock: &dyn Clock,
    context: &Context,
    opened: &Opened,
) -> Result<String, Failed> {
    let token = tokens.new_token(&context.access, opened).await?;
    let message = Message::to_topic(TOPIC).with_notification("connection.test", "connection.test");
    let google = Google::new(outbound, tokens, clock, opened);
    match google.ask(context, token, &message, true).await {
        Ok(Ok(_)) => Ok("a token was given, and a message was checked and not delivered".into()),
        Ok(Err(error)) => Err(match error.meaning() {
            Meaning::Unauthenticated | Meaning::Denied => Failed::Refused(JobError::new("connection_refused", error.to_string(), false)),
            _ => Failed::Unasked(JobError::new("answer_refused", error.to_string(), true)),
        }),
        Err(Untold::Token(error)) => Err(error.into()),
        Err(Untold::Way(error)) => Err(unreached(&error)),
        Err(Untold::Over) => Err(over()),
    }
}

/// Sends to a device token that cannot exist.
pub(super) async fn device_of_nobody(apple: &Apple, context: &Context, opened: &Opened) -> Result<String, Failed> {
    apple.test(context, opened).await.map_err(|failed| match failed {
        Ok(error) if error.retryable => Failed::Unasked(error),
        Ok(error) => Failed::Refused(error),
        Err(apple::Untold::Invalid(why)) => Failed::Refused(JobError::new("connection_invalid", why, false)),
        Err(apple::Untold::Way(error)) => unreached(&error),
        Err(apple::Untold::Over) => over(),
    })
}

fn over() -> Failed {
    Failed::Unasked(JobError::new("lease_short", "the lease is too short, or the job is to stop, before another token was tried", true))
}

fn unreached(error: &outbound::Error) -> Failed {
    let job_error = JobError::new(error.code(), error.to_string(), !error.is_final());
    if error.is_final() { Failed::Refused(job_error) } else { Failed::Unasked(job_error) }
}
