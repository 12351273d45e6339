//! What is wrong with a mapping.

use super::{at, exactly_one, pointer};
use crate::{
    contract::Violation,
    sync::{
        definition::{Absent, Field},
        pointer::{of, to_place},
        typed,
    },
};

/// The most levels of a place.
const LEVELS_MAX: usize = 16;

pub(super) fn check(fields: &[Field]) -> Result<(), Violation> {
    let mut places: Vec<Vec<String>> = Vec::with_capacity(fields.len());
    for (index, field) in fields.iter().enumerate() {
        let place = format!("/mapping/{index}");
        let given = [("from", field.from.is_some()), ("value", field.value.is_some()), ("expression", field.expression.is_some())];
        exactly_one(&place, &given)?;
        let to = format!("{place}/to");
        if field.to.starts_with('/') {
            pointer(&field.to, &to)?;
        }
        let names = to_place(&field.to);
        if names.len() > LEVELS_MAX {
            return Err(at(to, format!("{} levels of the {LEVELS_MAX} allowed", names.len())));
        }
        if let Some(other) = places.iter().position(|other| other.starts_with(&names) || names.starts_with(other)) {
            let message = format!("{} and {} (/mapping/{other}) cannot both be there", of(&names), of(&places[other]));
            return Err(at(to, message));
        }
        places.push(names);
        if let Some(from) = &field.from {
            pointer(from, &format!("{place}/from"))?;
        }
        if field.absent == Absent::Omit && (field.required || field.default.is_some()) {
            return Err(at(
                format!("{place}/absent"),
                "is never asked for: `required` or `default` say what is done where nothing is there",
            ));
        }
        let Some(r#type) = field.r#type else { continue };
        for (name, value) in [("value", &field.value), ("default", &field.default)] {
            let made = value.clone().map_or(Ok(()), |value| typed::made(value, r#type).map(drop));
            made.map_err(|message| at(format!("{place}/{name}"), message))?;
        }
    }
    Ok(())
}
