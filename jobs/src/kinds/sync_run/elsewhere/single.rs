//! Writing and deleting records one by one: looked for, made, changed.

use serde_json::Value;

use super::{
    Http,
    asking::{Answered, Said, Wanted},
    carried::{Unsettled, failed, refused, refused_whole},
    results::error_in,
};
use crate::{
    handler::Outcome,
    kinds::sync_run::request::id_of,
    sync::{
        decide::Elsewhere,
        definition::{Call, Find, Several, Single},
        state::{Incoming, Planned, SettledAs},
    },
};

/// The most records that one is found to be, and changed as.
const FOUND_MAX: usize = 100;

/// A record, and what is meant with it.
#[derive(Clone, Copy)]
pub(super) struct Meant<'m> {
    pub record: &'m Incoming,
    pub planned: &'m Planned,
    /// What the record says; nothing where it is to be deleted.
    pub data: &'m Value,
}

impl Http {
    pub(super) async fn write(&self, single: &Single, record: Incoming, planned: Planned) -> Result<SettledAs, Unsettled> {
        let data: Value =
            serde_json::from_str(&record.data).map_err(|error| Unsettled::unfit(format!("what was mapped is no JSON: {error}")))?;
        let meant = Meant { record: &record, planned: &planned, data: &data };
        let known = planned.remote_id.clone();
        // Whoever has an id is known to be there; of all others it is looked first, also as a try before may have arrived. Where all that
        // match are changed, only looking tells which they are.
        let found = match &single.find {
            Some(find) if known.is_none() || find.several == Several::All => self.find(find, meant).await?,
            _ => Vec::new(),
        };
        let is_found = !found.is_empty();
        let ids = if is_found { found } else { known.into_iter().collect() };
        let Some(update) = &single.update else {
            // It is made or changed by its key, in one request.
            let remote_id = self.make(single, &single.create, meant, ids.first().map(String::as_str)).await?;
            return Ok(match planned.fate {
                Elsewhere::Create => SettledAs::Created { remote_id },
                _ => SettledAs::Updated { remote_id },
            });
        };
        if ids.is_empty() && planned.fate == Elsewhere::Create {
            return Ok(SettledAs::Created { remote_id: self.make(single, &single.create, meant, None).await? });
        }
        // One that is known without an id of the provider's is changed by its key.
        let by_key = [None];
        let each: Vec<Option<&str>> = if ids.is_empty() { by_key.to_vec() } else { ids.iter().map(|id| Some(id.as_str())).collect() };
        let mut is_begun = false;
        for id in each {
            let asking = self.asking(update, meant, id, Some(data.clone()))?;
            let wanted = if single.error.is_some() { Wanted::Little } else { Wanted::Nothing };
            let Answered { said, in_doubt } = self.ask(&asking, planned.in_doubt, wanted).await.map_err(|why| why.or(is_begun))?;
            match said {
                Said::Yes { answer, .. } => {
                    self.is_taken(single, &answer, in_doubt || is_begun)?;
                    is_begun = true;
                }
                // What it was remembered as is gone there: it is made anew.
                Said::No { status: 404 | 410, .. } if !is_found => {
                    return Ok(SettledAs::Created { remote_id: self.make(single, &single.create, meant, None).await? });
                }
                Said::No { message, .. } => return Err(refused(message, in_doubt || is_begun)),
            }
        }
        Ok(SettledAs::Updated { remote_id: ids.into_iter().next() })
    }

    /// Makes it; returns what the provider calls it, if it is to say so. One that does not, though it took the record, is not believed.
    async fn make(&self, single: &Single, call: &Call, meant: Meant<'_>, known: Option<&str>) -> Result<Option<String>, Unsettled> {
        let asking = self.asking(call, meant, known, Some(meant.data.clone()))?;
        let wanted = if single.id.is_some() || single.error.is_some() { Wanted::Little } else { Wanted::Nothing };
        let Answered { said, in_doubt } = self.ask(&asking, meant.planned.in_doubt, wanted).await?;
        let answer = match said {
            Said::Yes { answer, .. } => answer,
            Said::No { status, message } => return Err(refused_whole(status, message, in_doubt)),
        };
        self.is_taken(single, &answer, in_doubt)?;
        let Some(pointer) = &single.id else { return Ok(known.map(str::to_owned)) };
        let id = match &answer {
            Ok(answer) => id_of(answer.pointer(pointer)).map_err(Unsettled::id_invalid)?,
            Err(_) => None,
        };
        match id.or_else(|| known.map(str::to_owned)) {
            Some(id) => Ok(Some(id)),
            None => {
                let why = answer.err().unwrap_or_else(|| format!("it says nothing at {pointer:?}"));
                Err(Unsettled::unbelieved(format!("the record was taken, but the answer does not say what it is called: {why}")))
            }
        }
    }

    /// Refuses what an answer of success calls an error.
    fn is_taken(&self, single: &Single, answer: &Result<Value, String>, in_doubt: bool) -> Result<(), Unsettled> {
        match answer.as_ref().ok().and_then(|answer| error_in(answer, single.error.as_deref())) {
            Some(error) => Err(refused(self.caller.hidden().text(&error), in_doubt)),
            None => Ok(()),
        }
    }

    /// What the provider calls those of its records that this one is.
    async fn find(&self, find: &Find, meant: Meant<'_>) -> Result<Vec<String>, Unsettled> {
        let asking = self.looking(&find.call, meant)?;
        let answered = self.ask(&asking, false, Wanted::Little).await.map_err(Unsettled::in_no_doubt)?;
        let (status, answer) = match answered.said {
            Said::Yes { status, answer } => (status, answer.map_err(failed)?),
            Said::No { status: 404 | 410, .. } => return Ok(Vec::new()),
            Said::No { message, .. } => return Err(refused(message, false)),
        };
        let matches = match answer.pointer(&find.records) {
            Some(Value::Array(matches)) => &matches[..],
            // Nothing at all is no list, unless it says that there is no content.
            Some(Value::Null) if status == 204 || !find.records.is_empty() => &[],
            // What is not there is not nothing: an error that came with a good status has no list either.
            None | Some(Value::Null) => return Err(failed(format!("the answer has no matches at {:?}", find.records)).into()),
            Some(one) => std::slice::from_ref(one),
        };
        let mut ids = Vec::new();
        for found in matches.iter().take(FOUND_MAX) {
            let id = id_of(found.pointer(&find.id)).map_err(|why| Unsettled::id_invalid(why).in_no_doubt())?;
            ids.push(id.ok_or_else(|| failed(format!("what was found has no id at {:?}", find.id)))?);
        }
        match find.several {
            Several::Fail if ids.len() > 1 => {
                let message = format!("the provider has {} records like it: {}", matches.len(), ids.join(", "));
                Err(Unsettled::Refused { code: "several_match", message: self.caller.hidden().text(&message), in_doubt: false })
            }
            Several::All if matches.len() > FOUND_MAX => {
                let message =
                    format!("the provider has {} records like it, more than the {FOUND_MAX} that are changed as one", matches.len());
                Err(Unsettled::Refused { code: "several_match", message, in_doubt: false })
            }
            Several::First => Ok(ids.into_iter().take(1).collect()),
            _ => Ok(ids),
        }
    }

    pub(super) async fn delete(&self, record: Incoming, planned: Planned) -> Result<SettledAs, Unsettled> {
        let Some(call) = &self.http.delete else {
            return Err(Outcome::bury("destination_unknown", "the destination says no way to delete").into());
        };
        let meant = Meant { record: &record, planned: &planned, data: &Value::Null };
        let asking = self.asking(call, meant, planned.remote_id.as_deref(), None)?;
        let Answered { said, in_doubt } = self.ask(&asking, planned.in_doubt, Wanted::Nothing).await?;
        match said {
            Said::Yes { .. } | Said::No { status: 404 | 410, .. } => Ok(SettledAs::Deleted { forget: self.forget }),
            Said::No { message, .. } => Err(refused(message, in_doubt)),
        }
    }
}
