//! A message that is part of a broadcast is not sent once that was cancelled.

use crate::job::JobId;
#[cfg(feature = "handlers")]
use crate::{
    contract::Contract,
    effect::Standing,
    handler::{Context, Failure, Handler, Outcome},
    job::State,
    ledger,
};

/// A payload that says which broadcast it is part of.
pub trait Part {
    /// The broadcast.
    fn part_of(&self) -> Option<JobId>;
}

/// A handler that first looks whether the broadcast was cancelled.
#[cfg(feature = "handlers")]
pub struct UnlessCancelled<H>(pub H);

#[cfg(feature = "handlers")]
impl<H> UnlessCancelled<H> {
    /// Whether an attempt before sent it, as is then to be told.
    async fn is_sent(&self, context: &Context) -> ledger::Result<bool> {
        if context.attempt == 1 {
            return Ok(false);
        }
        let effects = context.effects.effects(&context.tenant, context.job).await?;
        Ok(effects.iter().any(|effect| effect.facts.standing == Standing::Confirmed))
    }
}

#[cfg(feature = "handlers")]
impl<H: Handler> Handler for UnlessCancelled<H>
where
    H::Payload: Part,
{
    type Payload = H::Payload;

    fn contract(&self) -> Contract {
        self.0.contract()
    }

    async fn run(&self, context: Context, payload: Self::Payload) -> Result<Outcome, Failure> {
        if let Some(broadcast) = payload.part_of() {
            let found = context.ledger.children(&context.tenant, &[broadcast]).await?;
            // One that is gone was cancelled long ago: it outlives its messages otherwise.
            let is_over = found.first().is_none_or(|broadcast| broadcast.state == State::Cancelled);
            if is_over && !self.is_sent(&context).await? {
                return Ok(Outcome::Cancel);
            }
        }
        self.0.run(context, payload).await
    }
}
