//! What a body says of a sync: a definition, or a preset and what is laid over it. Read without a look at the ledger, but for expressions, which
//! are read where they would be evaluated.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use windrow_jobs::{
    contract::Violation,
    renderer::pool::Unmade,
    sync::{Definition, check, presets},
};

use crate::{Api, error::ApiError};

/// What a body of `PUT` may be.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its description is used: it is read by `declared`, which points at places")]
pub(crate) enum SyncRequest {
    /// A definition.
    Plain(Box<Definition>),
    /// A preset's.
    OfPreset(Box<SyncOfPreset>),
}

/// A preset's definition, filled in, with the other fields of the body laid over it as a merge patch (RFC 7396).
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct SyncOfPreset {
    /// The preset's name.
    #[schema(min_length = 1, max_length = 63)]
    preset: String,
    /// What it is filled in with.
    #[schema(value_type = Option<Object>)]
    parameters: Option<Value>,
    /// For people.
    description: Option<String>,
    /// Laid over the preset's.
    #[schema(value_type = Option<Object>)]
    source: Option<Value>,
    /// In the place of the preset's.
    #[schema(value_type = Option<Vec<Object>>)]
    mapping: Option<Value>,
    /// Laid over the preset's.
    #[schema(value_type = Option<Object>)]
    destination: Option<Value>,
    /// In the place of the preset's.
    delete: Option<String>,
    /// In the place of the preset's.
    conflict: Option<String>,
    /// Laid over the preset's.
    #[schema(value_type = Option<Object>)]
    limits: Option<Value>,
}

/// A body, read.
pub(super) struct Declared {
    /// The preset that it names.
    pub(super) preset: Option<String>,
    /// What it says, checked.
    pub(super) definition: Definition,
}

/// What a body declares.
pub(super) async fn declared(api: &Api, mut said: Map<String, Value>) -> Result<Declared, ApiError> {
    let preset = said.remove("preset");
    let parameters = said.remove("parameters");
    let (preset, value) = match (preset, parameters) {
        (None, None) => (None, Value::Object(said)),
        (None, Some(_)) => return Err(field("/parameters", "are a preset's, and `preset` names none")),
        (Some(Value::String(name)), parameters) => {
            let value = expanded(&name, parameters, &said)?;
            (Some(name), value)
        }
        (Some(_), _) => return Err(field("/preset", "is not of type string")),
    };
    let definition = check::read(value).map_err(|violation| of_preset(violation, preset.as_deref()))?;
    read_expressions(api, &definition).await?;
    Ok(Declared { preset, definition })
}

/// The definition that a preset makes of parameters and what is laid over it.
fn expanded(name: &str, parameters: Option<Value>, own: &Map<String, Value>) -> Result<Value, ApiError> {
    let parameters = match parameters {
        None => Map::new(),
        Some(Value::Object(parameters)) => parameters,
        Some(_) => return Err(field("/parameters", "is not of type object")),
    };
    presets::expand(name, &parameters, own).map_err(|violation| field(&violation.pointer, violation.message))
}

/// What a preset brought is not in the body that the pointer points into.
fn of_preset(violation: Violation, preset: Option<&str>) -> ApiError {
    let Violation { pointer, message } = violation;
    match preset {
        None => field(&pointer, message),
        Some(preset) => field(&pointer, format!("{message} (in the definition that the preset {preset} makes)")),
    }
}

/// Refuses an expression that cannot be read, or asks for what is not there.
async fn read_expressions(api: &Api, definition: &Definition) -> Result<(), ApiError> {
    let fields = definition.mapping.iter().enumerate();
    let asked: Vec<(usize, String)> = fields.filter_map(|(index, field)| Some((index, field.expression.clone()?))).collect();
    if asked.is_empty() {
        return Ok(());
    }
    let wrong = |index: usize, message: String| field(&format!("/mapping/{index}/expression"), message);
    let read = match api.renderers.read_expressions(asked.iter().map(|(_, expression)| expression.clone()).collect()).await {
        Ok(read) => read,
        // One of them took all there was: each is asked for alone.
        Err(Unmade::Wordless(_)) => {
            for (index, expression) in asked {
                match api.renderers.read_expressions(vec![expression]).await {
                    Ok(read) => read.into_iter().flatten().try_for_each(|message| Err(wrong(index, message)))?,
                    Err(Unmade::Wordless(wordless)) => return Err(wrong(index, wordless.to_string())),
                    Err(unavailable) => return Err(unavailable.into()),
                }
            }
            return Ok(());
        }
        Err(unavailable) => return Err(unavailable.into()),
    };
    let mut read = asked.iter().zip(read);
    read.try_for_each(|((index, _), message)| message.map_or(Ok(()), |message| Err(wrong(*index, message))))
}

fn field(pointer: &str, message: impl Into<String>) -> ApiError {
    ApiError::Field { pointer: pointer.to_owned(), message: message.into() }
}
