//! What keeps vectors in the database's place, each as a point: found by nearness within its space, and nothing else. What it answers are ids, which
//! mean nothing by themselves: whose they are, and whether anybody has them, the database alone says (`sql/outside.rs`).
//!
//! Next: `qdrant.rs`, the one there is.

use async_trait::async_trait;
use uuid::Uuid;

use crate::ledger::Result;

/// The most points that a search asks for: beyond, it has fewer hits than it might.
pub const ASKED_MAX: u32 = 20_000;
/// How long a search waits for all of its answers, in seconds.
pub const SEARCH_S_MAX: u64 = 15;

/// What keeps vectors. Every write bears being repeated.
#[async_trait]
pub trait Points: Send + Sync {
    /// Puts vectors of length 1 there. They are found from when it returns.
    async fn put(&self, space: &str, dimension: u16, points: &[(Uuid, Vec<f32>)]) -> Result<()>;
    /// The points of a space that are nearest, and their cosine similarity, the nearest first; among these, if any are named. Fewer than the limit are all.
    async fn nearest(&self, space: &str, vector: &[f32], limit: u32, among: Option<&[Uuid]>) -> Result<Vec<(Uuid, f64)>>;
    /// Removes points; those that are not there are gone already.
    async fn remove(&self, dimension: u16, points: &[Uuid]) -> Result<()>;
}
