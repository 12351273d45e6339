//! `windrow config`: the settings in effect, or the limits that are built in.

use serde_json::{Value, json};
use windrow_jobs::{
    bundle::{self, archive},
    connection::{
        self,
        catalog::{CONFIG_BYTES_MAX, SECRET_BYTES_MAX},
        open::KEY_KEPT,
    },
    contract::Policy,
    hook,
    keys::{IDEMPOTENCY_MS, KEY_BYTES_MAX},
    kinds::{build_generate, notification_broadcast, notification_email, sync_preview, translation_translate},
    ledger::Retention,
    lifecycle::CRASHES_MAX,
    notification::wording,
    queue::Limits,
    renderer,
    schedule::{CATCH_UP_MAX, CATCH_UP_WINDOW_S_MAX, JITTER_S_MAX, MISSED_AFTER_MS, NAME_BYTES_MAX, TEMPLATE_BYTES_MAX},
    search,
    settings::{
        Effective, STALLED_AFTER_S, Settings,
        value::{API_KEY_BYTES_MIN, MASTER_KEYS_MAX},
    },
    submit::{DELAY_S_MAX, MAX_ATTEMPTS_MAX, PAYLOAD_BYTES_MAX, PRIORITY_MAX, RESULT_BYTES_MAX, TAG_BYTES_MAX, TAGS_MAX},
    sync, text, translation,
};

use crate::{cli::Format, failure::Failure, output};

/// What to show.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The limits and defaults that are built in
    #[arg(long)]
    defaults: bool,
}

/// Prints the settings with their origins, or the limits.
pub fn run(args: &Args, effective: &Effective, format: Format) -> Result<(), Failure> {
    if args.defaults {
        let limits = limits();
        let body: Vec<_> =
            limits.iter().map(|(name, value, meaning)| json!({ "limit": name, "value": value, "meaning": meaning })).collect();
        output::answer(format, &Value::from(body).to_string(), || {
            let rows: Vec<_> =
                limits.iter().map(|(name, value, meaning)| vec![(*name).into(), value.to_string(), (*meaning).into()]).collect();
            output::table(&["LIMIT", "VALUE", "MEANING"], &rows)
        });
        return Ok(());
    }
    let entries = effective.entries();
    output::answer(format, &json!(entries).to_string(), || {
        let row = |entry: &windrow_jobs::settings::Entry| {
            vec![entry.key.to_owned(), entry.value.clone().unwrap_or_else(|| "-".into()), entry.origin.clone()]
        };
        let rows: Vec<_> = entries.iter().map(row).collect();
        output::table(&["SETTING", "VALUE", "FROM"], &rows)
    });
    Ok(())
}

/// The limits by name, value and meaning, from the constants that the code itself uses.
fn limits() -> Vec<(&'static str, Value, &'static str)> {
    const DAY_MS: i64 = 86_400_000;
    let (policy, retention) = (Policy::default(), Retention::default());
    vec![
        ("payload_bytes_max", PAYLOAD_BYTES_MAX.into(), "the largest payload of a job"),
        ("result_bytes_max", RESULT_BYTES_MAX.into(), "the largest result of a job"),
        ("body_bytes_max", windrow_api::limits::BODY_BYTES_MAX.into(), "the largest body of a request"),
        ("batch_items_max", windrow_api::limits::BATCH_ITEMS_MAX.into(), "the most jobs of a batch"),
        ("batch_bytes_max", windrow_api::limits::BATCH_BYTES_MAX.into(), "the largest body of a batch"),
        ("key_bytes_max", KEY_BYTES_MAX.into(), "the longest idempotency key or unique key"),
        ("idempotency_ms", IDEMPOTENCY_MS.into(), "how long an idempotency key is remembered"),
        ("tags_max", TAGS_MAX.into(), "the most tags of a job"),
        ("tag_bytes_max", TAG_BYTES_MAX.into(), "the longest tag"),
        ("priority_max", PRIORITY_MAX.into(), "the highest priority; the lowest is its negative"),
        ("delay_s_max", (DELAY_S_MAX as u64).into(), "how far ahead a job may be put off"),
        ("max_attempts", policy.max_attempts.into(), "attempts of a job that does not say, unless its kind does"),
        ("max_attempts_max", MAX_ATTEMPTS_MAX.into(), "the most attempts a job may ask for"),
        ("crashes_max", CRASHES_MAX.into(), "attempts that end without an outcome before a job is given up"),
        ("timeout_ms", policy.timeout_ms.into(), "the longest attempt, unless the kind says"),
        ("lease_ms", policy.lease_ms.into(), "how long a worker may be silent, unless the kind says"),
        ("stalled_after_s", STALLED_AFTER_S.into(), "how long work may lie beside free slots before a worker is stuck, unless set"),
        ("log_lines_max", windrow_worker::limits::LINES_MAX.into(), "log lines kept of an attempt; the rest is counted"),
        ("log_bytes_max", windrow_worker::limits::LINE_BYTES_MAX.into(), "bytes of log lines kept of an attempt"),
        ("page_size", windrow_api::limits::PAGE_SIZE.into(), "entries of a page that does not say"),
        ("page_size_max", windrow_api::limits::PAGE_SIZE_MAX.into(), "the most entries of a page"),
        (
            "page_bytes_max",
            windrow_api::limits::PAGE_BYTES_MAX.into(),
            "payloads and results before the last entry of a page; it is short then",
        ),
        ("schedule_name_bytes_max", NAME_BYTES_MAX.into(), "the longest name of a schedule"),
        ("schedule_payload_bytes_max", TEMPLATE_BYTES_MAX.into(), "the largest payload of a schedule's job"),
        ("jitter_s_max", JITTER_S_MAX.into(), "by how much the fires of a schedule may be put off"),
        ("catch_up_max", CATCH_UP_MAX.into(), "the most missed fires that are made up for at once"),
        ("catch_up_window_s_max", CATCH_UP_WINDOW_S_MAX.into(), "the longest time over which missed fires are made up for"),
        ("missed_after_ms", MISSED_AFTER_MS.into(), "how late a fire may be decided before it counts as missed"),
        ("preview_fires_max", windrow_api::limits::PREVIEW_FIRES_MAX.into(), "the most fires of a preview"),
        ("gap_s_min", Settings::default().schedules.gap_s_min.into(), "the shortest time between two fires of a schedule, unless set"),
        ("connection_name_bytes_max", connection::NAME_BYTES_MAX.into(), "the longest name of a connection"),
        ("connections_max", connection::CONNECTIONS_MAX.into(), "the most connections of a tenant"),
        ("connection_config_bytes_max", CONFIG_BYTES_MAX.into(), "the largest configuration of a connection"),
        ("secret_bytes_max", SECRET_BYTES_MAX.into(), "the longest secret of a connection"),
        ("key_kept_s", KEY_KEPT.as_secs().into(), "how long a worker may go on with the key of a tenant that was destroyed"),
        ("master_keys_max", MASTER_KEYS_MAX.into(), "the most master keys at once"),
        ("bundle_bytes_max", archive::ARCHIVE_BYTES_MAX.into(), "the largest archive of a bundle"),
        ("bundle_unpacked_bytes_max", archive::UNPACKED_BYTES_MAX.into(), "all files of a bundle together"),
        ("bundle_file_bytes_max", bundle::FILE_BYTES_MAX.into(), "the largest file of a bundle"),
        ("bundle_files_max", bundle::FILES_MAX.into(), "the most files of a bundle"),
        ("bundle_manifest_bytes_max", bundle::manifest::MANIFEST_BYTES_MAX.into(), "the largest manifest of a bundle"),
        ("bundle_versions_max", bundle::shelf::VERSIONS_MAX.into(), "the most versions of a bundle"),
        ("bundle_needs_bytes_max", bundle::shelf::NEEDS_BYTES_MAX.into(), "what all versions of an app's bundles ask of others, together"),
        ("app_bytes_max", build_generate::overlay::APP_BYTES_MAX.into(), "what the bundles of an app bring, together"),
        (
            "notification_templates_max",
            wording::WORDINGS_MAX.into(),
            "the most templates of notifications of a tenant, each language counted",
        ),
        ("notification_template_name_bytes_max", wording::NAME_BYTES_MAX.into(), "the longest name of a template of notifications"),
        (
            "notification_template_versions_kept",
            wording::VERSIONS_KEPT.into(),
            "versions of a template in a language that are kept, the newest ones",
        ),
        (
            "notification_subject_bytes_max",
            wording::SUBJECT_BYTES_MAX.into(),
            "the longest subject, of a template and once it is filled in",
        ),
        ("notification_part_bytes_max", wording::PART_BYTES_MAX.into(), "the largest text, and the largest html, of a template"),
        ("notification_data_bytes_max", wording::DATA_BYTES_MAX.into(), "the largest defaults, and the largest sample, of a template"),
        ("notification_needs_max", wording::NEEDS_MAX.into(), "the most variables that a template may need"),
        (
            "notification_output_bytes_max",
            renderer::words::OUTPUT_BYTES_MAX.into(),
            "the largest text, and the largest html, once they are filled in",
        ),
        ("notification_render_s_max", renderer::words::MESSAGE_CPU_S_MAX.into(), "how long the making of one message may compute"),
        ("notification_attached_bytes_max", notification_email::ATTACHED_BYTES_MAX.into(), "all attachments of a message together"),
        (
            "broadcast_message_bytes_max",
            notification_broadcast::MESSAGE_BYTES_MAX.into(),
            "the largest `message.payload` of a broadcast: each recipient's job has a copy",
        ),
        (
            "broadcast_recipient_bytes_max",
            notification_broadcast::RECIPIENT_BYTES_MAX.into(),
            "the largest recipient of a broadcast: as JSON, or as a row of a file",
        ),
        ("broadcast_recipients_max", notification_broadcast::RECIPIENTS_MAX.into(), "the most recipients that a broadcast lists"),
        ("broadcast_locales_max", notification_broadcast::LOCALES_MAX.into(), "the most languages of the recipients that it lists"),
        ("broadcast_rows_max", notification_broadcast::ROWS_MAX.into(), "the most rows of a file of recipients"),
        ("broadcast_columns_max", notification_broadcast::COLUMNS_MAX.into(), "the most columns of such a file"),
        ("broadcast_file_bytes_max", notification_broadcast::AUDIENCE_BYTES_MAX.into(), "the largest such file"),
        ("syncs_max", sync::SYNCS_MAX.into(), "the most syncs of a tenant"),
        ("sync_name_bytes_max", sync::NAME_BYTES_MAX.into(), "the longest name of a sync, or of a collection of records"),
        ("sync_definition_bytes_max", sync::DEFINITION_BYTES_MAX.into(), "the largest definition of a sync"),
        ("sync_runs_kept", sync::RUNS_KEPT.into(), "runs of a sync that are remembered"),
        ("sync_errors_kept", sync::state::ERRORS_KEPT.into(), "row errors of a run that are told; the rest is only counted"),
        ("sync_preview_records_max", sync_preview::SHOWN_MAX.into(), "the most records that a preview shows"),
        (
            "sync_evaluated_bytes_max",
            sync::mapping::EVALUATED_BYTES_MAX.into(),
            "the largest record of a source that expressions are evaluated over",
        ),
        ("record_key_bytes_max", sync::KEY_BYTES_MAX.into(), "the longest key of a record"),
        ("sync_remote_id_bytes_max", sync::state::REMOTE_ID_BYTES_MAX.into(), "the longest id that a provider may have for a record"),
        ("record_bytes_max", sync::RECORD_BYTES_MAX.into(), "the largest record"),
        ("lookup_fields_max", sync::store::FIELDS_MAX.into(), "the most look-up fields of a collection"),
        ("lookup_value_bytes_max", sync::store::VALUE_BYTES_MAX.into(), "the longest value that a record is found by"),
        ("translation_texts_max", translation_translate::TEXTS_MAX.into(), "the most texts of a translation"),
        ("translation_targets_max", translation_translate::TARGETS_MAX.into(), "the most languages into which they are translated"),
        (
            "translation_request_bytes_max",
            translation_translate::REQUEST_BYTES_MAX.into(),
            "the largest request that DeepL takes: a text makes none that is larger",
        ),
        ("translation_terms_max", translation_translate::TERMS_MAX.into(), "the most terms of a glossary that a translation brings"),
        ("translation_term_bytes_max", translation_translate::TERM_BYTES_MAX.into(), "the longest of them"),
        (
            "translations_bytes_max",
            translation::TENANT_BYTES_MAX.into(),
            "translations that are kept of a tenant; past that those go that were not used for longest",
        ),
        ("translations_unused_days", translation::UNUSED_DAYS.into(), "how long a translation is kept that nobody uses"),
        ("document_bytes_max", text::DOCUMENT_BYTES_MAX.into(), "the largest document that is read for an index"),
        ("document_html_bytes_max", text::HTML_BYTES_MAX.into(), "the largest of HTML"),
        ("document_text_bytes_max", text::TEXT_BYTES_MAX.into(), "the longest text of a document"),
        ("document_links_max", text::LINKS_MAX.into(), "the most links of a page that a crawl hears of"),
        ("index_name_bytes_max", search::NAME_BYTES_MAX.into(), "the longest name of an index"),
        ("index_tokens_min", search::TOKENS_MIN.into(), "the fewest tokens that chunks of an index may be limited to"),
        ("index_tokens_max", search::TOKENS_MAX.into(), "the most; they overlap by half of that at the most"),
        ("document_id_bytes_max", search::DOCUMENT_ID_BYTES_MAX.into(), "the longest id of a document of an index"),
        ("document_metadata_bytes_max", search::METADATA_BYTES_MAX.into(), "the metadata of a document of an index, as JSON"),
        ("document_chunks_max", search::CHUNKS_MAX.into(), "the most chunks of a document of an index"),
        ("vector_dimension_max", search::DIMENSION_MAX.into(), "the most dimensions that vectors of an index may have"),
        ("search_query_bytes_max", search::QUERY_BYTES_MAX.into(), "the longest query of a search"),
        (
            "search_words_max",
            search::words::QUERY_WORDS_MAX.into(),
            "words of a query that are looked for: the first; its vector is made of all",
        ),
        ("search_filter_bytes_max", search::filter::FILTER_BYTES_MAX.into(), "the largest filter of a search"),
        ("search_filter_conditions_max", search::filter::CONDITIONS_MAX.into(), "the most conditions of a filter"),
        ("search_filter_values_max", search::filter::VALUES_MAX.into(), "the most values of an `any`"),
        ("search_hits_max", search::HITS_MAX.into(), "the most hits of a search"),
        (
            "search_vector_wait_s_max",
            windrow_api::limits::VECTOR_WAIT_S_MAX.into(),
            "how long a search, or a new index, waits for a provider's vector",
        ),
        ("search_points_max", search::points::ASKED_MAX.into(), "the most vectors that a search asks Qdrant for"),
        ("search_points_s_max", search::points::SEARCH_S_MAX.into(), "how long a search waits for Qdrant"),
        (
            "render_mib_max",
            renderer::MEMORY_MIB_MAX.into(),
            "memory of a process that renders files of a build, or messages, or reads a document",
        ),
        ("render_s_max", renderer::CPU_S_MAX.into(), "how long it may compute for a build, for a document, or for many messages"),
        ("wait_s_max", windrow_api::limits::WAIT_S_MAX.into(), "the longest Prefer: wait"),
        ("weight_max", Limits::WEIGHT_MAX.into(), "the largest weight of a lane"),
        ("api_key_bytes_min", API_KEY_BYTES_MIN.into(), "the shortest API key"),
        ("completed_days", (retention.completed_ms / DAY_MS).into(), "how long completed and cancelled jobs are kept, unless set"),
        ("dead_days", (retention.dead_ms / DAY_MS).into(), "how long dead jobs are kept, unless set"),
        ("fires_days", (retention.fires_ms / DAY_MS).into(), "how long it is kept what became of the fires of schedules, unless set"),
        ("hook_payload_bytes_max", hook::PAYLOAD_BYTES_MAX.into(), "the largest body that a hook takes"),
        ("hook_reports_max", hook::REPORTS_MAX.into(), "the most reports of deliveries in one event of a hook"),
        ("hook_window_s", (hook::WINDOW_MS / 1_000).into(), "how far the timestamp of a Standard Webhooks call may be from now"),
        (
            "events_days",
            (retention.events_ms / DAY_MS).into(),
            "how long it is kept what hooks were told, and a repetition recognised, unless set",
        ),
    ]
}
