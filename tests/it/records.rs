//! Records over a real server: what the document prints works.

use windrow_tests::server::Server;

use crate::printed;

#[tokio::test]
async fn the_commands_work_as_printed() {
    let steps = printed::steps("docs/records.md", "Examples");
    assert!(steps.len() >= 4, "{} steps", steps.len());
    printed::run(&Server::start().await, &steps).await;
}
