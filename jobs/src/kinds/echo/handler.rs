//! The code of `echo`.

use std::time::{Duration, SystemTime};

use super::{Payload, Reply, contract};
use crate::{
    contract::Contract,
    handler::{Context, Failure, Handler, Outcome},
};

/// While it sleeps it reports progress this many times.
const PROGRESS_STEPS: u32 = 20;

/// The handler.
pub struct Echo;

impl Handler for Echo {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        // First of all, since it is what a bench measures.
        let started_at_us = payload.tell_start.then(now_us);
        for number in 1..=payload.log_lines {
            context.info(format!("line {number}"));
        }
        if payload.abort {
            std::process::abort();
        }
        assert!(!payload.panic, "asked to panic");
        if payload.busy_ms > 0 {
            std::thread::sleep(Duration::from_millis(payload.busy_ms.into()));
        }
        if payload.sleep_ms > 0 && sleep(&context, payload.sleep_ms).await.is_cancelled() {
            return Ok(Outcome::Cancel);
        }
        if context.attempt <= payload.fail_times {
            return Ok(Outcome::retry("asked_to_fail", format!("failure {} of {}", context.attempt, payload.fail_times)));
        }
        let mut message = payload.message;
        let padding = (payload.result_bytes as usize).saturating_sub(message.len());
        message.extend(std::iter::repeat_n('.', padding));
        Ok(Outcome::done(&Reply { message, started_at_us }))
    }
}

fn now_us() -> u64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}

/// Whether a sleep went through.
enum Slept {
    Through,
    Cancelled,
}

impl Slept {
    const fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled)
    }
}

async fn sleep(context: &Context, sleep_ms: u32) -> Slept {
    let step = Duration::from_millis(sleep_ms.into()) / PROGRESS_STEPS;
    for number in 1..=PROGRESS_STEPS {
        tokio::select! {
            () = context.cancel.cancelled() => return Slept::Cancelled,
            () = tokio::time::sleep(step) => {}
        }
        let percent = number * 100 / PROGRESS_STEPS;
        context.progress(u8::try_from(percent).unwrap_or(100), "sleeping");
    }
    Slept::Through
}
