//! The code of `sync.preview`: a page, mapped, and of that as much as fits a result.

use serde_json::value::RawValue;

use super::{Fault, Payload, Preview, SHOWN_BYTES_MAX, SHOWN_MAX, Shown, contract};
use crate::{
    contract::Contract,
    handler::{Context, Failure, Handler, Outcome},
    kinds::Services,
    sync::{
        Definition, check,
        mapping::{Mapping, Unmade, Unmapped},
        reader::{Page, Reader, Stopped},
        state::Incoming,
    },
};

/// The handler.
pub struct PreviewSync(Services);

impl PreviewSync {
    /// One that uses these.
    pub const fn new(services: Services) -> Self {
        Self(services)
    }
}

impl Handler for PreviewSync {
    type Payload = Payload;

    fn contract(&self) -> Contract {
        contract()
    }

    async fn run(&self, context: Context, payload: Payload) -> Result<Outcome, Failure> {
        let definition = match definition(&context, payload).await? {
            Ok(definition) => definition,
            Err(outcome) => return Ok(outcome),
        };
        let page = match first_page(&self.0, &context, &definition).await {
            Ok(page) => page,
            Err(outcome) => return Ok(outcome),
        };
        let (of, total, next) = (page.records.len(), page.total, page.next.is_some());
        let mapped = match Mapping::new(&definition).map(&self.0.renderers, page.records).await {
            Ok(mapped) => mapped,
            Err(error @ Unmade::Costly(_)) => return Ok(Outcome::bury("mapping_too_costly", error.to_string())),
            Err(error @ Unmade::Unavailable(_)) => return Ok(Outcome::retry("renderer_unavailable", error.to_string())),
        };
        let failed = mapped.iter().filter(|one| one.is_err()).count();
        let records = shown(mapped)?;
        Ok(Outcome::done(&Preview { shown: records.len(), records, of, failed, total, next }))
    }
}

/// What is previewed.
async fn definition(context: &Context, payload: Payload) -> Result<Result<Definition, Outcome>, Failure> {
    match (payload.sync, payload.definition) {
        (_, Some(definition)) => Ok(check::read(definition.into())
            .map_err(|wrong| Outcome::bury("definition_invalid", format!("{}: {}", wrong.pointer, wrong.message)))),
        (name, None) => {
            let name = name.unwrap_or_default();
            let sync = context.ledger.sync(&context.tenant, &name).await?;
            Ok(sync.map(|sync| sync.definition).ok_or_else(|| Outcome::bury("sync_unknown", format!("the tenant has no sync {name:?}"))))
        }
    }
}

/// The first page of all there is.
async fn first_page(services: &Services, context: &Context, definition: &Definition) -> Result<Page, Outcome> {
    let records = context.ledger.clone();
    let mut reader = Reader::open(services, context, records, &definition.source, &definition.limits, None).await?;
    reader.page(None).await.map_err(|stopped| match stopped {
        Stopped::Wait { after, why } => Outcome::retry("source_busy", format!("{why}: for {} s", after.as_secs())),
        Stopped::Failed(outcome) => outcome,
        Stopped::Expired => Outcome::retry("source_busy", "the source took no request for all there is"),
        Stopped::Cancelled => Outcome::Cancel,
    })
}

/// As many of the first as fit.
fn shown(mapped: Vec<Result<Incoming, Unmapped>>) -> Result<Vec<Shown>, Failure> {
    let (mut records, mut bytes) = (Vec::new(), 0);
    for (index, one) in mapped.into_iter().enumerate().take(SHOWN_MAX) {
        let shown = match one {
            Ok(Incoming { key, data, updated_at, is_deleted, .. }) => {
                bytes += data.len();
                let record = Some(RawValue::from_string(data)?);
                Shown { index, key: Some(key), record, updated_at, deleted: is_deleted, error: None }
            }
            Err(Unmapped { key, code, message, pointer, .. }) => {
                bytes += message.len();
                let error = Some(Fault { code: code.to_owned(), message, pointer });
                Shown { index, key, record: None, updated_at: None, deleted: false, error }
            }
        };
        if bytes > SHOWN_BYTES_MAX && index > 0 {
            break;
        }
        records.push(shown);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_shown_as_fit_and_the_first_always() {
        let of = |bytes: usize| {
            let data = format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
            Ok(Incoming { key: "k".into(), data, hash: [0; 32], updated_at: None, is_deleted: false })
        };
        let count = |mapped| shown(mapped).expect("they are shown").len();
        assert_eq!(count(vec![of(SHOWN_BYTES_MAX + 1), of(10)]), 1);
        assert_eq!(count(vec![of(SHOWN_BYTES_MAX / 2), of(SHOWN_BYTES_MAX / 2), of(10)]), 2);
        assert_eq!(count((0..30).map(|_| of(10)).collect()), SHOWN_MAX);
        assert_eq!(count(Vec::new()), 0);
    }
}
