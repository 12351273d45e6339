//! Reads a message's attachments: artifacts of the tenant's own jobs, within a limit for all of them.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{ATTACHED_BYTES_MAX, Attached};
use crate::{
    artifact::Artifact,
    handler::{Context, Outcome},
    job::JobId,
    notification::mailbox::is_one_line,
    objects,
};

/// A file of a message.
pub struct File {
    /// Its name.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Where HTML shows it.
    pub inline_id: Option<String>,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Reads them, or says how the attempt ends.
pub async fn read(context: &Context, attachments: &[Attached]) -> Result<Vec<File>, Outcome> {
    let mut of_jobs: BTreeMap<JobId, Vec<Artifact>> = BTreeMap::new();
    let mut files = Vec::with_capacity(attachments.len());
    let mut left = ATTACHED_BYTES_MAX;
    for attached in attachments {
        let artifact = find(context, &mut of_jobs, attached).await?;
        let bytes = content(context, &artifact, left).await?;
        left -= bytes.len() as u64;
        let name = file_name(attached.name.as_deref().unwrap_or(&artifact.name));
        files.push(File { name, media_type: artifact.media_type, inline_id: attached.inline_id.clone(), bytes });
    }
    Ok(files)
}

/// Another tenant's job has none: the ledger says the same of a job that is not there.
async fn find(context: &Context, of_jobs: &mut BTreeMap<JobId, Vec<Artifact>>, attached: &Attached) -> Result<Artifact, Outcome> {
    let files = match of_jobs.entry(attached.job) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(unknown) => {
            let asked = context.ledger.files(&context.tenant, attached.job).await;
            let away = |error| Outcome::retry("ledger_unavailable", format!("looking for attachments: {error}"));
            unknown.insert(asked.map_err(away)?)
        }
    };
    let found = files.iter().find(|artifact| artifact.name == attached.artifact);
    found.cloned().ok_or_else(|| missing(&attached.artifact, &attached.job.to_string()))
}

fn missing(name: &str, job: &str) -> Outcome {
    Outcome::bury("attachment_missing", format!("there is no artifact {name:?} of the job {job}"))
}

async fn content(context: &Context, artifact: &Artifact, left: u64) -> Result<Vec<u8>, Outcome> {
    if artifact.bytes > left {
        let message = format!("the attachments have more than {ATTACHED_BYTES_MAX} bytes: {} is the one too many", artifact.name);
        return Err(Outcome::bury("attachments_too_large", message));
    }
    let failed = |error: objects::Error| {
        let message = format!("reading the attachment {}: {error}", artifact.name);
        match error {
            objects::Error::Unavailable(_) => Outcome::retry("objects_unavailable", message),
            objects::Error::Refused(_) => Outcome::bury("attachment_missing", message),
        }
    };
    let key = artifact.key.parse().map_err(failed)?;
    let object = context.objects.get(&key).await.map_err(failed)?;
    let gone = || missing(&artifact.name, "that made it, as it was deleted since");
    object.ok_or_else(gone)?.bytes(left).await.map_err(failed)
}

/// A name, and no path, whatever the reader's machine takes for one.
fn file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|character| is_one_line(character.encode_utf8(&mut [0; 4]))).collect();
    let plain = plain.trim().trim_start_matches('.').to_owned();
    if plain.is_empty() { "attachment".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path() {
        let cases = [
            ("report.csv", "report.csv"),
            ("../../etc/passwd", "passwd"),
            ("C:\\a\\b.exe", "b.exe"),
            ("..", "attachment"),
            ("größe\r\n.csv", "größe.csv"),
            ("", "attachment"),
        ];
        for (name, safe) in cases {
            assert_eq!(file_name(name), safe);
        }
    }
}
