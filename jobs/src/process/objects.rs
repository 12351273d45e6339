//! Opening the object store that the settings name.

use std::sync::Arc;

use crate::{
    objects::{
        Objects,
        folder::FolderObjects,
        link::Signer,
        s3::{S3Objects, S3Place},
    },
    settings::{Error, Settings},
};

/// The store of a process that makes no links: a worker or scheduler.
pub fn open(settings: &Settings) -> Result<Arc<dyn Objects>, Error> {
    // Nobody sees a link of this process, so it matters to nobody that only this process could open it.
    open_with(settings, Signer::new(&[]), String::new())
}

/// The store, and who signs and checks its links, which lie below `links_base`.
pub fn open_with(settings: &Settings, signer: Signer, links_base: String) -> Result<Arc<dyn Objects>, Error> {
    let wrong = |message: String| Error::at("objects.url", message);
    match (settings.objects_folder(), &settings.objects.url) {
        (None, Some(url)) => {
            let place = S3Place::parse(url).map_err(wrong)?;
            Ok(Arc::new(S3Objects::of_environment(place).map_err(wrong)?))
        }
        (folder, _) => {
            let folder = folder.unwrap_or_default();
            Ok(Arc::new(FolderObjects::open(&folder, signer, links_base).map_err(|error| wrong(error.to_string()))?))
        }
    }
}
