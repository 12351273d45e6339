//! The tests of `deepl`, which asks for the account's usage, and of `openai`, which has a vector made of one word.

use super::Failed;
use crate::{
    clock::{Clock, SystemClock},
    connection::Opened,
    embedding::{
        Text, Verdict,
        openai::{OpenAi, Unembedded},
    },
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

/// The key must be let in, its account must not be empty, and the model must make a vector.
pub(super) async fn openai_vector(outbound: &Outbound, opened: &Opened) -> Result<String, Failed> {
    let openai = OpenAi::of(outbound, opened).map_err(|error| unreached(&error))?;
    let made = openai.embed(&[Text::uncounted("windrow")], None, SystemClock.now()).await;
    let made = made.map_err(|unembedded| match unembedded {
        Unembedded::Unanswered(error) => unreached(&error),
        Unembedded::Dimension { told, wanted } => {
            let said = format!("the model makes vectors of {told} dimensions, and not of {wanted}: mend dimensions, or leave it out");
            Failed::Refused(JobError::new("connection_invalid", said, false))
        }
        Unembedded::Answered { verdict, said, .. } => match verdict {
            Verdict::Refused | Verdict::Unpaid | Verdict::Never => Failed::Refused(JobError::new("connection_refused", said, false)),
            Verdict::NotNow | Verdict::Failed => Failed::Unasked(JobError::new("answer_refused", said, true)),
        },
    })?;
    let dimensions = made.vectors.first().map_or(0, Vec::len);
    Ok(format!("{} makes vectors of {dimensions} dimensions", openai.model()))
}

fn unreached(error: &Error) -> Failed {
    let job_error = JobError::new(error.code(), error.to_string(), !error.is_final());
    if error.is_final() { Failed::Refused(job_error) } else { Failed::Unasked(job_error) }
}
