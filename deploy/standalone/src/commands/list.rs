//! `windrow list`: jobs, newest first, a page at a time.

use serde_json::Value;

use crate::{
    cli::Format,
    client::Client,
    failure::Failure,
    output::{self, text},
};

/// Which jobs; every given part must fit.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Jobs of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Jobs of this queue
    #[arg(long)]
    queue: Option<String>,
    /// Jobs in this state
    #[arg(long)]
    state: Option<String>,
    /// Jobs that carry this tag
    #[arg(long)]
    tag: Option<String>,
    /// Jobs created at or after this (RFC 3339)
    #[arg(long, value_name = "TIME")]
    created_from: Option<String>,
    /// Jobs created before this (RFC 3339)
    #[arg(long, value_name = "TIME")]
    created_to: Option<String>,
    /// Jobs per page, at most 1000
    #[arg(long, value_name = "N")]
    page_size: Option<usize>,
    /// Go on where a page ended
    #[arg(long, value_name = "TOKEN")]
    page_token: Option<String>,
}

/// Prints one page.
pub async fn run(args: &Args, client: &Client, format: Format) -> Result<(), Failure> {
    let given = [
        ("kind", args.kind.clone()),
        ("queue", args.queue.clone()),
        ("state", args.state.clone()),
        ("tag", args.tag.clone()),
        ("created_from", args.created_from.clone()),
        ("created_to", args.created_to.clone()),
        ("page_size", args.page_size.map(|size| size.to_string())),
        ("page_token", args.page_token.clone()),
    ];
    let query: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let reply = client.get("/v1/jobs", &query).await?;
    let page = reply.json();
    output::answer(format, &reply.body, || {
        let rows: Vec<_> = page["jobs"].as_array().into_iter().flatten().map(row).collect();
        output::table(&["ID", "STATE", "KIND", "QUEUE", "ATTEMPT", "CREATED"], &rows)
    });
    if let (Format::Text, Some(token)) = (format, page["next_page_token"].as_str()) {
        output::complain(&format!("there are more: the same with --page-token {token}"));
    }
    Ok(())
}

fn row(job: &Value) -> Vec<String> {
    ["id", "state", "kind", "queue", "attempt", "created_at"].iter().map(|field| text(&job[*field])).collect()
}
