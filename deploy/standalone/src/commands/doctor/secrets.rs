//! Settings that do not go together, and keys that others can read.

use std::{os::unix::fs::PermissionsExt, path::Path};

use windrow_jobs::settings::Settings;

use super::Finding;
use crate::serve::{key_file, master_key_file};

/// Permission bits of everybody who is neither the owner nor of its group.
const OTHERS: u32 = 0o007;

/// Whether the settings go together.
pub(super) fn combinations(settings: &Settings) -> Vec<Finding> {
    const CHECK: &str = "settings";
    let clustered = settings.postgres_url().is_ok();
    if !clustered && let Err(error) = settings.sqlite_file() {
        return vec![Finding::fail(CHECK, error.to_string(), "see `windrow config` for what is set, and by whom")];
    }
    let shape = match (clustered, settings.dispatch.redis_url.is_some()) {
        (false, _) => "standalone: one process over SQLite",
        (true, false) => "a cluster over PostgreSQL; tickets are carried by the ledger",
        (true, true) => "a cluster over PostgreSQL; tickets are carried by Redis",
    };
    let mut findings = vec![Finding::ok(CHECK, shape)];
    if clustered && settings.objects_folder().is_some() {
        let advice = "set WINDROW_OBJECTS_URL to an s3:// URL, or be sure that every process sees the folder";
        findings.push(Finding::warn("settings.objects", "files lie in a folder, which other machines do not see", advice));
        if !matches!(settings.master_keys(), Ok(Some(_))) {
            let advice = "set WINDROW_MASTER_KEY, the same for every api";
            findings.push(Finding::warn("settings.links", "links to files open on the api only that made them", advice));
        }
    }
    findings
}

/// Whether the keys are there, and nobody else's to read.
pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    vec![api_key(settings), master_key(settings)]
}

fn api_key(settings: &Settings) -> Finding {
    const CHECK: &str = "api_key";
    let file = key_file(&settings.data_dir);
    match &settings.api.key {
        Some(_) => Finding::ok(CHECK, "set (api.key)"),
        None if settings.postgres_url().is_ok() => {
            Finding::warn(CHECK, "not set here", "windrow-api refuses to start without one: set WINDROW_API_KEY for it")
        }
        None if file.exists() => kept(CHECK, &file),
        None => Finding::ok(CHECK, format!("the first start makes one, in {}", file.display())),
    }
}

fn master_key(settings: &Settings) -> Finding {
    const CHECK: &str = "master_key";
    let file = master_key_file(&settings.data_dir);
    match (settings.master_keys(), &settings.secrets.master_key_file) {
        (Err(error), _) => Finding::fail(CHECK, error.to_string(), "name one readable file, or set the key itself"),
        (Ok(Some(_)), Some(named)) => kept(CHECK, named),
        (Ok(Some(_)), None) => Finding::ok(CHECK, "set (secrets.master_key)"),
        (Ok(None), _) if settings.postgres_url().is_ok() => {
            let advice = "set WINDROW_MASTER_KEY, the same for every process, before a connection is given secrets";
            Finding::warn(CHECK, "not set: connections that have secrets do not open", advice)
        }
        (Ok(None), _) if file.exists() => kept(CHECK, &file),
        (Ok(None), _) => Finding::ok(CHECK, format!("the first start makes one, in {}", file.display())),
    }
}

/// A key in a file, which its owner should be alone with.
fn kept(check: &'static str, file: &Path) -> Finding {
    match std::fs::metadata(file) {
        Err(error) => Finding::fail(check, format!("{} cannot be read: {error}", file.display()), "run this as the server's user"),
        Ok(metadata) if metadata.permissions().mode() & OTHERS != 0 => {
            let mode = metadata.permissions().mode() & 0o777;
            let detail = format!("{} is open to everybody on this machine (mode {mode:04o})", file.display());
            Finding::fail(check, detail, format!("chmod 600 {}", file.display()))
        }
        Ok(_) => Finding::ok(check, format!("kept in {}", file.display())),
    }
}
