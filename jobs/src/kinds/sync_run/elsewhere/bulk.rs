//! Writing many records at once. What is refused together is sent again by halves.

use serde_json::Value;

use super::{
    Carried, Http,
    asking::{Answered, put},
    carried::{Unsettled, failed, refused, refused_whole},
    results::{Mark, mark, of_each},
};
use crate::{
    kinds::sync_run::request::{self, About, text_of},
    sync::{
        decide::Elsewhere,
        definition::Bulk,
        state::{Incoming, Planned, SettledAs},
    },
};

impl Http {
    pub(super) async fn write_many(&self, bulk: &Bulk, plan: Vec<(Incoming, Planned)>, carried: &mut Carried) {
        let mut groups: Vec<_> = Some(plan).filter(|plan| !plan.is_empty()).into_iter().collect();
        while let Some(mut group) = groups.pop() {
            match self.write_group(bulk, &group).await {
                Ok(came) => {
                    for ((record, _), came) in group.iter().zip(came) {
                        carried.came(&record.key, came);
                    }
                }
                // Which of them it is is found by halves.
                Err(Unsettled::Refused { .. }) if group.len() > 1 => {
                    let half = group.split_off(group.len() / 2);
                    groups.extend([half, group]);
                }
                Err(Unsettled::Stopped { outcome, in_doubt }) => {
                    for (record, _) in &group {
                        carried.came(&record.key, Err(Unsettled::Stopped { outcome: outcome.clone(), in_doubt }));
                    }
                }
                Err(unsettled) => carried.came(&group[0].0.key, Err(unsettled)),
            }
            if carried.stopped.is_some() {
                return;
            }
        }
    }

    async fn write_group(&self, bulk: &Bulk, group: &[(Incoming, Planned)]) -> Result<Vec<Result<SettledAs, Unsettled>>, Unsettled> {
        let records = group.iter().map(|(record, _)| serde_json::from_str(&record.data));
        let records: Vec<Value> =
            records.collect::<Result<_, _>>().map_err(|error| refused(format!("what was mapped is no JSON: {error}")))?;
        let marks: Vec<Mark> = records.iter().map(|record| bulk.known_by.as_ref().and_then(|by| mark(by, record))).collect();
        let mut asking = self.call(&bulk.call, &About::default(), Some(Value::Array(records)))?;
        let key = request::idempotency_key(self.sync, "write", group.iter().map(|(record, _)| record));
        put(&mut asking, "idempotency-key", &key)?;
        let answer = match self.ask(&asking).await? {
            Answered::Taken(answer) => answer,
            Answered::Refused { status, message } => return Err(refused_whole(status, message)),
        };
        let none = Vec::new();
        let results = match &bulk.results {
            None => &none,
            Some(pointer) => match answer.pointer(pointer) {
                Some(Value::Array(results)) if results.len() == group.len() => results,
                _ => {
                    let message = format!("the answer has no list at {pointer:?} of results, one for each of {} records", group.len());
                    return Err(Unsettled::Stopped { outcome: failed(message), in_doubt: true });
                }
            },
        };
        let came = group.iter().zip(of_each(bulk.known_by.as_ref(), &marks, results)).map(|((_, planned), result)| {
            let error = result.zip(bulk.error.as_ref()).and_then(|(result, pointer)| result.pointer(pointer)).filter(|error| says(error));
            if let Some(error) = error {
                let told = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
                return Err(refused(self.caller.hidden().text(&told)));
            }
            let id = result.zip(bulk.id.as_ref()).and_then(|(result, pointer)| text_of(result.pointer(pointer)));
            let remote_id = id.or_else(|| planned.remote_id.clone());
            Ok(if planned.fate == Elsewhere::Create { SettledAs::Created { remote_id } } else { SettledAs::Updated { remote_id } })
        });
        Ok(came.collect())
    }
}

/// Whether a value says that there is an error.
fn says(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}
