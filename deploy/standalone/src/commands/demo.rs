//! `windrow demo`: starts a server, runs a job on it, and shows how it goes.

use std::{
    net::{Ipv4Addr, SocketAddr},
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
    client::{Client, check_completed},
    failure::Failure,
    output::{self, Bar, text},
    serve::{self, Ready},
};

/// How long the job works: long enough to watch.
const SLEEP_MS: u32 = 3_000;
/// How long all of it may take; a machine under load needs a few seconds more than the job itself.
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
        return show(&Client::of(cli, effective)?, format).await;
    }
    let server = Server::start(&effective.settings).await?;
    let base = Url::parse(&server.ready.url).map_err(|error| anyhow!("the server's URL {}: {error}", server.ready.url))?;
    let client = Client::new(base, server.ready.key.clone(), cli.tenant.as_ref().map(ToString::to_string))?;
    let shown = tokio::select! {
        shown = show(&client, format) => shown,
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

async fn show(client: &Client, format: Format) -> Result<(), Failure> {
    let start = Instant::now();
    let submission =
        json!({ "kind": "echo", "payload": { "message": "hello from windrow", "sleep_ms": SLEEP_MS, "log_lines": 3 }, "tags": ["demo"] });
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
                bar.show(percent.unwrap_or(0), &text(&job["state"]));
            }
        })
        .await?;
    bar.end();
    let job = reply.json();
    let elapsed_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    output::answer(format, &summary(&job, client, elapsed_ms).to_string(), || {
        let mut lines = vec![format!("{:<9} in {:.1} s, attempt {}", text(&job["state"]), elapsed_ms as f64 / 1_000.0, job["attempt"])];
        lines.extend(job["result"].is_object().then(|| format!("result    {}", job["result"])));
        lines.extend(
            job["error"].is_object().then(|| format!("error     {}: {}", text(&job["error"]["code"]), text(&job["error"]["message"]))),
        );
        lines
    });
    check_completed(&job)
}

fn summary(job: &Value, client: &Client, elapsed_ms: u64) -> Value {
    json!({
        "server": client.base(),
        "id": job["id"],
        "kind": job["kind"],
        "state": job["state"],
        "attempt": job["attempt"],
        "elapsed_ms": elapsed_ms,
        "result": job["result"],
        "error": job["error"],
    })
}
