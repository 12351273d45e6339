//! The whole of Windrow in one process: api, worker and scheduler over one SQLite file. Wiring only.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{ErrorKind, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::{net::TcpListener, sync::oneshot};
use tokio_util::sync::CancellationToken;
use windrow_api::{Api, Parts, limits::RENDERERS_MAX, wait::Changes};
use windrow_jobs::{
    clock::SystemClock,
    connection::{open::Opener, seal::Keyring},
    dispatch::carrier::channel::ChannelCarrier,
    kinds::{self, Services, build_generate::tools::Shape},
    ledger::{Upkeep, sqlite::SqliteLedger},
    objects::link::Signer,
    process,
    renderer::{self, pool::Renderers},
    settings::{MasterKeys, Migrate, Settings},
};
use windrow_scheduler::Scheduler;
use windrow_worker::{Worker, pulse::Pulse};

/// What a caller needs to talk to the server.
#[derive(Debug, Clone)]
pub struct Ready {
    /// The api's base URL.
    pub url: String,
    /// The platform key.
    pub key: String,
}

/// Random bytes of a key that is made here: as many as the hash that it is kept under.
const KEY_BYTES: usize = 32;

/// Serves until `shutdown`, then drains; tells `ready` once it answers.
pub async fn run(settings: Settings, shutdown: CancellationToken, ready: Option<oneshot::Sender<Ready>>) -> anyhow::Result<()> {
    process::metrics::install().context("recording metrics")?;
    let database = settings.sqlite_file()?;
    let data_dir = &settings.data_dir;
    let _lock = take_folder(data_dir)?;
    let key = api_key(&settings)?;

    if settings.ledger.migrate == Migrate::Check {
        SqliteLedger::check(&database).await?;
    }
    let ledger =
        SqliteLedger::open(&database, Arc::new(SystemClock)).await.with_context(|| format!("opening the ledger {}", database.display()))?;
    bury_last_incarnation(&ledger).await?;
    let listener =
        TcpListener::bind(settings.api.listen).await.with_context(|| format!("listening on {} (api.listen)", settings.api.listen))?;
    let bound = listener.local_addr().context("reading the address that was bound")?;

    let master_keys = master_keys(&settings, true)?.context("a standalone server has a master key")?;
    let (signer, keyring) = (Signer::of(&master_keys), Keyring::new(&master_keys));
    let search = Arc::new(process::search::open(&settings));
    let services = Services::of(&settings, Shape::Standalone, Some(&settings.links_base(bound)), search.clone())?;
    let objects = process::objects::open_with(&settings, signer.clone(), settings.links_base(bound))?;

    let carrier = Arc::new(ChannelCarrier::default());
    let pulse = Arc::new(Pulse::new(Arc::new(SystemClock), settings.worker.stalled_after_s));
    let worker = Worker {
        name: Worker::unique_name(),
        slots: settings.worker.queues.0.clone(),
        registry: kinds::handlers(&services),
        ledger: Arc::new(ledger.clone()),
        access: Arc::new(Opener::new(Arc::new(ledger.clone()), keyring.clone())),
        objects: objects.clone(),
        carrier: carrier.clone(),
        grace: Duration::from_secs(settings.worker.grace_s.into()),
        pulse: pulse.clone(),
    };
    let scheduler = Scheduler {
        name: "standalone".into(),
        ledger: Arc::new(ledger.clone()),
        carrier,
        clock: Arc::new(SystemClock),
        objects: objects.clone(),
        search: search.clone(),
        keyring: keyring.clone(),
        retention: settings.retention(),
        late_after_s: settings.schedules.late_after_s,
        hears_all: true,
    };
    let changes = Changes::default();
    let follower = tokio::spawn(changes.clone().follow(ledger.nudges()));
    let api = Api::new(Parts {
        ledger: Arc::new(ledger.clone()),
        queues: settings.queue_names(),
        schedules: (&settings).into(),
        key: key.clone(),
        public_url: settings.links_base(bound),
        objects,
        signer,
        keyring,
        renderers: Renderers::new(renderer::own_program().context("finding this program")?, RENDERERS_MAX),
        search,
        changes,
        inside: Some(pulse),
        shutdown: shutdown.clone(),
    });

    // The scheduler outlives the worker, so that what the worker hands back is planned by the next start only.
    let planning = CancellationToken::new();
    let scheduling = tokio::spawn(scheduler.run(planning.clone()));
    let working = tokio::spawn(worker.run(shutdown.clone()));
    let answering = tokio::spawn(windrow_api::serve(listener, windrow_api::router(api), shutdown.clone()));
    tracing::info!(url = %format!("http://{bound}"), data_dir = %data_dir.display(), "windrow is ready");
    if let Some(ready) = ready {
        // Nobody waits any more if the caller gave up.
        let _ = ready.send(Ready { url: format!("http://{bound}"), key });
    }

    let worked = working.await.context("the worker's task")?.context("running the worker");
    shutdown.cancel();
    let answered = answering.await.context("the api's task")?.context("answering HTTP");
    planning.cancel();
    scheduling.await.context("the scheduler's task")?;
    follower.abort();
    tracing::info!("windrow has stopped");
    worked.and(answered)
}

/// Whatever runs by the ledger belongs to a process that is dead: the lock says so.
async fn bury_last_incarnation(ledger: &SqliteLedger) -> anyhow::Result<()> {
    let reaped = ledger.reap(usize::MAX, true).await.context("ending what ran when the last process died")?;
    if reaped > 0 {
        tracing::warn!(attempts = reaped, "the last process died while these attempts ran");
    }
    Ok(())
}

/// Makes the data folder where it is missing, and takes it for as long as what is returned lives.
pub fn take_folder(data_dir: &Path) -> anyhow::Result<File> {
    // Payloads and keys lie in it: it is its owner's alone.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .with_context(|| format!("making the data folder {}", data_dir.display()))?;
    lock(data_dir)
}

/// Which process has the data folder; none where nobody has.
pub fn holder(data_dir: &Path) -> anyhow::Result<Option<String>> {
    let path = data_dir.join("lock");
    if !path.exists() {
        return Ok(None);
    }
    let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(std::fs::read_to_string(&path)?)),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}

/// Takes the data folder, or says who has it. Held until dropped, and by the system's own account until the process ends.
fn lock(data_dir: &Path) -> anyhow::Result<File> {
    let path = data_dir.join("lock");
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            write!(file, "{}", std::process::id())?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.rewind()?;
            file.read_to_string(&mut holder)?;
            bail!("the data folder {} is in use by process {holder} (data_dir)", data_dir.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}

/// The key that was set, or the one kept in the data folder, made on the first start.
fn api_key(settings: &Settings) -> anyhow::Result<String> {
    if let Some(key) = &settings.api.key {
        return Ok(key.as_str().to_owned());
    }
    let path = key_file(&settings.data_dir);
    if let Ok(key) = std::fs::read_to_string(&path) {
        return Ok(key.trim().to_owned());
    }
    let key = format!("wr_local_first.{}", random_secret());
    keep_secret(&path, &key).with_context(|| format!("keeping the api key in {}", path.display()))?;
    // Not on stdout, which belongs to the answer of `demo --json`.
    eprintln!("api key (kept in {}): {key}", path.display());
    Ok(key)
}

/// The master keys that were set, or those kept in the data folder; with `make` one is made on the first start.
pub fn master_keys(settings: &Settings, make: bool) -> anyhow::Result<Option<MasterKeys>> {
    if let Some(keys) = settings.master_keys()? {
        return Ok(Some(keys));
    }
    let path = master_key_file(&settings.data_dir);
    let parse = |keys: &str| keys.parse().map(Some).map_err(|error: String| anyhow::anyhow!("{}: {error}", path.display()));
    match std::fs::read_to_string(&path) {
        Ok(keys) => parse(&keys),
        Err(error) if error.kind() == ErrorKind::NotFound && make => {
            let key = random_secret();
            keep_secret(&path, &key).with_context(|| format!("keeping the master key in {}", path.display()))?;
            parse(&key)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        // Another in its place would open nothing that this one wrapped.
        Err(error) => Err(error).with_context(|| format!("reading the master key in {}", path.display())),
    }
}

fn random_secret() -> String {
    let random: [u8; KEY_BYTES] = rand::random();
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn keep_secret(path: &Path, secret: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{secret}")?;
    file.sync_all()
}

/// Where a standalone server keeps its key.
pub fn key_file(data_dir: &Path) -> PathBuf {
    data_dir.join("api-key")
}

/// Where a standalone server keeps its master key.
pub fn master_key_file(data_dir: &Path) -> PathBuf {
    data_dir.join("master-key")
}
