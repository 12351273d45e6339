//! `windrow serve`: everything in this process, until it is told to stop.

use std::future;

use serde_json::json;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};
use tokio_util::sync::CancellationToken;
use windrow_jobs::settings::Effective;

use crate::{
    cli::Format,
    failure::Failure,
    output,
    serve::{self, Ready, key_file},
};

/// The exit code of a process that was told to stop a second time, as shells count a Ctrl-C.
const EXIT_INTERRUPTED: i32 = 130;

/// Serves until SIGTERM or Ctrl-C; a second one ends the process without draining.
pub async fn run(effective: &Effective, format: Format) -> Result<(), Failure> {
    let shutdown = CancellationToken::new();
    tokio::spawn(stop_on_signal(shutdown.clone()));
    let (ready, is_ready) = oneshot::channel();
    let announce = async {
        if let Ok(ready) = is_ready.await {
            greet(&ready, effective, format);
        }
        future::pending::<()>().await;
    };
    tokio::select! {
        served = serve::run(effective.settings.clone(), shutdown, Some(ready)) => Ok(served?),
        () = announce => Ok(()),
    }
}

fn greet(ready: &Ready, effective: &Effective, format: Format) {
    let key_from = match &effective.settings.api.key {
        Some(_) => effective.origin("api.key"),
        None => key_file(&effective.settings.data_dir).display().to_string(),
    };
    let body = json!({ "url": ready.url, "api_key_from": key_from, "data_dir": effective.settings.data_dir }).to_string();
    output::answer(format, &body, || {
        vec![
            format!("windrow {} listens on {}", env!("CARGO_PKG_VERSION"), ready.url),
            format!("  api key  in {key_from}"),
            r#"  try      windrow submit echo --payload '{"message":"hello"}' --wait 10"#.into(),
        ]
    });
}

async fn stop_on_signal(shutdown: CancellationToken) {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate()).ok(), signal(SignalKind::interrupt()).ok());
    tokio::select! {
        () = received(terminate.as_mut()) => {}
        () = received(interrupt.as_mut()) => {}
    }
    tracing::info!("stopping; a second signal stops at once");
    shutdown.cancel();
    tokio::select! {
        () = received(terminate.as_mut()) => {}
        () = received(interrupt.as_mut()) => {}
    }
    std::process::exit(EXIT_INTERRUPTED);
}

async fn received(signal: Option<&mut Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    // A signal that cannot be listened for never comes.
    future::pending().await
}
