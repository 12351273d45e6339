//! A worker of a cluster whose first build stops for good at one of its stages, and tells by making a file that it is there:
//! somebody kills it to see what is left.

use std::{env, fs::File, path::PathBuf, process::ExitCode, sync::Arc};

use windrow_jobs::{
    contract::Contract,
    handler::{Context, Failure, Handler, Listener, Outcome, Remark},
    kinds::{
        Services,
        build_generate::{Payload, handler::Generate, tools::Shape},
    },
    process::search,
    renderer,
};

/// Builds up to this stage.
struct Stalling {
    build: Generate,
    /// What the build says when the stage begins.
    stage: String,
    /// The file that tells.
    reached: PathBuf,
}

impl Handler for Stalling {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        self.build.contract()
    }

    async fn run(&self, mut context: Context, payload: Payload) -> Result<Outcome, Failure> {
        context.listener = Arc::new(Stall { listener: context.listener.clone(), stage: self.stage.clone(), reached: self.reached.clone() });
        self.build.run(context, payload).await
    }
}

struct Stall {
    listener: Arc<dyn Listener>,
    stage: String,
    reached: PathBuf,
}

impl Listener for Stall {
    fn hear(&self, remark: Remark) {
        let reached = matches!(&remark, Remark::Progress(progress) if progress.message == self.stage);
        self.listener.hear(remark);
        if reached {
            File::create(&self.reached).expect("a file that tells");
            loop {
                std::thread::park();
            }
        }
    }
}

fn main() -> ExitCode {
    // Its builds render by this very program, which is then told nothing else.
    renderer::answer_if_asked().unwrap_or_else(work)
}

fn work() -> ExitCode {
    let set = |name: &str| env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let (stage, reached) = (set("WINDROW_TEST_STALL_AT"), set("WINDROW_TEST_STALLED").into());
    windrow_worker::cluster::run_with(|settings| {
        let build = Generate(Services::of(settings, Shape::Cluster, None, Arc::new(search::open(settings)))?.build);
        Ok(windrow_jobs::handler::Registry::default().with(Stalling { build, stage, reached }))
    })
}
