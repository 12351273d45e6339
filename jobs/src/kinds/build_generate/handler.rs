//! The code of `build.generate`: resolve, look for a build of the same inputs, fetch, overlay, render, pack, upload.
//!
//! Each stage says how far the build is, and none begins once the job is to stop.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    App, Built, Payload, contract,
    error::BuildError,
    overlay::{Laid, overlay},
    pack::pack,
    render::render,
};
use crate::{
    bundle::{self, Manifest, Published, Role},
    contract::Contract,
    handler::{Context, Failure, Handler, Outcome},
    objects::{Key, Meta, hex},
};

/// Raised with every change that makes other bytes of the same inputs, so that no cached build stands in for them.
const GENERATION: u32 = 1;
const MEDIA_TYPE: &str = "application/zstd";

/// The handler.
pub struct Generate;

impl Handler for Generate {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        Ok(match build(&context, payload).await {
            Ok(built) => Outcome::done(&built),
            Err(error) => error.into_outcome(),
        })
    }
}

async fn build(context: &Context, payload: Payload) -> Result<Built, BuildError> {
    stage(context, 0, "resolving")?;
    let published = resolved(context, &payload).await?;
    let bundles: Vec<_> = published.iter().map(|bundle| bundle.manifest.clone()).collect();
    let settings = settings(&bundles, &payload.app)?;
    let inputs =
        Inputs { generation: GENERATION, app: &payload.app, settings: &settings, bundles: bundles.iter().map(Pinned::of).collect() };
    let archive = Archive::of(context, &payload.app, &inputs)?;

    stage(context, 10, "looking for an earlier build")?;
    if !payload.force
        && let Some(meta) = context.objects.head(&archive.key).await?
    {
        context.info(format!("built before: {}", archive.name));
        return archive.recorded(context, meta, true).await;
    }

    stage(context, 15, "overlaying")?;
    let laid = overlay(&bundles)?;
    stage(context, 20, "fetching")?;
    let parts = fetch(context, &published, &laid).await?;
    stage(context, 50, "rendering")?;
    let values =
        serde_json::to_value(Values::of(&inputs, &bundles)).map_err(|error| BuildError::inputs("render_failed", error.to_string()))?;
    let config = serde_json::to_string_pretty(&values).map_err(|error| BuildError::inputs("render_failed", error.to_string()))?;
    let lock = serde_json::to_string_pretty(&inputs.bundles).map_err(|error| BuildError::inputs("render_failed", error.to_string()))?;
    let rendered = off_thread(move || assemble(&bundles, &laid, parts, &values)).await?;
    stage(context, 70, "packing")?;
    let packed = off_thread(move || pack(&with_config(rendered, &config, &lock)?)).await?;
    stage(context, 85, "uploading")?;
    let meta = context.objects.put(&archive.key, MEDIA_TYPE, packed.into()).await?;
    context.info(format!("{}: {} bytes", archive.name, meta.bytes));
    let built = archive.recorded(context, meta, false).await?;
    context.progress(100, "built");
    Ok(built)
}

/// Says how far the build is; refuses to go on once the job is to stop.
fn stage(context: &Context, percent: u8, what: &str) -> Result<(), BuildError> {
    if context.cancel.is_cancelled() {
        return Err(BuildError::Stopped);
    }
    context.progress(percent, what);
    Ok(())
}

async fn resolved(context: &Context, payload: &Payload) -> Result<Vec<Published>, BuildError> {
    let (library, objects) = (&*context.library, &*context.objects);
    let bundles = bundle::pick(library, objects, &context.tenant, &payload.template, &payload.features).await?;
    let names: Vec<_> = bundles.iter().map(|bundle| bundle.manifest.to_string()).collect();
    context.info(format!("made of {}", names.join(", ")));
    Ok(bundles)
}

/// The settings of all bundles, with the app's values in their place.
fn settings(bundles: &[Manifest], app: &App) -> Result<BTreeMap<String, Value>, BuildError> {
    let given = serde_json::to_value(&app.settings).and_then(serde_json::from_value);
    let given = given.map_err(|error| BuildError::inputs("setting_invalid", error.to_string()))?;
    Ok(bundle::settings::fill(bundles, &given)?)
}

/// All that the archive's bytes depend on.
#[derive(Serialize)]
struct Inputs<'a> {
    generation: u32,
    app: &'a App,
    settings: &'a BTreeMap<String, Value>,
    bundles: Vec<Pinned>,
}

/// A bundle, down to its bytes.
#[derive(Serialize)]
struct Pinned {
    name: String,
    version: String,
    sha256: String,
}

impl Pinned {
    fn of(manifest: &Manifest) -> Self {
        Self { name: manifest.name.clone(), version: manifest.version.to_string(), sha256: manifest.digest() }
    }
}

/// What templates and the app itself are told.
#[derive(Serialize)]
struct Values<'a> {
    app: Identity<'a>,
    settings: &'a BTreeMap<String, Value>,
    template: String,
    features: Vec<String>,
}

#[derive(Serialize)]
struct Identity<'a> {
    name: &'a str,
    bundle_id: &'a str,
    theme: super::Theme,
}

impl<'a> Values<'a> {
    fn of(inputs: &Inputs<'a>, bundles: &[Manifest]) -> Self {
        let of_role = |role| bundles.iter().filter(move |bundle| bundle.role == role).map(|bundle| bundle.name.clone());
        Self {
            app: Identity { name: &inputs.app.name, bundle_id: &inputs.app.bundle_id, theme: inputs.app.theme },
            settings: inputs.settings,
            template: of_role(Role::Template).collect(),
            features: of_role(Role::Feature).collect(),
        }
    }
}

/// The archive by the hash of its inputs. It is the tenant's, not the job's: later builds of the same find it there.
struct Archive {
    name: String,
    key: Key,
}

impl Archive {
    fn of(context: &Context, app: &App, inputs: &Inputs<'_>) -> Result<Self, BuildError> {
        let inputs = serde_json::to_vec(inputs).map_err(|error| BuildError::inputs("inputs_invalid", error.to_string()))?;
        let hash = hex(&Sha256::digest(inputs));
        let name = format!("{}.tar.zst", app.bundle_id);
        let key = format!("tenants/{}/builds/{hash}/{name}", context.tenant).parse()?;
        Ok(Self { name, key })
    }

    async fn recorded(self, context: &Context, meta: Meta, cached: bool) -> Result<Built, BuildError> {
        let artifact = context.refer(&self.name, &self.key, meta).await?;
        Ok(Built { artifact: artifact.name, sha256: artifact.sha256, bytes: artifact.bytes, cached })
    }
}

/// The contents of all parts, by the places of bundle and file.
type Parts = BTreeMap<(usize, usize), Vec<u8>>;

async fn fetch(context: &Context, bundles: &[Published], laid: &BTreeMap<String, Laid>) -> Result<Parts, BuildError> {
    let mut opened = Vec::new();
    for bundle in bundles {
        if context.cancel.is_cancelled() {
            return Err(BuildError::Stopped);
        }
        opened.push(bundle::open(&*context.objects, bundle).await?);
    }
    let mut parts = Parts::new();
    for place in laid.values().flat_map(|laid| &laid.parts) {
        let path = &bundles[place.0].manifest.files[place.1].path;
        parts.extend(opened[place.0].remove(path).map(|content| (*place, content)));
    }
    Ok(parts)
}

/// The app's files: every part rendered where that is asked for, parts of one file one after the other.
fn assemble(
    bundles: &[Manifest],
    laid: &BTreeMap<String, Laid>,
    mut parts: Parts,
    values: &serde_json::Value,
) -> Result<BTreeMap<String, Vec<u8>>, BuildError> {
    let mut files = BTreeMap::new();
    for (path, laid) in laid {
        let mut content = Vec::new();
        for place in &laid.parts {
            let bundle = &bundles[place.0];
            let part = parts.remove(place).unwrap_or_default();
            let part = if bundle.renders(path) { render(&bundle.to_string(), path, &part, values)? } else { part };
            content.extend(part);
        }
        files.insert(path.clone(), content);
    }
    Ok(files)
}

/// The app's files with its configuration: for programs as JSON, for a page opened from disk, which cannot fetch, as a script.
fn with_config(mut files: BTreeMap<String, Vec<u8>>, config: &str, lock: &str) -> Result<BTreeMap<String, Vec<u8>>, BuildError> {
    let script = format!("window.APP_CONFIG = {config};\n");
    for (path, content) in [("config.json", format!("{config}\n")), ("config.js", script), ("bundles.lock.json", format!("{lock}\n"))] {
        if files.insert(path.into(), content.into_bytes()).is_some() {
            return Err(BuildError::inputs("file_conflict", format!("{path} is written by the build itself, so no bundle may bring it")));
        }
    }
    Ok(files)
}

/// Work that would hold up others on this thread.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, BuildError> + Send + 'static) -> Result<T, BuildError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.try_into_panic().unwrap_or_else(|error| Box::new(error.to_string()))),
    }
}
