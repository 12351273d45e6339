//! `windrow serve`: everything in this process, until it is told to stop.

use std::future;

use serde_json::json;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use windrow_jobs::{process::signals::stop_on_signal, settings::Effective};

use crate::{
    cli::Format,
    failure::Failure,
    output,
    serve::{self, Ready, key_file},
};

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
