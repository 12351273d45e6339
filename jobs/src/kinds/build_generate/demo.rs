//! The bundles of the demo: a task list that runs in a browser, and four features. Published on first use.

use sha2::{Digest, Sha256};

use super::{error::BuildError, registry};
use crate::{
    bundle::{FileEntry, Manifest},
    objects::{Objects, hex},
};

/// A manifest, and the contents of its files in their order.
type Source = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

macro_rules! source {
    ($name:literal: $($file:literal),+) => {
        ($name, include_str!(concat!("demo/", $name, "/bundle.toml")), &[$(($file, include_str!(concat!("demo/", $name, "/", $file)))),+])
    };
}

const SOURCES: [Source; 5] = [
    source!("task-list": "index.html", "app.css", "app.js", "features.css", "features.js", "icon.svg", "app.webmanifest"),
    source!("theme-switch": "features.css", "features.js"),
    source!("search": "features.css", "features.js"),
    source!("export": "features.js"),
    source!("shortcuts": "features.css", "features.js"),
];

/// Publishes those of the demo's bundles that a build may ask for, if it asks for any of them.
pub async fn seed<'a>(objects: &dyn Objects, mut names: impl Iterator<Item = &'a str>) -> Result<(), BuildError> {
    if !names.any(|name| SOURCES.iter().any(|(of, ..)| *of == name)) {
        return Ok(());
    }
    for (manifest, contents) in bundles()? {
        registry::publish(objects, manifest, contents).await?;
    }
    Ok(())
}

fn bundles() -> Result<Vec<(Manifest, &'static [(&'static str, &'static str)])>, BuildError> {
    let entry = |(path, content): &(&str, &str)| FileEntry {
        path: (*path).to_owned(),
        bytes: content.len() as u64,
        sha256: hex(&Sha256::digest(content)),
    };
    let read = |(name, manifest, contents): &Source| match toml::from_str::<Manifest>(manifest) {
        Ok(manifest) => Ok((Manifest { files: contents.iter().map(entry).collect(), ..manifest }, *contents)),
        Err(error) => Err(BuildError::inputs("bundle_invalid", format!("the demo's bundle {name}: {error}"))),
    };
    SOURCES.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundle_of_the_demo_is_whole() {
        for ((name, ..), (manifest, contents)) in SOURCES.iter().zip(bundles().expect("the manifests are read")) {
            assert_eq!((manifest.name.as_str(), manifest.files.len()), (*name, contents.len()));
            assert!(!manifest.description.is_empty(), "{name}");
        }
    }
}
