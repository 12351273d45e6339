//! Errors of the domain that callers choose by. The ledger's are in `ledger/error.rs`.

/// A name that does not have the form its type asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a {what} is named like {pattern}")]
pub struct InvalidName {
    /// What the name is of.
    pub what: &'static str,
    /// The form asked for, as a regular expression.
    pub pattern: &'static str,
}

/// `Display` and the conversions from and to text of a name kept as `Arc<str>`.
macro_rules! text_conversions {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(name: String) -> Result<Self, InvalidName> {
                name.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().into()
            }
        }
    };
}
pub(crate) use text_conversions;
