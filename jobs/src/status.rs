//! How the installation as a whole is: the rung of the degradation ladder that it stands on, and what the leader says of
//! itself. Pure: who asks brings what it saw.
//!
//! The leader publishes a [`Planning`] with the depths each second (`ledger::Depths`); the api tells it at `/status`.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A leader that said nothing for longer is gone: a standby leads within this time and says so at once.
pub const LEADER_SILENT_MS_MAX: i64 = 5_000;

/// What the leader says of itself and of the duties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planning {
    /// Who leads.
    pub leader: String,
    /// Its term.
    pub epoch: i64,
    /// How workers hear of tickets.
    pub carrying: Carrying,
    /// The duties, by name.
    pub duties: Vec<DutyLag>,
}

/// How workers hear of tickets at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carrying {
    /// By what.
    pub in_use: Carrier,
    /// Why by that.
    pub why: String,
    /// Whether it stands in for one that is away.
    pub stands_in: bool,
}

/// What carries tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    /// Within one process.
    Channel,
    /// Redis.
    Redis,
    /// Ledger rows that workers look for.
    Ledger,
}

/// How far behind a duty is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutyLag {
    /// Its name.
    pub name: String,
    /// For how long the oldest of what it looks after had waited at its last look, and by how much the next look is late.
    pub lag_ms: i64,
}

/// A rung of the degradation ladder, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// Everything is as it should be.
    Normal,
    /// Redis is away, and the ledger carries the tickets.
    LedgerCarrier,
    /// Nobody plans: nothing new is handed out.
    LeaderGone,
    /// Nothing can be accepted.
    LedgerGone,
}

impl Rung {
    /// The rung, by whether the ledger answers, how old the leader's last word is, and how it carries tickets.
    pub const fn of(ledger_answers: bool, planning_age_ms: Option<i64>, carrying: Option<&Carrying>) -> Self {
        match (ledger_answers, planning_age_ms, carrying) {
            (false, ..) => Self::LedgerGone,
            (true, None, _) => Self::LeaderGone,
            (true, Some(age_ms), _) if age_ms > LEADER_SILENT_MS_MAX => Self::LeaderGone,
            (true, Some(_), Some(Carrying { stands_in: true, .. })) => Self::LedgerCarrier,
            (true, Some(_), _) => Self::Normal,
        }
    }

    /// What it means for whoever uses the installation.
    pub const fn means(self) -> &'static str {
        match self {
            Self::Normal => "everything is as it should be",
            Self::LedgerCarrier => {
                "Redis is away: workers look for tickets in the ledger, every 5 ms while work flows and every 250 ms at the \
                 least; nothing is lost"
            }
            Self::LeaderGone => {
                "nobody plans: jobs are accepted and running ones go on, but nothing new starts; a standby scheduler leads within 5 s"
            }
            Self::LedgerGone => {
                "the ledger does not answer: submissions are refused with 503 and Retry-After; workers go on and settle when it is back"
            }
        }
    }

    /// Its number, for metrics: 0 is normal, 3 the worst.
    pub fn number(self) -> f64 {
        f64::from(self as u8)
    }
}

/// The metric that tells the rung as a process sees it.
pub const RUNG_METRIC: &str = "windrow_degradation_rung";

/// The metric that tells [`overdue_s`] as a process sees it.
pub const OVERDUE_METRIC: &str = "windrow_schedules_overdue_seconds";

/// For how many seconds the schedule that is due first has been.
pub fn overdue_s(first_due: Option<Timestamp>, now: Timestamp) -> f64 {
    first_due.map_or(0, |due| now.ms_since(due).max(0)) as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_that_is_known_decides() {
        let carrying = |stands_in| Carrying { in_use: Carrier::Ledger, why: String::new(), stands_in };
        let cases = [
            (true, Some(0), Some(false), Rung::Normal),
            (true, Some(LEADER_SILENT_MS_MAX), None, Rung::Normal),
            (true, Some(0), Some(true), Rung::LedgerCarrier),
            (true, Some(LEADER_SILENT_MS_MAX + 1), Some(true), Rung::LeaderGone),
            (true, None, None, Rung::LeaderGone),
            (false, Some(0), Some(false), Rung::LedgerGone),
            (false, None, None, Rung::LedgerGone),
        ];
        for (ledger_answers, age_ms, stands_in, rung) in cases {
            assert_eq!(
                Rung::of(ledger_answers, age_ms, stands_in.map(carrying).as_ref()),
                rung,
                "{ledger_answers}, {age_ms:?}, {stands_in:?}"
            );
        }
        assert!(Rung::Normal < Rung::LedgerCarrier && Rung::LeaderGone < Rung::LedgerGone);
        assert_eq!(Rung::LedgerGone.number(), 3.0);
    }
}
