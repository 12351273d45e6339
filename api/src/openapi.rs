//! The OpenAPI 3.1 document of this API, made from the handlers' annotations and the very types that they answer with.
//!
//! A route gets into the router by `routes!` alone, which takes its annotation along, so there is none without. What an
//! extractor may refuse is said beside it by [`gives`]; `openapi/finish.rs` makes answers of that. That the document is
//! true is checked by every test of this crate (`tests/conformance.rs`) and from outside by `tests/it/openapi.rs`.

mod finish;
mod headers;

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::Value;
use utoipa::{
    OpenApi,
    openapi::{RefOr, Response},
};

use crate::{
    error::{Code, Problem},
    routes,
};

/// The document, finished.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        let (_, made) = routes::all().split_for_parts();
        // Text and numbers only: it always has a JSON form.
        finish::finished(serde_json::to_value(made).unwrap_or_default())
    });
    &DOCUMENT
}

/// What the routes are added to.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Windrow",
        version = env!("CARGO_PKG_VERSION"),
        description = include_str!("openapi/description.md"),
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(Problem)),
    tags(
        (name = "jobs", description = "Submit, follow, cancel and redrive jobs."),
        (name = "artifacts", description = "Files that jobs made."),
        (name = "bundles", description = "Templates and features that apps are built of."),
        (name = "kinds", description = "What payload each kind takes, and how its jobs are tried."),
        (name = "schedules", description = "Jobs that are submitted when their time comes, and what became of each time."),
        (name = "callbacks", description = "Reports of endpoints that finish later what a job asked of them."),
        (name = "connections", description = "A tenant's access to providers: configuration, and secrets that come in and never go out."),
        (name = "records", description = "The tenant's records, which syncs keep and programs look up."),
        (name = "notifications", description = "What notifications say: templates, by language, and what they look like filled in."),
        (name = "syncs", description = "What one system has, kept the same in another: declared, previewed, and what runs did."),
        (name = "indexes", description = "The tenant's documents in chunks, found by meaning and by words."),
        (name = "hooks", description = "Where providers tell connections what happened, and what was told there."),
        (name = "queues", description = "How deep the queues are, and what may start from them."),
        (name = "accounts", description = "Whether everything that was accepted is accounted for."),
        (name = "operation", description = "Probes, status and metrics. No key needed."),
        (name = "documents", description = "This document, and a page to read it by. No key needed."),
    )
)]
pub(crate) struct Base;

/// Says which problems a type gives, where it is named among an operation's answers.
macro_rules! gives {
    ($($of:ident: $($code:ident),+;)+) => {$(
        impl utoipa::IntoResponses for $of {
            fn responses() -> std::collections::BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Response>> {
                $crate::openapi::problems(&[$($crate::error::Code::$code),+])
            }
        }
    )+};
}
pub(crate) use gives;

/// A place for each problem among an operation's answers. Several have one status, so `finish.rs` puts these together.
pub(crate) fn problems(codes: &[Code]) -> BTreeMap<String, RefOr<Response>> {
    let place = |code: &Code| (format!("{} {}", code.status.as_u16(), code.name), Response::new(code.title).into());
    codes.iter().map(place).collect()
}
