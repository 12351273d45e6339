//! Writing and deleting records one by one: looked for, made, changed.

use serde_json::Value;

use super::{
    Http,
    asking::Answered,
    carried::{Unsettled, failed, refused, refused_whole},
};
use crate::{
    handler::Outcome,
    kinds::sync_run::request::text_of,
    sync::{
        decide::Elsewhere,
        definition::{Call, Find, Several, Single},
        state::{Incoming, Planned, SettledAs},
    },
};

/// The most records that one is found to be.
const FOUND_MAX: usize = 100;

impl Http {
    pub(super) async fn write(&self, single: &Single, record: Incoming, planned: Planned) -> Result<SettledAs, Unsettled> {
        let data: Value = serde_json::from_str(&record.data)
            .map_err(|error| Unsettled::Refused { code: "record_unfit", message: format!("what was mapped is no JSON: {error}") })?;
        let mut ids: Vec<String> = planned.remote_id.clone().into_iter().collect();
        // Whoever has an id is known to be there; of all others it is looked first, also as a try before may have arrived.
        if let (Some(find), true) = (&single.find, ids.is_empty()) {
            ids = self.find(find, &record, &data).await?;
        }
        let Some(update) = &single.update else {
            // It is made or changed by its key, in one request.
            let id = self.make(single, &single.create, &record, &data, ids.first().map(String::as_str)).await?.or(ids.pop());
            return Ok(if planned.fate == Elsewhere::Create {
                SettledAs::Created { remote_id: id }
            } else {
                SettledAs::Updated { remote_id: id }
            });
        };
        if ids.is_empty() && planned.fate == Elsewhere::Create {
            let remote_id = self.make(single, &single.create, &record, &data, None).await?;
            return Ok(SettledAs::Created { remote_id });
        }
        // One that is known without an id of the provider's is changed by its key.
        let by_key = [None];
        let each: Vec<Option<&str>> = if ids.is_empty() { by_key.to_vec() } else { ids.iter().map(|id| Some(id.as_str())).collect() };
        for id in each {
            let asking = self.asking(update, &record, &data, id, Some(data.clone()), "write")?;
            match self.ask(&asking).await? {
                Answered::Taken(_) => {}
                // It is gone there: it is made anew.
                Answered::Refused { status: 404 | 410, .. } if planned.fate != Elsewhere::Create => {
                    let remote_id = self.make(single, &single.create, &record, &data, None).await?;
                    return Ok(SettledAs::Created { remote_id });
                }
                Answered::Refused { message, .. } => return Err(refused(message)),
            }
        }
        Ok(SettledAs::Updated { remote_id: ids.into_iter().next() })
    }

    /// Makes it; returns what the provider calls it, if it says so.
    async fn make(
        &self,
        single: &Single,
        call: &Call,
        record: &Incoming,
        data: &Value,
        id: Option<&str>,
    ) -> Result<Option<String>, Unsettled> {
        let asking = self.asking(call, record, data, id, Some(data.clone()), "write")?;
        match self.ask(&asking).await? {
            Answered::Taken(answer) => Ok(single.id.as_ref().and_then(|pointer| text_of(answer.pointer(pointer)))),
            Answered::Refused { status, message } => Err(refused_whole(status, message)),
        }
    }

    /// What the provider calls those of its records that this one is.
    async fn find(&self, find: &Find, record: &Incoming, data: &Value) -> Result<Vec<String>, Unsettled> {
        let asking = self.asking(&find.call, record, data, None, None, "find")?;
        let answer = match self.ask(&asking).await? {
            Answered::Taken(answer) => answer,
            Answered::Refused { status: 404 | 410, .. } => return Ok(Vec::new()),
            Answered::Refused { message, .. } => return Err(refused(message)),
        };
        let matches = match answer.pointer(&find.records) {
            None | Some(Value::Null) => &[],
            Some(Value::Array(matches)) => &matches[..],
            Some(one) => std::slice::from_ref(one),
        };
        let mut ids = Vec::new();
        for found in matches.iter().take(FOUND_MAX) {
            let id = text_of(found.pointer(&find.id));
            ids.push(id.ok_or_else(|| failed(format!("what was found has no id at {:?}", find.id)))?);
        }
        match find.several {
            Several::Fail if ids.len() > 1 => Err(Unsettled::Refused {
                code: "several_match",
                message: format!("the provider has {} records like it: {}", matches.len(), ids.join(", ")),
            }),
            Several::First => Ok(ids.into_iter().take(1).collect()),
            _ => Ok(ids),
        }
    }

    pub(super) async fn delete(&self, record: Incoming, planned: Planned) -> Result<SettledAs, Unsettled> {
        let Some(call) = &self.http.delete else {
            return Err(Outcome::bury("destination_unknown", "the destination says no way to delete").into());
        };
        let asking = self.asking(call, &record, &Value::Null, planned.remote_id.as_deref(), None, "delete")?;
        match self.ask(&asking).await? {
            Answered::Taken(_) | Answered::Refused { status: 404 | 410, .. } => Ok(SettledAs::Deleted { forget: self.forget }),
            Answered::Refused { message, .. } => Err(refused(message)),
        }
    }
}
