//! The code of `embedding.delete`: one call of the store.

use super::{Payload, Report, contract};
use crate::{
    contract::Contract,
    embedding::fill::away,
    handler::{Context, Failure, Handler, Outcome},
    kinds::Services,
    search::store::Which,
};

/// The handler.
pub struct Delete {
    services: Services,
}

impl Delete {
    /// With what it needs.
    pub const fn new(services: Services) -> Self {
        Self { services }
    }
}

impl Handler for Delete {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        let Payload { index, document_ids, all } = payload;
        let which = if all { Which::All } else { Which::Ids(document_ids) };
        Ok(match self.services.search.delete_documents(&context.tenant, &index, &which, context.job).await {
            Ok(deleted) => Outcome::done(&Report { index, deleted }),
            Err(error) => away(&error),
        })
    }
}
