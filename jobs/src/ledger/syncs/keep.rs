//! Keeping and deleting syncs. Next: `syncs/runs.rs`.

use std::collections::BTreeSet;

use super::{FieldState, Place, SyncRow, SyncTable, collection};
use crate::{
    clock::Timestamp,
    ledger::{Error, Result},
    sync::{
        Definition, SYNCS_MAX,
        state::{Deleted, Kept, NewSync, Sync},
        store::FIELDS_MAX,
    },
    tenant::TenantId,
};

/// How often a sync is looked for: what another makes between a look and an insert is there at the second.
const LOOKS_MAX: usize = 2;

/// Keeps a sync, unless it says the same.
pub(in crate::ledger) async fn keep(table: &mut impl SyncTable, new: &NewSync) -> Result<Kept> {
    for _ in 0..LOOKS_MAX {
        let now = table.time().await?;
        if let Some(row) = table.hold_sync(&new.tenant, &new.name).await? {
            let standing = row.into_sync()?;
            let kept = changed(&standing, new, now);
            if let Kept::Changed(sync) = &kept {
                table.store_sync(sync).await?;
                agree_on_fields(table, sync).await?;
            }
            return Ok(kept);
        }
        if new.seen.is_some_and(|seen| seen != 0) {
            return Ok(Kept::Stale);
        }
        if table.count_syncs(&new.tenant).await? >= super::at_most(SYNCS_MAX) {
            return Ok(Kept::TooMany);
        }
        let sync = made(new, now);
        if table.insert_sync(&sync).await? {
            agree_on_fields(table, &sync).await?;
            return Ok(Kept::Created(sync));
        }
    }
    Err(Error::Unavailable(format!("sync {} is made and deleted at the same time", new.name)))
}

/// A sync as it stands once it is made at `now`.
pub(in crate::ledger) fn made(new: &NewSync, now: Timestamp) -> Sync {
    Sync {
        id: new.id,
        tenant: new.tenant.clone(),
        name: new.name.clone(),
        version: 1,
        preset: new.preset.clone(),
        definition: new.definition.clone(),
        since: None,
        last_run: 0,
        created_at: now,
        updated_at: now,
    }
}

/// What a sync that stands becomes. Pure.
pub(in crate::ledger) fn changed(standing: &Sync, new: &NewSync, now: Timestamp) -> Kept {
    if new.seen.is_some_and(|seen| seen != standing.version) {
        return Kept::Stale;
    }
    if goes_to(&standing.definition) != goes_to(&new.definition) {
        return Kept::Elsewhere;
    }
    if standing.definition == new.definition && standing.preset == new.preset {
        return Kept::Same(standing.clone());
    }
    let (preset, definition) = (new.preset.clone(), new.definition.clone());
    Kept::Changed(Sync { version: standing.version + 1, preset, definition, updated_at: now, ..standing.clone() })
}

/// What a sync remembers is true of this alone.
fn goes_to(definition: &Definition) -> (Option<&str>, Option<&str>, Option<&str>) {
    let to = &definition.destination;
    let connection = to.http.as_ref().map(|http| http.connection.as_str());
    (collection(definition), connection, to.object.as_ref().map(|object| object.name.as_str()))
}

/// Deletes a sync.
pub(in crate::ledger) async fn delete(table: &mut impl SyncTable, tenant: &TenantId, name: &str, seen: Option<u32>) -> Result<Deleted> {
    let Some(sync) = table.hold_sync(tenant, name).await?.map(SyncRow::into_sync).transpose()? else { return Ok(Deleted::Missing) };
    if seen.is_some_and(|seen| seen != sync.version) {
        return Ok(Deleted::Stale);
    }
    table.drop_sync(sync.id).await?;
    Ok(Deleted::Gone)
}

/// Makes the look-up fields of the sync's collection those that the syncs into it say.
async fn agree_on_fields(table: &mut impl SyncTable, sync: &Sync) -> Result<()> {
    let Some(collection) = collection(&sync.definition) else { return Ok(()) };
    let place = Place { tenant: &sync.tenant, collection };
    let definitions = table.definitions(place).await?;
    let definitions: Vec<Definition> = definitions.iter().map(|text| serde_json::from_str(text)).collect::<std::result::Result<_, _>>()?;
    let (wanted, fields) = (wanted(&definitions), table.fields(place).await?);
    let begun = if table.has_records(place).await? { FieldState::Indexing } else { FieldState::Ready };
    for field in &wanted {
        if !matches!(fields.get(field), Some(FieldState::Ready | FieldState::Indexing)) {
            table.store_field(place, field, begun, "").await?;
        }
    }
    for field in fields.keys().filter(|field| !wanted.contains(*field)) {
        table.store_field(place, field, FieldState::Dropping, "").await?;
    }
    Ok(())
}

/// The look-up fields that these definitions say.
pub(in crate::ledger) fn wanted(definitions: &[Definition]) -> BTreeSet<String> {
    let said = definitions.iter().filter_map(|definition| definition.destination.records.as_ref()).flat_map(|records| &records.lookup);
    said.cloned().collect::<BTreeSet<_>>().into_iter().take(FIELDS_MAX).collect()
}
