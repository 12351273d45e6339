//! Where providers tell a connection what happened: verified, on disk, and only then answered.
//!
//! The token of the URL and the signature are the permission; no key is asked for. This is the one place of the api that opens a secret for
//! another purpose than to seal it again: to verify what came. What is told is applied by a job, which the same transaction keeps.
//! Refused calls are counted in `hooks/refused.rs`. Next: `windrow_jobs::hook::verify`, then the ledger's `keep_event`, then `kinds/hook_apply/`.

pub(crate) mod refused;

use std::collections::BTreeMap;

use axum::{
    extract::{Path, RawQuery, Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    },
    response::{IntoResponse, Response},
};
use utoipa::IntoParams;
use windrow_jobs::{
    clock::Timestamp,
    connection::{Connection, Secrets, catalog::whatsapp, keys::KeyError},
    hook::{
        EventId, Facts, Hook, Keeping, NewEvent, PAYLOAD_BYTES_MAX, Scheme, hash_of, url,
        verify::{Call, digest, same, verify},
    },
    kinds::{hook_apply, hook_forward},
    submit::{NewJob, Submission, submit},
};

use crate::{
    Api,
    body::arrive,
    error::{ApiError, LedgerErrors},
    openapi,
};

/// What the paths of hooks begin with.
pub(crate) const PATH: &str = "/v1/hooks/";
/// The longest challenge that is repeated.
const CHALLENGE_BYTES_MAX: usize = 1_024;
/// The longest header that is kept: Standard Webhooks may carry several signatures.
const HEADER_BYTES_MAX: usize = 2_048;

openapi::gives! {
    Told: HOOK_NOT_FOUND, SIGNATURE_INVALID, PUBLIC_URL_MISSING, BODY_TOO_LARGE, BODY_UNREADABLE, BODY_TIMED_OUT, MASTER_KEY_MISSING, SECRETS_DAMAGED;
    Challenged: HOOK_NOT_FOUND, CHALLENGE_REFUSED, MASTER_KEY_MISSING, SECRETS_DAMAGED;
}
/// What a call is refused for.
struct Told;
/// What a challenge is refused for.
struct Challenged;

/// Tell a connection what happened
///
/// For providers: the URL is what `POST /v1/connections/{name}/hook` gave. The call is verified by the provider's own scheme: `X-Twilio-Signature`,
/// `X-Hub-Signature-256`, or Standard Webhooks for connections of the provider `http`. Answered 200 once it is on disk, and again when it is repeated.
#[utoipa::path(
    post,
    path = "/v1/hooks/{token}",
    tag = "hooks",
    operation_id = "tellHook",
    params(("token" = String, Path, description = "The token of the URL that was given.")),
    request_body(
        content((serde_json::Value = "application/json"), (BTreeMap<String, String> = "application/x-www-form-urlencoded")),
        description = "Whatever the provider sends, at most 1 MiB; no other media type is refused.",
    ),
    responses((status = 200, description = "It is on disk, once."), Told, LedgerErrors)
)]
pub(crate) async fn tell(
    State(api): State<Api>,
    Path(token): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    request: Request,
) -> Result<StatusCode, ApiError> {
    // Whoever has no token is not even listened to.
    let (hook, connection, now) = find(&api, &token).await?;
    let scheme = Scheme::of(&connection.provider).ok_or(ApiError::HookNotFound)?;
    if scheme == Scheme::Twilio && api.public_url.is_empty() {
        return Err(ApiError::PublicUrlMissing);
    }
    let body = arrive(request, &api, PAYLOAD_BYTES_MAX).await?;
    let query = query.unwrap_or_default();
    let called = if query.is_empty() { url(&api.public_url, &token) } else { format!("{}?{query}", url(&api.public_url, &token)) };
    let kept = kept_headers(scheme, &headers);
    let content_type = text(&headers, CONTENT_TYPE.as_str());
    let call = Call { url: &called, query: &query, headers: &kept, content_type: &content_type, body: &body };
    let secrets = secrets(&api, &connection).await?;
    if !secrets.get(scheme.secret()).is_some_and(|secret| verify(scheme, secret, &call, now)) {
        count(&connection, "refused");
        refused::count(&api, &hook);
        return Err(ApiError::SignatureInvalid);
    }
    drop(secrets);
    let digest = digest(scheme, &call);
    let id = EventId::generate();
    let jobs = jobs(&api, &hook, id, now).await?;
    let facts = Facts {
        provider: connection.provider.clone(),
        account: connection.facts.config[whatsapp::BUSINESS_ACCOUNT_ID].as_str().map(str::to_owned),
        query,
        content_type,
        headers: kept,
        bytes: body.len() as u64,
        job: jobs[0].id,
        reports: BTreeMap::new(),
        applied_at: None,
        error: None,
    };
    let event = NewEvent { id, tenant: hook.tenant, connection: hook.connection, digest, facts, payload: body.to_vec() };
    match api.ledger.keep_event(event, jobs).await? {
        Keeping::Kept => count(&connection, "kept"),
        Keeping::Repeated(_) => count(&connection, "repeated"),
    }
    Ok(StatusCode::OK)
}

/// The parameters of a challenge.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
struct Challenge {
    /// `subscribe`.
    #[param(rename = "hub.mode")]
    mode: String,
    /// The connection's secret `verify_token`.
    #[param(rename = "hub.verify_token")]
    verify_token: String,
    /// What is to be repeated.
    #[param(rename = "hub.challenge", max_length = 1024)]
    challenge: String,
}

/// Answer a challenge
///
/// As Meta asks before it tells a hook anything: whoever knows the connection's secret `verify_token` is answered with the challenge.
#[utoipa::path(
    get,
    path = "/v1/hooks/{token}",
    tag = "hooks",
    operation_id = "challengeHook",
    params(("token" = String, Path, description = "The token of the URL that was given."), Challenge),
    responses((status = 200, description = "The challenge.", body = String, content_type = "text/plain", headers(("Cache-Control"))), Challenged, LedgerErrors)
)]
pub(crate) async fn challenge(State(api): State<Api>, Path(token): Path<String>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let (_, connection, _) = find(&api, &token).await?;
    if Scheme::of(&connection.provider) != Some(Scheme::Meta) {
        return Err(ApiError::ChallengeRefused);
    }
    let query = query.unwrap_or_default();
    let parameter = |wanted: &str| form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == wanted).map(|(_, value)| value);
    let secrets = secrets(&api, &connection).await?;
    let told = parameter("hub.verify_token").unwrap_or_default();
    let is_known = secrets.get(whatsapp::VERIFY_TOKEN).is_some_and(|secret| same(secret, &told));
    let challenge = parameter("hub.challenge").filter(|challenge| challenge.len() <= CHALLENGE_BYTES_MAX);
    match challenge {
        Some(challenge) if is_known && parameter("hub.mode").is_some_and(|mode| mode == "subscribe") => {
            let mut response = challenge.into_owned().into_response();
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            Ok(response)
        }
        _ => Err(ApiError::ChallengeRefused),
    }
}

async fn find(api: &Api, token: &str) -> Result<(Hook, Connection, Timestamp), ApiError> {
    api.ledger.hook_of(&hash_of(token)).await?.ok_or(ApiError::HookNotFound)
}

/// What verifies a connection's calls. Secrets whose key is gone verify nothing.
async fn secrets(api: &Api, connection: &Connection) -> Result<Secrets, ApiError> {
    match api.keys.open(&connection.tenant, connection.id, connection.sealed.as_ref()).await {
        Err(KeyError::Gone) => Ok(Secrets::default()),
        opened => Ok(opened?),
    }
}

/// What sees to the event: one applies it, and one passes it on where that is wanted.
async fn jobs(api: &Api, hook: &Hook, event: EventId, now: Timestamp) -> Result<Vec<NewJob>, ApiError> {
    let apply = serde_json::value::to_raw_value(&hook_apply::Payload { event }).map_err(|_| ApiError::Internal)?;
    let mut wanted = vec![Submission::of(hook_apply::KIND, apply)];
    if hook.forward_url.is_some() {
        let forward = serde_json::value::to_raw_value(&hook_forward::Payload { event }).map_err(|_| ApiError::Internal)?;
        wanted.push(Submission::of(hook_forward::KIND, forward));
    }
    let catalog = api.kinds.with(hook_apply::KIND).await?;
    wanted.into_iter().map(|submission| Ok(submit(&hook.tenant, submission, &catalog, &api.queues, now)?)).collect()
}

fn kept_headers(scheme: Scheme, headers: &HeaderMap) -> BTreeMap<String, String> {
    let kept = |name: &&str| headers.contains_key(*name).then(|| ((*name).to_owned(), text(headers, name)));
    scheme.headers().iter().filter_map(kept).collect()
}

fn text(headers: &HeaderMap, name: &str) -> String {
    let text = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text[..text.floor_char_boundary(HEADER_BYTES_MAX)].to_owned()
}

fn count(connection: &Connection, came: &'static str) {
    metrics::counter!("windrow_hook_calls_total", "provider" => connection.provider.clone(), "came" => came).increment(1);
}
