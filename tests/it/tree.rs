//! What is linked, and what must not be: by `cargo tree`, on the lock file as it is.

use std::{collections::BTreeSet, process::Command};

/// The crates that these packages link, as `name vVERSION`.
fn linked(arguments: &[&str]) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    let output = cargo.args(["tree", "--offline", "--edges", "normal", "--prefix", "none"]).args(arguments).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("the tree is text");
    let named = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    text.lines().filter(|line| !line.is_empty()).map(named).collect()
}

fn versions_of<'t>(tree: &'t BTreeSet<String>, name: &str) -> Vec<&'t str> {
    let of_name = |line: &&String| line.split(' ').next() == Some(name);
    tree.iter().filter(of_name).map(String::as_str).collect()
}

#[test]
fn the_api_links_nothing_of_a_handler_or_a_carrier() {
    // A bundle is checked before it is accepted, so the api reads archives; and it starts itself again to read and fill in templates of
    // notifications, so it has what that takes. Of fcm it has the messages, by which it checks payloads, and not what sends them. It asks
    // Qdrant, where the operator has one, so it has reqwest; what calls whom tenants name is `Outbound`, whose tokens need jsonwebtoken.
    let tree = linked(&["-p", "windrow-api"]);
    assert!(!versions_of(&tree, "axum").is_empty(), "the tree is read");
    let handlers = [
        "lettre",
        "csv",
        "image",
        "jsonwebtoken",
        "ed25519-dalek",
        "dom_smoothie",
        "pdf-extract",
        "text-splitter",
        "tiktoken-rs",
        "chardetng",
    ];
    for name in ["apalis", "apalis-core", "apalis-redis"].into_iter().chain(handlers) {
        assert_eq!(versions_of(&tree, name), Vec::<&str>::new());
    }
}

#[test]
fn the_page_of_the_api_is_built_in_and_costs_workers_nothing() {
    let tree = linked(&["-p", "utoipa-swagger-ui", "--edges", "build"]);
    assert!(!versions_of(&tree, "utoipa-swagger-ui-vendored").is_empty(), "Swagger UI comes as a crate");
    for name in ["reqwest", "ureq", "curl"] {
        assert_eq!(versions_of(&tree, name), Vec::<&str>::new(), "a build that downloads");
    }
    for package in ["windrow-worker", "windrow-scheduler"] {
        assert_eq!(versions_of(&linked(&["-p", package]), "utoipa"), Vec::<&str>::new(), "{package}");
    }
}

#[test]
fn the_whole_tree_has_one_tls_provider_and_one_http_stack() {
    let tree = linked(&["--workspace"]);
    assert_eq!(versions_of(&tree, "ring"), Vec::<&str>::new(), "aws-lc-rs is the one provider");
    assert_eq!(versions_of(&tree, "openssl"), Vec::<&str>::new());
    for name in ["rustls", "hyper", "http", "h2", "reqwest"] {
        let versions = versions_of(&tree, name);
        assert!(versions.len() <= 1, "{versions:?}");
    }
}
