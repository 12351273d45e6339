//! Requests, and whoever sends them.

use std::future::Future;

use crate::{Message, SendError, SendRequest, Sent, answer};

/// A request to be posted, as JSON with a bearer token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Where to.
    pub url: String,
    /// The body, whose media type is `application/json`.
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Somebody who posts, and adds the header `Authorization: Bearer` with a token that is good.
pub trait Transport {
    /// Why nothing came back.
    type Error;

    /// Posts it.
    fn post(&self, post: Post, access_token: &str) -> impl Future<Output = Result<Answer, Self::Error>> + Send;
}

/// Sends messages of one project.
#[derive(Debug, Clone)]
pub struct Client<T> {
    transport: T,
    url: String,
}

impl<T: Transport> Client<T> {
    /// For the project of this id, at [`crate::BASE_URL`] or elsewhere.
    pub fn new(transport: T, base_url: &str, project_id: &str) -> Self {
        Self { transport, url: format!("{}/v1/projects/{project_id}/messages:send", base_url.trim_end_matches('/')) }
    }

    /// Sends it, or has it checked only. The outer error is the transport's: nobody knows whether the message was sent.
    pub async fn send(&self, message: &Message, validate_only: bool, access_token: &str) -> Result<Result<Sent, SendError>, T::Error> {
        let request = SendRequest { message: message.clone(), validate_only };
        let body = serde_json::to_vec(&request).expect("texts, numbers and maps with texts for keys have a JSON form");
        let answer = self.transport.post(Post { url: self.url.clone(), body }, access_token).await?;
        Ok(answer::read(answer.status, answer.retry_after.as_deref(), &answer.body).map_err(|error| *error))
    }
}

#[cfg(feature = "reqwest")]
impl Transport for reqwest::Client {
    type Error = reqwest::Error;

    async fn post(&self, post: Post, access_token: &str) -> Result<Answer, Self::Error> {
        let request = self.post(post.url).bearer_auth(access_token).header(reqwest::header::CONTENT_TYPE, "application/json");
        let answer = request.body(post.body).send().await?;
        let retry_after = answer.headers().get(reqwest::header::RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Answer { status: answer.status().as_u16(), retry_after, body: answer.bytes().await?.to_vec() })
    }
}
