//! Deciding a conflict for one side. Next: `sync/decide.rs`.

use super::{Place, Put, StandingRow, SyncTable, collection, pages};
use crate::{
    ledger::{Error, Result},
    sync::{
        SyncId,
        definition::Delete,
        state::{Item, Side, Standing},
    },
    tenant::TenantId,
};

/// Decides a conflict. Returns whether there is one.
pub(in crate::ledger) async fn settle(table: &mut impl SyncTable, tenant: &TenantId, sync: SyncId, key: &str, side: Side) -> Result<bool> {
    // Held as a run that writes would be, so that none decides on the key meanwhile.
    let Some(row) = table.hold_sync_of(tenant, sync).await? else { return Ok(false) };
    let sync = row.into_sync()?;
    table.hold_run(sync.id, sync.last_run).await?;
    let Some(collection) = collection(&sync.definition) else { return Ok(false) };
    let place = Place { tenant, collection };
    let fields = table.fields(place).await?;
    let Some(conflict) = table.conflict(sync.id, key).await? else { return Ok(false) };
    let Some(item) = table.items(sync.id, &[key]).await?.pop() else { return Ok(false) };
    let item = item.into_item()?;
    let standing =
        table.hold_records(place, &[key]).await?.pop().map(StandingRow::into_standing).transpose()?.map(|(_, standing)| standing);
    let source_hash = super::hash(conflict.hash)?;
    let floor = table.floor(place).await?;
    match (side, &conflict.source) {
        (Side::Source, Some(data)) => {
            let version = standing.map_or(floor, |standing| standing.version) + 1;
            let put = Put { key, data, hash: &source_hash, version };
            if standing.is_some() {
                table.update_records(place, Some(sync.id), &[put]).await?;
            } else if !table.insert_records(place, Some(sync.id), &[put]).await?.contains(key) {
                return Err(Error::Unavailable(format!("record {key} is made at the same time")));
            }
            pages::index(table, place, &fields, &[put], &[]).await?;
        }
        (Side::Source, None) if standing.is_some() => match sync.definition.delete() {
            Delete::Hard => {
                table.drop_records(place, &[key]).await?;
                table.raise_floor(place, standing.map_or(0, |standing| standing.version)).await?;
                pages::index(table, place, &fields, &[], &[key]).await?;
            }
            Delete::Soft | Delete::Keep => table.mark_records(place, sync.id, &[key]).await?,
        },
        (Side::Source, None) | (Side::Destination, _) => {}
    }
    let source = conflict.source.is_some().then_some(source_hash);
    match settled(&item, source, standing.as_ref(), side, sync.definition.delete(), floor) {
        Some(item) => table.keep_items(sync.id, &[item]).await?,
        None => table.drop_items(sync.id, &[key]).await?,
    }
    table.drop_conflicts(sync.id, &[key]).await?;
    Ok(true)
}

/// What is remembered once a conflict is decided: the source's record as looked at (`source`: its hash, none where it was deleted), and the record
/// as it then stands. Nothing of what is gone, or stays against a deletion: that is no longer the sync's. Pure.
pub(in crate::ledger) fn settled(
    item: &Item,
    source: Option<[u8; 32]>,
    standing: Option<&Standing>,
    side: Side,
    delete: Delete,
    floor: i64,
) -> Option<Item> {
    let stays = standing.map(|standing| standing.version);
    match (side, source) {
        (Side::Source, Some(hash)) => {
            let version = stays.map_or(floor + 1, |version| version + 1);
            Some(Item { hash, version: Some(version), is_deleted: false, ..item.clone() })
        }
        (Side::Source, None) if delete == Delete::Hard => None,
        (Side::Source, None) => stays.map(|version| Item { version: Some(version + 1), is_deleted: true, ..item.clone() }),
        (Side::Destination, Some(hash)) => Some(Item { hash, version: stays.or(item.version), ..item.clone() }),
        (Side::Destination, None) => None,
    }
}
