//! What could not be taken over: a CSV file with a row for each record, as the ledger keeps them. What others wrote is no formula to a program
//! of spreadsheets.

use csv::Writer;

use super::{ERRORS, handler::away};
use crate::{
    handler::{ArtifactError, Context, Outcome},
    kinds::notification_broadcast::{audience::path_of, handler::off_thread, report::plain},
    sync::state::Fence,
};

/// Rows that are in memory at once.
const ROWS: usize = 1_000;

/// Keeps the file as the job's artifact.
pub(super) async fn keep(context: &Context, fence: &Fence) -> Result<(), Outcome> {
    let mut writer = off_thread(|| {
        let mut writer = Writer::from_writer(tempfile::tempfile().map_err(unwritten)?);
        writer.write_record(["page", "index", "key", "code", "message", "pointer"]).map_err(unwritten)?;
        Ok(writer)
    })
    .await?;
    let mut read = 0;
    loop {
        let errors = context.ledger.row_errors(&fence.tenant, fence.sync, fence.number, read, ROWS).await.map_err(away)?;
        if errors.is_empty() {
            break;
        }
        read += errors.len() as u64;
        writer = off_thread(move || {
            for error in &errors {
                let [key, message] = [error.key.as_deref().unwrap_or_default(), &error.message].map(plain);
                let (page, index) = (error.page.to_string(), error.index.to_string());
                let pointer = plain(error.pointer.as_deref().unwrap_or_default());
                writer.write_record([&page, &index, &*key, &error.code, &*message, &*pointer]).map_err(unwritten)?;
            }
            Ok(writer)
        })
        .await?;
    }
    let file = off_thread(move || writer.into_inner().map_err(|error| unwritten(error.to_string()))).await?;
    let kept = context.artifact(ERRORS, "text/csv; charset=utf-8", path_of(&file)).await;
    drop(file);
    kept.map(|_| ()).map_err(unkept)
}

/// Why an artifact is not kept.
pub(super) fn unkept(error: ArtifactError) -> Outcome {
    match error {
        ArtifactError::Over(_) => super::handler::stopped(),
        error => unwritten(error),
    }
}

/// A file could not be written, here or there.
pub(super) fn unwritten(error: impl std::fmt::Display) -> Outcome {
    Outcome::retry("objects_unavailable", format!("writing a file: {error}"))
}
