//! `windrow verify`: checks what a build made, offline. Talks to nobody, and needs no more than the public key.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use serde_json::json;
use windrow_jobs::{
    kinds::build_generate::tools::own_key_file,
    settings::Settings,
    signing::{
        local::public_file,
        verify::{self, Expected, Report},
    },
};

use crate::{cli::Format, failure::Failure, output};

/// What the verb's help says beside the common codes.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  the archive is what was built, and the key has signed it and its provenance
  1  something does not fit: it is told what
  2  a file is missing or unreadable, or no public key was found";

/// What the names of the files beside the archive add to its own.
const SIGNATURE: &str = ".sig";
const PROVENANCE: &str = ".intoto.jsonl";
/// The largest signature and provenance.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What to check.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The archive
    #[arg(value_name = "FILE")]
    archive: PathBuf,
    /// Its signature [default: FILE.sig]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Its provenance [default: FILE.intoto.jsonl]
    #[arg(long, value_name = "FILE")]
    provenance: Option<PathBuf>,
    /// The public key, in PEM [default: signing-key.pub.pem in the data folder, or of signing.key_file]
    // Not `--key`: that is the API's, for every verb.
    #[arg(long, value_name = "PEM")]
    public_key: Option<PathBuf>,
    /// Whose it must be, as the provenance tells
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
}

/// Checks, and says what was found.
pub fn run(args: &Args, settings: &Settings, format: Format) -> Result<(), Failure> {
    let key_file = args
        .public_key
        .clone()
        .unwrap_or_else(|| public_file(&settings.signing.key_file.clone().unwrap_or_else(|| own_key_file(settings))));
    let pem = read(&key_file, "--public-key names the public key")?;
    let key = verify::key(&String::from_utf8_lossy(&pem)).map_err(|error| Failure::Usage(format!("{}: {error}", key_file.display())))?;
    let signature = read(&named(args.signature.as_ref(), &args.archive, SIGNATURE), "--signature names it")?;
    let provenance = read(&named(args.provenance.as_ref(), &args.archive, PROVENANCE), "--provenance names it")?;
    let unreadable = |error: std::io::Error| Failure::Usage(format!("{}: {error}", args.archive.display()));
    let archive = File::open(&args.archive).map_err(unreadable)?;
    let expected = Expected { tenant: args.tenant.as_deref() };
    let report = verify::check(archive, &signature, &provenance, &key, expected).map_err(unreadable)?;
    output::answer(format, &json!(report).to_string(), || lines(&report));
    if report.verified { Ok(()) } else { Err(Failure::Job(format!("{} is not verified", args.archive.display()))) }
}

fn named(given: Option<&PathBuf>, archive: &Path, suffix: &str) -> PathBuf {
    given.cloned().unwrap_or_else(|| {
        let mut name = archive.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

fn read(path: &Path, hint: &str) -> Result<Vec<u8>, Failure> {
    let wrong = |message: String| Failure::Usage(format!("{}: {message}; {hint}", path.display()));
    let metadata = fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    if metadata.len() > BYTES_MAX {
        return Err(wrong(format!("it has more than {BYTES_MAX} bytes")));
    }
    fs::read(path).map_err(|error| wrong(error.to_string()))
}

fn lines(report: &Report) -> Vec<String> {
    let told = |wrong: &Option<String>| wrong.clone().unwrap_or_else(|| "fits".into());
    let mut lines = vec![format!("sha256     {}", report.sha256)];
    lines.push(format!("signature  {}", told(&report.signature)));
    lines.push(format!("provenance {}", told(&report.provenance)));
    lines.extend(report.key.iter().map(|key| format!("key        {key}")));
    lines.extend(report.job.iter().map(|job| format!("job        {job}")));
    lines.extend(report.tenant.iter().map(|tenant| format!("tenant     {tenant}")));
    lines.push(if report.verified { "verified".into() } else { "NOT VERIFIED".into() });
    lines
}
