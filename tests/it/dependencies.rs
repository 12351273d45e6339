//! What the binaries are not made of.

use std::process::Command;

/// The crates that a package is made of, by name.
fn crates(package: &[&str]) -> Vec<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let arguments = ["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--offline", "--locked"];
    let tree = Command::new(cargo).args(arguments).args(package).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).expect("UTF-8");
    text.lines().filter_map(|line| line.split(' ').next()).map(ToOwned::to_owned).collect()
}

#[test]
fn the_api_links_no_handlers_and_no_carriers_crate() {
    let crates = crates(&["--package", "windrow-api"]);
    assert!(crates.iter().any(|name| name == "aws-sdk-s3") && crates.len() > 100, "{crates:?}");
    for unwanted in ["apalis", "apalis-core", "apalis-redis", "lettre", "minijinja", "image", "tar", "zstd"] {
        assert!(!crates.iter().any(|name| name == unwanted), "the api links {unwanted}");
    }
}

#[test]
fn there_is_one_tls_provider_and_one_http_stack() {
    let crates = crates(&["--workspace"]);
    assert!(crates.iter().any(|name| name == "aws-lc-rs"), "{crates:?}");
    for unwanted in ["ring", "openssl", "native-tls", "hyper-tls", "ureq", "curl"] {
        assert!(!crates.iter().any(|name| name == unwanted), "the workspace links {unwanted}");
    }
}
