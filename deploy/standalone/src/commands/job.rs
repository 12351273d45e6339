//! The verbs on one job that take its id and nothing else: `get`, `attempts`, `logs`, `artifacts`, `cancel`, `redrive`.

use serde_json::Value;

use crate::{
    cli::Format,
    client::{Client, is_final, job_path},
    failure::Failure,
    output::{self, text},
};

/// Which job.
#[derive(Debug, clap::Args)]
pub struct Id {
    /// The job's id
    id: String,
}

/// Shows a job.
pub async fn get(job: &Id, client: &Client, format: Format) -> Result<(), Failure> {
    let reply = client.get(&job_path(&job.id, ""), &[]).await?;
    output::answer(format, &reply.body, || output::job_lines(&reply.json()));
    Ok(())
}

/// Shows a job's attempts, first to last.
pub async fn attempts(job: &Id, client: &Client, format: Format) -> Result<(), Failure> {
    let reply = client.get(&job_path(&job.id, "/attempts"), &[]).await?;
    output::answer(format, &reply.body, || {
        let rows = rows(&reply.json()["attempts"], &["attempt", "outcome", "reason", "started_at", "finished_at", "worker"]);
        output::table(&["ATTEMPT", "OUTCOME", "REASON", "STARTED", "FINISHED", "WORKER"], &rows)
    });
    Ok(())
}

/// Shows the files that a job made, and links to them.
pub async fn artifacts(job: &Id, client: &Client, format: Format) -> Result<(), Failure> {
    let reply = client.get(&job_path(&job.id, "/artifacts"), &[]).await?;
    output::answer(format, &reply.body, || {
        let rows = rows(&reply.json()["artifacts"], &["name", "bytes", "sha256", "url"]);
        output::table(&["NAME", "BYTES", "SHA256", "LINK"], &rows)
    });
    Ok(())
}

fn rows(items: &Value, fields: &[&str]) -> Vec<Vec<String>> {
    items.as_array().into_iter().flatten().map(|item| fields.iter().map(|field| text(&item[*field])).collect()).collect()
}

/// Shows what a job logged.
pub async fn logs(job: &Id, client: &Client, format: Format) -> Result<(), Failure> {
    let reply = client.get(&job_path(&job.id, "/logs"), &[]).await?;
    output::answer(format, &reply.body, || log_lines(&reply.json()));
    Ok(())
}

fn log_lines(answer: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for log in answer["logs"].as_array().into_iter().flatten() {
        let attempt = text(&log["attempt"]);
        for entry in log["lines"].as_array().into_iter().flatten() {
            lines.push(format!("{} #{attempt} {:<5} {}", text(&entry["at"]), text(&entry["level"]), text(&entry["message"])));
        }
        if log["dropped"].as_u64().is_some_and(|dropped| dropped > 0) {
            lines.push(format!("{} lines of attempt {attempt} were dropped over the limit", log["dropped"]));
        }
    }
    lines
}

/// Asks for a job to stop.
pub async fn cancel(job: &Id, client: &Client, format: Format) -> Result<(), Failure> {
    let reply = client.post(&job_path(&job.id, "/cancel"), None, None).await?;
    let job = reply.json();
    output::answer(format, &reply.body, || {
        let what = if is_final(&job) { text(&job["state"]) } else { "the running handler is asked to stop".into() };
        vec![format!("{}  {what}", text(&job["id"]))]
    });
    Ok(())
}

/// Sends a dead or cancelled job back.
pub async fn redrive(job: &Id, client: &Client, format: Format) -> Result<(), Failure> {
    let reply = client.post(&job_path(&job.id, "/redrive"), None, None).await?;
    let job = reply.json();
    output::answer(format, &reply.body, || vec![format!("{}  {}", text(&job["id"]), text(&job["state"]))]);
    Ok(())
}
