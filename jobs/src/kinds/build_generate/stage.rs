//! The stages of a build as they are seen: as the job's progress, and as durations by template and stage.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use super::error::BuildError;
use crate::handler::Context;

/// Templates that are told apart; tenants name them, and every label is kept for good. All others are `other`.
const TEMPLATES_MAX: usize = 50;

static TEMPLATES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// A stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Its name among the metrics.
    name: &'static str,
    /// What people are told.
    message: &'static str,
    /// How far the build is when it begins.
    percent: u8,
}

const fn stage(name: &'static str, percent: u8, message: &'static str) -> Stage {
    Stage { name, message, percent }
}

pub const RESOLVE: Stage = stage("resolve", 0, "resolving");
pub const CACHE: Stage = stage("cache", 5, "looking for an earlier build");
pub const WORKSPACE: Stage = stage("workspace", 10, "making a workspace");
pub const OVERLAY: Stage = stage("overlay", 15, "overlaying");
pub const RENDER: Stage = stage("render", 25, "rendering");
pub const ASSETS: Stage = stage("assets", 35, "fetching assets");
pub const ICONS: Stage = stage("icons", 45, "making icons");
pub const LOCK: Stage = stage("lock", 50, "locking");
pub const COMMANDS: Stage = stage("commands", 55, "running commands");
pub const PACK: Stage = stage("pack", 75, "packing");
pub const COMPARE: Stage = stage("compare", 82, "comparing");
pub const SIGN: Stage = stage("sign", 85, "signing");
pub const UPLOAD: Stage = stage("upload", 90, "uploading");
pub const RECORD: Stage = stage("record", 95, "recording");

/// Where a build is.
pub struct Stages<'b> {
    context: &'b Context,
    template: String,
    now: Option<(Stage, Instant)>,
}

impl<'b> Stages<'b> {
    /// A build of this template (`name@requirement`) that has not begun.
    pub fn new(context: &'b Context, template: &str) -> Self {
        let name = template.split('@').next().unwrap_or_default();
        Self { context, template: label(name), now: None }
    }

    /// Says how far the build is; refuses to go on once the job is to stop.
    pub fn begin(&mut self, stage: Stage) -> Result<(), BuildError> {
        self.end();
        if self.context.cancel.is_cancelled() {
            return Err(BuildError::Stopped);
        }
        self.context.progress(stage.percent, stage.message);
        self.now = Some((stage, Instant::now()));
        // Whoever hears it may be the one who wants it to stop.
        if self.context.cancel.is_cancelled() { Err(BuildError::Stopped) } else { Ok(()) }
    }

    fn end(&mut self) {
        if let Some((stage, began)) = self.now.take() {
            let labels = [("template", self.template.clone()), ("stage", stage.name.to_owned())];
            metrics::histogram!("windrow_build_seconds", &labels).record(began.elapsed().as_secs_f64());
        }
    }
}

impl Drop for Stages<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

fn label(template: &str) -> String {
    let mut known = TEMPLATES.lock().unwrap_or_else(PoisonError::into_inner);
    if known.contains(template) || (known.len() < TEMPLATES_MAX && known.insert(template.to_owned())) {
        return template.to_owned();
    }
    "other".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_bounded() {
        let labels: BTreeSet<_> = (0..1_000).map(|number| label(&format!("template-{number}"))).collect();
        assert!(labels.contains("other") && labels.len() <= TEMPLATES_MAX + 1, "{labels:?}");
    }
}
