//! How a SQL ledger keeps jobs that have keys: rows of `keys` are reserved first, and what was reserved decides which
//! jobs are kept. Both databases tell here what stands in their table; the judgement is the same.
//!
//! Reservations are made in the order of the keys, idempotency keys before unique ones, so that transactions with
//! crossing keys wait for each other and never deadlock.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;

use super::{BATCH_MAX, Error, Result};
use crate::{
    job::JobId,
    keys::{Acceptance, Answer, IDEMPOTENCY_MS, Inserted},
    submit::NewJob,
};

/// A key that is neither reserved nor found was let go of in between; this many times in a row means a bug.
const ROUNDS_MAX: u32 = 16;

/// What kind of key a row is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Idempotency,
    Unique,
}

impl Scope {
    /// The word in the table.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Idempotency => "idempotency",
            Self::Unique => "unique",
        }
    }
}

/// Whose key it is, and the key.
pub(super) type Name<'k> = (&'k str, &'k str);

/// A row of `keys`: of a unique key its holder, of an idempotency key its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyRow {
    pub tenant: String,
    pub key: String,
    pub job: JobId,
    pub body_hash: Option<Vec<u8>>,
    pub answer: Option<String>,
}

impl KeyRow {
    fn answered(job: &NewJob, name: Name<'_>, fingerprint: &[u8; 32], answer: &Answer) -> Result<Self> {
        let answered = match answer {
            Answer::Accepted(_) => job.id,
            Answer::Deduplicated(holder) => *holder,
        };
        let answer = serde_json::to_string(answer)?;
        Ok(Self { body_hash: Some(fingerprint.to_vec()), answer: Some(answer), ..Self::held(name, answered) })
    }

    fn held((tenant, key): Name<'_>, job: JobId) -> Self {
        Self { tenant: tenant.to_owned(), key: key.to_owned(), job, body_hash: None, answer: None }
    }

    /// Whose key it is, and the key.
    pub(super) fn name(&self) -> Name<'_> {
        (&self.tenant, &self.key)
    }
}

/// The table `keys` within a transaction. At most [`BATCH_MAX`] rows come at a time, in the order of their names.
#[async_trait]
pub(super) trait KeyTable: Send {
    /// Which of these jobs are in the ledger already.
    async fn known(&mut self, ids: &[JobId]) -> Result<Vec<JobId>>;
    /// Deletes those of these idempotency keys whose time is over.
    async fn drop_expired(&mut self, names: &[Name<'_>]) -> Result<()>;
    /// Writes the rows whose keys are free, to be kept for so long, and returns their tenants and keys.
    async fn reserve(&mut self, scope: Scope, rows: &[KeyRow], kept_ms: Option<i64>) -> Result<Vec<(String, String)>>;
    /// The rows of these keys.
    async fn look(&mut self, scope: Scope, names: &[Name<'_>]) -> Result<Vec<KeyRow>>;
    /// Gives idempotency keys other answers.
    async fn reanswer(&mut self, rows: &[KeyRow]) -> Result<()>;
}

/// Reserves what these jobs ask for, in their order, and says what becomes of each. Those that are to be kept are the
/// caller's to write, in the same transaction.
pub(super) async fn reserve_all(table: &mut impl KeyTable, jobs: &[&NewJob]) -> Result<Vec<Inserted>> {
    let mut judgement = Judgement::begin(table, jobs).await?;
    judgement.reserve_idempotency_keys(table).await?;
    judgement.reserve_unique_keys(table).await?;
    judgement.finish(table).await
}

/// Reserves the unique keys of jobs that are to live again, in this order. Returns who holds those that are taken.
pub(super) async fn regain(table: &mut impl KeyTable, jobs: &[(JobId, String, String)]) -> Result<HashMap<JobId, JobId>> {
    let mut first: BTreeMap<Name<'_>, JobId> = BTreeMap::new();
    for (id, tenant, key) in jobs {
        first.entry((tenant, key)).or_insert(*id);
    }
    let rows: Vec<KeyRow> = first.iter().map(|(name, id)| KeyRow::held(*name, *id)).collect();
    let standing = reserve(table, Scope::Unique, rows).await?;
    let holder = |tenant: &str, key: &str| standing.get(&(tenant.to_owned(), key.to_owned())).map(|stands| stands.row.job);
    let lost = jobs.iter().filter_map(|(id, tenant, key)| Some((*id, holder(tenant, key)?)));
    Ok(lost.filter(|(id, holder)| id != holder).collect())
}

/// What stands in the table after a reservation.
struct Standing {
    row: KeyRow,
    fresh: bool,
}

/// Writes the rows that can be written, which come sorted, and returns for every key the row that stands now.
async fn reserve(table: &mut impl KeyTable, scope: Scope, rows: Vec<KeyRow>) -> Result<HashMap<(String, String), Standing>> {
    let kept_ms = (scope == Scope::Idempotency).then_some(IDEMPOTENCY_MS);
    let mut standing = HashMap::with_capacity(rows.len());
    for batch in rows.chunks(BATCH_MAX) {
        if kept_ms.is_some() {
            table.drop_expired(&names(batch)).await?;
        }
        let mut open = batch.to_vec();
        let mut rounds = 0;
        while !open.is_empty() {
            if rounds == ROUNDS_MAX {
                return Err(Error::Unavailable(format!("{} keys were neither free nor taken", open.len())));
            }
            rounds += 1;
            let reserved: HashSet<(String, String)> = table.reserve(scope, &open, kept_ms).await?.into_iter().collect();
            let (fresh, taken): (Vec<_>, Vec<_>) =
                open.into_iter().partition(|row| reserved.contains(&(row.tenant.clone(), row.key.clone())));
            let found = if taken.is_empty() { Vec::new() } else { table.look(scope, &names(&taken)).await? };
            let stands = |row: KeyRow, fresh| ((row.tenant.clone(), row.key.clone()), Standing { row, fresh });
            standing.extend(fresh.into_iter().map(|row| stands(row, true)));
            standing.extend(found.into_iter().map(|row| stands(row, false)));
            // Let go of between the two statements: it is free now.
            open = taken.into_iter().filter(|row| !standing.contains_key(&(row.tenant.clone(), row.key.clone()))).collect();
        }
    }
    Ok(standing)
}

fn names(rows: &[KeyRow]) -> Vec<Name<'_>> {
    rows.iter().map(KeyRow::name).collect()
}

/// What is known of a job while its transaction is judged.
#[derive(Clone)]
enum Fate {
    /// Nothing is in its way so far.
    Open,
    /// It shares its idempotency key with this earlier job of the transaction.
    Repeats(usize),
    Sealed(Inserted),
}

/// The jobs of one transaction, and what becomes of them.
struct Judgement<'j> {
    jobs: &'j [&'j NewJob],
    fates: Vec<Fate>,
    /// For each job the place of the first one with the same id.
    firsts: Vec<usize>,
}

impl<'j> Judgement<'j> {
    /// What is in the ledger already was kept by an insert whose answer was lost: it has its keys, or had them.
    async fn begin(table: &mut impl KeyTable, jobs: &'j [&'j NewJob]) -> Result<Self> {
        let mut known = HashSet::new();
        for batch in jobs.chunks(BATCH_MAX) {
            let ids: Vec<JobId> = batch.iter().filter(|job| !job.keys.is_empty()).map(|job| job.id).collect();
            if !ids.is_empty() {
                known.extend(table.known(&ids).await?);
            }
        }
        let mut places = HashMap::with_capacity(jobs.len());
        let firsts = jobs.iter().enumerate().map(|(place, job)| *places.entry(job.id).or_insert(place)).collect();
        let kept = |job: &&NewJob| known.contains(&job.id) || job.keys.is_empty();
        let fates = jobs.iter().map(|job| if kept(job) { Fate::Sealed(Inserted::Kept) } else { Fate::Open }).collect();
        Ok(Self { jobs, fates, firsts })
    }

    /// The places of jobs that are still open, without repetitions of an id.
    fn open(&self) -> Vec<usize> {
        (0..self.jobs.len()).filter(|place| matches!(self.fates[*place], Fate::Open) && self.firsts[*place] == *place).collect()
    }

    async fn reserve_idempotency_keys(&mut self, table: &mut impl KeyTable) -> Result<()> {
        let mut first: BTreeMap<Name<'_>, usize> = BTreeMap::new();
        let with_key: Vec<usize> = self.open().into_iter().filter(|place| self.jobs[*place].keys.idempotency.is_some()).collect();
        for place in &with_key {
            first.entry(self.idempotency_name(*place)).or_insert(*place);
        }
        let row = |(name, place): (&Name<'_>, &usize)| {
            let job = self.jobs[*place];
            KeyRow::answered(job, *name, self.fingerprint(*place), &Answer::Accepted(Acceptance::of(job)))
        };
        let rows = first.iter().map(row).collect::<Result<Vec<_>>>()?;
        let standing = reserve(table, Scope::Idempotency, rows).await?;
        for place in with_key {
            let name @ (tenant, key) = self.idempotency_name(place);
            let stands = &standing[&(tenant.to_owned(), key.to_owned())];
            let fate = if stands.row.body_hash.as_deref() != Some(self.fingerprint(place)) {
                Fate::Sealed(Inserted::Reused)
            } else if stands.fresh {
                if first[&name] == place { Fate::Open } else { Fate::Repeats(first[&name]) }
            } else {
                // Even where it is this very id: kept by an earlier try that committed just now, or pruned since.
                Fate::Sealed(Inserted::Replayed(serde_json::from_str(stands.row.answer.as_deref().unwrap_or_default())?))
            };
            self.fates[place] = fate;
        }
        Ok(())
    }

    async fn reserve_unique_keys(&mut self, table: &mut impl KeyTable) -> Result<()> {
        let mut first: BTreeMap<Name<'_>, usize> = BTreeMap::new();
        let with_key: Vec<(usize, Name<'_>)> = self
            .open()
            .into_iter()
            .filter_map(|place| Some((place, (self.jobs[place].tenant.as_str(), self.jobs[place].keys.unique.as_deref()?))))
            .collect();
        for (place, name) in &with_key {
            first.entry(*name).or_insert(*place);
        }
        let rows = first.iter().map(|(name, place)| KeyRow::held(*name, self.jobs[*place].id)).collect();
        let standing = reserve(table, Scope::Unique, rows).await?;
        for (place, (tenant, key)) in with_key {
            let holder = standing[&(tenant.to_owned(), key.to_owned())].row.job;
            if holder != self.jobs[place].id {
                self.fates[place] = Fate::Sealed(Inserted::Deduplicated(holder));
            }
        }
        Ok(())
    }

    async fn finish(self, table: &mut impl KeyTable) -> Result<Vec<Inserted>> {
        let mut reanswered = Vec::new();
        for place in 0..self.jobs.len() {
            let job = self.jobs[place];
            if let (Fate::Sealed(Inserted::Deduplicated(holder)), Some(_)) = (&self.fates[place], &job.keys.idempotency) {
                let answer = Answer::Deduplicated(*holder);
                reanswered.push(KeyRow::answered(job, self.idempotency_name(place), self.fingerprint(place), &answer)?);
            }
        }
        reanswered.sort_by(|one, other| one.name().cmp(&other.name()));
        for batch in reanswered.chunks(BATCH_MAX) {
            table.reanswer(batch).await?;
        }
        Ok((0..self.jobs.len()).map(|place| self.sealed(self.firsts[place])).collect())
    }

    fn sealed(&self, place: usize) -> Inserted {
        match &self.fates[place] {
            Fate::Open => Inserted::Kept,
            Fate::Sealed(inserted) => inserted.clone(),
            Fate::Repeats(first) => Inserted::Replayed(match &self.fates[*first] {
                Fate::Sealed(Inserted::Deduplicated(holder)) => Answer::Deduplicated(*holder),
                _ => Answer::Accepted(Acceptance::of(self.jobs[*first])),
            }),
        }
    }

    fn idempotency_name(&self, place: usize) -> Name<'j> {
        let job = self.jobs[place];
        (job.tenant.as_str(), job.keys.idempotency.as_ref().map(|idempotency| idempotency.key.as_str()).unwrap_or_default())
    }

    fn fingerprint(&self, place: usize) -> &'j [u8; 32] {
        const NONE: &[u8; 32] = &[0; 32];
        self.jobs[place].keys.idempotency.as_ref().map_or(NONE, |idempotency| &idempotency.fingerprint)
    }
}
