//! `windrow demo`: starts a server, builds an app on it, and shows how it goes.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::anyhow;
use reqwest::Url;
use serde_json::{Value, json};
use tokio::{sync::oneshot, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use windrow_jobs::settings::{Effective, Settings};

use crate::{
    cli::{Cli, Format},
    client::{Client, check_completed, job_path},
    failure::Failure,
    output::{self, Bar, text},
    serve::{self, Ready},
};

/// How long all of it may take; a build takes a second, on a machine under load a few more.
const DEMO_MAX: Duration = Duration::from_secs(120);

/// How to show it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print one JSON object, as --output json does
    #[arg(long)]
    json: bool,
}

/// Runs the demo, on a server of its own unless `--url` names one.
pub async fn run(args: &Args, cli: &Cli, effective: &Effective) -> Result<(), Failure> {
    let format = if args.json { Format::Json } else { cli.output };
    if cli.url.is_some() {
        return show(&Client::of(cli, effective)?, format, None).await;
    }
    let server = Server::start(&effective.settings).await?;
    let base = Url::parse(&server.ready.url).map_err(|error| anyhow!("the server's URL {}: {error}", server.ready.url))?;
    let client = Client::new(base, server.ready.key.clone(), cli.tenant.as_ref().map(ToString::to_string))?;
    // Links to a folder end with this server, so the file is fetched.
    let keep_in = effective.settings.objects_folder().map(|_| effective.settings.data_dir.as_path());
    let shown = tokio::select! {
        shown = show(&client, format, keep_in) => shown,
        _ = tokio::signal::ctrl_c() => Err(Failure::Job("interrupted".into())),
    };
    server.stop().await?;
    shown
}

/// A standalone server in this process.
struct Server {
    ready: Ready,
    shutdown: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Server {
    async fn start(settings: &Settings) -> Result<Self, Failure> {
        let mut settings = settings.clone();
        settings.api.listen = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        settings.api.public_url = None;
        let shutdown = CancellationToken::new();
        let (ready, is_ready) = oneshot::channel();
        let running = tokio::spawn(serve::run(settings, shutdown.clone(), Some(ready)));
        match is_ready.await {
            Ok(ready) => Ok(Self { ready, shutdown, running }),
            // The sender is gone, so the server has ended, and says why.
            Err(_) => match running.await {
                Ok(Err(error)) => Err(error.into()),
                Ok(Ok(())) => Err(anyhow!("the server ended before it was ready").into()),
                Err(panic) => Err(anyhow!(panic).context("the server panicked").into()),
            },
        }
    }

    async fn stop(self) -> Result<(), Failure> {
        self.shutdown.cancel();
        let ended = self.running.await.map_err(|panic| anyhow!(panic).context("the server panicked"))?;
        Ok(ended?)
    }
}

async fn show(client: &Client, format: Format, keep_in: Option<&Path>) -> Result<(), Failure> {
    let start = Instant::now();
    let submission = json!({ "kind": "build.generate", "payload": payload(), "tags": ["demo"] });
    let accepted = client.post("/v1/jobs", Some(submission.to_string()), None).await?.json();
    let id = text(&accepted["id"]);
    if format == Format::Text {
        output::line(&format!("server    {}", client.base()));
        output::line(&format!("accepted  {id}"));
    }
    let mut bar = Bar::new();
    let reply = client
        .follow(&id, Some(start + DEMO_MAX), |job| {
            if format == Format::Text {
                let percent = if job["state"] == "completed" { Some(100) } else { job["progress"]["percent"].as_u64() };
                let stage = if job["state"] == "running" { text(&job["progress"]["message"]) } else { String::new() };
                bar.show(percent.unwrap_or(0), &format!("{} {stage}", text(&job["state"])));
            }
        })
        .await?;
    bar.end();
    let job = reply.json();
    let elapsed_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let place = match (artifacts(client, &id, &job).await?, keep_in) {
        (made, Some(folder)) if !made.is_empty() => Some(Place::File(keep(client, &made, folder).await?)),
        (made, _) => made.into_iter().next().map(|(_, url)| Place::Link(url)),
    };
    output::answer(format, &summary(&job, client, elapsed_ms, place.as_ref()).to_string(), || lines(&job, elapsed_ms, place.as_ref()));
    check_completed(&job)
}

/// A task list with all that there is.
fn payload() -> Value {
    json!({
        "template": "task-list@^1",
        "features": ["theme-switch@^1", "search@^1", "export@^1", "shortcuts@^1"],
        "app": { "name": "Windrow Tasks", "bundle_id": "dev.windrow.tasks", "settings": { "empty_text": "All hay is in." } },
    })
}

/// Where to find what was built.
enum Place {
    Link(String),
    File(PathBuf),
}

/// Fetches what the links lead to into this folder, and names the first.
async fn keep(client: &Client, made: &[(String, String)], folder: &Path) -> Result<PathBuf, Failure> {
    for (name, url) in made {
        let file = folder.join(name);
        let content = client.download(url).await?;
        std::fs::write(&file, content).map_err(|error| anyhow!(error).context(format!("writing {}", file.display())))?;
    }
    Ok(folder.join(&made[0].0))
}

/// What was built and what vouches for it, by name, each with its link; the archive first. Empty where nothing was built.
async fn artifacts(client: &Client, id: &str, job: &Value) -> Result<Vec<(String, String)>, Failure> {
    if job["state"] != "completed" {
        return Ok(Vec::new());
    }
    let archive = text(&job["result"]["artifact"]);
    let listed = client.get(&job_path(id, "/artifacts"), &[]).await?.json();
    let artifacts = listed["artifacts"].as_array().into_iter().flatten();
    let mut made: Vec<_> = artifacts.map(|artifact| (text(&artifact["name"]), text(&artifact["url"]))).collect();
    // Signature and provenance are named after it.
    made.retain(|(name, _)| name.starts_with(&archive));
    made.sort();
    Ok(made)
}

fn lines(job: &Value, elapsed_ms: u64, place: Option<&Place>) -> Vec<String> {
    let result = &job["result"];
    let cached = if result["cached"] == true { ", as built before" } else { "" };
    let mut lines = vec![format!("{:<9} in {:.1} s{cached}", text(&job["state"]), elapsed_ms as f64 / 1_000.0)];
    if result.is_object() {
        lines.extend(["artifact", "sha256", "bytes"].map(|name| format!("{name:<9} {}", text(&result[name]))));
        lines.extend(place.map(|place| match place {
            Place::Link(url) => format!("link      {url}"),
            Place::File(file) => format!("file      {}", file.display()),
        }));
        if let Some(Place::File(file)) = place {
            lines.push(format!("verify    windrow verify {}", file.display()));
        }
    }
    if job["error"].is_object() {
        lines.push(format!("error     {}: {}", text(&job["error"]["code"]), text(&job["error"]["message"])));
    }
    lines
}

fn summary(job: &Value, client: &Client, elapsed_ms: u64, place: Option<&Place>) -> Value {
    let (url, file) = match place {
        Some(Place::Link(url)) => (Some(url), None),
        Some(Place::File(file)) => (None, Some(file)),
        None => (None, None),
    };
    json!({
        "server": client.base(),
        "id": job["id"],
        "kind": job["kind"],
        "state": job["state"],
        "attempt": job["attempt"],
        "elapsed_ms": elapsed_ms,
        "artifact": job["result"]["artifact"],
        "sha256": job["result"]["sha256"],
        "bytes": job["result"]["bytes"],
        "cached": job["result"]["cached"],
        "url": url,
        "file": file,
        "error": job["error"],
    })
}
