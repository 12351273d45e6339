//! Requests against the router over the ledger in memory. What the whole system promises is in `tests/it`.

mod bundles;
mod callbacks;
mod conformance;
mod connections;
mod effects;
mod errors;
mod fixture;
mod indexes;
mod jobs;
mod keys;
mod lists;
mod notification_templates;
mod objects;
mod openapi;
mod operators;
mod records;
mod schedules;
mod sync_presets;
mod syncs;
