//! What becomes of a record, by what the source says, what the sync remembers, and what stands at the destination. Pure.
//!
//! A record at the destination counts as changed there if its version is not the one at which the sync left it. What was changed there and won
//! keeps counting so, so that it stays whatever the source says later. Next: `state.rs`, then the ledger's role `Syncs`.

use super::{
    definition::{Conflict, Delete},
    state::{Incoming, Item, Policy, Standing},
};

/// What becomes of a record in a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is made, or made anew where it had been deleted.
    Create,
    /// It is written over.
    Update,
    /// It is right already: nothing is written but that it was seen.
    Unchanged,
    /// It is right already, or deleted as it should be, though the sync did not leave it so: that is remembered.
    Adopt,
    /// It stays as it is at the destination, against what the source says.
    Keep,
    /// Somebody has to decide.
    Conflict,
    /// It is marked as deleted.
    MarkDeleted,
    /// It is deleted.
    Remove,
    /// The source no longer has it, and it stays.
    Miss,
    /// The source no longer has it, and there is nothing that the sync wrote: nothing is remembered of it.
    Forget,
}

/// What becomes of a record elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elsewhere {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// Nothing.
    Nothing,
    /// It is deleted.
    Delete,
}

/// What becomes of a record that the source has, in a collection. `standing` is the record, whoever wrote it; none where there is none.
pub fn incoming(incoming: &Incoming, item: Option<&Item>, standing: Option<&Standing>, policy: Policy) -> Fate {
    if incoming.is_deleted {
        return gone(item, standing, policy);
    }
    let Some(item) = item else {
        return match standing {
            None => Fate::Create,
            Some(standing) if !standing.is_deleted && standing.hash == incoming.hash => Fate::Adopt,
            Some(standing) => contested(incoming, standing, policy, true, rewrite(standing)),
        };
    };
    let source_changed = item.is_deleted || item.hash != incoming.hash;
    let Some(standing) = standing else {
        // Deleted for good: by the sync, or by somebody else.
        return match (item.is_deleted || item.version.is_none(), policy.conflict) {
            (true, _) | (_, Conflict::Source) => Fate::Create,
            (_, Conflict::Manual) if source_changed => Fate::Conflict,
            (_, Conflict::Newest) if source_changed => Fate::Create,
            _ => Fate::Keep,
        };
    };
    if item.version == Some(standing.version) {
        return if source_changed { rewrite(standing) } else { Fate::Unchanged };
    }
    if !standing.is_deleted && standing.hash == incoming.hash {
        return Fate::Adopt;
    }
    contested(incoming, standing, policy, source_changed, rewrite(standing))
}

/// What becomes of a record in a collection that the source has no more.
pub fn gone(item: Option<&Item>, standing: Option<&Standing>, policy: Policy) -> Fate {
    let Some(item) = item.filter(|item| !item.is_deleted) else { return Fate::Unchanged };
    // What the sync never wrote is not its to delete.
    let Some(standing) = standing.filter(|_| item.version.is_some()) else { return Fate::Forget };
    if standing.is_deleted && policy.delete != Delete::Hard {
        return Fate::Adopt;
    }
    let deletion = match policy.delete {
        Delete::Keep => return Fate::Miss,
        Delete::Soft => Fate::MarkDeleted,
        Delete::Hard => Fate::Remove,
    };
    if item.version == Some(standing.version) {
        return deletion;
    }
    match policy.conflict {
        Conflict::Source => deletion,
        // Nobody knows when it vanished: what was changed here stays.
        Conflict::Destination | Conflict::Newest => Fate::Keep,
        Conflict::Manual => Fate::Conflict,
    }
}

/// What becomes of a record that the source has, elsewhere.
pub fn elsewhere(incoming: &Incoming, item: Option<&Item>, delete: Delete) -> Elsewhere {
    match item {
        _ if incoming.is_deleted => gone_elsewhere(item, delete),
        None => Elsewhere::Create,
        Some(item) if item.is_deleted || item.pending.is_some_and(|intent| intent.hash == NEVER) => Elsewhere::Create,
        // Nobody knows whether what was meant last arrived.
        Some(item) if item.pending.is_some() || item.hash != incoming.hash => {
            if item.remote_id.is_none() && item.hash == NEVER {
                Elsewhere::Create
            } else {
                Elsewhere::Update
            }
        }
        Some(_) => Elsewhere::Nothing,
    }
}

/// What becomes of a record elsewhere that the source has no more.
pub fn gone_elsewhere(item: Option<&Item>, delete: Delete) -> Elsewhere {
    match item {
        Some(item) if !item.is_deleted && delete != Delete::Keep => Elsewhere::Delete,
        _ => Elsewhere::Nothing,
    }
}

/// The hash of an item of which nothing was ever taken over: meant to be made elsewhere and not known to have been, or in conflict from the
/// beginning. As an intent: a deletion.
pub const NEVER: [u8; 32] = [0; 32];

/// Both sides have their own: who wins.
fn contested(incoming: &Incoming, standing: &Standing, policy: Policy, source_changed: bool, source_wins: Fate) -> Fate {
    match policy.conflict {
        Conflict::Source => source_wins,
        Conflict::Destination => Fate::Keep,
        _ if !source_changed => Fate::Keep,
        Conflict::Manual => Fate::Conflict,
        Conflict::Newest => match incoming.updated_at {
            Some(at) if at > standing.updated_at => source_wins,
            _ => Fate::Keep,
        },
    }
}

/// Writing over a record makes it anew where it was marked as deleted.
const fn rewrite(standing: &Standing) -> Fate {
    if standing.is_deleted { Fate::Create } else { Fate::Update }
}
