//! `windrow schedules create`: out of a file with JSON, or of the options.

use serde_json::{Map, Value};

use super::state_line;
use crate::{cli::Format, client::Client, commands::submit, failure::Failure, output};

/// What the schedule says.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The whole schedule as JSON, as POST /v1/schedules takes it; - for stdin
    #[arg(conflicts_with_all = ["name", "cron", "time_zone", "kind", "payload"])]
    file: Option<String>,
    /// Its name, unique within the tenant
    #[arg(long, required_unless_present = "file")]
    name: Option<String>,
    /// When: 5, 6 or 7 fields, @hourly and the like, or "@every 90m"
    #[arg(long, required_unless_present = "file", value_name = "EXPRESSION")]
    cron: Option<String>,
    /// On whose clock [default: UTC]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// What each fire's job does
    #[arg(long, required_unless_present = "file")]
    kind: Option<String>,
    /// The kind's input: JSON, @FILE, or - for stdin; {{ fire_at }} and {{ n }} in texts are filled in at each fire
    #[arg(long, value_name = "JSON", default_value = "{}")]
    payload: String,
    /// Check it, and make nothing
    #[arg(long)]
    dry_run: bool,
}

/// Makes it.
pub async fn run(args: &Args, client: &Client, format: Format) -> Result<(), Failure> {
    let body = match &args.file {
        Some(file) => submit::read("schedules create", file)?,
        None => body(args)?,
    };
    let trial = args.dry_run.then(|| ("dry_run", "true".to_owned()));
    let reply = client.post_to("/v1/schedules", trial.as_slice(), body).await?;
    let schedule = reply.json();
    output::answer(format, &reply.body, || match args.dry_run {
        true => vec![format!("it would be made, and fire next at {}", output::text(&schedule["next_fire_at"]))],
        false => vec![state_line(&schedule)],
    });
    Ok(())
}

fn body(args: &Args) -> Result<String, Failure> {
    let mut fields = Map::new();
    for (name, given) in [("name", &args.name), ("cron", &args.cron), ("time_zone", &args.time_zone)] {
        if let Some(given) = given {
            fields.insert(name.into(), given.clone().into());
        }
    }
    // The payload goes as it is: read into a value and written again, large numbers would change.
    let payload = submit::payload(&args.payload)?;
    let kind = Value::from(args.kind.clone().unwrap_or_default());
    let rest: String = fields.iter().map(|(name, value)| format!(",\"{name}\":{value}")).collect();
    Ok(format!("{{\"job\":{{\"kind\":{kind},\"payload\":{payload}}}{rest}}}"))
}
