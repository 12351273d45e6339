//! Sections `[builds]` and `[signing]`: where builds work, whether their commands run, who signs what they make.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::value::{self, Secret, within};

/// The first of those who run build commands where the worker is root: of a range that systemd leaves to nobody, below the
/// 65,536 users that a container may have (<https://systemd.io/UIDS-GIDS/>).
pub const USER: u32 = 60_600;
/// How many they are: as many builds may run on a machine.
pub const USERS: u32 = 64;
/// How much memory a process of a command may map, in MiB, unless set.
pub const MEMORY_MIB_MAX: u32 = 2_048;
/// How large a workspace may grow, in MiB, unless set.
pub const WORKSPACE_MIB_MAX: u32 = 2_048;

/// Section `[builds]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildsSettings {
    /// Whether the commands that bundles declare are run; none means as the shape has it.
    #[serde(default, skip_serializing)]
    pub commands: Option<Commands>,
    /// Where workspaces lie; none means the system's folder for temporary files.
    #[serde(default, skip_serializing)]
    pub folder: Option<PathBuf>,
    /// Whether a worker of a cluster that is not root runs commands as its own user.
    pub commands_as_worker: bool,
    /// Where the worker is root, the first of the 64 users, and groups of the same ids, that commands run as: a running build has one
    /// to itself. Whatever else runs as one of them is ended.
    #[serde(deserialize_with = "within::<_, 1, { u32::MAX - USERS }>")]
    pub user: u32,
    /// How much memory a process of a command may map, in MiB.
    #[serde(deserialize_with = "within::<_, 64, 16777216>")]
    pub memory_mib_max: u32,
    /// How large a workspace may grow, in MiB.
    #[serde(deserialize_with = "within::<_, 1, 1048576>")]
    pub workspace_mib_max: u32,
}

/// Whether the commands that bundles declare are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Commands {
    /// They are: whoever may publish a bundle may run code here.
    Allow,
    /// A build that declares any is refused.
    Deny,
}

/// Section `[signing]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningSettings {
    /// An Ed25519 key, PKCS #8 in PEM.
    #[serde(default, skip_serializing)]
    pub key_file: Option<PathBuf>,
    /// Vault's base URL: its Transit engine signs.
    #[serde(default, skip_serializing, deserialize_with = "value::public_url")]
    pub vault_url: Option<String>,
    /// Where the Transit engine is mounted.
    pub vault_mount: String,
    /// The name of a tenant's key.
    pub vault_key: String,
    /// The namespace, where Vault has any.
    #[serde(default, skip_serializing)]
    pub vault_namespace: Option<String>,
    /// The token to ask with.
    #[serde(default, skip_serializing)]
    pub vault_token: Option<Secret>,
    /// The file that holds it, in its place; read anew where it is not taken any more.
    #[serde(default, skip_serializing)]
    pub vault_token_file: Option<PathBuf>,
    /// The role to take by the pod's service account, in a token's place.
    #[serde(default, skip_serializing)]
    pub vault_role: Option<String>,
    /// Where the Kubernetes method is mounted.
    pub vault_auth_mount: String,
    /// The file that holds the service account's token.
    pub vault_jwt_file: PathBuf,
}

impl Default for BuildsSettings {
    fn default() -> Self {
        Self {
            commands: None,
            commands_as_worker: false,
            folder: None,
            user: USER,
            memory_mib_max: MEMORY_MIB_MAX,
            workspace_mib_max: WORKSPACE_MIB_MAX,
        }
    }
}

impl Default for SigningSettings {
    fn default() -> Self {
        Self {
            key_file: None,
            vault_url: None,
            vault_mount: "transit".into(),
            vault_key: "windrow-{tenant}".into(),
            vault_namespace: None,
            vault_token: None,
            vault_token_file: None,
            vault_role: None,
            vault_auth_mount: "kubernetes".into(),
            vault_jwt_file: "/var/run/secrets/kubernetes.io/serviceaccount/token".into(),
        }
    }
}
