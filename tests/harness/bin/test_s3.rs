//! The tests' S3 server as a process of its own: `test-s3 ADDRESS FOLDER`, where each folder within FOLDER is a bucket.
//! It takes the keys of `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.

use std::{env, path::PathBuf};

use tokio::net::TcpListener;
use windrow_tests::s3;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let [address, folder]: [String; 2] =
        env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| anyhow::anyhow!("usage: test-s3 ADDRESS FOLDER"))?;
    let (id, secret) = (env::var("AWS_ACCESS_KEY_ID")?, env::var("AWS_SECRET_ACCESS_KEY")?);
    s3::accept(TcpListener::bind(address).await?, PathBuf::from(folder), &id, &secret).await;
    Ok(())
}
