//! An object of the tenant's, as a file: an artifact of one of its jobs, the file of a sync, whatever lies below `tenants/{tenant}/`.

use tokio::io::AsyncReadExt;

use super::{
    Reach,
    fetch::Unfetched,
    spool::{Spool, Spooled},
};
use crate::objects::{self, Key};

/// How much is read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// The object of this key, and its media type. Of another tenant's the same is said as of one that is not there.
pub(super) async fn fetch(reach: &Reach, key: &str, bytes_max: u64) -> Result<(Spooled, String), Unfetched> {
    let missing = || Unfetched::never("object_missing", format!("there is no object {key:?} of this tenant"));
    let own = format!("tenants/{}/", reach.tenant);
    let key_read: Key = key.parse().map_err(|_| missing())?;
    if !key_read.as_str().starts_with(&own) {
        return Err(missing());
    }
    let failed = |error: objects::Error| {
        let message = format!("reading the object {key:?}: {error}");
        match error {
            objects::Error::Unavailable(_) => Unfetched::later("objects_unavailable", message),
            objects::Error::Refused(_) => Unfetched::never("object_missing", message),
        }
    };
    let broke = |why: String| failed(objects::Error::Unavailable(why));
    let mut object = reach.objects.get(&key_read).await.map_err(failed)?.ok_or_else(missing)?;
    let too_large = || Unfetched::too_large(&format!("the object {key:?}"), bytes_max);
    if object.meta.bytes > bytes_max {
        return Err(too_large());
    }
    let (mut spool, mut read) = (Spool::new().await?, 0);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = object.content.read(&mut piece).await.map_err(|error| broke(error.to_string()))?;
        if length == 0 {
            break;
        }
        read += length as u64;
        if read > bytes_max {
            return Err(too_large());
        }
        spool.add(&piece[..length]).await?;
    }
    if read != object.meta.bytes {
        return Err(broke(format!("{read} of {} bytes arrived", object.meta.bytes)));
    }
    Ok((spool.finish().await?, object.meta.media_type))
}
