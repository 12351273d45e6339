//! Reads a manifest: TOML or JSON, from the archive's root or beside it, and fills in what the publisher need not say.
//!
//! Whether what it says makes sense is checked in `check.rs`.

use std::collections::BTreeSet;

use semver::Version;
use serde_json::{Map, Value, json};
use serde_path_to_error::Segment;

use super::{FileEntry, Manifest, Refused, Role, archive::Files, check, pack::sha256};
use crate::object::ObjectOnly;

/// The largest manifest.
pub const MANIFEST_BYTES_MAX: usize = 128 * 1024;
const TOML: &str = "bundle.toml";
const JSON: &str = "bundle.json";

/// A manifest as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The text.
    pub text: Vec<u8>,
    /// Whether it is TOML; else it is JSON.
    pub is_toml: bool,
}

impl Source {
    /// Takes the manifest out of an archive's files. Where all of them are in one folder, that folder goes.
    pub fn take(files: &mut Files) -> Result<Self, Refused> {
        unfold(files);
        let (toml, json) = (files.remove(TOML), files.remove(JSON));
        match (toml, json) {
            (Some(text), None) => Ok(Self { text, is_toml: true }),
            (None, Some(text)) => Ok(Self { text, is_toml: false }),
            (None, None) => Err(Refused::invalid("", format!("the archive has neither {TOML} nor {JSON} at its root"))),
            (Some(_), Some(_)) => Err(Refused::invalid("", format!("the archive has both {TOML} and {JSON}"))),
        }
    }
}

/// Takes the one folder away that is around everything, if the manifest is in it.
fn unfold(files: &mut Files) {
    let folders: BTreeSet<&str> = files.keys().map(|path| path.split_once('/').map_or("", |(folder, _)| folder)).collect();
    let Some(folder) = folders.first().filter(|folder| folders.len() == 1 && !folder.is_empty()).map(|folder| format!("{folder}/")) else {
        return;
    };
    if [TOML, JSON].iter().any(|name| files.contains_key(&format!("{folder}{name}"))) {
        *files = std::mem::take(files).into_iter().map(|(path, content)| (path[folder.len()..].to_owned(), content)).collect();
    }
}

/// The manifest of a bundle that is published as this, with these files.
pub fn read(source: &Source, role: Role, name: &str, version: &Version, files: &Files) -> Result<Manifest, Refused> {
    if source.text.len() > MANIFEST_BYTES_MAX {
        let message = format!("the manifest has {} bytes of the {MANIFEST_BYTES_MAX} allowed", source.text.len());
        return Err(Refused::invalid("", message));
    }
    let mut said = object(source)?;
    if said.contains_key("files") {
        return Err(Refused::invalid("/files", "the files are those of the archive; a manifest does not list them"));
    }
    for (field, published) in [("name", json!(name)), ("version", json!(version)), ("role", json!(role))] {
        let stands = said.entry(field).or_insert_with(|| published.clone());
        if *stands != published {
            return Err(Refused::invalid(format!("/{field}"), format!("the manifest says {stands}, and it is published as {published}")));
        }
    }
    let mut manifest: Manifest = serde_path_to_error::deserialize(ObjectOnly(Value::Object(said)))
        .map_err(|error| Refused::invalid(pointer(error.path()), error.into_inner().to_string()))?;
    let entry =
        |(path, content): (&String, &Vec<u8>)| FileEntry { path: path.clone(), bytes: content.len() as u64, sha256: sha256(content) };
    manifest.files = files.iter().map(entry).collect();
    manifest.settings = manifest.settings.map(sorted);
    check::check(&manifest)?;
    Ok(manifest)
}

fn object(source: &Source) -> Result<Map<String, Value>, Refused> {
    let text = std::str::from_utf8(&source.text).map_err(|_| Refused::invalid("", "the manifest is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let read = if source.is_toml {
        toml::from_str::<toml::Value>(text).map_err(|error| error.to_string()).and_then(of_toml)
    } else {
        serde_json::from_str(text).map_err(|error| error.to_string())
    };
    match read {
        Ok(Value::Object(said)) => Ok(said),
        Ok(_) => Err(Refused::invalid("", "the manifest is no object")),
        Err(error) => Err(Refused::invalid("", format!("the manifest cannot be read: {}", error.trim_end()))),
    }
}

fn of_toml(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => serde_json::Number::from_f64(number).ok_or_else(|| format!("{number} has no JSON form"))?.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(of_toml).collect::<Result<Vec<_>, _>>()?.into(),
        toml::Value::Table(table) => {
            let field = |(name, value)| of_toml(value).map(|value| (name, value));
            Value::Object(table.into_iter().map(field).collect::<Result<_, _>>()?)
        }
    })
}

/// The same with the fields of every object in their order, so that a manifest's hash does not depend on who wrote it.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        plain => plain,
    }
}

/// The path as a JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    let segment = |segment: &Segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", escaped(key)),
        Segment::Enum { variant } => format!("/{}", escaped(variant)),
        Segment::Unknown => String::new(),
    };
    path.iter().map(segment).collect()
}

/// A name as a segment of a JSON pointer.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
