//! Why a build fails, and whether trying again may help.

use crate::{
    bundle::{self, Refused},
    handler::{ArtifactError, Outcome},
    objects, signing,
};

/// Why a build fails: a stable code and what to do about it, or the object store's trouble.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The inputs cannot be built, however often it is tried.
    #[error("{message}")]
    Inputs {
        /// The code.
        code: &'static str,
        /// What is wrong, naming whoever is at fault.
        message: String,
    },
    /// The object store.
    #[error(transparent)]
    Objects(#[from] objects::Error),
    /// The artifact could not be recorded.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The workspace: this machine's trouble.
    #[error("{0}")]
    Workspace(String),
    /// An asset cannot be had now.
    #[error("{0}")]
    Asset(String),
    /// Whoever signs.
    #[error(transparent)]
    Signing(#[from] signing::Error),
    /// The job is to stop.
    #[error("asked to stop")]
    Stopped,
}

impl From<Refused> for BuildError {
    fn from(refused: Refused) -> Self {
        Self::inputs(refused.code, refused.message)
    }
}

impl From<bundle::Error> for BuildError {
    fn from(error: bundle::Error) -> Self {
        match error {
            bundle::Error::Refused(refused) => refused.into(),
            bundle::Error::Unresolvable(why) => Self::inputs(why.code, why.message()),
            bundle::Error::Objects(error) => Self::Objects(error),
            bundle::Error::Ledger(error) => Self::Artifact(ArtifactError::Ledger(error)),
        }
    }
}

impl BuildError {
    /// Inputs that cannot be built.
    pub fn inputs(code: &'static str, message: impl Into<String>) -> Self {
        Self::Inputs { code, message: message.into() }
    }

    /// The code, where it is about the inputs.
    #[cfg(test)]
    pub fn code(&self) -> &str {
        match self {
            Self::Inputs { code, .. } => code,
            _ => "",
        }
    }

    /// What becomes of the attempt.
    pub fn into_outcome(self) -> Outcome {
        match self {
            Self::Inputs { code, message } => Outcome::bury(code, message),
            Self::Objects(objects::Error::Refused(message)) | Self::Artifact(ArtifactError::Objects(objects::Error::Refused(message))) => {
                Outcome::bury("objects_refused", message)
            }
            Self::Objects(error) => Outcome::retry("objects_unavailable", error.to_string()),
            Self::Workspace(message) => Outcome::retry("workspace_failed", message),
            Self::Asset(message) => Outcome::retry("asset_unavailable", message),
            Self::Signing(signing::Error::Refused(message)) => Outcome::bury("signing_refused", message),
            Self::Signing(error) => Outcome::retry("signing_unavailable", error.to_string()),
            Self::Artifact(error) => Outcome::retry("artifact_not_recorded", error.to_string()),
            Self::Stopped => Outcome::Cancel,
        }
    }
}
