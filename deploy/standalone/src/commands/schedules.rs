//! `windrow schedules`: make them, look at them, change when they run. The verbs on one schedule are here; what a file
//! declares is put in force by `schedules/apply.rs`.

mod apply;
mod create;
mod declared;
mod fires;

use clap::Subcommand;
use serde_json::Value;

use crate::{
    cli::Format,
    client::{Client, path_segment},
    failure::Failure,
    output::{self, text},
};

/// What to do with which schedule.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List schedules by name
    List(Page),
    /// Show a schedule
    Get(Named),
    /// Make a schedule, out of a file or of the options
    Create(create::Args),
    /// Delete a schedule and what became of its fires; jobs that it made stay
    Delete(Named),
    /// Expect no fires any more, until it is resumed
    Pause(Named),
    /// Expect fires again, from now on
    Resume(Named),
    /// Fire now, whatever the expression says
    Run(Named),
    /// Show what became of each time at which it was to fire, latest first
    Fires(fires::Args),
    /// Show when an expression fires next, and what it means
    Preview(fires::Preview),
    /// Make the schedules be what a file says, and show what changes
    Apply(apply::Args),
}

/// Which schedule.
#[derive(Debug, clap::Args)]
struct Named {
    /// The schedule's id or name
    #[arg(value_name = "ID|NAME")]
    schedule: String,
}

impl Named {
    fn path(&self, below: &str) -> String {
        path(&self.schedule, below)
    }
}

/// A schedule's path, or that of something below it.
fn path(schedule: &str, below: &str) -> String {
    format!("/v1/schedules/{}{below}", path_segment(schedule))
}

/// Which part of a list.
#[derive(Debug, clap::Args)]
struct Page {
    /// Entries per page, at most 1000
    #[arg(long, value_name = "N")]
    page_size: Option<usize>,
    /// Go on where a page ended
    #[arg(long, value_name = "TOKEN")]
    page_token: Option<String>,
}

impl Page {
    fn query(&self) -> Vec<(&'static str, String)> {
        let size = self.page_size.map(|size| ("page_size", size.to_string()));
        let token = self.page_token.clone().map(|token| ("page_token", token));
        size.into_iter().chain(token).collect()
    }
}

/// Says on stderr that a page is not the last.
fn tell_of_more(page: &Value, format: Format) {
    if let (Format::Text, Some(token)) = (format, page["next_page_token"].as_str()) {
        output::complain(&format!("there are more: the same with --page-token {token}"));
    }
}

/// Does it.
pub async fn run(args: Args, client: &Client, format: Format) -> Result<(), Failure> {
    match args.action {
        Action::List(page) => list(&page, client, format).await,
        Action::Get(named) => {
            let reply = client.get(&named.path(""), &[]).await?;
            output::answer(format, &reply.body, || lines(&reply.json()));
            Ok(())
        }
        Action::Create(args) => create::run(&args, client, format).await,
        Action::Delete(named) => {
            let reply = client.delete(&named.path("")).await?;
            // The server's answer is empty, and so is what programs read.
            if format == Format::Text {
                output::answer(format, &reply.body, || vec![format!("{}  deleted", named.schedule)]);
            }
            Ok(())
        }
        Action::Pause(named) => post(&named.path("/pause"), client, format).await,
        Action::Resume(named) => post(&named.path("/resume"), client, format).await,
        Action::Run(named) => fires::run_now(&named.path("/run"), client, format).await,
        Action::Fires(args) => fires::list(&args, client, format).await,
        Action::Preview(args) => fires::preview(&args, client, format).await,
        Action::Apply(args) => apply::run(&args, client, format).await,
    }
}

async fn list(page: &Page, client: &Client, format: Format) -> Result<(), Failure> {
    let reply = client.get("/v1/schedules", &page.query()).await?;
    let page = reply.json();
    output::answer(format, &reply.body, || {
        let rows: Vec<_> = page["schedules"].as_array().into_iter().flatten().map(row).collect();
        output::table(&["NAME", "CRON", "TIME ZONE", "KIND", "PAUSED", "NEXT FIRE", "JOBS MADE"], &rows)
    });
    tell_of_more(&page, format);
    Ok(())
}

fn row(schedule: &Value) -> Vec<String> {
    let shown = [
        &schedule["name"],
        &schedule["cron"],
        &schedule["time_zone"],
        &schedule["job"]["kind"],
        &schedule["paused"],
        &schedule["next_fire_at"],
        &schedule["jobs_made"],
    ];
    shown.map(|value| if value.is_null() { "-".into() } else { text(value) }).into()
}

async fn post(path: &str, client: &Client, format: Format) -> Result<(), Failure> {
    let reply = client.post(path, None, None).await?;
    output::answer(format, &reply.body, || vec![state_line(&reply.json())]);
    Ok(())
}

/// Whether a schedule runs, and when it fires next.
fn state_line(schedule: &Value) -> String {
    let state = match schedule["next_fire_at"].as_str() {
        _ if schedule["paused"] == true => "paused".into(),
        Some(next) => format!("fires next at {next}"),
        None => "will not fire again".into(),
    };
    format!("{}  {}  {state}", text(&schedule["id"]), text(&schedule["name"]))
}

/// A schedule for people: a field per line, those without a value left out.
fn lines(schedule: &Value) -> Vec<String> {
    let job = &schedule["job"];
    let fields = [
        ("id", &schedule["id"]),
        ("name", &schedule["name"]),
        ("tenant", &schedule["tenant"]),
        ("cron", &schedule["cron"]),
        ("time zone", &schedule["time_zone"]),
        ("starts at", &schedule["starts_at"]),
        ("ends at", &schedule["ends_at"]),
        ("jitter s", &schedule["jitter_s"]),
        ("misfire", &schedule["misfire"]),
        ("overlap", &schedule["overlap"]),
        ("kind", &job["kind"]),
        ("payload", &job["payload"]),
        ("queue", &job["queue"]),
        ("priority", &job["priority"]),
        ("attempts", &job["max_attempts"]),
        ("tags", &job["tags"]),
        ("paused", &schedule["paused"]),
        ("version", &schedule["version"]),
        ("next fire", &schedule["next_fire_at"]),
        ("last fire", &schedule["last_fire_at"]),
        ("jobs made", &schedule["jobs_made"]),
    ];
    let given = fields.into_iter().filter(|(_, value)| !value.is_null());
    let shown = |value: &Value| if value.is_string() { text(value) } else { output::compact(value) };
    given.map(|(name, value)| format!("{name:<10} {}", shown(value))).collect()
}
