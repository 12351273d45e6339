//! The code of `build.generate`: resolve, look for a build of the same inputs, lay out, render, fetch, run, pack, sign, keep.
//!
//! Each stage says how far the build is, and none begins once the job is to stop. All work is done in a workspace that
//! goes with the build; what lasts is the archive under its hash, and, written last, the entry by which it is found again.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    sync::Arc,
    time::Duration,
};

use sha2::{Digest, Sha256};

use super::{
    Built, Payload,
    assets::{self, ICON},
    command::{self, Order, PASSED},
    compare, contract,
    error::BuildError,
    icons,
    inputs::Inputs,
    kept::{Entry, LOCKFILE, MEDIA_TYPE, Vouched},
    overlay::{Laid, Sizes, overlay},
    pack, provenance,
    renderer::Renderer,
    stage::{self, Stages},
    tools::Tools,
    workspace::Workspace,
};
use crate::{
    bundle::{self, Manifest, Published},
    clock::{Clock, SystemClock, Timestamp},
    contract::Contract,
    handler::{Context, Failure, Handler, Outcome},
    objects::hex,
    settings::builds::Commands,
    signing::{
        self, Signing,
        dsse::{self, Envelope},
    },
};

/// What the build itself puts into every app.
const CONFIG: [&str; 3] = ["config.json", "config.js", LOCKFILE];
/// Files of the build itself, beside what commands can reach.
const ARCHIVE: &str = "app.tar.zst";
const EARLIER: &str = "earlier.tar.zst";

/// The handler.
pub struct Generate(pub Tools);

impl Handler for Generate {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        Ok(match build(&self.0, &context, payload).await {
            Ok(built) => Outcome::done(&built),
            Err(error) => error.into_outcome(),
        })
    }
}

async fn build(tools: &Tools, context: &Context, payload: Payload) -> Result<Built, BuildError> {
    let started = SystemClock.now();
    let mut stages = Stages::new(context, &payload.template);
    stages.begin(stage::RESOLVE)?;
    assets::check(&payload.app.assets)?;
    let published = resolved(context, &payload).await?;
    let bundles: Arc<[Manifest]> = published.iter().map(|bundle| bundle.manifest.clone()).collect();
    check_commands(&bundles, tools.commands)?;
    let (known, given) = (bundles.clone(), payload.app.settings.clone());
    let settings = off_thread(move || Ok(bundle::settings::fill(&*known, &given)?)).await?;
    let inputs = Inputs::of(&payload.app, settings, &bundles);

    stages.begin(stage::CACHE)?;
    let earlier = Entry::find(context, &inputs.digest()).await?;
    // One that nobody vouches for does not stand in for one that somebody would.
    let good = earlier.as_ref().filter(|entry| !payload.force && (entry.signed.is_some() || tools.signing.is_none()));
    if let Some(entry) = good {
        context.info(format!("built before by job {}: {}", entry.job, entry.sha256));
        return recorded(&mut stages, context, entry).await;
    }

    stages.begin(stage::WORKSPACE)?;
    let workspace = Arc::new(workspace(tools).await?);
    let order = Build { tools, context, payload: &payload, inputs: &inputs, workspace: &workspace, started };
    let built = order.build(&mut stages, &published, bundles, earlier).await;
    off_thread(move || {
        drop(workspace);
        Ok(())
    })
    .await?;
    recorded(&mut stages, context, &built?).await
}

/// What a build is of, and where it is done.
struct Build<'b> {
    tools: &'b Tools,
    context: &'b Context,
    payload: &'b Payload,
    inputs: &'b Inputs,
    workspace: &'b Arc<Workspace>,
    started: Timestamp,
}

impl Build<'_> {
    async fn build(
        &self,
        stages: &mut Stages<'_>,
        published: &[Published],
        bundles: Arc<[Manifest]>,
        earlier: Option<Entry>,
    ) -> Result<Entry, BuildError> {
        let Self { tools, context, payload, inputs, workspace, .. } = *self;
        stages.begin(stage::OVERLAY)?;
        let laid = overlay(&bundles, &CONFIG)?;
        stages.begin(stage::RENDER)?;
        let renderer = Renderer::new(&tools.renderer, inputs.values(), &context.cancel);
        let mut paths = lay_out(renderer, context, workspace, published, laid).await?;
        stages.begin(stage::ASSETS)?;
        let mut fetched = assets::fetch(&tools.outbound, &payload.app.assets, &context.cancel).await?;
        stages.begin(stage::ICONS)?;
        let picture = fetched.remove(ICON);
        place(workspace, &mut paths, fetched)?;
        place(workspace, &mut paths, icons(context, &bundles, picture).await?)?;
        stages.begin(stage::LOCK)?;
        place(workspace, &mut paths, config(inputs))?;
        stages.begin(stage::COMMANDS)?;
        run_commands(tools, context, &bundles, workspace).await?;
        stages.begin(stage::PACK)?;
        let packed = packed(context, workspace.clone(), bundles).await?;
        context.info(format!("sha256 {}, {} bytes", hex(&packed.digest), packed.bytes));
        // Only who asks for it wants the same bytes; what this very job kept and died over is nothing to compare with.
        let comparable = |entry: &Entry| payload.force && entry.job != context.job && entry.sha256 != hex(&packed.digest);
        if let Some(earlier) = earlier.filter(comparable) {
            stages.begin(stage::COMPARE)?;
            return Err(not_reproducible(context, workspace, &earlier).await?);
        }
        self.keep(stages, &packed).await
    }

    /// Vouches for the archive, and keeps it: first the archive, then the entry by which it is found.
    async fn keep(&self, stages: &mut Stages<'_>, packed: &Packed) -> Result<Entry, BuildError> {
        let (context, sha256) = (self.context, hex(&packed.digest));
        let name = format!("{}.tar.zst", self.payload.app.bundle_id);
        stages.begin(stage::SIGN)?;
        let signed = match &self.tools.signing {
            Some(signing) => Some(self.vouch(&**signing, &name, packed).await?),
            None => None,
        };
        if signed.is_none() {
            context.warn("not signed: no signing key is configured");
        }
        stages.begin(stage::UPLOAD)?;
        let entry = Entry { job: context.job, name, sha256, bytes: packed.bytes, lock: self.inputs.lock(), signed };
        context.objects.put(&entry.archive_key(context)?, MEDIA_TYPE, self.workspace.own(ARCHIVE).into()).await?;
        entry.keep(context, &self.inputs.digest()).await?;
        Ok(entry)
    }

    async fn vouch(&self, signing: &dyn Signing, name: &str, packed: &Packed) -> Result<Vouched, BuildError> {
        let tenant = &self.context.tenant;
        let key = signing.key(tenant).await?;
        let signature = signing::sign_checked(signing, tenant, &key, &packed.digest).await?;
        let (sha256, finished) = (hex(&packed.digest), SystemClock.now());
        let made = provenance::Made { archive: name, sha256: &sha256, signer: &key.id(), started: self.started, finished };
        let statement = provenance::statement(self.context, self.payload, self.inputs, &made);
        let signed = signing::sign_checked(signing, tenant, &key, &dsse::encoding(dsse::IN_TOTO, &statement)).await?;
        let envelope = Envelope::new(&statement, dsse::IN_TOTO, key.id(), &signed.bytes);
        let provenance = String::from_utf8(envelope.to_line()).expect("JSON is UTF-8");
        Ok(Vouched { signature: format!("{signature}\n"), provenance })
    }
}

/// Gives the job what was built, by itself or before.
async fn recorded(stages: &mut Stages<'_>, context: &Context, entry: &Entry) -> Result<Built, BuildError> {
    stages.begin(stage::RECORD)?;
    entry.record(context).await?;
    context.progress(100, "built");
    // An attempt of this very job may have built it and died.
    let cached = entry.job != context.job;
    Ok(Built { artifact: entry.name.clone(), sha256: entry.sha256.clone(), bytes: entry.bytes, cached })
}

async fn resolved(context: &Context, payload: &Payload) -> Result<Vec<Published>, BuildError> {
    let (library, objects) = (&*context.ledger, &*context.objects);
    let bundles = bundle::pick(library, objects, &context.tenant, &payload.template, &payload.features).await?;
    let names: Vec<_> = bundles.iter().map(|bundle| bundle.manifest.to_string()).collect();
    context.info(format!("made of {}", names.join(", ")));
    Ok(bundles)
}

/// Whether all commands may run, before anything is.
fn check_commands(bundles: &[Manifest], commands: Commands) -> Result<(), BuildError> {
    for bundle in bundles {
        let Some(first) = bundle.commands.first() else { continue };
        if commands == Commands::Deny {
            let message = format!("{bundle} declares commands ({}), and this installation runs none (WINDROW_BUILD_COMMANDS)", first.name);
            return Err(BuildError::inputs("commands_denied", message));
        }
        let mut passed = bundle.commands.iter().flat_map(|command| &command.pass_env);
        if let Some(name) = passed.find(|name| !PASSED.contains(&name.as_str())) {
            let message = format!("{bundle} wants {name} of the worker's environment, which passes on no more than {}", PASSED.join(", "));
            return Err(BuildError::inputs("environment_denied", message));
        }
    }
    Ok(())
}

async fn workspace(tools: &Tools) -> Result<Workspace, BuildError> {
    let workspaces = tools.workspaces.clone();
    off_thread(move || workspaces.make().map_err(|error| BuildError::Workspace(error.to_string()))).await
}

/// The paths of the app's files.
type Paths = BTreeSet<String>;

/// Writes the bundles' files, one bundle after the other: every part rendered where that is asked for, and added to its file.
async fn lay_out(
    mut renderer: Renderer<'_>,
    context: &Context,
    workspace: &Arc<Workspace>,
    published: &[Published],
    laid: BTreeMap<String, Laid>,
) -> Result<Paths, BuildError> {
    let executes = |laid: &Laid, path: &str| laid.parts.iter().any(|at| published[at.0].manifest.executes(path));
    let mut sizes = Sizes::default();
    for (place, bundle) in published.iter().enumerate() {
        if context.cancel.is_cancelled() {
            return Err(BuildError::Stopped);
        }
        let manifest = &bundle.manifest;
        let own = manifest.files.iter().enumerate().filter_map(|(number, file)| {
            let laid = laid.get(&file.path).filter(|laid| laid.parts.contains(&(place, number)))?;
            Some((&file.path, executes(laid, &file.path)))
        });
        let own: Vec<_> = own.collect();
        if own.is_empty() {
            continue;
        }
        let mut contents = bundle::open(&*context.objects, bundle).await?;
        for (path, program) in own {
            let mut part = contents.remove(path).unwrap_or_default();
            if manifest.renders(path) {
                part = renderer.render(&manifest.to_string(), path, part).await?;
            }
            sizes.add(path, part.len() as u64)?;
            let (workspace, path) = (workspace.clone(), path.clone());
            let added = move || workspace.append(&path, &part, program).map_err(|error| format!("writing {path}: {error}"));
            off_thread(move || added().map_err(BuildError::Workspace)).await?;
        }
    }
    Ok(laid.into_keys().collect())
}

/// Adds files of the app's own, in the place of a bundle's where there is one of that name.
fn place(workspace: &Workspace, paths: &mut Paths, files: BTreeMap<String, Vec<u8>>) -> Result<(), BuildError> {
    for (path, content) in files {
        let clash = |other: &&String| other.starts_with(&format!("{path}/")) || path.starts_with(&format!("{other}/"));
        if let Some(other) = paths.iter().find(clash) {
            return Err(BuildError::inputs("file_conflict", format!("{path} and {other}: one would have to be a folder for the other")));
        }
        write(workspace, &path, &content, false)?;
        paths.insert(path);
    }
    Ok(())
}

fn write(workspace: &Workspace, path: &str, content: &[u8], program: bool) -> Result<(), BuildError> {
    workspace.write(path, content, program).map_err(|error| BuildError::Workspace(format!("writing {path}: {error}")))
}

/// The sizes of the icon that the bundles declare, by path; none where the app brings no icon.
async fn icons(context: &Context, bundles: &[Manifest], picture: Option<Vec<u8>>) -> Result<BTreeMap<String, Vec<u8>>, BuildError> {
    let wanted: Vec<_> = bundles.iter().flat_map(|bundle| bundle.icons.iter().cloned()).collect();
    match picture {
        Some(picture) if !wanted.is_empty() => {
            let sizes: Vec<_> = wanted.iter().map(|icon| icon.size).collect();
            let made = off_thread(move || icons::make(&picture, &sizes)).await?;
            Ok(wanted.into_iter().map(|icon| icon.path).zip(made).collect())
        }
        Some(_) => {
            context.warn("app.assets.icon is not used: no bundle of this app declares icons");
            Ok(BTreeMap::new())
        }
        None => Ok(BTreeMap::new()),
    }
}

/// The app's configuration: for programs as JSON, for a page opened from disk, which cannot fetch, as a script; and what it is made of.
fn config(inputs: &Inputs) -> BTreeMap<String, Vec<u8>> {
    let config = serde_json::to_string_pretty(&inputs.values()).expect("values are JSON");
    let [json, script, lock] = CONFIG.map(ToOwned::to_owned);
    [(json, format!("{config}\n")), (script, format!("window.APP_CONFIG = {config};\n")), (lock, inputs.lock())]
        .map(|(path, content)| (path, content.into_bytes()))
        .into()
}

/// Runs what the bundles declare, one command after the other.
async fn run_commands(tools: &Tools, context: &Context, bundles: &[Manifest], workspace: &Workspace) -> Result<(), BuildError> {
    if bundles.iter().all(|bundle| bundle.commands.is_empty()) {
        return Ok(());
    }
    workspace.hand_over().map_err(|error| BuildError::Workspace(error.to_string()))?;
    for bundle in bundles {
        for declared in &bundle.commands {
            let passed = declared.pass_env.iter().filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)));
            let order = Order {
                name: format!("{} of {bundle}", declared.name),
                run: &declared.run,
                environment: passed.chain(declared.env.clone()).collect(),
                wall: Duration::from_secs(declared.timeout_s.into()),
                cpu_s: declared.cpu_s.into(),
                memory_mib: tools.memory_mib,
                workspace_bytes_max: tools.workspace_bytes_max,
            };
            context.info(format!("running {}", order.name));
            let name = &declared.name;
            command::run(&order, workspace, &context.cancel, |line| context.info(format!("{name}: {line}"))).await?;
        }
    }
    Ok(())
}

/// What was packed.
struct Packed {
    digest: [u8; 32],
    bytes: u64,
}

async fn packed(context: &Context, workspace: Arc<Workspace>, bundles: Arc<[Manifest]>) -> Result<Packed, BuildError> {
    let cancel = context.cancel.clone();
    off_thread(move || {
        let outputs: Vec<_> = bundles.iter().flat_map(|bundle| bundle.outputs.iter().cloned()).collect();
        let archive = workspace.own(ARCHIVE);
        pack::pack(&workspace.work(), &pack::list(&workspace.work(), &outputs)?, &archive, &cancel)?;
        let hashed = (|| {
            let (mut file, mut hash) = (File::open(&archive)?, Sha256::new());
            let bytes = io::copy(&mut file, &mut hash)?;
            Ok(Packed { digest: hash.finalize().into(), bytes })
        })();
        hashed.map_err(|error: io::Error| BuildError::Workspace(format!("reading the archive: {error}")))
    })
    .await
}

/// Why this archive is not the earlier one of the same inputs.
async fn not_reproducible(context: &Context, workspace: &Workspace, earlier: &Entry) -> Result<BuildError, BuildError> {
    let failed = |error: io::Error| BuildError::Workspace(format!("comparing with the earlier archive: {error}"));
    let Some(mut object) = earlier.archive(context).await? else {
        return Err(BuildError::Workspace("the earlier archive has gone while this one was made".into()));
    };
    let before = workspace.own(EARLIER);
    let mut file = tokio::fs::File::create(&before).await.map_err(failed)?;
    tokio::io::copy(&mut object.content, &mut file).await.map_err(failed)?;
    file.sync_all().await.map_err(failed)?;
    let now = workspace.own(ARCHIVE);
    let compared =
        off_thread(move || compare::difference(File::open(before).map_err(failed)?, File::open(now).map_err(failed)?).map_err(failed))
            .await;
    let told = compared?.unwrap_or_else(|| "all files are the same, but the archives are not".into());
    let message =
        format!("the same inputs were built to {} before, by job {}, and to something else now: {told}", earlier.sha256, earlier.job);
    Ok(BuildError::inputs("not_reproducible", message))
}

/// Work that would hold up others on this thread.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, BuildError> + Send + 'static) -> Result<T, BuildError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.try_into_panic().unwrap_or_else(|error| Box::new(error.to_string()))),
    }
}
