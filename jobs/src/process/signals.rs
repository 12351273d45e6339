//! SIGTERM and Ctrl-C: the first asks for a drain, the second ends the process.

use std::future;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of a process that was told to stop a second time, as shells count a Ctrl-C.
const EXIT_INTERRUPTED: i32 = 130;

/// Cancels `shutdown` at the first signal; a second one ends the process without draining.
pub async fn stop_on_signal(shutdown: CancellationToken) {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate()).ok(), signal(SignalKind::interrupt()).ok());
    tokio::select! {
        () = received(terminate.as_mut()) => {}
        () = received(interrupt.as_mut()) => {}
    }
    tracing::info!("stopping; a second signal stops at once");
    shutdown.cancel();
    tokio::select! {
        () = received(terminate.as_mut()) => {}
        () = received(interrupt.as_mut()) => {}
    }
    std::process::exit(EXIT_INTERRUPTED);
}

async fn received(signal: Option<&mut Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    // A signal that cannot be listened for never comes.
    future::pending().await
}
