//! The probes and metrics of a process that has no other HTTP side.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::metrics;

/// What a probe asks. The error says what is wrong.
pub trait Health: Send + Sync + 'static {
    /// Whether the process should go on; a supervisor restarts it where not.
    fn live(&self) -> Result<(), String>;
    /// Whether it does its work at present.
    fn ready(&self) -> Result<(), String>;
}

/// Answers `/healthz`, `/readyz` and `/metrics` on `listen` until `shutdown`; logs the address, since port 0 takes any.
pub async fn serve(listen: SocketAddr, health: Arc<dyn Health>, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen} (worker.health_listen)"))?;
    tracing::info!(health = %listener.local_addr()?, "answering probes");
    let (live, ready) = (health.clone(), health);
    let router = Router::new()
        .route("/healthz", get(async move || answer(live.live())))
        .route("/readyz", get(async move || answer(ready.ready())))
        .route("/metrics", get(async || ([(CONTENT_TYPE, metrics::MEDIA_TYPE)], metrics::render())));
    axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await?;
    Ok(())
}

fn answer(probed: Result<(), String>) -> (StatusCode, String) {
    match probed {
        Ok(()) => (StatusCode::OK, "ok\n".into()),
        Err(wrong) => (StatusCode::SERVICE_UNAVAILABLE, format!("{wrong}\n")),
    }
}
