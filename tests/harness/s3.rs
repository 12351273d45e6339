//! An S3 server in this process, over a folder of its own (`s3s-fs`).
//!
//! It keeps to the protocol, signatures included, but its folder is no model of a real store: conditional puts race,
//! and a key below another key clashes with it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use windrow_jobs::objects::s3::{S3Objects, S3Place};

/// The access key that it takes.
pub const ACCESS_KEY: &str = "windrow-tests";
/// And the secret to it.
pub const SECRET_KEY: &str = "not-a-secret-0123456789";
/// The bucket that is there.
pub const BUCKET: &str = "objects";

/// A server with one empty bucket; it ends with this value.
pub struct S3Server {
    address: SocketAddr,
    accepting: JoinHandle<()>,
    home: TempDir,
}

impl S3Server {
    /// Starts a server on a free port.
    pub async fn start() -> Self {
        let home = tempfile::Builder::new().prefix("windrow-s3-").tempdir().expect("a folder for the server");
        std::fs::create_dir(home.path().join(BUCKET)).expect("the bucket");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let accepting = tokio::spawn(accept(listener, home.path().to_owned(), ACCESS_KEY, SECRET_KEY));
        Self { address, accepting, home }
    }

    /// The value of `WINDROW_OBJECTS_URL` for it.
    pub fn url(&self) -> String {
        format!("s3://{BUCKET}?endpoint=http://{}&region=eu-test-1", self.address)
    }

    /// The folder that it keeps the bucket in.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A client of its bucket.
    pub fn objects(&self) -> S3Objects {
        S3Objects::open(S3Place::parse(&self.url()).expect("its own URL"), ACCESS_KEY, SECRET_KEY, None)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves the buckets in `root` to who has these keys, for as long as it is polled.
pub async fn accept(listener: TcpListener, root: PathBuf, access_key: &str, secret_key: &str) {
    let mut builder = S3ServiceBuilder::new(FileSystem::new(root).expect("the file system"));
    builder.set_auth(SimpleAuth::from_single(access_key, secret_key));
    let service = builder.build();
    while let Ok((socket, _)) = listener.accept().await {
        let service = service.clone();
        tokio::spawn(async move {
            // A client that goes away in the middle is its own affair.
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
        });
    }
}
