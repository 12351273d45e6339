//! What every binary does the same way: read the settings, log, run until a signal, answer probes.

pub mod health;
pub mod logging;
pub mod metrics;
#[cfg(feature = "redis-nudges")]
pub mod nudges;
#[cfg(feature = "objects")]
pub mod objects;
pub mod postgres;
mod probe;
#[cfg(feature = "redis-nudges")]
pub mod redis;
pub mod search;
#[cfg(feature = "secrets")]
pub mod secrets;
pub mod signals;

use std::{env, future::Future, net::SocketAddr, process::ExitCode, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::settings::{self, Effective, Settings};

/// The exit code of a wrong setting.
const EXIT_SETTINGS: u8 = 2;
/// How long a runtime may take to end once its work is done.
const RUNTIME_END: Duration = Duration::from_secs(1);

/// Runs a server process: `serve` with the settings of the environment, until it returns; its token is
/// cancelled by SIGTERM or Ctrl-C. With the argument `ready` it instead asks the one that runs with these settings,
/// and answers probes at `probed`, whether it is ready.
pub fn run<F>(name: &str, probed: fn(&Settings) -> SocketAddr, serve: impl FnOnce(Settings, CancellationToken) -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    #[cfg(feature = "wordings")]
    if let Some(ended) = crate::renderer::answer_if_asked() {
        return ended;
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => try_run(serve),
        ["--version" | "-V"] => {
            println!("{name} {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        ["--help" | "-h"] => {
            println!(
                "{name} [ready]\n\n\
                 Runs with the settings of the file that WINDROW_CONFIG names and of WINDROW_ variables; with `ready` it asks the one that\n\
                 runs with them whether it is ready.\n\n\
                 Exit codes:\n  0  done, or ready\n  1  failed, or not ready\n  2  wrong usage or settings\n  130  a second signal"
            );
            return ExitCode::SUCCESS;
        }
        ["ready"] => Effective::of_process().map_err(Into::into).and_then(|effective| probe::ask(probed(&effective.settings))),
        _ => {
            eprintln!("{name} takes its settings from the environment, and `{name} ready` asks whether it is ready");
            return ExitCode::from(EXIT_SETTINGS);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            if error.is::<settings::Error>() { ExitCode::from(EXIT_SETTINGS) } else { ExitCode::FAILURE }
        }
    }
}

fn try_run<F>(serve: impl FnOnce(Settings, CancellationToken) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let effective = Effective::of_process()?;
    logging::start(&effective, true)?;
    metrics::install()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let served = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        tokio::spawn(signals::stop_on_signal(shutdown.clone()));
        serve(effective.settings.clone(), shutdown).await
    });
    runtime.shutdown_timeout(RUNTIME_END);
    served.map_err(|error| match error.downcast::<settings::Error>() {
        Ok(error) => effective.with_origin(error).into(),
        Err(error) => error,
    })
}
