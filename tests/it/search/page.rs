//! docs/search.md: what it prints works.

use windrow_tests::server::Server;

use crate::printed;

#[tokio::test]
async fn the_tour_works_as_printed() {
    let steps = printed::steps("docs/search.md", "A tour");
    assert!(steps.len() >= 6, "there are {} examples", steps.len());
    printed::run(&Server::start().await, &steps).await;
}
