//! Two apis give a tenant its first key at once: one wins, and what both sealed opens.

use futures::future::join_all;
use windrow_tests::{
    cluster::{Cluster, Shape},
    endpoint::Endpoint,
};

use super::{ALLOW, OLD, make, test};

#[tokio::test]
async fn of_first_keys_at_once_one_stands_and_opens_everything() {
    let endpoint = Endpoint::start(200, "{}").await;
    let variables = [ALLOW, ("WINDROW_MASTER_KEY", OLD)];
    let shape = Shape { apis: 2, workers: 1, schedulers: 1, redis: false, proxied: false, variables: &variables };
    let cluster = Cluster::of(shape).await;
    for tenant in ["one", "two", "three"] {
        let clients: Vec<_> = cluster.clients().iter().map(|client| client.of_tenant(tenant)).collect();
        let url = endpoint.url();
        let makes = (0..8).map(|number| {
            let (client, url) = (clients[number % 2].clone(), url.clone());
            async move { make(&client, &format!("hook-{number}"), &url).await.status }
        });
        assert_eq!(join_all(makes).await, [201; 8]);
        let tests = (0..8).map(|number| {
            let client = clients[0].clone();
            async move { test(&client, &format!("hook-{number}")).await["state"].clone() }
        });
        assert_eq!(join_all(tests).await, ["completed"; 8]);
    }
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM tenant_keys").fetch_one(&mut cluster.database().await).await.expect("a count");
    assert_eq!(keys, 3);
}
