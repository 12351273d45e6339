//! Starts one of each server that tests start, says which they are, and waits for its end: somebody kills it to see
//! that nothing stays behind.

use std::future::pending;

use serde_json::json;
use windrow_tests::{postgres::Postgres, redis::Redis, server::Server};

#[tokio::main]
async fn main() {
    let (postgres, redis, server) = (Postgres::own().await, Redis::start().await, Server::start().await);
    let folders = [postgres.home(), redis.home(), server.home()];
    println!("{}", json!({ "pids": [postgres.pid(), redis.pid(), server.pid()], "folders": folders }));
    pending::<()>().await;
}
