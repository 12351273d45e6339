//! Syncs, from outside: the real server over HTTP. What they declare and preview is here, what runs do in `sync_run/`.

mod hostile;

use windrow_tests::server::Server;

use crate::printed;

#[tokio::test]
async fn the_examples_work_as_printed() {
    let server = Server::start_with(&[("WINDROW_OUTBOUND__ALLOW_HOSTS", "127.0.0.1")]).await;
    let mut steps = printed::steps("docs/syncs.md", "A tour");
    assert!(steps.len() >= 10, "there are {} examples", steps.len());
    for section in ["Two in full", "Presets"] {
        steps.extend(printed::steps("docs/syncs.md", section));
    }
    printed::run(&server, &steps).await;
}
