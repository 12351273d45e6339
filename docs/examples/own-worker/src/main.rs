//! A worker with a kind of your own. Start it beside a cluster, with the cluster's WINDROW_DATABASE_URL;
//! the api learns the kind from it: `windrow submit greeting.send --payload '{"name": "Ada"}' --wait 10`.

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Deserialize;
use windrow_jobs::{
    contract::Contract,
    handler::{Context, Failure, Handler, Outcome, Registry},
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Greeting {
    name: String,
}

struct Greet;

impl Handler for Greet {
    type Payload = Greeting;

    fn contract(&self) -> Contract {
        Contract::of::<Greeting>("greeting.send")
    }

    async fn run(&self, context: Context, greeting: Greeting) -> Result<Outcome, Failure> {
        context.info(format!("greeting {}", greeting.name));
        Ok(Outcome::done(&serde_json::json!({ "message": format!("Hello, {}!", greeting.name) })))
    }
}

fn main() -> ExitCode {
    windrow_worker::cluster::run(Registry::default().with(Greet))
}
