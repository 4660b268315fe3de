//! Why a node does not start or stop, for people: what is wrong, where that came from, what to do.

use std::io;
use std::path::Path;

use klamm_controller::ControllerError;
use klamm_log::{OpenError, StorageError};
use klamm_net::BindError;

use crate::endpoints::EndpointError;
use crate::metrics::{self, MetricsError};
use crate::quorum::QuorumError;
use crate::storage::FormatError;

/// Why a node does not start. Unless it says otherwise nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port or address that is not to be had.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// No metrics at the address that is set for them.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// A role or quorum that this version does not run.
    #[error("{what}, which is not supported yet")]
    NotYet {
        /// What is asked for.
        what: String,
        /// The key that asks for it.
        key: &'static str,
    },
    /// A log directory that is not the node's, or not to be had.
    #[error(transparent)]
    Logs(#[from] OpenError),
    /// A directory that should be formatted and has something else in it.
    #[error("`{0}` is not empty, and what is in it is no node's data")]
    Foreign(String),
    /// A directory that can't be read.
    #[error("can't read `{dir}`: {source}")]
    Directory {
        /// The directory.
        dir: String,
        /// What the system says.
        source: io::Error,
    },
    /// The directories could not be formatted.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The metadata log does not open.
    #[error(transparent)]
    Quorum(#[from] QuorumError),
    /// The controller does not take the broker.
    #[error("the controller refuses this broker: {0}")]
    Refused(#[from] ControllerError),
    /// The node failed before it served.
    #[error("{0}")]
    Failed(String),
    /// A mistake of ours.
    #[error("starting panicked: {0}")]
    Panicked(String),
}

impl StartError {
    /// The configuration key behind it.
    pub fn key(&self) -> Option<&'static str> {
        match self {
            StartError::Endpoint(_) => Some("listeners"),
            StartError::Metrics(_) => Some(metrics::LISTENER),
            StartError::NotYet { key, .. } => Some(key),
            StartError::Logs(OpenError::OtherNode { .. }) => Some("node.id"),
            StartError::Logs(_) | StartError::Foreign(_) => Some("log.dirs"),
            StartError::Directory { .. } | StartError::Format(_) => Some("log.dirs"),
            StartError::Quorum(_) | StartError::Refused(_) | StartError::Failed(_) | StartError::Panicked(_) => None,
        }
    }

    /// What to do about it. `file` is the configuration file, if there is one.
    pub fn hint(&self, file: Option<&Path>) -> Option<String> {
        let elsewhere = match file {
            Some(_) => "point `log.dirs` at another directory",
            None => "point `--data-dir` at another directory",
        };
        Some(match self {
            StartError::Endpoint(EndpointError {
                source: BindError::InUse { .. },
                ..
            }) => match file {
                Some(_) => "stop what listens there, or choose another port in `listeners`".to_owned(),
                None => "stop what listens there, or choose another port with `--listen`".to_owned(),
            },
            StartError::Logs(OpenError::NotFormatted { .. }) => match file {
                Some(file) => format!(
                    "run `klamm storage format --config {} --cluster-id $(klamm storage random-uuid) --standalone` first \
                     (without `--standalone` if `controller.quorum.voters` is set)",
                    file.display()
                ),
                None => elsewhere.to_owned(),
            },
            StartError::Logs(OpenError::OtherNode { found, .. }) => {
                format!("start with `node.id={found}`, or {elsewhere}")
            }
            StartError::Logs(OpenError::Lock(klamm_log::LockError::InUse { .. })) => {
                format!("stop the other node, or {elsewhere}")
            }
            StartError::Logs(OpenError::OtherCluster { .. }) | StartError::Foreign(_) => elsewhere.to_owned(),
            _ => return None,
        })
    }
}

/// Why a node did not stop cleanly. The next start recovers its logs.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// A log directory could not be closed.
    #[error("not left cleanly: {0}")]
    Storage(#[from] StorageError),
    /// A mistake of ours.
    #[error("stopping panicked: {0}")]
    Panicked(String),
}
