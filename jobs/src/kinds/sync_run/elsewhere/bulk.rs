//! Writing many records at once. What is refused together is sent again by halves.

use serde_json::Value;

use super::{
    Carried, Http,
    asking::{Answered, Said, Wanted, put},
    carried::{Unsettled, failed, refused, refused_whole},
    results::{Mark, error_in, mark, of_each},
};
use crate::{
    kinds::sync_run::request::{self, About, id_of},
    sync::{
        decide::Elsewhere,
        definition::Bulk,
        state::{Incoming, Planned, SettledAs},
    },
};

impl Http {
    pub(super) async fn write_many(&self, bulk: &Bulk, plan: Vec<(Incoming, Planned)>, carried: &mut Carried) {
        let mut groups: Vec<_> = Some((plan, false)).filter(|(plan, _)| !plan.is_empty()).into_iter().collect();
        while let Some((mut group, before)) = groups.pop() {
            match self.write_group(bulk, &group).await.map_err(|why| why.or(before)) {
                Ok(came) => {
                    for ((record, _), came) in group.iter().zip(came) {
                        carried.came(&record.key, came.map_err(|why| why.or(before)));
                    }
                }
                // Which of them it is is found by halves. What may have arrived with the whole stays in doubt.
                Err(Unsettled::Refused { in_doubt, .. }) if group.len() > 1 => {
                    let half = group.split_off(group.len() / 2);
                    groups.extend([(half, in_doubt), (group, in_doubt)]);
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
            records.collect::<Result<_, _>>().map_err(|error| Unsettled::unfit(format!("what was mapped is no JSON: {error}")))?;
        let marks: Vec<Mark> = records.iter().map(|record| bulk.known_by.as_ref().and_then(|by| mark(by, record))).collect();
        let mut asking = self.call(&bulk.call, &About::default(), Some(Value::Array(records)))?;
        let meant = group.iter().map(|(record, planned)| (record, planned.meant_at));
        let key = request::idempotency_key(self.sync, &asking.method, &asking.url, meant);
        put(&mut asking, "idempotency-key", &key)?;
        let before = group.iter().any(|(_, planned)| planned.in_doubt);
        let wanted = if bulk.results.is_some() { Wanted::Much } else { Wanted::Nothing };
        let Answered { said, in_doubt } = self.ask(&asking, before, wanted).await?;
        let answer = match said {
            Said::Yes { answer, .. } => answer,
            Said::No { status, message } => return Err(refused_whole(status, message, in_doubt)),
        };
        let none = Vec::new();
        let results = match &bulk.results {
            None => &none,
            Some(pointer) => match answer.as_ref().ok().and_then(|answer| answer.pointer(pointer)) {
                Some(Value::Array(results)) if results.len() == group.len() => results,
                _ => {
                    let message = format!("the answer has no list at {pointer:?} of results, one for each of {} records", group.len());
                    return Err(Unsettled::Stopped { outcome: failed(message), in_doubt: true });
                }
            },
        };
        let came = group.iter().zip(of_each(bulk.known_by.as_ref(), &marks, results)).map(|((_, planned), result)| {
            if let Some(error) = result.and_then(|result| error_in(result, bulk.error.as_deref())) {
                return Err(refused(self.caller.hidden().text(&error), in_doubt));
            }
            let id = result.zip(bulk.id.as_ref()).map_or(Ok(None), |(result, pointer)| id_of(result.pointer(pointer)));
            let id = id.map_err(Unsettled::id_invalid)?;
            let remote_id = id.or_else(|| planned.remote_id.clone());
            Ok(if planned.fate == Elsewhere::Create { SettledAs::Created { remote_id } } else { SettledAs::Updated { remote_id } })
        });
        Ok(came.collect())
    }
}
