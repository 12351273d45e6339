//! Templates that ask for more than there is: their build ends with the cause, and nothing else does.

use serde_json::json;
use windrow_tests::server::Server;

use super::{build, built, of, publish};

/// Strings that grow by themselves: the renderer's limit of instructions is far away.
fn greedy() -> [(&'static str, String); 4] {
    let doubled = |line: &str| format!("{{% set a = 'xxxxxxxxxxxxxxxx' %}}\n{}", format!("{line}\n").repeat(36));
    [
        ("joined", doubled("{% set a = a ~ a %}")),
        ("block", doubled("{% set a %}{{ a }}{{ a }}{% endset %}")),
        ("repeated", "{% set a = 'x' * 1000000 %}\n{% set b = (a * 1000000) %}\n".into()),
        ("replaced", doubled("{% set a = a|replace('x', 'xx') %}")),
    ]
}

#[tokio::test]
async fn a_template_that_takes_all_memory_ends_its_build_and_not_the_worker() {
    let server = Server::start().await;
    let pid = server.pid();
    for (name, source) in greedy() {
        publish(&server, name, "render = [\"greedy.txt\"]\n", &[("greedy.txt", &source)]).await;
        let job = build(&server, of(name)).await;
        assert_eq!((&job["state"], &job["error"]["code"], &job["attempt"]), (&json!("dead"), &json!("render_failed"), &json!(1)), "{job}");
        let said = job["error"]["message"].as_str().expect("a message");
        assert!(said.starts_with(&format!("greedy.txt of {name} 1.0.0: ")), "{said}");
        if name == "joined" {
            assert_eq!(said, "greedy.txt of joined 1.0.0: its rendering used more than 512 MiB, or went too deep");
        }
        println!("{said}");
    }
    publish(&server, "modest", "render = [\"a.txt\", \"b.txt\"]\n", &[("a.txt", "{{ app.name }}"), ("b.txt", "{{ app.theme }}")]).await;
    let job = built(&server, of("modest")).await;
    let files = super::files(&server, &job).await;
    assert_eq!((files["a.txt"].as_slice(), files["b.txt"].as_slice()), (&b"Hay"[..], &b"system"[..]));
    assert_eq!(server.pid(), pid);
    server.submit(json!({ "kind": "echo", "payload": {} })).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_told_from_where_it_was_rendered() {
    let server = Server::start().await;
    let wrong = [
        ("missing", "\n{{ app.nmae }}", "variable_missing", "line 2: app.nmae is not defined"),
        ("syntax", "{{ ", "render_failed", "line 1"),
    ];
    for (name, source, code, says) in wrong {
        publish(&server, name, "render = [\"a.txt\"]\n", &[("a.txt", source)]).await;
        let job = build(&server, of(name)).await;
        assert_eq!((&job["state"], &job["error"]["code"]), (&json!("dead"), &json!(code)), "{job}");
        assert!(job["error"]["message"].as_str().is_some_and(|said| said.contains(&format!("a.txt of {name} 1.0.0: {says}"))), "{job}");
    }
    // The largest file that a bundle may have.
    let large = format!("{{# {} #}}{{{{ app.name }}}}", "x".repeat(16 * 1024 * 1024 - 100));
    publish(&server, "large", "render = [\"a.txt\"]\n", &[("a.txt", &large)]).await;
    let job = built(&server, of("large")).await;
    assert_eq!(super::files(&server, &job).await["a.txt"], b"Hay");
}
