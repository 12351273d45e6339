//! A clock for leases that goes on while the machine sleeps.

use rustix::time::{ClockId, clock_gettime};

/// Milliseconds since the machine started, time asleep included (`CLOCK_BOOTTIME`, clock_gettime(2)): a
/// laptop lid or a paused virtual machine must not make a worker believe in a lease that ran out meanwhile.
pub fn boottime_ms() -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec * 1_000 + now.tv_nsec / 1_000_000
}
