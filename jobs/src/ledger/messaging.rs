//! The roles of messages: what templates say, what providers say of templates and messages, and translations that were paid for. The other
//! roles are in `mod.rs`.

use async_trait::async_trait;

use super::Result;
use crate::{
    clock::Timestamp,
    connection::{Connection, ConnectionId},
    hook::{self, Event, EventId, Hook, Keeping, NewEvent, NewHook},
    job::{JobError, JobId},
    notification::{
        approved::{Fetched, Synced, Turned},
        delivery::{Came, Delivery, Report, Sending},
        locale::Locale,
        wording::{Deleted, Head, Kept as KeptWords, NewWording, Wording},
    },
    submit::NewJob,
    tenant::TenantId,
    translation,
};

/// Keeping what templates of notifications say. Every verb is a tenant's: another's words are not there.
#[async_trait]
pub trait Wordings: Send + Sync {
    /// Keeps words as the newest version of their template in their language, unless the newest says the same. Older versions than
    /// `VERSIONS_KEPT` go.
    async fn keep_wording(&self, new: NewWording) -> Result<KeptWords>;

    /// The words of a template in a language: this version, or the newest.
    async fn wording(&self, tenant: &TenantId, name: &str, locale: &Locale, version: Option<u32>) -> Result<Option<Wording>>;

    /// The versions of a template in a language that are kept, newest first, and when each was.
    async fn wording_versions(&self, tenant: &TenantId, name: &str, locale: &Locale) -> Result<Vec<(u32, Timestamp)>>;

    /// In which languages there is a template of this name, by language.
    async fn wording_languages(&self, tenant: &TenantId, name: &str) -> Result<Vec<Head>>;

    /// At most `limit` templates, by name and language, after this one.
    async fn wordings(&self, tenant: &TenantId, after: Option<(&str, &Locale)>, limit: usize) -> Result<Vec<Head>>;

    /// Deletes a template in a language, every version of it; where `seen` is given, only if that is the newest.
    async fn delete_wording(&self, tenant: &TenantId, name: &str, locale: &Locale, seen: Option<u32>) -> Result<Deleted>;

    /// The tenant's own language, where it chose one.
    async fn default_locale(&self, tenant: &TenantId) -> Result<Option<Locale>>;

    /// Chooses the tenant's own language.
    async fn set_default_locale(&self, tenant: &TenantId, locale: &Locale) -> Result<()>;
}

/// Keeping WhatsApp's approved templates, as Meta tells of them. Those of a connection go with it.
#[async_trait]
pub trait Approvals: Send + Sync {
    /// Keeps a connection's templates in the place of those before, stamped by the ledger's clock. Returns whether the tenant has the
    /// connection.
    async fn keep_approved(&self, fetched: Fetched) -> Result<bool>;

    /// What is known of a connection's templates of this name; none where its templates were never asked for.
    async fn approved(&self, tenant: &TenantId, connection: ConnectionId, name: &str) -> Result<Option<Synced>>;

    /// Changes the status of one, as it was reported then, unless something later is known. Returns whether it was changed.
    async fn turn_approved(&self, tenant: &TenantId, connection: ConnectionId, turned: &Turned, told_at: Timestamp) -> Result<bool>;
}

/// Keeping translations that were paid for. Every verb is a tenant's: another's are not there.
#[async_trait]
pub trait Translations: Send + Sync {
    /// Those of these that are kept, in no order. Their use is noted, about once a day; that it could not be does not matter.
    async fn translations(&self, tenant: &TenantId, hashes: &[translation::Hash]) -> Result<Vec<translation::Kept>>;

    /// Keeps translations; one that is there stays as it is. Where the tenant has more than `bytes_max` then, those go that were not used
    /// for longest, at most [`translation::DROPPED_MAX`].
    async fn keep_translations(&self, tenant: &TenantId, kept: &[translation::Kept], bytes_max: i64) -> Result<()>;
}

/// How messages fare that jobs gave to providers.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Notes that a provider took a message, merged with what the provider may have reported before. Noting it again changes nothing.
    /// Returns whether the tenant has the job.
    async fn note_sending(&self, sending: Sending) -> Result<bool>;

    /// Applies what came in by a connection to the tenant's delivery that the report is about. One that nobody noted yet is begun where
    /// the report names an effect of a job of the tenant.
    async fn report(&self, tenant: &TenantId, connection: ConnectionId, report: &Report) -> Result<Came>;

    /// A job's deliveries, by key. Empty where the tenant has no such job.
    async fn deliveries(&self, tenant: &TenantId, job: JobId) -> Result<Vec<Delivery>>;
}

/// Keeping hooks, and what was told by them.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// Makes the hook of a connection, or puts another in its place; none where the tenant has no such connection.
    async fn set_hook(&self, new: NewHook) -> Result<Option<Hook>>;

    /// The hook of a connection.
    async fn hook(&self, tenant: &TenantId, connection: ConnectionId) -> Result<Option<Hook>>;

    /// The hook that whoever has this token tells, by the token's SHA-256, with its connection and the ledger's now.
    async fn hook_of(&self, token: &[u8; 32]) -> Result<Option<(Hook, Connection, Timestamp)>>;

    /// Ends a hook. Returns whether there was one. What it was told stays.
    async fn end_hook(&self, tenant: &TenantId, connection: ConnectionId) -> Result<bool>;

    /// Counts a call whose signature was wrong.
    async fn count_refused(&self, tenant: &TenantId, connection: ConnectionId, calls: u64) -> Result<()>;

    /// Keeps an event and the jobs that see to it, in one transaction; neither where the hook was told the same before. An event
    /// whose answer was lost can be repeated.
    async fn keep_event(&self, event: NewEvent, jobs: Vec<NewJob>) -> Result<Keeping>;

    /// One event of the tenant, payload and all, and the ledger's now.
    async fn event(&self, tenant: &TenantId, id: EventId) -> Result<Option<(Event, Timestamp)>>;

    /// A page of a connection's events.
    async fn events(&self, tenant: &TenantId, connection: ConnectionId, page: hook::Page) -> Result<hook::Listed>;

    /// Applies reports of an event, each known by its place in it, and notes what became of them, in one transaction. Those that were
    /// applied before are passed over. One that is about no delivery is noted only on the `last` try. Returns the event as it stands,
    /// without its payload.
    async fn apply_reports(&self, tenant: &TenantId, id: EventId, reports: Vec<(u32, Report)>, last: bool) -> Result<Option<Event>>;

    /// Notes that all of an event was applied, or why it cannot be. Noting it again changes nothing.
    async fn close_event(&self, tenant: &TenantId, id: EventId, error: Option<JobError>) -> Result<bool>;
}
