//! Vectors that lie elsewhere (`../points.rs`): the database has their points' ids. A point is written down before it is there, so that none is ever
//! there that nobody knows of, and a point's id is given once, so that whatever comes late takes nothing from anybody.
//!
//! No write of a document waits for Qdrant: vectors are there since they were staged. A search does, within its snapshot: what it is told of that is
//! not in the snapshot, it does not see.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use sqlx::SqlStr;
use tokio::{sync::SemaphorePermit, time::error::Elapsed};
use uuid::Uuid;

use super::{Base, Bound, Json, Near, NearRow, ROWS_MAX, Rows, SqlSearch, bound, hash, hex};
use crate::{
    ledger::{Error, Result},
    search::{
        ChunkHash, Query, Settings,
        points::{ASKED_MAX, Points, SEARCH_S_MAX},
        ranked::unit,
        store::{PRUNED_MAX, Place},
    },
};

/// How long whoever puts points there may take to say that they are: far longer than it waits for them.
const INTENT_MS: i64 = 3_600_000;
/// How long a point stays that nobody has any more: longer than any search reads its snapshot.
const LOOSE_MS: i64 = 60_000;
/// How many times as many points are asked for as are wanted: some may be those of documents that were just replaced.
const SPARE: u32 = 2;
/// By what more are asked for where that was too few.
const GROWTH: u32 = 4;
/// The most points that are named to look among; of more, all are asked for and the others left out.
const AMONG_MAX: usize = 2_000;
/// The most searches that wait for Qdrant at once: fewer than there are connections that search (`sqlite.rs`, `postgres.rs`), so that those by words
/// alone go on while it is silent.
pub(super) const SEARCHES_MAX: usize = 3;

impl<B: Base> SqlSearch<B> {
    /// A turn to wait for Qdrant, for a search that may have to.
    pub(super) async fn turn(&self, query: &Query) -> Result<Option<SemaphorePermit<'_>>> {
        if self.points.is_none() || query.vector.is_none() {
            return Ok(None);
        }
        let turn = tokio::time::timeout(Duration::from_secs(SEARCH_S_MAX), self.turns.acquire()).await.map_err(late)?;
        turn.map(Some).map_err(|_| Error::Unavailable("the store is closed".into()))
    }

    fn points(&self) -> Result<&dyn Points> {
        let unset = || Error::Unavailable("the index has its vectors in Qdrant, and search.qdrant_url is not set".into());
        self.points.as_deref().ok_or_else(unset)
    }

    /// The space of a generation: nobody else's, neither in this database nor in another.
    async fn space(&self, tx: &mut B::Tx, generation: i64) -> Result<String> {
        let read = async || {
            let rows: Vec<(String,)> = tx.fetch(&self.statements().identity, bound![]).await?;
            rows.into_iter().next().map(|(id,)| id).ok_or_else(|| Error::Corrupt("the store has no identity".into()))
        };
        Ok(format!("{}.{generation}", self.identity.get_or_try_init(read).await?))
    }

    /// Stages vectors of a generation whose vectors lie elsewhere: writes their points down, puts them there, and says so.
    pub(super) async fn keep_outside(
        &self,
        mut tx: B::Tx,
        place: &Place,
        settings: &Settings,
        vectors: &[(ChunkHash, Vec<f32>)],
    ) -> Result<()> {
        let (sql, points) = (self.statements(), self.points()?);
        let mut units: BTreeMap<ChunkHash, Option<Vec<f32>>> = BTreeMap::new();
        for (hash, vector) in vectors {
            let unit = unit(vector, settings)?;
            units.entry(*hash).or_insert(unit);
        }
        let hashes: Vec<ChunkHash> = units.keys().copied().collect();
        for some in hashes.chunks(ROWS_MAX) {
            let values = bound![place.generation, Json::of_hashes(some), tx.now()];
            for (bytes,) in tx.fetch::<(Vec<u8>,)>(&sql.touch_staged, values).await? {
                units.remove(&hash(bytes)?);
            }
        }
        let mut staged: Vec<(ChunkHash, Option<Uuid>)> = Vec::new();
        let mut new: Vec<(Uuid, Vec<f32>)> = Vec::new();
        for (hash, unit) in units {
            let point = unit.map(|unit| {
                let point = Uuid::new_v4();
                new.push((point, unit));
                point
            });
            staged.push((hash, point));
        }
        let (space, dimension) = (self.space(&mut tx, place.generation).await?, settings.model.dimension);
        for some in new.chunks(ROWS_MAX) {
            let due = tx.now().plus_ms(INTENT_MS);
            tx.execute(&sql.intend, bound![named(some.iter().map(|(point, _)| point)), i64::from(dimension), due]).await?;
        }
        tx.commit().await?;
        if !new.is_empty() {
            points.put(&space, dimension, &new).await?;
        }
        self.say_staged(place, &staged).await
    }

    /// Says that points are there. Those of which somebody else was quicker stay on the list of what is to go.
    async fn say_staged(&self, place: &Place, staged: &[(ChunkHash, Option<Uuid>)]) -> Result<()> {
        let sql = self.statements();
        let mut tx = self.begin().await?;
        if self.hold_place(&mut tx, place).await?.is_none() {
            return Ok(());
        }
        let mut taken: Vec<Uuid> = Vec::new();
        for (hash, point) in staged {
            let bytes = Bound::Bytes(point.map(|point| point.as_bytes().to_vec()));
            let rows: Vec<(Option<Vec<u8>>,)> = tx.fetch(&sql.stage_point, bound![place.generation, *hash, bytes, tx.now()]).await?;
            let there = rows.into_iter().next().and_then(|(bytes,)| bytes);
            taken.extend(point.filter(|point| there.as_deref() == Some(point.as_bytes().as_slice())));
        }
        for some in taken.chunks(ROWS_MAX) {
            if tx.execute(&sql.take_points, bound![named(some)]).await? != some.len() as u64 {
                return Err(Error::Unavailable("vectors took so long to be kept that they are given up: again".into()));
            }
        }
        tx.commit().await
    }

    /// Removes rows by a statement that tells whose points they had, and writes down those that nobody has any more. How many rows there were.
    pub(super) async fn remove(&self, tx: &mut B::Tx, statement: &SqlStr, values: Vec<Bound>) -> Result<u64> {
        let rows: Vec<(i64, Option<Vec<u8>>)> = tx.fetch(statement, values).await?;
        let points: BTreeSet<(i64, String)> =
            rows.iter().filter_map(|(generation, point)| Some((*generation, hex(point.as_deref()?)))).collect();
        let points: Vec<_> = points.into_iter().collect();
        for some in points.chunks(ROWS_MAX) {
            let due = tx.now().plus_ms(LOOSE_MS);
            tx.execute(&self.statements().loosen, bound![Json::of(&some), due]).await?;
        }
        Ok(rows.len() as u64)
    }

    /// Removes some of the points that nobody has. True where there may be more.
    pub(super) async fn remove_points(&self) -> Result<bool> {
        let Some(points) = self.points.as_deref() else { return Ok(false) };
        let (sql, limit) = (self.statements(), PRUNED_MAX as i64);
        let mut tx = self.begin().await?;
        let due = tx.now();
        tx.execute(&sql.doom, bound![due, limit]).await?;
        let doomed: Vec<(Vec<u8>, i64)> = tx.fetch(&sql.doomed, bound![limit]).await?;
        tx.commit().await?;
        if doomed.is_empty() {
            return Ok(false);
        }
        let mut by_dimension: BTreeMap<u16, Vec<Uuid>> = BTreeMap::new();
        for (bytes, dimension) in &doomed {
            let dimension = u16::try_from(*dimension).map_err(|_| Error::Corrupt("a point's dimension is none".into()))?;
            by_dimension.entry(dimension).or_default().push(point(bytes)?);
        }
        for (dimension, some) in by_dimension {
            points.remove(dimension, &some).await?;
            let mut tx = self.begin().await?;
            for some in some.chunks(ROWS_MAX) {
                tx.execute(&sql.forget_doomed, bound![named(some)]).await?;
            }
            tx.commit().await?;
        }
        Ok(doomed.len() as u64 == PRUNED_MAX)
    }

    /// The chunks whose vectors are nearest, wherever these lie.
    pub(super) async fn nearest(&self, tx: &mut B::Tx, near: Near) -> Result<Vec<NearRow>> {
        let (_, in_qdrant) = self.made_with(tx, near.generation).await?;
        if !in_qdrant {
            return tx.nearest(self.statements(), near).await;
        }
        tokio::time::timeout(Duration::from_secs(SEARCH_S_MAX), self.nearest_outside(tx, near)).await.map_err(late)?
    }

    async fn nearest_outside(&self, tx: &mut B::Tx, near: Near) -> Result<Vec<NearRow>> {
        let (sql, points) = (self.statements(), self.points()?);
        let space = self.space(tx, near.generation).await?;
        let wanted: Option<BTreeSet<i64>> = near.among.as_ref().map(|documents| documents.iter().copied().collect());
        let mut among = None;
        if let Some(documents) = &near.among {
            let values = bound![near.generation, Json::of(documents), AMONG_MAX as i64 + 1];
            let rows: Vec<(Vec<u8>,)> = tx.fetch(&sql.points_among, values).await?;
            if rows.is_empty() {
                return Ok(Vec::new());
            }
            if rows.len() <= AMONG_MAX {
                among = Some(rows.iter().map(|(bytes,)| point(bytes)).collect::<Result<BTreeSet<_>>>()?.into_iter().collect::<Vec<_>>());
            }
        }
        let mut asked = (near.depth * SPARE).min(ASKED_MAX);
        loop {
            let found = points.nearest(&space, &near.vector, asked, among.as_deref()).await?;
            let are_all = found.len() < asked as usize;
            let rows = self.chunks_at(tx, near.generation, &sound(found), wanted.as_ref()).await?;
            if rows.len() >= near.depth as usize || are_all || asked == ASKED_MAX {
                if rows.is_empty() {
                    self.check_lost(tx, &near, among.as_deref()).await?;
                }
                return Ok(rows);
            }
            asked = (asked * GROWTH).min(ASKED_MAX);
        }
    }

    /// The chunks whose vectors these points are, as far as the generation has them and they are wanted.
    async fn chunks_at(
        &self,
        tx: &mut B::Tx,
        generation: i64,
        found: &BTreeMap<Uuid, f64>,
        wanted: Option<&BTreeSet<i64>>,
    ) -> Result<Vec<NearRow>> {
        type Row = (i64, String, i64, i64, Vec<u8>);
        let points: Vec<Uuid> = found.keys().copied().collect();
        let mut near = Vec::new();
        for some in points.chunks(ROWS_MAX) {
            let rows: Vec<Row> = tx.fetch(&self.statements().chunks_at, bound![generation, named(some)]).await?;
            for (chunk, document_id, n, document, bytes) in rows {
                let score = found.get(&point(&bytes)?).copied();
                let is_wanted = wanted.is_none_or(|wanted| wanted.contains(&document));
                near.extend(score.filter(|_| is_wanted).map(|score| (chunk, document_id, n, 1.0 - score)));
            }
        }
        Ok(near)
    }

    /// Nothing that is near, where something is there, is no answer: the vectors are lost.
    async fn check_lost(&self, tx: &mut B::Tx, near: &Near, among: Option<&[Uuid]>) -> Result<()> {
        let some_point = bound![near.generation];
        let is_lost = match (among, &near.among) {
            (Some(_), _) => true,
            (None, Some(_)) => false,
            (None, None) => !tx.fetch::<(Vec<u8>,)>(&self.statements().some_point, some_point).await?.is_empty(),
        };
        let lost =
            || Error::Unavailable("Qdrant has none of the index's vectors: bring them back, or remove the index and ingest anew".into());
        if is_lost { Err(lost()) } else { Ok(()) }
    }
}

fn late(_: Elapsed) -> Error {
    Error::Unavailable(format!("Qdrant does not answer a search within {SEARCH_S_MAX} s"))
}

/// What was answered, as far as it can be: each point once, with what can be a similarity.
fn sound(found: Vec<(Uuid, f64)>) -> BTreeMap<Uuid, f64> {
    const ROUNDED: f64 = 1e-3;
    let can_be = |(_, score): &(Uuid, f64)| score.abs() <= 1.0 + ROUNDED;
    // Of the same point twice the first, which is nearer.
    found.into_iter().rev().filter(can_be).map(|(point, score)| (point, score.clamp(-1.0, 1.0))).collect()
}

fn named<'p>(points: impl IntoIterator<Item = &'p Uuid>) -> Json {
    Json::of(&points.into_iter().map(|point| hex(point.as_bytes())).collect::<Vec<_>>())
}

fn point(bytes: &[u8]) -> Result<Uuid> {
    Uuid::from_slice(bytes).map_err(|_| Error::Corrupt("a point's id has not 16 bytes".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_no_similarity_is_no_answer() {
        let points: Vec<Uuid> = (1..=6).map(Uuid::from_u128).collect();
        let scores = [0.5, f64::NAN, f64::INFINITY, 1.000_000_1, -7.0, -1.0];
        let mut found: Vec<(Uuid, f64)> = points.iter().copied().zip(scores).collect();
        found.push((points[0], 0.4));
        assert_eq!(sound(found), BTreeMap::from([(points[0], 0.5), (points[3], 1.0), (points[5], -1.0)]));
    }
}
