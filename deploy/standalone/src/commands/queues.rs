//! `windrow queues`: how deep they are, and what may start from them.

use clap::Subcommand;
use serde_json::{Map, Value, json};

use crate::{
    cli::Format,
    client::Client,
    failure::Failure,
    output::{self, text},
};

/// What to do with which queue.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// All tenants together, not only the key's
    #[arg(long, global = true)]
    platform: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show depth, age and limits of every queue (the default)
    List,
    /// Start nothing more from a queue; what runs goes on
    Pause {
        /// The queue
        queue: String,
    },
    /// Start jobs of a paused queue again
    Resume {
        /// The queue
        queue: String,
    },
    /// Set the limits of a queue
    Set(Limits),
}

#[derive(Debug, clap::Args)]
#[group(multiple = true)]
struct Limits {
    /// The queue
    queue: String,
    /// The most jobs running at once, or none
    #[arg(long, value_name = "N|none")]
    concurrency: Option<String>,
    /// The most starts per second, or none
    #[arg(long, value_name = "X|none")]
    rate_per_s: Option<String>,
    /// The lane's share against other tenants', 1 to 100
    #[arg(long, value_name = "N")]
    weight: Option<u32>,
}

/// Does it.
pub async fn run(args: Args, client: &Client, format: Format) -> Result<(), Failure> {
    let scope: Vec<_> = args.platform.then(|| ("scope", "platform".to_owned())).into_iter().collect();
    let (queue, patch) = match args.action {
        None | Some(Action::List) => return list(client, &scope, format).await,
        Some(Action::Pause { queue }) => (queue, json!({ "paused": true })),
        Some(Action::Resume { queue }) => (queue, json!({ "paused": false })),
        Some(Action::Set(limits)) => (limits.queue.clone(), patch(&limits)?),
    };
    // A queue's name has no character that a path would have to escape; any other is refused here.
    if !queue.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') || queue.is_empty() {
        return Err(Failure::Usage(format!("{queue:?} is no queue's name")));
    }
    let reply = client.patch(&format!("/v1/queues/{queue}"), &scope, patch.to_string()).await?;
    output::answer(format, &reply.body, || {
        let limits = reply.json();
        let caps = ["paused", "concurrency", "rate_per_s", "weight"].map(|name| format!("{name} {}", or_none(&limits[name])));
        vec![format!("{} ({})  {}", text(&limits["name"]), text(&limits["scope"]), caps.join("  "))]
    });
    Ok(())
}

fn patch(limits: &Limits) -> Result<Value, Failure> {
    let mut patch = Map::new();
    for (name, given) in [("concurrency", &limits.concurrency), ("rate_per_s", &limits.rate_per_s)] {
        if let Some(given) = given {
            patch.insert(name.into(), cap(name, given)?);
        }
    }
    if let Some(weight) = limits.weight {
        patch.insert("weight".into(), weight.into());
    }
    if patch.is_empty() {
        return Err(Failure::Usage("give --concurrency, --rate-per-s or --weight".into()));
    }
    Ok(Value::Object(patch))
}

fn cap(name: &str, given: &str) -> Result<Value, Failure> {
    let number = serde_json::from_str(given).ok().filter(Value::is_number);
    if given == "none" {
        Ok(Value::Null)
    } else {
        number.ok_or_else(|| Failure::Usage(format!("{name}: {given:?} is neither a number nor none")))
    }
}

async fn list(client: &Client, scope: &[(&str, String)], format: Format) -> Result<(), Failure> {
    let reply = client.get("/v1/queues", scope).await?;
    output::answer(format, &reply.body, || {
        let answer = reply.json();
        let rows: Vec<_> = answer["queues"].as_array().into_iter().flatten().map(row).collect();
        output::table(&["QUEUE", "DEPTH", "RUNNING", "OLDEST S", "PAUSED", "CONCURRENCY", "RATE/S", "WEIGHT"], &rows)
    });
    Ok(())
}

fn row(queue: &Value) -> Vec<String> {
    let shown = ["depth", "running", "oldest_age_s", "paused", "concurrency", "rate_per_s", "weight"];
    [text(&queue["name"])].into_iter().chain(shown.iter().map(|name| or_none(&queue[*name]))).collect()
}

fn or_none(value: &Value) -> String {
    if value.is_null() { "-".into() } else { text(value) }
}
