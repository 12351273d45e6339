//! The `Prefer` header (RFC 7240): how long a client is willing to wait.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, request::Parts},
};
use utoipa::IntoParams;

/// The longest wait, in seconds; load balancers cut idle connections at about that. A wish for more gets this.
pub const WAIT_S_MAX: u64 = 60;

/// What the client prefers. As the RFC asks, what is not understood is ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct Prefer {
    /// `wait=N` waits up to N seconds (60 at most) for the job to become final (RFC 7240). What is not understood is ignored.
    #[param(rename = "Prefer", value_type = Option<String>, example = "wait=2")]
    pub(crate) wait: Option<Duration>,
}

impl<S: Sync> FromRequestParts<S> for Prefer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

impl Prefer {
    /// The preferences in these headers; of two waits the first counts.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        let wait = values.flat_map(|value| value.split(',')).find_map(wait_s);
        Self { wait: wait.map(Duration::from_secs) }
    }

    /// The value of `Preference-Applied`.
    pub(crate) fn applied(self) -> Option<HeaderValue> {
        let wait = self.wait?;
        HeaderValue::from_str(&format!("wait={}", wait.as_secs())).ok()
    }
}

fn wait_s(preference: &str) -> Option<u64> {
    let (name, value) = preference.split(';').next()?.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("wait") {
        return None;
    }
    let seconds: u64 = value.trim().trim_matches('"').parse().ok()?;
    Some(seconds.min(WAIT_S_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_as_the_rfc_writes_it() {
        let cases: [(&[&str], Option<u64>); 10] = [
            (&[], None),
            (&["wait=10"], Some(10)),
            (&["respond-async, wait=10"], Some(10)),
            (&["respond-async", "Wait = \"7\"; x=y"], Some(7)),
            (&["wait=5, wait=9"], Some(5)),
            (&["wait=600"], Some(60)),
            (&["wait=0"], Some(0)),
            (&["wait=-1"], None),
            (&["wait=soon, wait=3"], Some(3)),
            (&["waiting=3"], None),
        ];
        for (values, wait_s) in cases {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("prefer", HeaderValue::from_static(value));
            }
            assert_eq!(Prefer::of(&headers).wait.map(|wait| wait.as_secs()), wait_s, "{values:?}");
        }
    }
}
