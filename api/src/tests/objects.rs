//! Artifacts, and the links to them.

use std::time::Duration;

use axum::http::StatusCode;
use windrow_jobs::{
    artifact::{self, Artifact},
    clock::Timestamp,
    ledger::Work,
    objects::{Key, Objects},
    tenant::TenantId,
};

use super::fixture::{Fixture, START_MS, id_of};

async fn artifact(fixture: &Fixture, path: &str, name: &str, content: &str) -> Key {
    let snapshot = fixture.claim(path).await;
    let key = artifact::key_of(&TenantId::default_tenant(), id_of(path), snapshot.attempt, name).expect("a key");
    let meta = fixture.objects.put(&key, "text/html", content.as_bytes().to_vec().into()).await.expect("put");
    let artifact = Artifact {
        name: name.into(),
        attempt: snapshot.attempt,
        bytes: meta.bytes,
        sha256: meta.sha256.expect("a hash"),
        media_type: meta.media_type,
        key: key.to_string(),
    };
    assert!(fixture.ledger.model.record_artifact(id_of(path), artifact).await.expect("recorded"));
    key
}

#[tokio::test]
async fn artifacts_are_listed_with_links_that_open_them_for_a_quarter_of_an_hour() {
    let fixture = Fixture::new();
    let path = fixture.submitted("").await;
    assert_eq!(fixture.get(&format!("{path}/artifacts")).await.json()["artifacts"].as_array().map(Vec::len), Some(0));
    artifact(&fixture, &path, "größe.html", "<p>").await;
    let answer = fixture.get(&format!("{path}/artifacts")).await;
    let listed = &answer.json()["artifacts"][0];
    assert_eq!(
        (listed["name"].as_str(), listed["bytes"].as_u64(), listed["media_type"].as_str()),
        (Some("größe.html"), Some(3), Some("text/html"))
    );
    assert_eq!(listed["expires_at"], Timestamp::from_ms(START_MS + 900_000).to_string());
    assert_eq!(answer.header("cache-control"), "private, no-store");

    let link = listed["url"].as_str().and_then(|url| url.strip_prefix("https://jobs.example.com")).expect("an absolute URL").to_owned();
    let opened = fixture.anonymous(&link).await;
    assert_eq!((opened.status, opened.bytes.as_slice()), (StatusCode::OK, b"<p>".as_slice()));
    assert_eq!((opened.header("content-type"), opened.header("content-length")), ("text/html", "3"));
    assert_eq!(opened.header("content-disposition"), "attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe.html");
    assert_eq!(opened.header("etag").trim_matches('"'), listed["sha256"].as_str().expect("a hash"));
    assert_eq!(opened.header("x-content-type-options"), "nosniff");
    fixture.clock.advance_ms(900_000);
    assert_eq!(fixture.anonymous(&link).await.json()["code"], "link_invalid");
}

#[tokio::test]
async fn a_link_opens_nothing_else() {
    let fixture = Fixture::new();
    let path = fixture.submitted("").await;
    let key = artifact(&fixture, &path, "a", "secret").await;
    let link = fixture.objects.link(&key, Timestamp::from_ms(START_MS), Duration::from_secs(60)).await.expect("a link").url;
    let link = link.strip_prefix("https://jobs.example.com").expect("an absolute URL");
    let (bare, query) = link.split_once('?').expect("a query");
    for wrong in [
        bare.to_owned(),
        format!("{bare}x?{query}"),
        format!("{link}0"),
        format!("{bare}?{query}&more=1"),
        format!("/v1/objects/..%2F{query}"),
    ] {
        let answer = fixture.anonymous(&wrong).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (StatusCode::FORBIDDEN, Some("link_invalid")), "{wrong}");
    }
    fixture.objects.delete(&key).await.expect("deleted");
    assert_eq!(fixture.anonymous(link).await.json()["code"], "object_not_found");
}

#[tokio::test]
async fn another_tenants_artifacts_are_not_there() {
    let fixture = Fixture::new();
    let path = fixture.submitted("").await;
    artifact(&fixture, &path, "a", "secret").await;
    let answer = fixture.call("GET", &format!("{path}/artifacts"), &[("x-tenant", "other")], "").await;
    assert_eq!(answer.json()["code"], "job_not_found");
}
