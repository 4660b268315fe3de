//! Owns the format of the record batch, version 2: header, records, control records, checksums and the compression codecs.
//! Does not know logs, partitions, topics, the wire protocol's messages or Kafka's error codes; legacy formats (magic 0 and 1) are told apart, never read.
//! Entry types: [`batches`] and [`Batch`] to read, [`BatchBuilder`] to write, [`validate_records`] and [`recompress()`] for the leader's append.
//! Driven by its callers: the log, the coordinators and the quorum; it keeps nothing between calls but what a [`Scratch`] holds.
//! Tests: beside each module, and in `tests/it/` against batches that Kafka's own encoder wrote (`tests/golden/`).

mod attributes;
mod batch;
mod builder;
pub mod compression;
mod control;
mod edit;
mod header;
mod recompress;
mod record;
mod retain;
mod sequence;
mod validate;
pub mod varint;

pub use attributes::{Attributes, TimestampType, UnknownCompression};
pub use batch::{Batch, BatchError, Batches, batches, crc32c};
pub use builder::{BatchBuilder, BatchFull};
pub use compression::{Codec, Compression, DecompressError, LevelOutOfRange, Scratch};
pub use control::{ControlKeyError, ControlRecordType};
pub use edit::{
    set_base_offset, set_last_offset, set_log_append_time, set_max_timestamp, set_partition_leader_epoch, set_producer,
};
pub use header::{
    BATCH_OVERHEAD, BatchHeader, LOG_OVERHEAD, MAGIC_V2, NO_OFFSET, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP,
};
pub use recompress::recompress;
pub use record::{
    Header, Headers, MAX_RECORD_OVERHEAD, RecordFault, RecordIter, RecordKey, RecordKeys, RecordPosition,
    RecordPositions, RecordRef, RecordsError,
};
pub use retain::{RECORDS_AT_ONCE, Retained, retain_records, write_empty};
pub use sequence::{decrement_sequence, increment_sequence};
pub use validate::{ValidationError, ValidationStats, validate_records};
