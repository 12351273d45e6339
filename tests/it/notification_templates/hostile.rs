//! Templates that ask for more than there is: whoever wrote them is told so, within limits, and the server lives on.

use std::time::Instant;

use serde_json::json;
use windrow_tests::server::Server;

use super::{preview, put};

/// Each by its name, its part, and what is said of it; whether memory or time ends first differs from machine to machine.
fn hostile() -> Vec<(&'static str, &'static str, String, &'static [&'static str])> {
    const SPENT: &[&str] = &["more than 512 MiB", "computed for too long", "no answer within 20 s"];
    let doubled = |line: &str| format!("{{% set a = 'xxxxxxxxxxxxxxxx' %}}\n{}", format!("{line}\n").repeat(36));
    let each = "{% for a in range(9999) %}{% for b in range(9999) %}";
    vec![
        ("memory", "text", doubled("{% set a = a ~ a %}"), SPENT),
        ("replaced", "text", doubled("{% set a = a|replace('x', 'xx') %}"), SPENT),
        ("endless", "text", format!("{each}{{% endfor %}}{{% endfor %}}"), &["takes too long"]),
        ("output", "html", format!("{{% for a in range(9999) %}}{}{{% endfor %}}", "<p>x</p>".repeat(200)), &["larger than 1048576 bytes"]),
        ("deep", "html", "<div>".repeat(50_000), SPENT),
        (
            "styles",
            "html",
            format!("<style>{}</style>{}", "p { color: red; background: blue }".repeat(2_000), "<p>x</p>".repeat(20_000)),
            &[],
        ),
    ]
}

#[tokio::test]
async fn a_hostile_template_ends_in_a_clear_error_and_the_server_lives_on() {
    let server = Server::start().await;
    let pid = server.pid();
    put(&server, "modest", "en", json!({ "text": "Hello {{ name }}", "sample": { "name": "Ann" } })).await;
    for (name, part, source, says) in hostile() {
        let begun = Instant::now();
        let kept = put(&server, name, "en", json!({ part: source })).await;
        assert!(kept.status == 201 || kept.body["code"] == "template_failed", "{name}: {}", kept.body);
        let answer = preview(&server, name, "en", json!({})).await;
        let taken = begun.elapsed();
        let detail = answer.body["detail"].as_str().unwrap_or("rendered").to_owned();
        println!("{name}: {} {detail} ({} ms)", answer.status, taken.as_millis());
        if !says.is_empty() {
            assert_eq!((answer.status, &answer.body["code"]), (422, &json!("template_failed")), "{name}: {}", answer.body);
            assert!(says.iter().any(|says| detail.contains(says)), "{name}: {detail}");
        }
        assert!(matches!(answer.status, 200 | 422), "{name}: {}", answer.body);
        let modest = preview(&server, "modest", "en", json!({})).await;
        assert_eq!((modest.status, &modest.body["text"]), (200, &json!("Hello Ann")), "after {name}: {}", modest.body);
    }
    assert_eq!(server.pid(), pid);
}

#[tokio::test]
async fn what_takes_all_memory_when_it_is_read_is_refused() {
    let server = Server::start().await;
    let refused = put(&server, "constant", "en", json!({ "text": "{{ 'xxxxxxxxxxxxxxxx' * 10000000000 }}" })).await;
    assert!(refused.status == 201 || refused.status == 422, "{}", refused.body);
    println!("{} {}", refused.status, refused.body["detail"]);
    let nested = format!("{{{{ {}x{} }}}}", "(".repeat(100_000), ")".repeat(100_000));
    let refused = put(&server, "nested", "en", json!({ "text": nested })).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert_eq!(put(&server, "modest", "en", json!({ "text": "x" })).await.status, 201);
}
