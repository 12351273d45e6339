//! What was told before is answered as before and not kept again.

use futures::future::join_all;
use serde_json::json;
use windrow_tests::server::Server;

use super::{REFUSED, SECRET, Told, connect_meta, connect_own, events, expect, hook_url, now_s, openssl, own};

#[tokio::test]
async fn the_same_is_kept_once_and_what_is_too_old_or_to_come_not_at_all() {
    let server = Server::start().await;
    connect_own(&server, "own", SECRET).await;
    let url = hook_url(&server, "own").await;
    let (refused, code) = REFUSED;
    let told = own(&url, "msg_1", now_s(), r#"{"n":1}"#);
    for _ in 0..2 {
        expect(&told, 200, "", "the same").await;
    }
    expect(&own(&url, "msg_1", now_s() - 1, r#"{"n":1}"#), 200, "", "signed anew, as a sender does that tries again").await;
    for off_s in [-310, 310, -86_400] {
        expect(&own(&url, "msg_2", now_s() + off_s, "{}"), refused, code, "outside the window").await;
    }
    expect(&told.with("webhook-timestamp", &(now_s() + 5).to_string()), refused, code, "the time is signed").await;
    assert_eq!(events(&server, "own").await.len(), 1);
}

#[tokio::test]
async fn of_twenty_at_once_one_is_kept_whatever_a_stranger_puts_beside_the_signature() {
    let server = Server::start().await;
    connect_meta(&server).await;
    let body = r#"{"object":"whatsapp_business_account","entry":[]}"#;
    let headers = vec![("content-type", "application/json".to_owned()), ("x-hub-signature-256", openssl(server.home(), body.as_bytes()))];
    let told = Told { url: hook_url(&server, "wa").await, headers, body: body.into() };
    let calls: Vec<Told> =
        (0..20).map(|number| told.at(&format!("{}?n={number}", told.url)).with("x-number", &number.to_string())).collect();
    let answered = join_all(calls.iter().map(Told::call)).await;
    assert!(answered.iter().all(|(status, _)| *status == 200), "{answered:?}");
    let kept = events(&server, "wa").await;
    assert_eq!(kept.len(), 1, "{kept:?}");
    let jobs = server.list("kind=hook.apply").await;
    assert_eq!((jobs.len(), &jobs[0]["id"]), (1, &kept[0]["job"]));
    let metrics = server.text("/metrics").await;
    let repeated = r#"windrow_hook_calls_total{provider="whatsapp",came="repeated"} 19"#;
    assert!(metrics.contains(repeated), "{}", metrics.lines().filter(|line| line.contains("hook_calls")).collect::<Vec<_>>().join("\n"));
    assert_eq!(json!(answered.len()), json!(20));
}
