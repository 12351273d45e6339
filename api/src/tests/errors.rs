use axum::{body::Body, http::Request};
use serde_json::json;
use windrow_jobs::job::JobId;

use super::fixture::{Answer, Fault, Fixture, KEY};
use crate::body::BODY_BYTES_MAX;

pub(super) type Headers<'a> = &'a [(&'a str, &'a str)];
type Case<'a> = (&'a str, &'a str, Headers<'a>, &'a str, u16, &'a str, Option<&'a str>);

/// Checks that an answer is a problem document with this status, code and pointer.
pub(super) fn check_problem(answer: &Answer, status: u16, code: &str, pointer: Option<&str>) {
    let problem = answer.json();
    assert_eq!((answer.status.as_u16(), problem["code"].as_str()), (status, Some(code)), "{problem}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["type"], format!("urn:windrow:problem:{code}"));
    assert_eq!(problem["pointer"].as_str(), pointer, "{problem}");
    for text in ["title", "detail", "request_id"] {
        assert!(problem[text].as_str().is_some_and(|text| !text.is_empty()), "{text} of {problem}");
    }
    assert_eq!(answer.header("x-request-id"), problem["request_id"].as_str().unwrap_or_default());
    assert_eq!(status == 503 || code == "contended", answer.headers.contains_key("retry-after"), "{problem}");
}

#[tokio::test]
async fn every_refused_body_says_what_is_wrong_and_where() {
    let fixture = Fixture::new();
    let job = |fields: &str| format!(r#"{{"kind":"echo","payload":{{}}{fields}}}"#);
    let large = |bytes: usize| format!(r#"{{"kind":"echo","payload":{{"message":"{}"}}}}"#, "x".repeat(bytes));
    let cases = [
        (String::from("{"), 400, "json_malformed", None),
        (r#"{"kind":"echo","payload":{"message":"#.into(), 400, "json_malformed", Some("/payload")),
        (job("") + "x", 400, "json_malformed", None),
        ("\u{feff}{}".into(), 400, "json_malformed", None),
        ("[]".into(), 422, "field_invalid", Some("")),
        (r#"{"kind":"echo"}"#.into(), 422, "field_invalid", Some("")),
        (job(r#","color":1"#), 422, "field_invalid", Some("/color")),
        (job(r#","callback_url":"https://a""#), 422, "field_invalid", Some("/callback_url")),
        (job(r#","priority":"high""#), 422, "field_invalid", Some("/priority")),
        (job(r#","priority":101"#), 422, "field_invalid", Some("/priority")),
        (job(r#","run_at":"tomorrow""#), 422, "field_invalid", Some("/run_at")),
        (job(r#","tags":["a",1]"#), 422, "field_invalid", Some("/tags/1")),
        (job(r#","queue":"nowhere""#), 422, "unknown_queue", Some("/queue")),
        (r#"{"kind":"no.such","payload":{}}"#.into(), 422, "unknown_kind", Some("/kind")),
        (r#"{"kind":"echo","payload":{"sleep_ms":-1}}"#.into(), 422, "payload_invalid", Some("/payload/sleep_ms")),
        (r#"{"kind":"echo","payload":7}"#.into(), 422, "payload_invalid", Some("/payload")),
        (large(1024 * 1024), 413, "payload_too_large", Some("/payload")),
        (large(BODY_BYTES_MAX), 413, "body_too_large", None),
    ];
    for (body, status, code, pointer) in cases {
        let answer = fixture.post("/v1/jobs", &body).await;
        check_problem(&answer, status, code, pointer);
    }
    assert_eq!(fixture.get("/v1/jobs").await.json()["jobs"], json!([]), "nothing refused is kept");
}

#[tokio::test]
async fn every_refused_request_is_a_problem() {
    let fixture = Fixture::new();
    let path = fixture.submitted("").await;
    let foreign: Headers<'_> = &[("x-tenant", "other")];
    let unknown = format!("/v1/jobs/{}", JobId::generate());
    let (attempts, logs, cancel, redrive) =
        (format!("{path}/attempts"), format!("{path}/logs"), format!("{path}/cancel"), format!("{path}/redrive"));
    let patch_headers: Headers<'_> = &[("content-type", "application/json")];
    let cases: [Case<'_>; 40] = [
        ("GET", "/", &[], "", 404, "route_not_found", None),
        ("GET", "/v2/jobs", &[], "", 404, "route_not_found", None),
        ("DELETE", "/v1/jobs", &[], "", 405, "method_not_allowed", None),
        ("PUT", &path, &[], "", 405, "method_not_allowed", None),
        ("GET", &cancel, &[], "", 405, "method_not_allowed", None),
        ("POST", "/healthz", &[], "", 405, "method_not_allowed", None),
        ("POST", "/v1/jobs", &[("content-type", "text/plain")], "", 415, "media_type_unsupported", None),
        ("POST", "/v1/jobs", &[], "", 415, "media_type_unsupported", None),
        ("POST", "/v1/jobs", &[("content-encoding", "gzip")], "{}", 415, "media_type_unsupported", None),
        ("POST", "/v1/jobs", &[("idempotency-key", "\"a")], r#"{"kind":"echo","payload":{}}"#, 400, "header_invalid", None),
        ("POST", "/v1/jobs", &[], r#"{"kind":"echo","payload":{},"idempotency_key":"a"}"#, 422, "field_invalid", Some("/idempotency_key")),
        ("POST", "/v1/jobs", &[], r#"{"kind":"echo","payload":{},"unique_key":""}"#, 422, "field_invalid", Some("/unique_key")),
        ("POST", "/v1/jobs?dry_run=1", &[], r#"{"kind":"echo","payload":{}}"#, 400, "query_invalid", None),
        ("GET", "/v1/jobs", &[("x-tenant", "Not a tenant")], "", 400, "header_invalid", None),
        ("GET", "/v1/jobs", &[("x-tenant", "a"), ("x-tenant", "b")], "", 400, "header_invalid", None),
        ("GET", "/v1/jobs?colour=red", &[], "", 400, "query_invalid", None),
        ("GET", "/v1/jobs?state=done", &[], "", 400, "query_invalid", None),
        ("GET", "/v1/jobs?state=dead&state=dead", &[], "", 400, "query_invalid", None),
        ("GET", "/v1/jobs?kind=", &[], "", 400, "query_invalid", None),
        ("GET", "/v1/jobs?page_size=0", &[], "", 400, "query_invalid", None),
        ("GET", "/v1/jobs?page_size=1001", &[], "", 400, "query_invalid", None),
        ("GET", "/v1/jobs?created_from=today", &[], "", 400, "query_invalid", None),
        ("GET", "/v1/jobs?page_token=abc", &[], "", 400, "page_token_invalid", None),
        ("GET", "/v1/jobs/7", &[], "", 404, "job_not_found", None),
        ("GET", "/v1/jobs/%ff", &[], "", 404, "job_not_found", None),
        ("GET", &unknown, &[], "", 404, "job_not_found", None),
        ("GET", &path, foreign, "", 404, "job_not_found", None),
        ("GET", &path, &[("x-tenant", "other"), ("prefer", "wait=60")], "", 404, "job_not_found", None),
        ("GET", &attempts, foreign, "", 404, "job_not_found", None),
        ("GET", &logs, foreign, "", 404, "job_not_found", None),
        ("POST", &cancel, foreign, "", 404, "job_not_found", None),
        ("POST", &redrive, foreign, "", 404, "job_not_found", None),
        ("POST", &redrive, &[], "", 409, "not_redrivable", None),
        ("POST", &cancel, &[], r#"{"reason":"x"}"#, 400, "body_not_allowed", None),
        ("GET", "/v1/kinds/no.such", &[], "", 404, "kind_not_found", None),
        ("GET", "/v1/queues", &[], "", 503, "depths_unavailable", None),
        ("PATCH", "/v1/queues/nowhere", &[], "{}", 404, "queue_not_found", None),
        ("PATCH", "/v1/queues/default", patch_headers, "", 400, "json_malformed", None),
        ("PATCH", "/v1/queues/default?scope=world", &[], "{}", 400, "query_invalid", None),
        ("PATCH", "/v1/queues/default", &[], r#"{"weight":0}"#, 422, "field_invalid", Some("/weight")),
    ];
    for (method, path, headers, body, status, code, pointer) in cases {
        let answer = fixture.call(method, path, headers, body).await;
        check_problem(&answer, status, code, pointer);
        assert_eq!(status == 405, answer.headers.contains_key("allow"), "{method} {path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_ledger_is_never_a_false_answer() {
    let cases = [
        (Fault::Unavailable, 503, "ledger_unavailable"),
        (Fault::Refused, 422, "data_refused"),
        (Fault::Corrupt, 500, "internal"),
        (Fault::Panic, 500, "internal"),
        (Fault::Hang, 503, "timed_out"),
    ];
    for (fault, status, code) in cases {
        let fixture = Fixture::new();
        let path = fixture.submitted("").await;
        let schedule = fixture.scheduled("a", "").await;
        fixture.ledger.fail(fault);
        let calls = [
            ("POST", "/v1/jobs", r#"{"kind":"echo","payload":{}}"#),
            ("GET", "/v1/jobs", ""),
            ("GET", &path, ""),
            ("GET", &format!("{path}/attempts"), ""),
            ("GET", &format!("{path}/logs"), ""),
            ("POST", &format!("{path}/cancel"), ""),
            ("POST", &format!("{path}/redrive"), ""),
            ("GET", "/v1/kinds/no.such", ""),
            ("GET", "/v1/queues", ""),
            ("PATCH", "/v1/queues/default", "{}"),
            ("POST", "/v1/schedules", r#"{"name":"b","cron":"@daily","job":{"kind":"echo","payload":{}}}"#),
            ("GET", "/v1/schedules", ""),
            ("GET", &schedule, ""),
            ("PATCH", &schedule, r#"{"cron":"@daily"}"#),
            ("DELETE", &schedule, ""),
            ("GET", &format!("{schedule}/fires"), ""),
            ("POST", &format!("{schedule}/pause"), ""),
            ("POST", &format!("{schedule}/resume"), ""),
            ("POST", &format!("{schedule}/run"), ""),
            ("POST", "/v1/schedules/preview", r#"{"cron":"@daily"}"#),
        ];
        for (method, path, body) in calls {
            let answer = fixture.call(method, path, &[], body).await;
            check_problem(&answer, status, code, None);
            let text = String::from_utf8_lossy(&answer.bytes);
            assert!(!["db.internal", "table jobs", "row 7", "a bug"].iter().any(|inner| text.contains(inner)), "{text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let fixture = Fixture::new();
    let request = Request::builder().method("POST").uri("/v1/jobs").header("authorization", format!("Bearer {KEY}"));
    let trickle = Body::from_stream(futures::stream::pending::<Result<&str, std::io::Error>>());
    let answer = fixture.send(request.header("content-type", "application/json").body(trickle).expect("a request")).await;
    check_problem(&answer, 408, "body_timed_out", None);
}

#[tokio::test]
async fn whoever_has_no_key_is_told_so_and_nothing_else() {
    let fixture = Fixture::new();
    let id = JobId::generate();
    let routes = [
        ("POST", "/v1/jobs".to_owned()),
        ("POST", "/v1/jobs/batch".into()),
        ("GET", "/v1/jobs".into()),
        ("GET", format!("/v1/jobs/{id}")),
        ("GET", format!("/v1/jobs/{id}/attempts")),
        ("GET", format!("/v1/jobs/{id}/logs")),
        ("POST", format!("/v1/jobs/{id}/cancel")),
        ("POST", format!("/v1/jobs/{id}/redrive")),
        ("GET", "/v1/kinds".into()),
        ("GET", "/v1/kinds/echo".into()),
        ("GET", "/v1/queues".into()),
        ("PATCH", "/v1/queues/default".into()),
        ("POST", "/v1/schedules".into()),
        ("GET", "/v1/schedules".into()),
        ("POST", "/v1/schedules/preview".into()),
        ("GET", format!("/v1/schedules/{id}")),
        ("PATCH", format!("/v1/schedules/{id}")),
        ("DELETE", format!("/v1/schedules/{id}")),
        ("GET", format!("/v1/schedules/{id}/fires")),
        ("POST", format!("/v1/schedules/{id}/pause")),
        ("POST", format!("/v1/schedules/{id}/resume")),
        ("POST", format!("/v1/schedules/{id}/run")),
    ];
    let refused = ["", "Bearer", "Bearer ", "Bearer wrong-key-wrong-key", &format!("Basic {KEY}"), &format!("Bearer {KEY}x")];
    for (method, path) in routes {
        for authorization in refused {
            let mut request = Request::builder().method(method).uri(&path).header("x-tenant", "Not a tenant");
            if !authorization.is_empty() {
                request = request.header("authorization", authorization);
            }
            let answer = fixture.send(request.body(Body::from("no json")).expect("a request")).await;
            check_problem(&answer, 401, "unauthenticated", None);
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{method} {path}");
        }
    }
    let lower_case = Request::builder().uri("/v1/kinds").header("authorization", format!("bearer {KEY}")).body(Body::empty());
    assert_eq!(fixture.send(lower_case.expect("a request")).await.status, 200);
}

#[tokio::test]
async fn a_sane_request_id_is_taken_over_and_another_is_replaced() {
    let fixture = Fixture::new();
    let long = "x".repeat(129);
    for (sent, kept) in [("abc-1.2:3", true), ("a b", false), ("<script>", false), (&long, false)] {
        let answer = fixture.call("GET", "/v1/jobs/7", &[("x-request-id", sent)], "").await;
        assert_eq!(answer.json()["request_id"] == json!(sent), kept, "{sent}");
        let answer = fixture.call("GET", "/healthz", &[("x-request-id", sent)], "").await;
        assert_eq!(answer.header("x-request-id") == sent, kept, "{sent}");
    }
}
