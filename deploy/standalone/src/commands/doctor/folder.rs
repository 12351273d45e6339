//! The data folder: whether it can be written, and who has it.

use std::{fs, path::Path};

use windrow_jobs::settings::Settings;

use super::Finding;
use crate::serve;

const CHECK: &str = "data_folder";

/// The data folder of a standalone installation, or of one whose files lie in it.
pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    let needed = settings.postgres_url().is_err() || settings.objects.url.is_none();
    if !needed {
        return Vec::new();
    }
    let folder = &settings.data_dir;
    if !folder.exists() {
        let detail = format!("{} is not there; the first start makes it", folder.display());
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return match writable(parent) {
            Ok(()) => vec![Finding::ok(CHECK, detail)],
            Err(error) => vec![Finding::fail(CHECK, format!("{detail}, and cannot: {error}"), advice(parent))],
        };
    }
    let writable = match writable(folder) {
        Ok(()) => Finding::ok(CHECK, format!("{} can be written", folder.display())),
        Err(error) => Finding::fail(CHECK, format!("{} cannot be written: {error}", folder.display()), advice(folder)),
    };
    let holder = match serve::holder(folder) {
        Ok(Some(holder)) => format!("process {holder} has it: a server runs"),
        Ok(None) => "nobody has it: no server runs".into(),
        Err(error) => format!("who has it cannot be told: {error:#}"),
    };
    vec![writable, Finding::ok("data_folder.holder", holder)]
}

fn advice(folder: &Path) -> String {
    format!("let the server's user write {}, or name another folder by WINDROW_DATA_DIR", folder.display())
}

/// Makes a file and removes it: permissions alone do not tell of a full or read-only disk.
fn writable(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(format!(".windrow-doctor-{}", std::process::id()));
    fs::write(&probe, "probe")?;
    fs::remove_file(&probe)
}
