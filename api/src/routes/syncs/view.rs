//! A sync as it is shown: what it says, what its last run did, and what it lacks.

use serde::Serialize;
use utoipa::ToSchema;
use windrow_jobs::{
    clock::Timestamp,
    connection::{
        Connection, ConnectionState,
        catalog::{http, oauth2, service_account},
    },
    sync::{
        Definition, SyncId,
        state::{Since, Sync},
    },
    tenant::TenantId,
};

use super::runs::RunView;
use crate::{Api, error::ApiError};

/// A sync.
#[derive(Serialize, ToSchema)]
#[schema(as = Sync)]
pub(super) struct View {
    /// Its id.
    id: SyncId,
    /// Whose it is.
    tenant: TenantId,
    /// Its name.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9][a-z0-9_-]*$")]
    name: String,
    /// Grows with each change of its definition.
    version: u32,
    /// The preset that it was made of.
    preset: Option<String>,
    /// What it says, as a `SyncDefinition`: with the defaults of what was not said, and without what has none.
    #[schema(value_type = Object)]
    definition: Definition,
    /// What it cannot be run for yet.
    warnings: Vec<Warning>,
    /// From where its next run asks for what changed; none where that reads all.
    since: Option<SinceView>,
    /// Its last run.
    last_run: Option<RunView>,
    /// When it was made.
    created_at: Timestamp,
    /// When its definition changed last.
    updated_at: Timestamp,
}

/// What a sync cannot be run for yet.
#[derive(Serialize, ToSchema)]
#[schema(as = SyncWarning)]
struct Warning {
    /// Where in the definition, as a JSON pointer (RFC 6901).
    pointer: String,
    /// What is missing, for people.
    message: String,
}

/// From where a run asks for what changed.
#[derive(Serialize, ToSchema)]
#[schema(as = SyncSince)]
struct SinceView {
    /// An instant, a mark of the provider's, or its validators: as JSON.
    mark: String,
    /// Runs since the last that read all.
    runs: u32,
    /// Whether it is of use: what was learned under another definition is not, and the next run reads all.
    current: bool,
}

impl View {
    pub(super) async fn of(api: &Api, sync: Sync) -> Result<Self, ApiError> {
        let last_run = api.ledger.sync_runs(&sync.tenant, sync.id, None, 1).await?.into_iter().next().map(RunView::from);
        let warnings = warnings(api, &sync.tenant, &sync.definition).await?;
        let since = sync.since.map(|Since { version, mark, runs, .. }| SinceView { mark, runs, current: version == sync.version });
        Ok(Self {
            id: sync.id,
            tenant: sync.tenant,
            name: sync.name,
            version: sync.version,
            preset: sync.preset,
            definition: sync.definition,
            warnings,
            since,
            last_run,
            created_at: sync.created_at,
            updated_at: sync.updated_at,
        })
    }
}

/// Which connections are not there, or cannot be what they are named for.
async fn warnings(api: &Api, tenant: &TenantId, definition: &Definition) -> Result<Vec<Warning>, ApiError> {
    let (source, destination) = (definition.source.http.as_ref(), definition.destination.http.as_ref());
    let endpoints: &[&str] = &[http::NAME];
    let tokens: &[&str] = &[oauth2::NAME, service_account::NAME];
    let named = [
        ("/source/http/connection", source.map(|http| &http.connection), endpoints),
        ("/source/http/token_connection", source.and_then(|http| http.token_connection.as_ref()), tokens),
        ("/destination/http/connection", destination.map(|http| &http.connection), endpoints),
        ("/destination/http/token_connection", destination.and_then(|http| http.token_connection.as_ref()), tokens),
    ];
    let mut warnings = Vec::new();
    for (pointer, name, providers) in named {
        let Some(name) = name else { continue };
        if let Some(message) = lacking(name, api.ledger.connection(tenant, name).await?, providers) {
            warnings.push(Warning { pointer: pointer.into(), message });
        }
    }
    Ok(warnings)
}

fn lacking(name: &str, connection: Option<Connection>, providers: &[&str]) -> Option<String> {
    match connection {
        None => Some(format!("the tenant has no connection {name:?} yet")),
        Some(connection) if !providers.contains(&connection.provider.as_str()) => {
            Some(format!("the connection {name:?} is of the provider {}, and {} is needed", connection.provider, providers.join(" or ")))
        }
        Some(connection) if connection.facts.state == ConnectionState::Disabled => Some(format!("the connection {name:?} is switched off")),
        Some(_) => None,
    }
}
