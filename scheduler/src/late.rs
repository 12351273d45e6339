//! What is told of fires: how many of which kind, how late, and which were too late.

use metrics::{counter, histogram};
use windrow_jobs::{
    ledger::Decided,
    schedule::{FireStatus, SkipReason},
};

/// Schedules whose late fires are warned of one by one in a look. After an outage every schedule of an installation has
/// some; of the rest one line tells the number.
const WARNINGS_MAX: usize = 20;

/// Tells of fires that were just decided; warns of those that were late by more than `late_after_ms`.
pub(crate) fn record(fires: &[Decided], late_after_ms: i64) {
    for Decided { fire, waited, .. } in fires {
        counter!("windrow_fires_total", "status" => word(fire.status)).increment(1);
        if fire.status == FireStatus::Fired && !waited {
            histogram!("windrow_fire_lateness_seconds").record(fire.late_ms as f64 / 1_000.0);
        }
    }
    let late: Vec<&Decided> = fires.iter().filter(|fire| is_late(fire, late_after_ms)).collect();
    counter!("windrow_fires_late_total").increment(late.len() as u64);
    warn(&late);
}

/// Whether it was the scheduler that was late: a fire that waited for a job, or was paused, is not.
fn is_late(Decided { fire, waited, .. }: &Decided, late_after_ms: i64) -> bool {
    fire.late_ms > late_after_ms && !waited && fire.reason != Some(SkipReason::Paused)
}

/// One warning for each schedule, whose fires stand together.
fn warn(late: &[&Decided]) {
    let mut schedules = late.chunk_by(|one, next| one.schedule == next.schedule);
    for fires in schedules.by_ref().take(WARNINGS_MAX) {
        let Decided { tenant, name, fire, .. } = fires[0];
        tracing::warn!(
            tenant.id = %tenant,
            schedule = name,
            fire_at = %fire.fire_at,
            late_s = fire.late_ms as f64 / 1_000.0,
            fires = fires.len(),
            "a fire was late"
        );
    }
    let more = schedules.count();
    if more > 0 {
        tracing::warn!(schedules = more, "fires of more schedules were late");
    }
}

fn word(status: FireStatus) -> &'static str {
    match status {
        FireStatus::Fired => "fired",
        FireStatus::CaughtUp => "caught_up",
        FireStatus::Queued => "queued",
        FireStatus::Skipped => "skipped",
        FireStatus::Missed => "missed",
    }
}

#[cfg(test)]
mod tests {
    use windrow_jobs::{
        clock::Timestamp,
        schedule::{Fire, ScheduleId},
        tenant::TenantId,
    };

    use super::*;

    #[test]
    fn only_what_the_scheduler_was_late_with_is_warned_of() {
        let decided = |status, reason, late_ms, waited| Decided {
            schedule: ScheduleId::generate(),
            name: "each-minute".into(),
            tenant: TenantId::default_tenant(),
            fire: Fire {
                fire_at: Timestamp::from_ms(0),
                status,
                manual: false,
                reason,
                message: None,
                job_id: None,
                n: None,
                decided_at: Timestamp::from_ms(late_ms),
                late_ms,
                open: false,
            },
            waited,
        };
        let cases = [
            (FireStatus::Fired, None, 10_000, false, false),
            (FireStatus::Fired, None, 10_001, false, true),
            (FireStatus::Fired, None, 600_000, true, false),
            (FireStatus::CaughtUp, None, 600_000, false, true),
            (FireStatus::Missed, None, 600_000, false, true),
            (FireStatus::Skipped, Some(SkipReason::Overlap), 600_000, false, true),
            (FireStatus::Skipped, Some(SkipReason::Paused), 600_000, false, false),
        ];
        for (status, reason, late_ms, waited, expected) in cases {
            assert_eq!(is_late(&decided(status, reason, late_ms, waited), 10_000), expected, "{status:?} {reason:?} {late_ms} {waited}");
        }
    }
}
