//! `docs/workers-in-any-language.md`: each worker of the page, as it is printed, does a job at once and one later.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
};

use reqwest::Method;
use serde_json::json;
use windrow_tests::server::{Process, Server};

use super::{SECRET, came_of, connect, serve};

const PAGE: &str = include_str!("../../../docs/workers-in-any-language.md");

/// The code of this language on the page.
fn printed(language: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("```{language}\n")).unwrap_or_else(|| panic!("the page has nothing in {language}"));
    rest.split_once("```").expect("an end").0
}

/// A program that `tests/run` installs as a Debian package.
fn installed(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").expect("a path");
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing: run tests/run, which installs it"))
}

async fn works(server: &Server, language: &str, file: &str, program: &Path, arguments: &[&str]) {
    // The port is free now, and nobody else on this machine takes ports by number.
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port().to_string();
    std::fs::write(server.home().join(file), printed(language)).expect("written");
    let arguments: Vec<String> = arguments.iter().map(|argument| argument.replace("PORT", &port)).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let environment = [("SIGNING_SECRET".to_owned(), SECRET.to_owned()), ("PORT".to_owned(), port.clone())];
    let mut worker = Process::spawn_program(program, language, &arguments, &environment, server.home());
    let mut tries = 0;
    while tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await.is_err() {
        worker.check_alive();
        tries += 1;
        assert!(tries < 1_500, "the worker in {language} does not start: {}", worker.log());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    connect(server, language, &format!("http://127.0.0.1:{port}/"), json!({ "signing_secret": SECRET })).await;
    let payload = json!({ "connection": language, "body": { "text": "the quick brown fox" } });
    let at_once = came_of(server, payload.clone(), 1).await;
    assert_eq!(at_once["result"]["body"], json!({ "words": 4 }), "{language}: {at_once} {}", worker.log());
    let mut payload = payload;
    payload["respond_async"] = json!(true);
    let later = came_of(server, payload, 1).await;
    assert_eq!(later["result"], json!({ "reported": { "words": 4 } }), "{language}: {later} {}", worker.log());

    let forged = reqwest::Client::builder().tls_certs_only([]).build().expect("a client");
    let forged = forged.request(Method::POST, format!("http://127.0.0.1:{port}/")).body("{}").send().await.expect("an answer");
    assert_eq!(forged.status(), 401, "{language}: what is not signed is refused");
}

#[tokio::test]
async fn the_worker_in_python_works() {
    works(&serve().await, "python", "worker.py", &installed("python3"), &["worker.py"]).await;
}

#[tokio::test]
async fn the_worker_in_node_works() {
    works(&serve().await, "js", "worker.mjs", &installed("node"), &["worker.mjs"]).await;
}

#[tokio::test]
async fn the_worker_in_php_works() {
    works(&serve().await, "php", "worker.php", &installed("php"), &["-S", "127.0.0.1:PORT", "worker.php"]).await;
}
