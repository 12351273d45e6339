//! Syncs, from outside: the real server over HTTP. What they declare and preview is here, what runs do in `sync_run/`.

mod hostile;

use windrow_tests::server::Server;

use crate::printed;

#[tokio::test]
async fn the_examples_work_as_printed() {
    let server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
    let steps = printed::steps("docs/syncs.md", "A tour");
    assert!(steps.len() >= 7, "there are {} examples", steps.len());
    printed::run(&server, &steps).await;
}
