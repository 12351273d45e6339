//! What is wrong with how records are listed.

use serde_json::{Map, Value};

use super::{VALUE_BYTES_MAX, at, optional_pointer, parameter_name, path, pointer, query};
use crate::{
    contract::Violation,
    sync::definition::{Format, HttpSource, Incremental, List, ListMethod, OneOrMany, Pagination, Place, Size, Verify},
};

pub(super) fn check(http: &HttpSource, place: &str) -> Result<(), Violation> {
    let listed = format!("{place}/list");
    list(&http.list, &listed)?;
    pointer(&http.records, &format!("{place}/records"))?;
    if !http.records.is_empty() && is_rows(http.list.format) {
        return Err(at(format!("{place}/records"), "each line of this format is a record: there is nothing to point into"));
    }
    match &http.key {
        OneOrMany::One(one) => pointer(one, &format!("{place}/key"))?,
        OneOrMany::Many(many) => {
            for (index, one) in many.iter().enumerate() {
                let place = format!("{place}/key/{index}");
                pointer(one, &place)?;
                if many[..index].contains(one) {
                    return Err(at(place, "is a part of the key already"));
                }
            }
        }
    }
    optional_pointer(http.updated_at.as_ref(), format!("{place}/updated_at"))?;
    if let Some(deleted) = &http.deleted {
        pointer(&deleted.pointer, &format!("{place}/deleted/pointer"))?;
    }
    if matches!(http.list.incremental, Some(Incremental::UpdatedSince { .. })) && http.updated_at.is_none() {
        return Err(at(format!("{listed}/incremental"), "asking for what changed needs /source/http/updated_at, which says when it did"));
    }
    Ok(())
}

/// Whether a page has only its rows, and nothing around them.
const fn is_rows(format: Format) -> bool {
    matches!(format, Format::Csv | Format::JsonLines)
}

fn list(list: &List, place: &str) -> Result<(), Violation> {
    path(&list.path, &[], &format!("{place}/path"))?;
    query(&list.query, &[], &format!("{place}/query"))?;
    if list.body.is_some() && list.method != ListMethod::Post {
        return Err(at(format!("{place}/body"), "only a POST has a body"));
    }
    if let Some(error) = &list.error {
        within_page(list, &error.pointer, &format!("{place}/error/pointer"))?;
        optional_pointer(error.message.as_ref(), format!("{place}/error/message"))?;
    }
    if let Some(pages) = &list.pagination {
        pagination(list, pages, &format!("{place}/pagination"))?;
    }
    if let Some(changes) = &list.incremental {
        incremental(list, changes, &format!("{place}/incremental"))?;
    }
    Ok(())
}

/// A pointer into a page, beside its records.
fn within_page(list: &List, text: &str, place: &str) -> Result<(), Violation> {
    pointer(text, place)?;
    if is_rows(list.format) {
        return Err(at(place, "a page of this format has nothing beside its rows"));
    }
    Ok(())
}

fn pagination(list: &List, pages: &Pagination, place: &str) -> Result<(), Violation> {
    let inner = |name: &str| format!("{place}/{name}");
    match pages {
        Pagination::Page { parameter: name, size, place: goes, total, verify, .. } => {
            parameters(list, name, size.as_ref(), *goes, place)?;
            total.as_ref().map_or(Ok(()), |total| within_page(list, total, &inner("total")))?;
            if *verify == Some(Verify::Overlap) {
                return Err(at(inner("verify"), "pages by number cannot begin at the last record of the one before: `offset` can"));
            }
        }
        Pagination::Offset { parameter: name, size, place: goes, total, verify } => {
            parameters(list, name, Some(size), *goes, place)?;
            total.as_ref().map_or(Ok(()), |total| within_page(list, total, &inner("total")))?;
            if size.records < 2 && verify.is_none_or(|verify| verify == Verify::Overlap) {
                return Err(at(inner("size/records"), "a page of one record has no room for the last of the one before: 2 or more"));
            }
        }
        Pagination::Cursor { parameter: name, pointer: mark, more, size, place: goes } => {
            parameters(list, name, size.as_ref(), *goes, place)?;
            within_page(list, mark, &inner("pointer"))?;
            more.as_ref().map_or(Ok(()), |more| within_page(list, more, &inner("more")))?;
        }
        Pagination::NextLink { pointer: link } => link.as_ref().map_or(Ok(()), |link| within_page(list, link, &inner("pointer")))?,
        Pagination::Keyset { parameter: name, pointer: value, size, place: goes } => {
            parameters(list, name, size.as_ref(), *goes, place)?;
            pointer(value, &inner("pointer"))?;
        }
    }
    Ok(())
}

fn parameters(list: &List, name: &str, size: Option<&Size>, goes: Place, place: &str) -> Result<(), Violation> {
    parameter(list, name, goes, &format!("{place}/parameter"))?;
    let Some(sized) = size.and_then(|size| size.parameter.as_ref()) else { return Ok(()) };
    let place = format!("{place}/size/parameter");
    parameter(list, sized, goes, &place)?;
    if sized == name { Err(at(place, "is the other parameter's name")) } else { Ok(()) }
}

/// A parameter that pages are asked for by: a name in the query that nothing else has, or a pointer into the body.
fn parameter(list: &List, name: &str, goes: Place, place: &str) -> Result<(), Violation> {
    match goes {
        Place::Query => {
            parameter_name(name, place)?;
            if list.query.contains_key(name) {
                return Err(at(place, format!("`query` has {name:?} already, and both cannot be sent")));
            }
        }
        Place::Body => {
            pointer(name, place)?;
            if list.method != ListMethod::Post {
                return Err(at(place, "only a POST has a body"));
            }
            if name.is_empty() || name.len() > VALUE_BYTES_MAX {
                return Err(at(place, "in a body it is the pointer to where it goes, such as `/page`"));
            }
            if !reaches(list.body.as_ref(), name) {
                return Err(at(place, "what lies on the way there in `body` is no object"));
            }
        }
    }
    Ok(())
}

/// Whether something can be put there: all on the way is an object, or not there yet.
fn reaches(body: Option<&Map<String, Value>>, pointer: &str) -> bool {
    let Some(body) = body else { return true };
    let (mut at, names) = (body, crate::sync::pointer::to_place(pointer));
    for name in &names[..names.len() - 1] {
        match at.get(name) {
            None => return true,
            Some(Value::Object(inner)) => at = inner,
            Some(_) => return false,
        }
    }
    true
}

fn incremental(list: &List, changes: &Incremental, place: &str) -> Result<(), Violation> {
    match changes {
        Incremental::UpdatedSince { parameter: name, place: goes, template, .. } => {
            parameter(list, name, *goes, &format!("{place}/parameter"))?;
            if template.as_ref().is_some_and(|template| !template.contains("{since}")) {
                return Err(at(format!("{place}/template"), "has no place for the instant: `{since}`"));
            }
        }
        Incremental::Cursor { parameter: name, place: goes, pointer: mark, .. } => {
            parameter(list, name, *goes, &format!("{place}/parameter"))?;
            within_page(list, mark, &format!("{place}/pointer"))?;
        }
        Incremental::Validators {} if list.pagination.is_some() => {
            return Err(at(place, "a validator is one page's, not the whole list's: without `pagination` only"));
        }
        Incremental::Validators {} => {}
    }
    Ok(())
}
