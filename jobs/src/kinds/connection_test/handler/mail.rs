//! The test of an `smtp` server: a conversation without a message, beside those that jobs have.

use tokio::time::timeout;

use super::Failed;
use crate::{
    connection::Opened,
    kinds::notification_email::smtp::{Conversation, Server, Trouble},
    outbound::Outbound,
};

/// Connects, is let in, asks for nothing and leaves.
pub(super) async fn converse(outbound: &Outbound, opened: &Opened) -> Result<String, Failed> {
    let server = Server::of(opened);
    let late = || Trouble::Late { host: server.host.clone(), waited_s: server.send_timeout.as_secs() };
    let begun = timeout(server.send_timeout, Conversation::begin(outbound, &server)).await;
    let mut conversation = begun.map_err(|_| failed(&late()))?.map_err(|trouble| failed(&trouble))?;
    let answer = conversation.noop().await.map_err(|trouble| failed(&trouble))?;
    conversation.quit().await;
    Ok(format!("{} answered {answer} to NOOP", server.host))
}

fn failed(trouble: &Trouble) -> Failed {
    let mut error = trouble.as_job_error();
    if trouble.is_refusal() {
        error.retryable = false;
    }
    if error.retryable { Failed::Unasked(error) } else { Failed::Refused(error) }
}
