//! Every path of the API. One file per noun.
//!
//! A path is where its handler is: `routes!` reads it, and all else that the document says of it, from there.

pub(crate) mod audit;
pub(crate) mod batch;
pub(crate) mod bundles;
pub(crate) mod callbacks;
pub(crate) mod connections;
pub(crate) mod deliveries;
pub(crate) mod documents;
pub(crate) mod effects;
pub(crate) mod history;
pub(crate) mod hooks;
pub(crate) mod indexes;
pub(crate) mod jobs;
pub(crate) mod kinds;
pub(crate) mod list;
pub(crate) mod notification_templates;
pub(crate) mod objects;
pub(crate) mod operate;
pub(crate) mod probes;
pub(crate) mod queues;
pub(crate) mod records;
pub(crate) mod schedules;
pub(crate) mod search;
pub(crate) mod sync_presets;
pub(crate) mod syncs;
mod tagged;
mod view;

use axum::extract::DefaultBodyLimit;
use utoipa::OpenApi;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};

use windrow_jobs::hook::PAYLOAD_BYTES_MAX;

use self::{batch::BATCH_BYTES_MAX, bundles::upload::UPLOAD_BYTES_MAX};
use crate::{Api, body::BODY_BYTES_MAX, error::ApiError, openapi::Base};

/// The routes, without the edge around them.
pub(crate) fn all() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Base::openapi())
        .routes(routes!(list::list, jobs::create))
        .routes(routes!(batch::create).layer(DefaultBodyLimit::max(BATCH_BYTES_MAX)))
        .routes(routes!(jobs::read))
        .routes(routes!(history::attempts))
        .routes(routes!(history::logs))
        .routes(routes!(effects::list))
        .routes(routes!(deliveries::list))
        .routes(routes!(effects::resolve))
        .routes(routes!(objects::artifacts))
        .routes(routes!(objects::open))
        .routes(routes!(operate::cancel))
        .routes(routes!(operate::redrive))
        .routes(routes!(callbacks::report))
        .routes(routes!(callbacks::heartbeat))
        .routes(routes!(schedules::list::list, schedules::create))
        .routes(routes!(schedules::preview::preview))
        .routes(routes!(schedules::read, schedules::change::change, schedules::remove))
        .routes(routes!(schedules::change::pause))
        .routes(routes!(schedules::change::resume))
        .routes(routes!(schedules::fires::run))
        .routes(routes!(schedules::fires::list))
        .routes(routes!(connections::list::list, connections::create))
        .routes(routes!(connections::read, connections::change::change, connections::remove))
        .routes(routes!(connections::test::test))
        .routes(routes!(connections::hook::read, connections::hook::make, connections::hook::end))
        .routes(routes!(connections::hook::list))
        .routes(routes!(connections::hook::raw))
        .routes(routes!(hooks::challenge, hooks::tell).layer(DefaultBodyLimit::max(PAYLOAD_BYTES_MAX)))
        .routes(routes!(connections::providers::list))
        .routes(routes!(connections::providers::read))
        .routes(routes!(sync_presets::list))
        .routes(routes!(sync_presets::read))
        .routes(routes!(connections::shred::destroy))
        .routes(routes!(bundles::templates::list))
        .routes(routes!(bundles::templates::versions))
        .routes(routes!(bundles::templates::read, bundles::templates::publish).layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX)))
        .routes(routes!(bundles::features::list))
        .routes(routes!(bundles::features::versions))
        .routes(routes!(bundles::features::read, bundles::features::publish).layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX)))
        .routes(routes!(bundles::resolve::resolve))
        .routes(routes!(notification_templates::list::list))
        .routes(routes!(notification_templates::look, notification_templates::put, notification_templates::remove))
        .routes(routes!(notification_templates::list::versions))
        .routes(routes!(notification_templates::preview::preview))
        .routes(routes!(notification_templates::settings::look, notification_templates::settings::put))
        .routes(routes!(syncs::list::list))
        .routes(routes!(syncs::look, syncs::put, syncs::remove))
        .routes(routes!(syncs::preview::preview))
        .routes(routes!(syncs::runs::list))
        .routes(routes!(syncs::conflicts::list))
        .routes(routes!(syncs::conflicts::settle))
        .routes(routes!(records::list::collections))
        .routes(routes!(records::list::list))
        .routes(routes!(records::look, records::put, records::remove))
        .routes(routes!(indexes::list::list))
        .routes(routes!(indexes::look, indexes::put, indexes::remove))
        .routes(routes!(indexes::documents::list))
        .routes(routes!(search::search))
        .routes(routes!(audit::ledger))
        .routes(routes!(kinds::list))
        .routes(routes!(kinds::read))
        .routes(routes!(queues::list))
        .routes(routes!(queues::change))
        .routes(routes!(probes::healthz))
        .routes(routes!(probes::readyz))
        .routes(routes!(probes::status))
        .routes(routes!(probes::metrics))
        .routes(routes!(documents::openapi))
        .routes(routes!(documents::page))
        .routes(routes!(documents::file))
        .fallback(async || ApiError::RouteNotFound)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}
