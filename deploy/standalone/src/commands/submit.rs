//! `windrow submit`: one job, or a file of them.

use std::{io::Read, time::Duration};

use serde_json::{Map, Value, value::RawValue};
use tokio::time::Instant;

use crate::{
    cli::Format,
    client::{Client, check_completed, is_final},
    failure::Failure,
    output::{self, text},
};

/// What to submit.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What is to be done
    #[arg(required_unless_present = "batch")]
    kind: Option<String>,
    /// Submit every job of this file, a JSON array or an object per line; - for stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "kind", "payload", "queue", "priority", "delay_s", "run_at", "deadline", "max_attempts", "unique_key", "idempotency_key", "tags", "wait",
    ])]
    batch: Option<String>,
    /// Of a batch: submit all, or nothing if one is refused
    #[arg(long, requires = "batch")]
    atomic: bool,
    /// The kind's input: JSON, @FILE, or - for stdin
    #[arg(long, value_name = "JSON", default_value = "{}")]
    payload: String,
    /// Where it waits [default: the kind's queue]
    #[arg(long)]
    queue: Option<String>,
    /// -100 to 100, higher first
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i16>,
    /// Run it this many seconds from now
    #[arg(long, value_name = "SECONDS", conflicts_with = "run_at")]
    delay_s: Option<f64>,
    /// Run it then (RFC 3339)
    #[arg(long, value_name = "TIME")]
    run_at: Option<String>,
    /// Do not start it after this (RFC 3339)
    #[arg(long, value_name = "TIME")]
    deadline: Option<String>,
    /// Attempts it has [default: the kind's]
    #[arg(long, value_name = "N")]
    max_attempts: Option<u32>,
    /// At most one live job of the tenant has this key; another submission is answered with that job
    #[arg(long, value_name = "KEY")]
    unique_key: Option<String>,
    /// Sent again with the same key, the same submission is answered as at first
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// A label; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Wait this many seconds for it to become final
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
}

/// Submits, and waits if that was asked for.
pub async fn run(args: &Args, client: &Client, format: Format) -> Result<(), Failure> {
    if let Some(file) = &args.batch {
        return run_batch(file, args.atomic, client, format).await;
    }
    let until = args.wait.map(|wait_s| Instant::now() + Duration::from_secs(wait_s));
    let body = body(args)?;
    let mut reply = client.submit(body, args.idempotency_key.as_deref(), args.wait).await?;
    if let Some(until) = until
        && !is_final(&reply.json())
    {
        reply = client.follow(&text(&reply.json()["id"]), Some(until), |_| {}).await?;
    }
    let job = reply.json();
    output::answer(format, &reply.body, || match args.wait {
        Some(_) => output::job_lines(&job),
        None => vec![format!("{}  {}  {}", text(&job["id"]), text(&job["kind"]), text(&job["state"]))],
    });
    if args.wait.is_some() { check_completed(&job) } else { Ok(()) }
}

async fn run_batch(file: &str, atomic: bool, client: &Client, format: Format) -> Result<(), Failure> {
    let reply = client.submit_batch(read("--batch", file)?, atomic).await?;
    let report = reply.json();
    output::answer(format, &reply.body, || report["items"].as_array().into_iter().flatten().map(item_line).collect());
    match report["rejected"].as_u64() {
        Some(0) => Ok(()),
        _ => Err(Failure::Job(format!("{} of the jobs are refused, {} are accepted", report["rejected"], report["accepted"]))),
    }
}

fn item_line(item: &Value) -> String {
    let problem = &item["problem"];
    match item["id"].as_str() {
        Some(id) if item["deduplicated"] == true => format!("{id}  deduplicated"),
        Some(id) if item["replayed"] == true => format!("{id}  replayed"),
        Some(id) => id.to_owned(),
        None => format!("{}  {}: {}", text(&problem["pointer"]), text(&problem["code"]), text(&problem["detail"])),
    }
}

fn body(args: &Args) -> Result<String, Failure> {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Option<Value>| value.and_then(|value| fields.insert(name.into(), value));
    set("queue", args.queue.clone().map(Value::from));
    set("priority", args.priority.map(Value::from));
    set("delay_s", args.delay_s.map(Value::from));
    set("run_at", args.run_at.clone().map(Value::from));
    set("deadline", args.deadline.clone().map(Value::from));
    set("max_attempts", args.max_attempts.map(Value::from));
    set("unique_key", args.unique_key.clone().map(Value::from));
    set("tags", (!args.tags.is_empty()).then(|| args.tags.clone().into()));
    // The payload goes as it is: read into a value and written again, large numbers would change.
    let payload = payload(&args.payload)?;
    let kind = Value::from(args.kind.clone().unwrap_or_default());
    let rest: String = fields.iter().map(|(name, value)| format!(",\"{name}\":{value}")).collect();
    Ok(format!("{{\"kind\":{kind},\"payload\":{payload}{rest}}}"))
}

/// A payload as an option gives it: JSON, `@FILE`, or `-` for stdin.
pub(super) fn payload(given: &str) -> Result<Box<RawValue>, Failure> {
    let json = match given.strip_prefix('@') {
        Some(path) => read("--payload", path)?,
        None if given == "-" => read("--payload", given)?,
        None => given.to_owned(),
    };
    serde_json::from_str(json.trim()).map_err(|error| Failure::Usage(format!("--payload is not JSON: {error}")))
}

/// A file's text, or stdin's for `-`.
pub(super) fn read(argument: &str, path: &str) -> Result<String, Failure> {
    let text = if path == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    text.map_err(|error| Failure::Usage(format!("{argument} {path}: {error}")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_body_says_what_was_given_and_no_more() {
        let of = |line: &[&str]| body(&Line::try_parse_from([&["submit"], line].concat()).expect("it parses").args);
        assert_eq!(of(&["echo"]).expect("a body"), r#"{"kind":"echo","payload":{}}"#);
        let all = of(&["a\"b", "--payload", "{\"n\": 1e400}", "--priority", "-5", "--tag", "x", "--tag", "y", "--delay-s", "1.5"]);
        assert_eq!(all.expect("a body"), r#"{"kind":"a\"b","payload":{"n": 1e400},"delay_s":1.5,"priority":-5,"tags":["x","y"]}"#);
        assert!(matches!(of(&["echo", "--payload", "{"]), Err(Failure::Usage(_))));
        assert!(matches!(of(&["echo", "--payload", "@/nowhere"]), Err(Failure::Usage(_))));
    }
}
