//! What builds need beside what every handler is given: workspaces, a way out, a key, and whether commands may run.

use std::{path::PathBuf, sync::Arc};

use super::{processes, workspace::Workspaces};
use crate::{
    outbound::Outbound,
    renderer,
    settings::{Error, Settings, builds::Commands},
    signing::{
        Signing,
        local::LocalKey,
        vault::{Login, Place, Vault},
    },
};

/// Where a standalone installation keeps the key that it makes for itself.
pub const KEY_FILE: &str = "signing-key.pem";

/// In which shape this runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One process: its bundles are its user's, so commands may run, and it makes a key for itself.
    Standalone,
    /// A worker among others: both are what its operator says.
    Cluster,
}

/// What builds need.
#[derive(Clone)]
pub struct Tools {
    /// Where builds work.
    pub workspaces: Workspaces,
    /// Whether commands may run.
    pub commands: Commands,
    /// How large a workspace may grow.
    pub workspace_bytes_max: u64,
    /// How much memory each process of a command may map.
    pub memory_mib: u32,
    /// Who signs; none means that nothing is signed.
    pub signing: Option<Arc<dyn Signing>>,
    /// The way to assets.
    pub outbound: Outbound,
    /// The program that renders: this one, whose `main` begins with `renderer::answer_if_asked`.
    pub renderer: PathBuf,
}

impl Tools {
    /// What the settings say. Removes what dead workers' builds have left.
    pub fn of(settings: &Settings, shape: Shape, outbound: Outbound) -> Result<Self, Error> {
        let builds = &settings.builds;
        // Before anything else: commands that run as this process does could read its keys.
        processes::hide().map_err(|error| Error::at("builds.commands", format!("hiding this process from its commands: {error}")))?;
        let folder = builds.folder.clone().unwrap_or_else(std::env::temp_dir);
        let workspaces = Workspaces::open(&folder, builds.user).map_err(|error| Error::at("builds.folder", error.to_string()))?;
        let commands = builds.commands.unwrap_or(if shape == Shape::Standalone { Commands::Allow } else { Commands::Deny });
        check_commands(shape, commands, builds.commands_as_worker, rustix::process::geteuid().is_root())?;
        let signing = signing(settings, shape)?;
        if signing.is_none() {
            tracing::warn!("builds are not signed: neither signing.key_file nor signing.vault_url is set");
        }
        let renderer = renderer::own_program().map_err(|error| Error::at("builds", format!("finding this program: {error}")))?;
        let workspace_bytes_max = u64::from(builds.workspace_mib_max) * 1024 * 1024;
        Ok(Self { workspaces, commands, workspace_bytes_max, memory_mib: builds.memory_mib_max, signing, outbound, renderer })
    }
}

/// In a cluster commands are other people's: they run as users of their own, or somebody has said that they need not.
fn check_commands(shape: Shape, commands: Commands, as_worker: bool, root: bool) -> Result<(), Error> {
    if shape == Shape::Standalone || commands == Commands::Deny || as_worker || root {
        return Ok(());
    }
    let message = "this worker is not root, so commands would run as its own user, who can end it, and see and change what it and other builds \
                   have on this machine: run it as root, or set builds.commands_as_worker = true (WINDROW_BUILDS__COMMANDS_AS_WORKER), or deny them";
    Err(Error::at("builds.commands", message))
}

fn signing(settings: &Settings, shape: Shape) -> Result<Option<Arc<dyn Signing>>, Error> {
    let signing = &settings.signing;
    let wrong = |message| Error::at("signing.key_file", message);
    match (&signing.vault_url, &signing.key_file) {
        (Some(_), Some(_)) => Err(Error::at("signing.key_file", "signing.vault_url is set too")),
        (Some(url), None) => {
            let place = Place {
                url: url.trim_end_matches('/').to_owned(),
                mount: signing.vault_mount.clone(),
                key: signing.vault_key.clone(),
                namespace: signing.vault_namespace.clone(),
                login: login(settings)?,
            };
            Ok(Some(Arc::new(Vault::new(place).map_err(|message| Error::at("signing.vault_url", message))?)))
        }
        (None, Some(path)) => Ok(Some(Arc::new(LocalKey::read(path).map_err(wrong)?))),
        (None, None) if shape == Shape::Standalone => Ok(Some(Arc::new(LocalKey::read_or_make(&own_key_file(settings)).map_err(wrong)?))),
        (None, None) => Ok(None),
    }
}

fn login(settings: &Settings) -> Result<Login, Error> {
    let signing = &settings.signing;
    match (&signing.vault_token, &signing.vault_token_file, &signing.vault_role) {
        (Some(token), None, None) => Ok(Login::Token(token.as_str().to_owned())),
        (None, Some(path), None) => Ok(Login::File(path.clone())),
        (None, None, Some(role)) => {
            let (mount, jwt_file) = (signing.vault_auth_mount.clone(), signing.vault_jwt_file.clone());
            Ok(Login::Kubernetes { mount, role: role.clone(), jwt_file })
        }
        _ => Err(Error::at("signing.vault_url", "one of signing.vault_token, vault_token_file and vault_role is to be set")),
    }
}

/// The key file of a standalone installation that was given none.
pub fn own_key_file(settings: &Settings) -> PathBuf {
    settings.data_dir.join(KEY_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_of_a_cluster_that_is_not_root_runs_commands_only_where_that_is_said_twice() {
        let may = |shape, commands, as_worker, root| check_commands(shape, commands, as_worker, root).is_ok();
        assert!(may(Shape::Cluster, Commands::Deny, false, false) && may(Shape::Standalone, Commands::Allow, false, false));
        assert!(may(Shape::Cluster, Commands::Allow, false, true) && may(Shape::Cluster, Commands::Allow, true, false));
        let error = check_commands(Shape::Cluster, Commands::Allow, false, false).expect_err("refused").to_string();
        assert!(error.contains("builds.commands") && error.contains("builds.commands_as_worker"), "{error}");
    }
}
