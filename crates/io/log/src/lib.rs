//! Owns Kafka's log on disk: segments, indexes, checkpoints, producer state; appends, reads, recovery, retention.
//! Does not know topics' metadata, leadership, connections, Kafka's error codes, or what the records mean.
//! Entry types: [`LogManager`] for a node's log directories, [`Log`] for one partition, [`open_log`] for a log by itself.
//! Driven by the broker: appends and reads come on its threads, background work in [`LogManager::tick`] and flush threads.
//! Tests: beside each module, and in `tests/it/` (crashes at every byte, damaged files, a property test against a model).

mod checkpoint;
mod cleaner;
mod config;
mod dir_lock;
pub mod disk;
mod epochs;
mod error;
mod faults;
mod file_cache;
mod flusher;
mod index;
mod log;
mod log_dir;
mod manager;
mod meta_properties;
mod names;
mod producers;
mod progress;
mod recovery;
pub mod retention;
mod segment;
mod txn_index;
mod validate;
pub mod verify;

pub use checkpoint::{EpochEntry, Shutdown};
pub use cleaner::{CleanerConfig, CleanerStatus, CleaningStats, Uncleanable};
pub use config::{CleanupPolicy, LogConfig, ManagerConfig};
pub use dir_lock::{DirLock, LockError};
pub use epochs::EpochEndOffset;
pub use error::StorageError;
pub use faults::Fault;
#[cfg(feature = "faults")]
pub use faults::choose as choose_fault;
pub use log::{
    AbortedTransaction, AppendError, AppendInfo, DeleteRecordsError, FetchData, FileRegion, Isolation, Log, LogOffsets,
    LogStart, Opened, ReadError, TimestampAndOffset, open_log,
};
pub use manager::{
    CleanedLog, FailedLog, FutureLog, LogDirInfo, LogManager, LogMove, MoveError, OpenDirReport, OpenError, OpenReport,
    OpenedLog, RoundEnd, TickReport,
};
pub use meta_properties::MetaProperties;
pub use names::{CLUSTER_METADATA_TOPIC, TopicPartition};
pub use producers::{ActiveProducer, AppendOrigin, ProducerError, TransactionContext, VerificationGuard};
pub use progress::{DirRecovery, RecoveryProgress};
pub use recovery::{Cause, RecoveryEvent};
pub use validate::{InvalidBatch, RecordError};
