//! The bundles of the demo: a task list that runs in a browser, and five features, two of which do not go together.
//!
//! A tenant has them from the moment that it first asks for an app made from the demo's template.

use semver::Version;

use super::{
    Manifest, Refused, Role,
    archive::Files,
    manifest::{self, Source},
    shelf::{Error, publish},
};
use crate::{ledger::Library, objects::Objects, tenant::TenantId};

/// The template of the demo.
const TEMPLATE: &str = "task-list";
const VERSION: Version = Version::new(1, 0, 0);

/// Whether it is the template, its name, its manifest, and its files.
type Bundle = (Role, &'static str, &'static str, &'static [(&'static str, &'static str)]);

macro_rules! bundle {
    ($role:ident $name:literal: $($file:literal),+) => {
        (
            Role::$role,
            $name,
            include_str!(concat!("demo/", $name, "/bundle.toml")),
            &[$(($file, include_str!(concat!("demo/", $name, "/", $file)))),+],
        )
    };
}

const BUNDLES: [Bundle; 6] = [
    bundle!(Template "task-list": "index.html", "app.css", "app.js", "features.css", "features.js", "icon.svg", "app.webmanifest"),
    bundle!(Feature "theme-switch": "features.css", "features.js"),
    bundle!(Feature "high-contrast": "features.css"),
    bundle!(Feature "search": "features.css", "features.js"),
    bundle!(Feature "export": "features.js"),
    bundle!(Feature "shortcuts": "features.css", "features.js"),
];

/// Publishes the demo's bundles for a tenant that asks for its template, but for those whose versions the tenant has taken.
pub(super) async fn seed(library: &(impl Library + ?Sized), objects: &dyn Objects, tenant: &TenantId, template: &str) -> Result<(), Error> {
    if template != TEMPLATE {
        return Ok(());
    }
    for bundle in &BUNDLES {
        if library.bundle(tenant, bundle.0, bundle.1, &VERSION.to_string()).await?.is_none() {
            let (manifest, files) = read(bundle)?;
            publish(library, objects, tenant, manifest, files).await?;
        }
    }
    Ok(())
}

fn read((role, name, text, contents): &Bundle) -> Result<(Manifest, Files), Refused> {
    let files: Files = contents.iter().map(|(path, content)| ((*path).to_owned(), content.as_bytes().to_vec())).collect();
    let source = Source { text: text.as_bytes().to_vec(), is_toml: true };
    Ok((manifest::read(&source, *role, name, &VERSION, &files)?, files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundle_of_the_demo_is_whole() {
        for bundle in &BUNDLES {
            let (manifest, files) = read(bundle).expect("it is whole");
            assert_eq!((manifest.files.len(), manifest.files.is_empty()), (files.len(), false), "{manifest}");
            assert!(!manifest.description.is_empty(), "{manifest}");
        }
    }
}
