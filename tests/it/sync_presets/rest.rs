//! REST with OAuth 2.0: a token that ends in the midst of a run, links in the header, a quota.

use serde_json::{Value, json};
use windrow_tests::{provider::Provider, server::Server};

use super::{connect, counts, create, put, run, said, serve};

/// Makes the connection `tokens` to a provider's token endpoint.
pub(super) async fn tokens(server: &Server, provider: &Provider) {
    let config = json!({ "token_url": format!("{}/oauth/token", provider.url()), "client_id": "id" });
    create(server, json!({ "name": "tokens", "provider": "oauth2", "config": config, "secrets": { "client_secret": "secret" } })).await;
}

#[tokio::test]
async fn links_are_followed_tokens_renewed_and_the_quota_kept_to() {
    let server = serve().await;
    let items: Value = (0..120).map(|number| json!({ "id": number, "name": format!("n{number}") })).collect();
    let provider = Provider::start("rest", json!({ "items": items, "quota": 2 })).await;
    connect(&server, &provider, "api", json!({}), json!({})).await;
    tokens(&server, &provider).await;
    let parameters = json!({ "connection": "api", "token_connection": "tokens", "path": "items", "query": { "per_page": "50" } });
    put(&server, "items", "rest-oauth2", parameters, json!({})).await;
    provider.fault(json!([{ "when": "GET /items", "pass": 1, "status": 401, "body": { "title": "no such token" } }])).await;
    let first = run(&server, "items").await;
    assert_eq!(counts(&first, ["created", "pages"]), [120, 3]);
    assert_eq!(said(&server, "records").await.len(), 120);
    let seen = provider.seen().await;
    let asked: Vec<(&str, u64)> =
        seen.iter().map(|request| (request["path"].as_str().expect("a path"), request["status"].as_u64().expect("a status"))).collect();
    let token = ("/oauth/token", 200);
    let page = ("/items", 200);
    assert_eq!(
        asked,
        [token, page, ("/items", 401), token, page, page],
        "the page is asked for again with a new token, and never too soon"
    );
}
