//! What can go wrong with a ledger, as callers must tell it apart.

/// A ledger's result.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a verb did not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The ledger cannot be reached or is shutting down. Whether a write was committed is not known:
    /// repeat it (every verb bears that) or answer 503.
    #[error("the ledger is not available: {0}")]
    Unavailable(String),
    /// The database refused this very input; repeating it is of no use.
    #[error("the ledger refused the data: {0}")]
    Refused(String),
    /// The schema is older than this release, and is not to be migrated by the way.
    #[error("the ledger's schema is at {applied}, this release needs {latest}: run `windrow migrate` (ledger.migrate is check)")]
    Outdated {
        /// The last migration that was applied.
        applied: i64,
        /// The last that this release has.
        latest: i64,
    },
    /// A row does not read as it was written: a bug, or a ledger of another release.
    #[error("a ledger row cannot be read: {0}")]
    Corrupt(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) if database.is_check_violation() || is_data_error(database.code().as_deref()) => {
                Self::Refused(error.to_string())
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => Self::Corrupt(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// SQLSTATE class 22 (data exception) and 23 (integrity constraint violation).
fn is_data_error(sqlstate: Option<&str>) -> bool {
    sqlstate.is_some_and(|code| code.len() == 5 && (code.starts_with("22") || code.starts_with("23")))
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::Unavailable(format!("migrations: {error}"))
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Corrupt(error.to_string())
    }
}
