//! What the README prints works.

use windrow_tests::server::Server;

use crate::printed::{run, steps};

#[tokio::test]
async fn the_tour_works_as_printed() {
    let server = Server::start().await;
    // A reader takes longer to open the second terminal than the planner takes to say how deep the queues are.
    server.queue("default").await;
    let steps = steps("README.md", "A five-minute tour");
    assert!(steps.len() >= 10, "the tour has {} steps", steps.len());
    run(&server, &steps).await;
}

#[tokio::test]
async fn the_commands_about_schedules_work_as_printed() {
    let steps = steps("README.md", "Jobs by the clock");
    assert_eq!(steps.len(), 2);
    run(&Server::start().await, &steps).await;
}

#[tokio::test]
async fn the_commands_about_apps_work_as_printed() {
    let steps = steps("README.md", "Apps of parts");
    assert_eq!(steps.len(), 2);
    run(&Server::start().await, &steps).await;
}

#[test]
fn the_readme_begins_with_the_two_commands() {
    let commands: Vec<_> = steps("README.md", "Two commands").into_iter().map(|step| step.commands).collect();
    assert_eq!(commands, ["cargo run -- demo\n", "tests/run\n"]);
}
