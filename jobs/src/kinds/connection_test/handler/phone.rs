//! The tests of `twilio` and `whatsapp`: each reads what it would send by. Nothing is sent.

use serde_json::Value;

use super::Failed;
use crate::{
    clock::{Clock, SystemClock},
    connection::Opened,
    job::JobError,
    kinds::{notification_sms, notification_whatsapp},
    notification::phone::{Asked, ask, word},
    outbound::{Error, Outbound, Request},
};

/// The account must be there and active.
pub(super) async fn twilio_account(outbound: &Outbound, opened: &Opened) -> Result<String, Failed> {
    let request = notification_sms::handler::account(outbound, opened).map_err(unreached)?;
    let answer = asked(outbound, request, opened, "the account").await?;
    let told = |name: &str| answer[name].as_str().map(|told| word(&opened.secrets.hidden(), told));
    match told("status").as_deref() {
        Some("active") => Ok(format!("the account {} is active", told("friendly_name").unwrap_or_default())),
        Some(other) => Err(refused(format!("the account is {other}"))),
        None => Err(odd("the account has no status")),
    }
}

/// The number must be there.
pub(super) async fn whatsapp_number(outbound: &Outbound, opened: &Opened) -> Result<String, Failed> {
    let request = notification_whatsapp::handler::number(outbound, opened).map_err(unreached)?;
    let answer = asked(outbound, request, opened, "the phone number").await?;
    let told = |name: &str| answer[name].as_str().map(|told| word(&opened.secrets.hidden(), told));
    match told("display_phone_number") {
        Some(number) => Ok(format!("{number} is {}", told("verified_name").as_deref().unwrap_or("there"))),
        None => Err(odd("the phone number is not told")),
    }
}

async fn asked(outbound: &Outbound, request: Request, opened: &Opened, what: &str) -> Result<Value, Failed> {
    let answer = ask(outbound, request, SystemClock.now()).await.map_err(unreached)?;
    let said = |answer: &Asked| format!("{what} is answered by {}: {}", answer.status, answer.excerpt(&opened.secrets.hidden()));
    match answer.status {
        200 => answer.json().ok_or_else(|| odd(&said(&answer))),
        // Meta says 400 of a token or an id that is none.
        300..=399 | 400 | 401 | 403 | 404 => Err(refused(said(&answer))),
        _ => Err(odd(&said(&answer))),
    }
}

fn refused(said: String) -> Failed {
    Failed::Refused(JobError::new("connection_refused", said, false))
}

fn odd(said: &str) -> Failed {
    Failed::Unasked(JobError::new("answer_refused", said, true))
}

fn unreached(error: Error) -> Failed {
    let job_error = JobError::new(error.code(), error.to_string(), !error.is_final());
    if error.is_final() { Failed::Refused(job_error) } else { Failed::Unasked(job_error) }
}
