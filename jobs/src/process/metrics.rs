//! What a process tells Prometheus (text exposition format 0.0.4).
//!
//! Names begin with `windrow_`, units end them. No label names a tenant or a job: their number has no bound.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// The media type of [`render`].
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of the buckets of every duration, in seconds: from a ledger's commit to the longest build.
const BUCKETS_S: [f64; 16] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0];

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Begins to record. A second call in a process changes nothing.
pub fn install() -> Result<(), BuildError> {
    if RECORDER.get().is_none() {
        let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS_S)?.install_recorder()?;
        // Of two calls at once the recorder refuses the later, which never gets here.
        let _ = RECORDER.set(recorder);
    }
    Ok(())
}

/// Everything recorded so far; empty in a process that does not record.
pub fn render() -> String {
    let Some(recorder) = RECORDER.get() else {
        return String::new();
    };
    recorder.run_upkeep();
    recorder.render()
}
