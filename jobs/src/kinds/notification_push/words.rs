//! What is shown: the payload's own words, or a template's.

use super::{MESSAGE_BYTES_MAX, Payload, Shown, TOPIC_MESSAGE_BYTES_MAX};
use crate::{
    handler::{Context, Outcome},
    notification::compose,
    renderer::pool::Renderers,
};

/// The words of a payload, or how the attempt ends where there are none.
pub(super) async fn shown(context: &Context, renderers: &Renderers, payload: &Payload) -> Result<Option<Shown>, Outcome> {
    let Some(template) = &payload.template else { return Ok(payload.notification.clone()) };
    let composed = compose(context, renderers, template).await?;
    let shown = Shown { title: composed.subject, body: composed.text, image: None };
    let most = if payload.to.topic.is_some() || payload.to.condition.is_some() { TOPIC_MESSAGE_BYTES_MAX } else { MESSAGE_BYTES_MAX };
    let bytes = shown.bytes() + payload.data.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    if bytes > most {
        let message = format!("the template {} makes a message of {bytes} bytes of the {most} allowed", template.name);
        return Err(Outcome::bury("message_unfit", message));
    }
    Ok(Some(shown))
}
