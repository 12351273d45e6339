//! A message that is part of a broadcast is not sent once that was cancelled.

use crate::job::JobId;
#[cfg(feature = "handlers")]
use crate::{
    contract::Contract,
    handler::{Context, Failure, Handler, Outcome},
    job::State,
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
            if found.first().is_some_and(|broadcast| broadcast.state == State::Cancelled) {
                return Ok(Outcome::Cancel);
            }
        }
        self.0.run(context, payload).await
    }
}
