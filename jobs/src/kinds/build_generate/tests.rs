//! The handler over a folder of objects: cancels between stages, and bundles that are not what they seem.

use std::{path::Path, str::FromStr, sync::Arc};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    Payload,
    handler::Generate,
    tools::{Shape, Tools},
};
use crate::{
    artifact::Artifact,
    clock::SystemClock,
    connection::NoAccess,
    handler::{Context, Handler, Lease, Listener, Outcome, Recorder, Remark},
    job::JobId,
    ledger::{self, model::ModelLedger},
    objects::{Key, Objects, folder::FolderObjects, link::Signer},
    settings::{Settings, builds::BuildsSettings},
    tenant::TenantId,
};

/// What a build says that builds.
const STAGES: [&str; 11] = [
    "resolving",
    "looking for an earlier build",
    "making a workspace",
    "overlaying",
    "rendering",
    "fetching assets",
    "making icons",
    "locking",
    "running commands",
    "packing",
    "signing",
];

/// Cancels once a stage of this name begins.
struct StopAt(&'static str, CancellationToken);

impl Listener for StopAt {
    fn hear(&self, remark: Remark) {
        if matches!(&remark, Remark::Progress(progress) if progress.message == self.0) {
            self.1.cancel();
        }
    }
}

struct Recorded;

#[async_trait]
impl Recorder for Recorded {
    async fn record(&self, _: Artifact) -> ledger::Result<bool> {
        Ok(true)
    }
}

impl Lease for Recorded {
    fn valid(&self) -> bool {
        true
    }
}

/// What a standalone installation in this folder gives to builds.
fn tools(home: &Path) -> Tools {
    let builds = BuildsSettings { folder: Some(home.to_owned()), ..BuildsSettings::default() };
    Tools::of(&Settings { data_dir: home.to_owned(), builds, ..Settings::default() }, Shape::Standalone).expect("tools")
}

async fn run(objects: &FolderObjects, payload: Value, stop_at: &'static str) -> Outcome {
    let home = tempfile::tempdir().expect("a folder");
    let outcome = run_in(home.path(), objects, payload, stop_at).await;
    let left = std::fs::read_dir(home.path()).expect("a folder").flatten().filter(|entry| entry.path().is_dir());
    let left: Vec<_> = left.flat_map(|root| std::fs::read_dir(root.path()).expect("the root")).flatten().map(|entry| entry.path()).collect();
    assert_eq!(left.len(), 1, "nothing but the lock: {left:?}");
    outcome
}

async fn run_in(home: &Path, objects: &FolderObjects, payload: Value, stop_at: &'static str) -> Outcome {
    let cancel = CancellationToken::new();
    let context = Context {
        job: JobId::from_bytes([1; 16]),
        tenant: TenantId::default_tenant(),
        attempt: 1,
        checkpoint: None,
        deadline: None,
        cancel: cancel.clone(),
        listener: Arc::new(StopAt(stop_at, cancel)),
        objects: Arc::new(objects.clone()),
        recorder: Arc::new(Recorded),
        lease: Arc::new(Recorded),
        effects: Arc::new(ModelLedger::new(Arc::new(SystemClock))),
        access: Arc::new(NoAccess),
    };
    let payload: Payload = serde_json::from_value(payload).expect("a payload");
    Generate(tools(home)).run(context, payload).await.unwrap_or_else(Outcome::from)
}

fn store() -> (tempfile::TempDir, FolderObjects) {
    let home = tempfile::tempdir().expect("a folder");
    let objects = FolderObjects::open(home.path(), Signer::new(b"master"), String::new()).expect("a store");
    (home, objects)
}

fn payload(features: &[&str]) -> Value {
    json!({ "template": "task-list", "features": features, "app": { "name": "Tasks", "bundle_id": "a.b" } })
}

async fn put(objects: &FolderObjects, key: &str, content: &str) {
    objects.put(&Key::from_str(key).expect("a key"), "text/plain", content.as_bytes().to_vec().into()).await.expect("put");
}

fn code(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Bury(error) => &error.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_cancelled_build_stops_before_its_next_stage_and_leaves_nothing() {
    for stage in STAGES {
        let (_home, objects) = store();
        assert_eq!(run(&objects, payload(&["search"]), stage).await, Outcome::Cancel, "{stage}");
        assert_eq!(objects.list("tenants/", None, 10).await.expect("list"), [], "{stage}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_what_its_manifest_says_is_not_built_in() {
    let (_home, objects) = store();
    assert!(matches!(run(&objects, payload(&["search"]), "").await, Outcome::Done(_)));
    put(&objects, "registry/search/1.0.0/files/features.js", "alert(1)").await;
    let mut forced = payload(&["search"]);
    forced["force"] = json!(true);
    assert_eq!(code(&run(&objects, forced, "").await), "bundle_corrupt");
}

#[tokio::test]
async fn a_manifest_that_leaves_the_app_or_its_own_place_is_refused() {
    let manifest = |name: &str, path: &str| {
        json!({ "name": name, "version": "1.0.0", "role": "feature", "files": [{ "path": path, "bytes": 0, "sha256": "" }] }).to_string()
    };
    for (name, path) in [("sly", "../../outside"), ("sly", "/etc/passwd"), ("other", "a.js")] {
        let (_home, objects) = store();
        put(&objects, "registry/sly/1.0.0/bundle.json", &manifest(name, path)).await;
        assert_eq!(code(&run(&objects, payload(&["sly"]), "").await), "bundle_invalid", "{name} {path}");
    }
    let (_home, objects) = store();
    put(&objects, "registry/sly/1.0.0/bundle.json", &manifest("sly", "config.js")).await;
    put(&objects, "registry/sly/1.0.0/files/config.js", "").await;
    assert_eq!(code(&run(&objects, payload(&["sly"]), "").await), "bundle_corrupt", "an empty hash fits nothing");
}
