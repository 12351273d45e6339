//! The tenant's own changes of records. Next: `sync/store.rs`.

use super::{Place, RecordRow, RecordTable, StandingRow, pages, put};
use crate::{
    ledger::{Error, Result},
    sync::{
        state::{Record, Standing},
        store::{NewRecord, RecordDeleted, RecordKept, hash_of},
    },
    tenant::TenantId,
};

/// How often a record is looked for: what another makes between a look and an insert is there at the second.
const LOOKS_MAX: usize = 2;

/// Keeps a record.
pub(in crate::ledger) async fn keep(table: &mut impl RecordTable, new: &NewRecord) -> Result<RecordKept> {
    let (place, hash) = (Place { tenant: &new.tenant, collection: &new.collection }, hash_of(&new.data));
    let fields = table.fields(place).await?;
    for _ in 0..LOOKS_MAX {
        let standing = hold(table, place, &new.key).await?;
        // One that is marked as deleted is none to whoever wants to make it, and has a version to whoever saw it.
        let fits = |seen| {
            standing.is_some_and(|standing| standing.version == seen) || seen == 0 && standing.is_none_or(|standing| standing.is_deleted)
        };
        if !new.seen.is_none_or(fits) {
            return Ok(RecordKept::Stale);
        }
        let Some(standing) = standing else {
            let put = put(new, &hash, table.floor(place).await? + 1);
            if table.insert_records(place, None, &[put]).await?.is_empty() {
                continue;
            }
            pages::index(table, place, &fields, &[put], &[]).await?;
            return Ok(RecordKept::Created(read(table, place, &new.key).await?));
        };
        if !standing.is_deleted && standing.hash == hash {
            return Ok(RecordKept::Same(read(table, place, &new.key).await?));
        }
        let put = put(new, &hash, standing.version + 1);
        table.update_records(place, None, &[put]).await?;
        pages::index(table, place, &fields, &[put], &[]).await?;
        let record = read(table, place, &new.key).await?;
        return Ok(if standing.is_deleted { RecordKept::Created(record) } else { RecordKept::Changed(record) });
    }
    Err(Error::Unavailable(format!("record {} is made and deleted at the same time", new.key)))
}

/// Deletes a record for good.
pub(in crate::ledger) async fn delete(
    table: &mut impl RecordTable,
    tenant: &TenantId,
    collection: &str,
    key: &str,
    seen: Option<i64>,
) -> Result<RecordDeleted> {
    let place = Place { tenant, collection };
    let fields = table.fields(place).await?;
    let Some(standing) = hold(table, place, key).await? else { return Ok(RecordDeleted::Missing) };
    if seen.is_some_and(|seen| seen != standing.version) {
        return Ok(RecordDeleted::Stale);
    }
    table.drop_records(place, &[key]).await?;
    table.raise_floor(place, standing.version).await?;
    pages::index(table, place, &fields, &[], &[key]).await?;
    Ok(RecordDeleted::Gone)
}

async fn hold(table: &mut impl RecordTable, place: Place<'_>, key: &str) -> Result<Option<Standing>> {
    let row = table.hold_records(place, &[key]).await?.pop();
    Ok(row.map(StandingRow::into_standing).transpose()?.map(|(_, standing)| standing))
}

async fn read(table: &mut impl RecordTable, place: Place<'_>, key: &str) -> Result<Record> {
    let row = table.read_record(place, key).await?;
    row.ok_or_else(|| Error::Unavailable(format!("record {key} went while it was held"))).and_then(RecordRow::into_record)
}
