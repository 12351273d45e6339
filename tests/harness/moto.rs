//! An S3 server in Python, from PyPI's `moto`: a second opinion beside `s3.rs`, by people who follow Amazon's own answers.

use std::{process::Command, time::Duration};

use rustix::process::Signal;
use tempfile::TempDir;
use windrow_jobs::objects::s3::{S3Objects, S3Place};

use crate::{daemon::Daemon, postgres::free_port, python};

const READY_TRIES: u32 = 3_000;
const READY_PAUSE: Duration = Duration::from_millis(20);

/// A server without buckets; it ends with this value.
pub struct Moto {
    _daemon: Daemon,
    http: reqwest::Client,
    url: String,
    _home: TempDir,
}

impl Moto {
    /// Starts a server on a free port.
    pub async fn start() -> Self {
        let home = tempfile::Builder::new().prefix("windrow-moto-").tempdir().expect("a folder for the server");
        let port = free_port();
        let mut command = Command::new(python::tool("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(home.path());
        let daemon = Daemon::spawn(command, Signal::KILL, home.path());
        let http = reqwest::Client::builder().tls_certs_only([]).build().expect("an HTTP client");
        let moto = Self { _daemon: daemon, http, url: format!("http://127.0.0.1:{port}"), _home: home };
        for _ in 0..READY_TRIES {
            if moto.http.get(format!("{}/moto-api/", moto.url)).send().await.is_ok() {
                return moto;
            }
            tokio::time::sleep(READY_PAUSE).await;
        }
        panic!("moto does not get ready at {}", moto.url);
    }

    /// A client of a new bucket, whatever its keys: signatures are not checked.
    pub async fn bucket(&self, name: &str) -> S3Objects {
        // A bucket's name has at most 63 characters.
        let name = &name[..name.len().min(63)];
        let made = self.http.put(format!("{}/{name}", self.url)).send().await.expect("an answer");
        assert!(made.status().is_success(), "{name}: {}", made.status());
        let place = format!("s3://{name}?endpoint={}&region=us-east-1", self.url);
        S3Objects::open(S3Place::parse(&place).expect("a URL"), "id", "secret", None)
    }
}
