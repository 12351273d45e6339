//! What is wrong with where records go.

use super::{at, exactly_one, optional_pointer, path, pointer, query};
use crate::{
    contract::Violation,
    sync::{
        Definition,
        definition::{
            Bulk, Call, CallMethod, Delete, HttpDestination, Incremental, ObjectDestination, ObjectFormat, RecordsDestination, Several,
            Single, Texts,
        },
        pointer::to_place,
        template::{self, Piece},
    },
};

pub(super) fn check(definition: &Definition) -> Result<(), Violation> {
    if let Some(records) = &definition.destination.records {
        collection(definition, records)?;
    }
    if let Some(http) = &definition.destination.http {
        provider(definition, http, "/destination/http")?;
    }
    if let Some(object) = &definition.destination.object {
        file(definition, object)?;
    }
    Ok(())
}

fn collection(definition: &Definition, records: &RecordsDestination) -> Result<(), Violation> {
    let places: Vec<_> = definition.mapping.iter().map(|field| to_place(&field.to)).collect();
    for (index, field) in records.lookup.iter().enumerate() {
        let place = format!("/destination/records/lookup/{index}");
        if field.is_empty() {
            return Err(at(place, "names no field"));
        }
        if field.starts_with('/') {
            pointer(field, &place)?;
        }
        let names = to_place(field);
        if records.lookup[..index].iter().any(|other| to_place(other) == names) {
            return Err(at(place, "is a look-up field already"));
        }
        if !places.is_empty() && !places.iter().any(|place| names.starts_with(place)) {
            return Err(at(place, format!("the mapping makes no field {field:?}")));
        }
    }
    Ok(())
}

fn file(definition: &Definition, object: &ObjectDestination) -> Result<(), Violation> {
    if definition.delete() != Delete::Hard {
        return Err(at("/delete", "a file has what the source has: `hard`"));
    }
    if object.format == ObjectFormat::Csv && definition.mapping.is_empty() {
        return Err(at("/destination/object/format", "the columns of a CSV file are the mapping's fields, and there are none"));
    }
    let incremental = definition.source.http.as_ref().and_then(|http| http.list.incremental.as_ref());
    match incremental {
        None | Some(Incremental::Validators {}) => Ok(()),
        Some(_) => Err(at("/source/http/list/incremental", "a file is written whole, so all is read: only `validators` go with it")),
    }
}

fn provider(definition: &Definition, http: &HttpDestination, place: &str) -> Result<(), Violation> {
    exactly_one(place, &[("bulk", http.bulk.is_some()), ("single", http.single.is_some())])?;
    let tells_id = http.single.as_ref().is_some_and(|single| single.id.is_some() || single.find.is_some())
        || http.bulk.as_ref().is_some_and(|bulk| bulk.id.is_some());
    let by_id: &[&str] = if tells_id { &["key", "id"] } else { &["key"] };
    if let Some(bulk) = &http.bulk {
        many(bulk, &format!("{place}/bulk"))?;
    }
    if let Some(single) = &http.single {
        one(single, by_id, &format!("{place}/single"))?;
    }
    let deletes = definition.delete() != Delete::Keep;
    match &http.delete {
        Some(_) if !deletes => Err(at(format!("{place}/delete"), "is never called, as `delete` is `keep`: say `hard` or `soft`")),
        Some(call) => {
            if call.method == CallMethod::Get {
                return Err(at(format!("{place}/delete/method"), "a GET deletes nothing"));
            }
            let several = http.single.as_ref().and_then(|single| single.find.as_ref()).map(|find| find.several);
            if several == Some(Several::All) && is_by_id(call) {
                let message = "where `several` is `all` only the first would be deleted: who is deleted can be found no more";
                return Err(at(format!("{place}/delete"), message));
            }
            request(call, by_id, &format!("{place}/delete"))
        }
        None if deletes => Err(at("/delete", format!("needs the call that does it, {place}/delete"))),
        None => Ok(()),
    }
}

fn many(bulk: &Bulk, place: &str) -> Result<(), Violation> {
    writing(&bulk.call, &[], &format!("{place}/call"))?;
    optional_pointer(bulk.results.as_ref(), format!("{place}/results"))?;
    for (name, text) in [("error", &bulk.error), ("id", &bulk.id)] {
        optional_pointer(text.as_ref(), format!("{place}/{name}"))?;
        if text.is_some() && bulk.results.is_none() {
            return Err(at(format!("{place}/{name}"), "is looked for in each of the `results`, which are not said"));
        }
    }
    let Some(known_by) = &bulk.known_by else { return Ok(()) };
    pointer(&known_by.within, &format!("{place}/known_by/within"))?;
    match (&bulk.error, &bulk.id) {
        (Some(_), _) => {
            Err(at(format!("{place}/error"), "may be of any record: with `known_by`, one of the `results` need not tell whose it is"))
        }
        (None, None) => Err(at(format!("{place}/known_by"), "is only asked for an `id`, which is not said")),
        (None, Some(_)) => Ok(()),
    }
}

fn one(single: &Single, by_id: &[&str], place: &str) -> Result<(), Violation> {
    // Before it is made nobody calls it anything, unless it was found.
    writing(&single.create, &["key"], &format!("{place}/create"))?;
    if let Some(update) = &single.update {
        writing(update, by_id, &format!("{place}/update"))?;
    }
    if let Some(find) = &single.find {
        let found = format!("{place}/find");
        if !matches!(find.call.method, CallMethod::Get | CallMethod::Post) {
            return Err(at(format!("{found}/call/method"), "looking is a GET or a POST"));
        }
        request(&find.call, &["key", "/"], &format!("{found}/call"))?;
        pointer(&find.records, &format!("{found}/records"))?;
        pointer(&find.id, &format!("{found}/id"))?;
        if single.update.is_none() {
            return Err(at(found, "what was found is changed by `update`, which is not said"));
        }
    }
    optional_pointer(single.error.as_ref(), format!("{place}/error"))?;
    optional_pointer(single.id.as_ref(), format!("{place}/id"))
}

/// Whether a call goes by what the provider calls the record.
fn is_by_id(call: &Call) -> bool {
    let values = call.query.values().flat_map(|texts| match texts {
        Texts::One(text) => std::slice::from_ref(text),
        Texts::Many(texts) => texts,
    });
    values.chain([&call.path]).any(|text| template::pieces(text).any(|piece| piece == Piece::Id))
}

fn writing(call: &Call, known: &[&str], place: &str) -> Result<(), Violation> {
    if matches!(call.method, CallMethod::Get | CallMethod::Delete) {
        return Err(at(format!("{place}/method"), "writes no record: POST, PUT or PATCH"));
    }
    request(call, known, place)
}

fn request(call: &Call, known: &[&str], place: &str) -> Result<(), Violation> {
    path(&call.path, known, &format!("{place}/path"))?;
    query(&call.query, known, &format!("{place}/query"))?;
    if call.body.is_some() && call.method == CallMethod::Get {
        return Err(at(format!("{place}/body"), "a GET has no body"));
    }
    if let Some(record) = &call.record {
        let place = format!("{place}/record");
        pointer(record, &place)?;
        if record.is_empty() {
            return Err(at(place, "without it the body is the record itself"));
        }
    }
    Ok(())
}
