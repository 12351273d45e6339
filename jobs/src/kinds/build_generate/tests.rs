//! The handler over a folder of objects: cancels between stages, and bundles that are not what they seem.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{
    Payload,
    handler::Generate,
    tools::{Shape, Tools},
};
use crate::{
    artifact::Artifact,
    bundle,
    clock::SystemClock,
    connection::NoAccess,
    handler::{Context, Handler, Lease, Listener, Outcome, Recorder, Remark},
    job::JobId,
    ledger::{self, model::ModelLedger},
    objects::{Objects, folder::FolderObjects, link::Signer},
    outbound::Outbound,
    settings::{Settings, builds::BuildsSettings},
    tenant::TenantId,
};

/// What a build says while it builds, up to when it begins to keep something.
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

    async fn moved_on(&self) -> ledger::Result<()> {
        Ok(())
    }
}

impl Lease for Recorded {
    fn valid(&self) -> bool {
        true
    }
}

async fn run(objects: &FolderObjects, payload: Value, stop_at: &'static str) -> Outcome {
    run_over(&Arc::new(ModelLedger::new(Arc::new(SystemClock))), objects, payload, stop_at).await
}

/// What a standalone installation in this folder gives to builds.
fn tools(home: &Path) -> Tools {
    let builds = BuildsSettings { folder: Some(home.to_owned()), ..BuildsSettings::default() };
    let outbound = Outbound::new(Default::default()).expect("a way out");
    let settings = Settings { data_dir: home.to_owned(), builds, ..Settings::default() };
    Tools { renderer: Default::default(), ..Tools::of(&settings, Shape::Standalone, outbound).expect("tools") }
}

async fn run_over(ledger: &Arc<ModelLedger>, objects: &FolderObjects, payload: Value, stop_at: &'static str) -> Outcome {
    let home = tempfile::tempdir().expect("a folder");
    let outcome = run_in(home.path(), ledger, objects, payload, stop_at).await;
    let left = std::fs::read_dir(home.path()).expect("a folder").flatten().filter(|entry| entry.path().is_dir());
    let left: Vec<_> =
        left.flat_map(|root| std::fs::read_dir(root.path()).expect("the root")).flatten().map(|entry| entry.path()).collect();
    assert_eq!(left.len(), 1, "nothing but the lock: {left:?}");
    outcome
}

async fn run_in(home: &Path, ledger: &Arc<ModelLedger>, objects: &FolderObjects, payload: Value, stop_at: &'static str) -> Outcome {
    let cancel = CancellationToken::new();
    let context = Context {
        job: JobId::from_bytes([1; 16]),
        tenant: TenantId::default_tenant(),
        attempt: 1,
        checkpoint: None,
        turned: Arc::default(),
        deadline: None,
        cancel: cancel.clone(),
        listener: Arc::new(StopAt(stop_at, cancel)),
        objects: Arc::new(objects.clone()),
        recorder: Arc::new(Recorded),
        lease: Arc::new(Recorded),
        effects: ledger.clone(),
        ledger: ledger.clone(),
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
        assert_eq!(objects.list("tenants/default/builds/", None, 10).await.expect("list"), [], "{stage}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_what_its_manifest_says_is_not_built_in() {
    let (_home, objects) = store();
    let ledger = Arc::new(ModelLedger::new(Arc::new(SystemClock)));
    assert!(matches!(run_over(&ledger, &objects, payload(&["search"]), "").await, Outcome::Done(_)));
    let bundles = objects.list("tenants/default/bundles/", None, 10).await.expect("list");
    for bundle in &bundles {
        let other = bundle::pack::pack(&[("features.js".to_owned(), b"alert(1)".to_vec())].into()).expect("packed");
        objects.put(bundle, "application/zstd", other.into()).await.expect("put");
    }
    let mut forced = payload(&["search"]);
    forced["force"] = json!(true);
    assert_eq!((code(&run_over(&ledger, &objects, forced, "").await), bundles.len()), ("bundle_corrupt", 6));
}

/// Puts, in the place of what was built, something else that the job of this id has built without a signature.
async fn keep_other(objects: &FolderObjects, job: JobId) {
    let entries = objects.list("tenants/default/builds/inputs/", None, 10).await.expect("list");
    let [key] = entries.as_slice() else { panic!("{entries:?}") };
    let kept = objects.get(key).await.expect("read").expect("an entry").bytes(1 << 20).await.expect("its bytes");
    let mut entry: Value = serde_json::from_slice(&kept).expect("JSON");
    let other = bundle::pack::pack(&[("other.txt".to_owned(), b"other".to_vec())].into()).expect("packed");
    let sha256 = crate::objects::hex(&Sha256::digest(&other));
    let archive = format!("tenants/default/builds/{sha256}/{}", entry["name"].as_str().expect("a name"));
    (entry["job"], entry["signed"], entry["sha256"], entry["bytes"]) = (json!(job), Value::Null, json!(sha256), json!(other.len()));
    objects.put(&archive.parse().expect("a key"), "application/zstd", other.into()).await.expect("put");
    objects.put(key, "application/json", entry.to_string().into_bytes().into()).await.expect("put");
}

#[tokio::test]
async fn only_a_build_by_force_is_compared_and_never_with_its_own() {
    let (_home, objects) = store();
    let ledger = Arc::new(ModelLedger::new(Arc::new(SystemClock)));
    let (own, other) = (JobId::from_bytes([1; 16]), JobId::from_bytes([2; 16]));
    let mut forced = payload(&["search"]);
    forced["force"] = json!(true);
    assert!(matches!(run_over(&ledger, &objects, payload(&["search"]), "").await, Outcome::Done(_)));
    keep_other(&objects, other).await;
    let again = run_over(&ledger, &objects, payload(&["search"]), "").await;
    assert!(matches!(again, Outcome::Done(_)), "signing was switched on: {again:?}");
    keep_other(&objects, own).await;
    let again = run_over(&ledger, &objects, forced.clone(), "").await;
    assert!(matches!(again, Outcome::Done(_)), "an attempt of this job died after its upload: {again:?}");
    keep_other(&objects, other).await;
    assert_eq!(code(&run_over(&ledger, &objects, forced, "").await), "not_reproducible");
}
