//! Whether a manifest makes sense: every number within its limits, every path within the app, and nothing that does nothing.

use std::collections::{BTreeMap, BTreeSet};

use semver::VersionReq;

use super::{Manifest, Refused, Role, archive::path::flaw, glob, is_name, manifest::escaped, settings};

/// The longest description.
const DESCRIPTION_BYTES_MAX: usize = 1_000;
/// The longest version.
const VERSION_BYTES_MAX: usize = 100;
/// Entries of a list of paths or globs.
const LIST_MAX: usize = 256;
/// Other bundles that one names in one table.
const OTHERS_MAX: usize = 64;
/// Icons of a template.
const ICONS_MAX: usize = 32;
/// The largest icon.
const ICON_SIZE_MAX: u32 = 2_048;
/// Commands of a bundle.
const COMMANDS_MAX: usize = 16;
/// A command's program, arguments and environment.
const COMMAND_BYTES_MAX: usize = 32 * 1024;
/// The longest a command may run: as long as a build.
const COMMAND_S_MAX: u32 = 900;

/// What is wrong with a manifest, at the first place where something is.
pub(super) fn check(manifest: &Manifest) -> Result<(), Refused> {
    if manifest.description.len() > DESCRIPTION_BYTES_MAX {
        return invalid("/description", format!("it is longer than the {DESCRIPTION_BYTES_MAX} bytes allowed"));
    }
    if !manifest.version.build.is_empty() || manifest.version.to_string().len() > VERSION_BYTES_MAX {
        let message = format!("a bundle's version has no build metadata, and at most {VERSION_BYTES_MAX} bytes");
        return invalid("/version", message);
    }
    check_role(manifest)?;
    check_others(manifest)?;
    let paths: BTreeSet<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
    check_list("extension_points", &manifest.extension_points, |path| flaw(path).map(str::to_owned))?;
    check_list("overrides", &manifest.overrides, |path| match flaw(path) {
        None if !paths.contains(path) => Some("the bundle has no such file".into()),
        flaw => flaw.map(str::to_owned),
    })?;
    for (field, globs) in [("render", &manifest.render), ("executable", &manifest.executable)] {
        check_list(field, globs, |glob| match flaw(glob) {
            None if !paths.iter().any(|path| glob::fits(glob, path)) => Some("none of the bundle's files fits it".into()),
            flaw => flaw.map(str::to_owned),
        })?;
    }
    let outputs: Vec<String> = manifest.outputs.iter().map(|output| output.path.clone()).collect();
    check_list("outputs", &outputs, |glob| flaw(glob).map(str::to_owned))?;
    check_icons(manifest)?;
    check_commands(manifest)?;
    manifest.settings.as_ref().map_or(Ok(()), settings::check)
}

fn invalid(pointer: impl Into<String>, message: impl Into<String>) -> Result<(), Refused> {
    Err(Refused::invalid(pointer, message))
}

fn check_role(manifest: &Manifest) -> Result<(), Refused> {
    let of_template = [("extension_points", manifest.extension_points.is_empty()), ("icons", manifest.icons.is_empty())];
    let of_feature = [("overrides", manifest.overrides.is_empty()), ("templates", manifest.templates.is_empty())];
    let (foreign, other) = match manifest.role {
        Role::Template => (of_feature, Role::Feature),
        Role::Feature => (of_template, Role::Template),
    };
    match foreign.into_iter().find(|(_, is_empty)| !is_empty) {
        None => Ok(()),
        Some((field, _)) => invalid(format!("/{field}"), format!("only a {other} has {field}")),
    }
}

fn check_others(manifest: &Manifest) -> Result<(), Refused> {
    let tables = [("templates", &manifest.templates), ("requires", &manifest.requires), ("conflicts", &manifest.conflicts)];
    for (field, others) in tables {
        if others.len() > OTHERS_MAX {
            return invalid(format!("/{field}"), format!("it names {} of the {OTHERS_MAX} bundles allowed", others.len()));
        }
        if let Some(name) = others.keys().find(|name| !is_name(name)) {
            let message = format!("{name:?} is no bundle's name, which has lower-case letters, digits and hyphens");
            return invalid(format!("/{field}/{}", escaped(name)), message);
        }
    }
    let itself = |others: &BTreeMap<String, VersionReq>| others.contains_key(&manifest.name);
    if manifest.role == Role::Feature && itself(&manifest.requires) {
        return invalid(format!("/requires/{}", manifest.name), "a feature does not need itself");
    }
    if itself(&manifest.conflicts) {
        return invalid(format!("/conflicts/{}", manifest.name), "a bundle goes with itself");
    }
    Ok(())
}

fn check_list(field: &str, entries: &[String], flaw: impl Fn(&str) -> Option<String>) -> Result<(), Refused> {
    if entries.len() > LIST_MAX {
        return invalid(format!("/{field}"), format!("it has {} of the {LIST_MAX} entries allowed", entries.len()));
    }
    for (place, entry) in entries.iter().enumerate() {
        if let Some(flaw) = flaw(entry) {
            return invalid(format!("/{field}/{place}"), format!("{entry:?}: {flaw}"));
        }
    }
    Ok(())
}

fn check_icons(manifest: &Manifest) -> Result<(), Refused> {
    if manifest.icons.len() > ICONS_MAX {
        return invalid("/icons", format!("it has {} of the {ICONS_MAX} icons allowed", manifest.icons.len()));
    }
    for (place, icon) in manifest.icons.iter().enumerate() {
        if let Some(flaw) = flaw(&icon.path) {
            return invalid(format!("/icons/{place}/path"), format!("{:?}: {flaw}", icon.path));
        }
        if !(1..=ICON_SIZE_MAX).contains(&icon.size) {
            return invalid(format!("/icons/{place}/size"), format!("{} is not within 1 to {ICON_SIZE_MAX}", icon.size));
        }
    }
    Ok(())
}

fn check_commands(manifest: &Manifest) -> Result<(), Refused> {
    if manifest.commands.len() > COMMANDS_MAX {
        return invalid("/commands", format!("it has {} of the {COMMANDS_MAX} commands allowed", manifest.commands.len()));
    }
    for (place, command) in manifest.commands.iter().enumerate() {
        let at = |field: &str| format!("/commands/{place}/{field}");
        if command.name.is_empty() || command.name.len() > 100 || command.name.chars().any(char::is_control) {
            return invalid(at("name"), "a command's name has 1 to 100 bytes and no control characters");
        }
        if command.run.first().is_none_or(String::is_empty) {
            return invalid(at("run"), "it names no program");
        }
        let texts = || command.run.iter().chain(command.env.keys()).chain(command.env.values());
        if texts().any(|text| text.contains('\0')) || texts().map(String::len).sum::<usize>() > COMMAND_BYTES_MAX {
            return invalid(at("run"), format!("a command has no NUL, and at most {COMMAND_BYTES_MAX} bytes with its environment"));
        }
        for (field, name) in command.env.keys().map(|name| ("env", name)).chain(command.pass_env.iter().map(|name| ("pass_env", name))) {
            if !is_variable(name) {
                return invalid(at(field), format!("{name:?} is no variable's name, which has letters, digits and underscores"));
            }
        }
        for (field, seconds) in [("timeout_s", command.timeout_s), ("cpu_s", command.cpu_s)] {
            if !(1..=COMMAND_S_MAX).contains(&seconds) {
                return invalid(at(field), format!("{seconds} is not within 1 to {COMMAND_S_MAX}"));
            }
        }
    }
    Ok(())
}

fn is_variable(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=100).contains(&name.len()) && name.bytes().all(plain) && !name.as_bytes()[0].is_ascii_digit()
}
