//! What the planner knows of kinds: a number for each name, its cost, and how many jobs a ticket takes.

use std::{collections::HashMap, sync::Arc};

use crate::{contract::Policy, ledger::BATCH_MAX};

/// The dearest a job can be: a job of ten minutes against one of 50 ms. A dearer one would only make the
/// starvation bound of its own lane longer.
const COST_MAX: u32 = 12_000;

/// A kind's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct KindIndex(u32);

/// One kind.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Its name.
    pub name: Arc<str>,
    /// What one of its jobs counts in fair sharing.
    pub cost: u32,
    /// The most of its jobs in one ticket.
    pub ticket_jobs_max: usize,
}

impl Kind {
    /// Whether its jobs take so long that they only go to idle slots.
    pub const fn is_long(&self) -> bool {
        self.ticket_jobs_max == 1
    }

    fn set(&mut self, cost: u32, ticket_jobs_max: u32) {
        self.cost = cost.clamp(1, COST_MAX);
        // A claim is one statement.
        self.ticket_jobs_max = usize::try_from(ticket_jobs_max).unwrap_or(BATCH_MAX).clamp(1, BATCH_MAX);
    }
}

/// Every kind that was ever named.
#[derive(Debug, Default)]
pub struct Kinds {
    list: Vec<Kind>,
    by_name: HashMap<Arc<str>, KindIndex>,
}

impl Kinds {
    /// The kind with this number.
    pub fn get(&self, index: KindIndex) -> &Kind {
        &self.list[index.0 as usize]
    }

    /// The number of this kind; one that nobody described has the default policy.
    pub fn find_or_add(&mut self, name: &str) -> KindIndex {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        let policy = Policy::default();
        let name: Arc<str> = name.into();
        let mut kind = Kind { name: name.clone(), cost: 1, ticket_jobs_max: 1 };
        kind.set(policy.cost, policy.ticket_jobs_max);
        let index = KindIndex(u32::try_from(self.list.len()).expect("memory ends before four billion kinds"));
        self.list.push(kind);
        self.by_name.insert(name, index);
        index
    }

    /// Describes a kind.
    pub fn set(&mut self, name: &str, cost: u32, ticket_jobs_max: u32) {
        let index = self.find_or_add(name);
        self.list[index.0 as usize].set(cost, ticket_jobs_max);
    }
}
