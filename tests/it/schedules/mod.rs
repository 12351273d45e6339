//! Schedules, from outside: the page about them works as printed, and so do the verbs of the command line.

mod apply;
mod verbs;

use windrow_tests::server::Server;

use crate::printed;

#[tokio::test]
async fn the_examples_work_as_printed() {
    let server = Server::start().await;
    let mut steps = printed::steps("docs/schedules.md", "Examples");
    assert!(steps.len() >= 9, "there are {} examples", steps.len());
    steps.extend(printed::steps("docs/schedules.md", "A file of schedules"));
    printed::run(&server, &steps).await;
}
