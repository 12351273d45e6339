//! Why a call came to nothing, and whether it may have happened all the same.

use super::names::LeadsInside;

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no URL that can be called.
    #[error("{0}")]
    Invalid(String),
    /// It leads where nobody may have us call.
    #[error("calling {host} is not allowed: {why} (outbound.allow_hosts names exceptions)")]
    Forbidden {
        /// The host.
        host: String,
        /// Why not.
        why: String,
    },
    /// No connection came about.
    #[error("no connection to {host}: {why}")]
    Unreachable {
        /// The host.
        host: String,
        /// What was wrong.
        why: String,
    },
    /// The answer did not come in time.
    #[error("{host} did not answer within {waited_ms} ms")]
    TimedOut {
        /// The host.
        host: String,
        /// The time it had.
        waited_ms: u64,
    },
    /// The connection ended too early, or what came over it is no HTTP.
    #[error("the connection to {host} broke: {why}")]
    Broken {
        /// The host.
        host: String,
        /// What was wrong.
        why: String,
    },
    /// It answered with more than is taken.
    #[error("the answer of {host} has more than {bytes_max} bytes{of}")]
    TooLarge {
        /// The host.
        host: String,
        /// What would have been taken.
        bytes_max: u64,
        /// Of what.
        of: &'static str,
    },
    /// It answered in an encoding that was not asked for.
    #[error("the answer of {host} is encoded as {encoding}, which was not asked for")]
    Encoded {
        /// The host.
        host: String,
        /// The encoding.
        encoding: String,
    },
    /// It sends us elsewhere more often than is followed.
    #[error("{host} sends on once more after {followed} times")]
    Redirected {
        /// The last host.
        host: String,
        /// How often it was followed.
        followed: u32,
    },
    /// It answered with another status than was needed.
    #[error("{host} answered {status}")]
    Status {
        /// The host.
        host: String,
        /// The status.
        status: u16,
    },
}

impl Error {
    /// Whether the request certainly did not reach the other side.
    pub const fn is_unsent(&self) -> bool {
        matches!(self, Self::Invalid(_) | Self::Forbidden { .. } | Self::Unreachable { .. })
    }

    /// Whether the same call can do no better later.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Invalid(_) | Self::Forbidden { .. })
    }

    /// A word for it, as jobs' errors have them.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "url_invalid",
            Self::Forbidden { .. } => "address_forbidden",
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "answer_late",
            Self::Broken { .. } => "connection_broken",
            Self::TooLarge { .. } => "answer_too_large",
            Self::Encoded { .. } => "answer_encoded",
            Self::Redirected { .. } => "redirected_too_often",
            Self::Status { .. } => "answer_refused",
        }
    }

    /// Of asking for a host's addresses.
    pub(super) fn of_lookup(host: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        let (host, why) = (host.to_owned(), error.to_string());
        if error.is::<LeadsInside>() { Self::Forbidden { host, why } } else { Self::Unreachable { host, why } }
    }

    pub(super) fn of(host: &str, error: &reqwest::Error) -> Self {
        let host = host.to_owned();
        if let Some(inside) = causes(error).find_map(|cause| cause.downcast_ref::<LeadsInside>()) {
            return Self::Forbidden { host, why: inside.to_string() };
        }
        // The deepest cause says what happened; those above it say where in the client.
        let why = deepest(error);
        if error.is_builder() {
            return Self::Invalid(why);
        }
        if error.is_connect() { Self::Unreachable { host, why } } else { Self::Broken { host, why } }
    }
}

/// What the deepest cause says.
pub(super) fn deepest(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}

/// The error's causes, without the error itself, which names the URL.
fn causes<'e>(error: &'e (dyn std::error::Error + 'static)) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |cause| cause.source())
}
