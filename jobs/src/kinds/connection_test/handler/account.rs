//! The test of `deepl`: asks for the account's usage. Nothing is translated.

use super::Failed;
use crate::{
    clock::{Clock, SystemClock},
    connection::Opened,
    job::JobError,
    kinds::translation_translate::deepl::{Closed, DeepL, Unusable},
    outbound::{Error, Outbound},
};

/// The key must be let in, and its account must tell what it has used.
pub(super) async fn deepl_usage(outbound: &Outbound, opened: &Opened) -> Result<String, Failed> {
    let deepl = DeepL::of(outbound, opened).map_err(|closed| match closed {
        Closed::OtherPlan(message) => Failed::Refused(JobError::new("connection_invalid", message, false)),
        Closed::NoUrl(error) => unreached(&error),
    })?;
    let usage = deepl.usage(SystemClock.now()).await.map_err(|unusable| match unusable {
        Unusable::Unsent(error) => unreached(&error),
        Unusable::Answered(asked) => {
            let said = format!("the usage is answered by {}: {}", asked.status, asked.excerpt(&opened.secrets.hidden()));
            match asked.status {
                300..=399 | 401 | 403 | 404 => Failed::Refused(JobError::new("connection_refused", said, false)),
                _ => Failed::Unasked(JobError::new("answer_refused", said, true)),
            }
        }
    })?;
    let count = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    Ok(format!("{} of {} characters are used", count(usage.character_count), count(usage.character_limit)))
}

fn unreached(error: &Error) -> Failed {
    let job_error = JobError::new(error.code(), error.to_string(), !error.is_final());
    if error.is_final() { Failed::Refused(job_error) } else { Failed::Unasked(job_error) }
}
