//! What can go wrong with the quorum as a whole. All of it ends the node: without its metadata it can do nothing.

use std::path::PathBuf;

use klamm_log::StorageError;
use klamm_metadata::{BootstrapError, LoadError, RecordDecodeError, ReplayError};
use klamm_raft::{BatchFault, OffsetAndEpoch, RaftFault};

/// Why the quorum does not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum QuorumError {
    /// The log, or the disk below it.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A file of the quorum's own.
    #[error("cannot {operation} `{}`: {source}", path.display())]
    File {
        /// What was tried, as a verb.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A file whose content makes no sense.
    #[error("`{}` is malformed: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A checkpoint or the log holds bytes that are no batches.
    #[error("`{}`: {fault}", path.display())]
    Batch {
        /// The file, or the log's directory.
        path: PathBuf,
        /// What is wrong.
        fault: BatchFault,
    },
    /// A record that this version does not know.
    #[error("`{}`: {error}", path.display())]
    Record {
        /// The file, or the log's directory.
        path: PathBuf,
        /// What is wrong.
        error: RecordDecodeError,
    },
    /// The log was not appended to.
    #[error("cannot append to the metadata log: {0}")]
    Append(#[from] klamm_log::AppendError),
    /// The log could not be read.
    #[error("cannot read the metadata log: {0}")]
    Read(#[from] klamm_log::ReadError),
    /// Old records could not be dropped.
    #[error("cannot shorten the metadata log: {0}")]
    Clean(#[from] klamm_log::DeleteRecordsError),
    /// Records that contradict those before them.
    #[error("cannot load {0}")]
    Load(#[from] LoadError),
    /// The same, found by the controller.
    #[error("the controller cannot replay the metadata log: {0}")]
    Replay(#[from] ReplayError),
    /// The bootstrap checkpoint does not say what a cluster needs.
    #[error("{0}")]
    Bootstrap(#[from] BootstrapError),
    /// The first records of a new cluster, or those that clean up after a former controller, could not be written.
    #[error("the controller cannot become active: {0}")]
    Activation(String),
    /// The log begins after records that no snapshot has.
    #[error("the metadata log in `{}` begins at {log_start_offset}, and there is no snapshot of what came before (newest: {newest:?})", dir.display())]
    MissingSnapshot {
        /// The log's directory.
        dir: PathBuf,
        /// Where the log begins.
        log_start_offset: i64,
        /// The newest snapshot.
        newest: Option<OffsetAndEpoch>,
    },
    /// The node is not the one voter of its quorum.
    #[error(
        "the voters of the metadata quorum are {voters:?}; this version runs quorums of one, with node {node_id} as the voter"
    )]
    NotTheOnlyVoter {
        /// This node.
        node_id: i32,
        /// Ids of the voters.
        voters: Vec<i32>,
    },
    /// A bug; what it was is in the log.
    #[error("the quorum's thread panicked")]
    Panicked,
    /// The quorum contradicts this node.
    #[error(transparent)]
    Raft(#[from] RaftFault),
}
