//! `windrow-api`: the HTTP side of a cluster, any number of them.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use windrow_api::{Api, Parts, limits::RENDERERS_MAX, wait::Changes};
use windrow_jobs::{
    connection::seal::Keyring,
    objects::link::Signer,
    process,
    renderer::{self, pool::Renderers},
    settings::{self, Settings},
};

fn main() -> ExitCode {
    process::run("windrow-api", |settings| settings.api.listen, serve)
}

async fn serve(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let key =
        settings.api.key.as_ref().ok_or_else(|| settings::Error::at("api.key", "an api of a cluster makes no key of its own: give one"))?;
    let master_keys = settings.master_keys()?;
    let signer = match &master_keys {
        Some(keys) => Signer::of(keys),
        None => {
            tracing::warn!("without secrets.master_key, this api takes no secrets of connections");
            if settings.objects_folder().is_some() {
                tracing::warn!("without secrets.master_key, links to files open on this api only, until it ends");
            }
            // A random key signs what only this process opens.
            Signer::new(uuid::Uuid::new_v4().as_bytes())
        }
    };
    if settings.objects_folder().is_some() {
        tracing::warn!("objects lie in a folder (objects.url): processes on other machines do not see it");
    }
    let ledger = process::postgres::open(&settings, &shutdown).await?;
    if let Some(redis) = process::redis::of(&settings)? {
        process::redis::publish_nudges(&redis, &ledger, shutdown.clone()).await?;
    }
    let listen = settings.api.listen;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen} (api.listen)"))?;
    let bound = listener.local_addr()?;
    let objects = process::objects::open_with(&settings, signer.clone(), settings.links_base(bound))?;
    let api = Api::new(Parts {
        ledger: Arc::new(ledger),
        queues: settings.queue_names(),
        schedules: (&settings).into(),
        key: key.as_str().to_owned(),
        public_url: settings.links_base(bound),
        objects,
        signer,
        keyring: master_keys.as_ref().map(Keyring::new).unwrap_or_default(),
        renderers: Renderers::new(renderer::own_program().context("finding this program")?, RENDERERS_MAX),
        search: Arc::new(process::search::open(&settings)),
        changes: Changes::default(),
        inside: None,
        shutdown: shutdown.clone(),
    });
    tracing::info!(url = %format!("http://{bound}"), "windrow-api is ready");
    windrow_api::serve(listener, windrow_api::router(api), shutdown).await.context("answering HTTP")
}
