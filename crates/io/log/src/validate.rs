//! What a leader asks of a batch before it appends it: one pass over its bytes, before any lock is taken.
//!
//! Rules and their order are those of Kafka's log validator, for the one format that Kafka 4 accepts (magic 2).

use bytes::Bytes;
use klamm_records::{
    Batch, BatchError, BatchHeader, DecompressError, RecordRef, RecordsError, Scratch, TimestampType, ValidationError,
    recompress, set_max_timestamp, validate_records,
};

use crate::config::LogConfig;
use crate::producers::{AppendOrigin, EndMarker};

/// Record errors reported for one batch; the batch fails with the first, the rest is for people.
const RECORD_ERRORS_MAX: usize = 1_000;

/// One record that made its batch fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// Index of the record in its batch, from 0.
    pub batch_index: i32,
    /// What is wrong with it.
    pub message: String,
}

/// Why a batch is refused whatever the log holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBatch {
    /// Larger than `max.message.bytes` (`MESSAGE_TOO_LARGE`).
    #[error("the batch has {size} bytes, at most {max} are allowed")]
    TooLarge {
        /// Bytes of the batch, as sent or as recompressed.
        size: usize,
        /// The topic's limit.
        max: u32,
    },
    /// Decompresses to more than `max.decompressed.message.bytes` (`MESSAGE_TOO_LARGE`).
    #[error("the batch decompresses to more than {max} bytes")]
    DecompressedTooLarge {
        /// The topic's limit.
        max: usize,
    },
    /// The checksum or the frame is wrong (`CORRUPT_MESSAGE`).
    #[error("{0}")]
    Corrupt(BatchError),
    /// A well-framed batch that a producer may not send, or records that make no sense (`INVALID_RECORD`).
    #[error("{message}")]
    Invalid {
        /// What is wrong.
        message: String,
        /// The records it is about, if it is about records.
        record_errors: Vec<RecordError>,
    },
    /// Timestamps out of range (`INVALID_TIMESTAMP`).
    #[error("{} records have an invalid timestamp", record_errors.len())]
    InvalidTimestamp {
        /// The records.
        record_errors: Vec<RecordError>,
    },
}

impl InvalidBatch {
    fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid {
            message: message.into(),
            record_errors: Vec::new(),
        }
    }
}

/// A batch ready for the log but for its offsets and leader epoch.
#[derive(Debug)]
pub(crate) struct Validated {
    pub(crate) header: BatchHeader,
    /// The whole batch, header included.
    pub(crate) bytes: Bytes,
    pub(crate) marker: Option<EndMarker>,
}

/// Checks the one batch that `records` holds and gives it the form in which the topic stores it.
pub(crate) fn validate(
    records: &Bytes,
    config: &LogConfig,
    origin: AppendOrigin,
    now_ms: i64,
    scratch: &mut Scratch,
) -> Result<Validated, InvalidBatch> {
    let batch = only_batch(records, origin)?;
    let size = batch.bytes.len();
    if size > config.max_message_bytes as usize {
        return Err(InvalidBatch::TooLarge {
            size,
            max: config.max_message_bytes,
        });
    }
    batch.verify_crc().map_err(InvalidBatch::Corrupt)?;
    check_header(&batch.header, origin)?;
    if batch.header.attributes.is_control() {
        return control_batch(batch, records, config, scratch);
    }
    let max_timestamp = check_records(&batch, config, now_ms, scratch)?;
    let source = batch
        .header
        .attributes
        .compression()
        .map_err(|e| InvalidBatch::invalid(e.to_string()))?;
    let bytes = match config.target_codec(source) {
        None => records.slice(..size),
        Some(codec) => recompress(&batch, codec, scratch, config.max_decompressed_message_bytes)
            .map_err(|e| unreadable(e, config))?,
    };
    if bytes.len() > config.max_message_bytes as usize {
        return Err(InvalidBatch::TooLarge {
            size: bytes.len(),
            max: config.max_message_bytes,
        });
    }
    let bytes = with_timestamp(bytes, config.message_timestamp_type, max_timestamp, now_ms);
    let header = BatchHeader::parse(&bytes).expect("a batch that was parsed before");
    Ok(Validated {
        header,
        bytes,
        marker: None,
    })
}

fn only_batch(records: &Bytes, origin: AppendOrigin) -> Result<Batch<'_>, InvalidBatch> {
    if records.is_empty() {
        return Err(InvalidBatch::invalid("there is no batch"));
    }
    let refused = |error| match error {
        BatchError::UnsupportedMagic { .. } | BatchError::InvalidMagic { .. } => {
            InvalidBatch::invalid(error.to_string())
        }
        error => InvalidBatch::Corrupt(error),
    };
    let batch = Batch::parse(records).map_err(refused)?;
    match Batch::parse(&records[batch.bytes.len()..]) {
        Ok(_) => return Err(InvalidBatch::invalid("there is more than one batch")),
        Err(BatchError::Truncated { .. }) => {} // nothing, or a rest that is left out
        Err(error) => return Err(refused(error)),
    }
    if origin == AppendOrigin::Client && batch.header.base_offset != 0 {
        return Err(InvalidBatch::invalid(format!(
            "the base offset is {}, not 0",
            batch.header.base_offset
        )));
    }
    Ok(batch)
}

fn check_header(header: &BatchHeader, origin: AppendOrigin) -> Result<(), InvalidBatch> {
    if origin != AppendOrigin::Client {
        return Ok(());
    }
    if header.attributes.is_control() {
        return Err(InvalidBatch::invalid("clients may not write control records"));
    }
    if header.has_producer_id() && header.base_sequence < 0 {
        let message = format!("sequence {} from producer {}", header.base_sequence, header.producer_id);
        return Err(InvalidBatch::invalid(message));
    }
    Ok(())
}

/// A coordinator's marker: stored as it is; its one record is kept at hand for the producer's state.
fn control_batch(
    batch: Batch<'_>,
    records: &Bytes,
    config: &LogConfig,
    scratch: &mut Scratch,
) -> Result<Validated, InvalidBatch> {
    let limit = config.max_decompressed_message_bytes;
    let first = batch.records(scratch, limit).map_err(|e| unreadable(e, config))?.next();
    let first = first.transpose().map_err(|e| unreadable(e, config))?;
    let marker = first.as_ref().and_then(EndMarker::parse);
    Ok(Validated {
        header: batch.header,
        bytes: records.slice(..batch.bytes.len()),
        marker,
    })
}

/// Looks at every record; the largest timestamp, -1 if none has one.
fn check_records(
    batch: &Batch<'_>,
    config: &LogConfig,
    now_ms: i64,
    scratch: &mut Scratch,
) -> Result<i64, InvalidBatch> {
    let mut errors = Vec::new();
    let mut found = 0;
    let check = |_index, record: &RecordRef<'_>| {
        let fault = record_fault(batch, record, config, now_ms)?;
        found += 1;
        (found <= RECORD_ERRORS_MAX).then_some(fault)
    };
    let limit = config.max_decompressed_message_bytes;
    let stats = validate_records(batch, scratch, limit, check, &mut errors).map_err(|error| match error {
        ValidationError::Records(error) => unreadable(error, config),
        error => InvalidBatch::invalid(error.to_string()),
    })?;
    if errors.is_empty() {
        return Ok(stats.max_timestamp);
    }
    let is_timestamp = errors.iter().any(|(_, fault)| matches!(fault, Fault::Timestamp(_)));
    let to_error = |(batch_index, fault)| match fault {
        Fault::Timestamp(message) => RecordError { batch_index, message },
        Fault::NoKey => RecordError {
            batch_index,
            message: "a compacted topic takes no record without a key".into(),
        },
    };
    let record_errors: Vec<_> = errors.into_iter().map(to_error).collect();
    Err(if is_timestamp {
        InvalidBatch::InvalidTimestamp { record_errors }
    } else {
        InvalidBatch::Invalid {
            message: format!("{found} records are invalid"),
            record_errors,
        }
    })
}

enum Fault {
    NoKey,
    Timestamp(String),
}

/// Inlined, and what it says of a fault is not: most records have none, and are looked at in registers.
#[inline(always)]
fn record_fault(batch: &Batch<'_>, record: &RecordRef<'_>, config: &LogConfig, now_ms: i64) -> Option<Fault> {
    if config.cleanup_policy.compact && record.key.is_none() {
        return Some(Fault::NoKey);
    }
    if config.message_timestamp_type == TimestampType::CreateTime && record.timestamp != -1 {
        let age = now_ms.saturating_sub(record.timestamp);
        if age > config.message_timestamp_before_max_ms || age.saturating_neg() > config.message_timestamp_after_max_ms
        {
            return Some(out_of_range(record.timestamp, config, now_ms));
        }
    } else if batch.header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        return Some(set_by_producer());
    }
    None
}

#[cold]
fn out_of_range(timestamp: i64, config: &LogConfig, now_ms: i64) -> Fault {
    let from = now_ms.saturating_sub(config.message_timestamp_before_max_ms);
    let to = now_ms.saturating_add(config.message_timestamp_after_max_ms);
    Fault::Timestamp(format!("timestamp {timestamp} is not between {from} and {to}"))
}

#[cold]
fn set_by_producer() -> Fault {
    Fault::Timestamp("producers may not set the timestamp type to LogAppendTime".into())
}

fn unreadable(error: RecordsError, config: &LogConfig) -> InvalidBatch {
    match error {
        RecordsError::Decompress(DecompressError::TooLarge { .. }) => InvalidBatch::DecompressedTooLarge {
            max: config.max_decompressed_message_bytes,
        },
        error => InvalidBatch::invalid(error.to_string()),
    }
}

/// Sets what the topic wants in the timestamp fields; a batch that has it already is not copied.
fn with_timestamp(bytes: Bytes, timestamp_type: TimestampType, max_timestamp: i64, now_ms: i64) -> Bytes {
    let header = BatchHeader::parse(&bytes).expect("a batch that was parsed before");
    let timestamp = match timestamp_type {
        TimestampType::CreateTime => max_timestamp,
        TimestampType::LogAppendTime => now_ms,
    };
    if header.attributes.timestamp_type() == timestamp_type && header.max_timestamp == timestamp {
        return bytes;
    }
    let mut copy = bytes.to_vec();
    set_max_timestamp(&mut copy, timestamp_type, timestamp);
    copy.into()
}
