//! `windrow-worker`: runs the built-in kinds of a cluster, any number of them.

use std::{process::ExitCode, sync::Arc};

use windrow_jobs::{
    kinds::{self, Services, build_generate::tools::Shape},
    process::search,
};

fn main() -> ExitCode {
    windrow_worker::cluster::run_with(|settings| {
        Ok(kinds::handlers(&Services::of(settings, Shape::Cluster, None, Arc::new(search::open(settings)))?))
    })
}
