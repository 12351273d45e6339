//! `windrow schedules fires`, `run` and `preview`: what became of fires, one by hand, and those to come.

use serde_json::{Map, Value};

use super::{Named, Page, tell_of_more};
use crate::{
    cli::Format,
    client::Client,
    failure::Failure,
    output::{self, text},
};

/// Which fires.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    named: Named,
    /// Only those that are fired, caught_up, queued, skipped or missed
    #[arg(long)]
    status: Option<String>,
    #[command(flatten)]
    page: Page,
}

/// Shows what became of fires.
pub async fn list(args: &Args, client: &Client, format: Format) -> Result<(), Failure> {
    let mut query = args.page.query();
    query.extend(args.status.clone().map(|status| ("status", status)));
    let reply = client.get(&args.named.path("/fires"), &query).await?;
    let page = reply.json();
    output::answer(format, &reply.body, || {
        let rows: Vec<_> = page["fires"].as_array().into_iter().flatten().map(row).collect();
        output::table(&["FIRE AT", "STATUS", "N", "LATE MS", "JOB", "WHY"], &rows)
    });
    tell_of_more(&page, format);
    Ok(())
}

fn row(fire: &Value) -> Vec<String> {
    let status = text(&fire["status"]) + if fire["manual"] == true { " by hand" } else { "" };
    let why: Vec<_> = [&fire["reason"], &fire["message"]].into_iter().filter(|value| !value.is_null()).map(text).collect();
    vec![text(&fire["fire_at"]), status, text(&fire["n"]), text(&fire["late_ms"]), text(&fire["job_id"]), why.join(": ")]
}

/// Fires a schedule by hand.
pub async fn run_now(path: &str, client: &Client, format: Format) -> Result<(), Failure> {
    let reply = client.post(path, None, None).await?;
    output::answer(format, &reply.body, || vec![format!("{}  job {}", text(&reply.json()["fire_at"]), text(&reply.json()["job_id"]))]);
    Ok(())
}

/// Which expression, and from when on.
#[derive(Debug, clap::Args)]
pub struct Preview {
    /// 5, 6 or 7 fields, @hourly and the like, or "@every 90m"
    #[arg(value_name = "EXPRESSION")]
    cron: String,
    /// On whose clock [default: UTC]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// The fires after this (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// How many, at most 100 [default: 5]
    #[arg(long, value_name = "N")]
    count: Option<usize>,
}

/// Shows when an expression fires.
pub async fn preview(args: &Preview, client: &Client, format: Format) -> Result<(), Failure> {
    let mut asked = Map::from_iter([("cron".to_owned(), Value::from(args.cron.clone()))]);
    for (name, given) in [("time_zone", &args.time_zone), ("from", &args.from)] {
        asked.extend(given.clone().map(|given| (name.to_owned(), given.into())));
    }
    asked.extend(args.count.map(|count| ("count".to_owned(), count.into())));
    let reply = client.post("/v1/schedules/preview", Some(Value::Object(asked).to_string()), None).await?;
    output::answer(format, &reply.body, || {
        let preview = reply.json();
        let rows: Vec<_> =
            preview["fires"].as_array().into_iter().flatten().map(|fire| vec![text(&fire["utc"]), text(&fire["local"])]).collect();
        [text(&preview["sentence"])].into_iter().chain(output::table(&["UTC", "LOCAL"], &rows)).collect()
    });
    Ok(())
}
