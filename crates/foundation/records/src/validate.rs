//! The leader's look at every record of a producer's batch.

use thiserror::Error;

use crate::batch::Batch;
use crate::compression::Scratch;
use crate::header::{NO_OFFSET, NO_TIMESTAMP};
use crate::record::{RecordRef, RecordsError};

/// What a pass over a batch's records found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidationStats {
    /// Smallest timestamp, milliseconds; -1 if no record has one.
    pub min_timestamp: i64,
    /// Largest timestamp, milliseconds; -1 if no record has one.
    pub max_timestamp: i64,
    /// Offset of the first record with the largest timestamp, by the batch's own base offset; -1 if no record has one.
    pub offset_of_max_timestamp: i64,
    /// Bytes of the records, uncompressed.
    pub records_size: usize,
}

/// Why a batch as a whole is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ValidationError {
    /// The records cannot be read, or there are fewer or more than the header says.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// A producer's batch has records, and as many as its offsets span.
    #[error("the batch spans {last_offset_delta} + 1 offsets and says that it has {records_count} records")]
    InconsistentCount {
        /// Count in the header.
        records_count: i32,
        /// Last offset less base offset, from the header.
        last_offset_delta: i32,
    },
    /// A producer numbers its records 0, 1, 2 and so on.
    #[error("record {index} of the batch has offset delta {offset_delta}")]
    OffsetDelta {
        /// Index of the record in the batch, from 0.
        index: i32,
        /// Offset delta found.
        offset_delta: i32,
    },
}

/// Reads every record of a producer's batch once and checks that header and records agree: count, consecutive
/// offset deltas, no bytes left over.
///
/// `check` sees each record with its index and may object to it; objections go to `errors` with the index and do not
/// end the pass, as Kafka reports them all. Nothing is allocated per record but those.
pub fn validate_records<E>(
    batch: &Batch<'_>,
    scratch: &mut Scratch,
    limit: usize,
    mut check: impl FnMut(i32, &RecordRef<'_>) -> Option<E>,
    errors: &mut Vec<(i32, E)>,
) -> Result<ValidationStats, ValidationError> {
    let header = &batch.header;
    let (records_count, last_offset_delta) = (header.records_count, header.last_offset_delta);
    if records_count <= 0 || records_count - 1 != last_offset_delta {
        return Err(ValidationError::InconsistentCount {
            records_count,
            last_offset_delta,
        });
    }
    let mut stats = ValidationStats {
        min_timestamp: NO_TIMESTAMP,
        max_timestamp: NO_TIMESTAMP,
        offset_of_max_timestamp: NO_OFFSET,
        records_size: 0,
    };
    for (record, index) in batch.records(scratch, limit)?.zip(0..) {
        let record = record?;
        if record.offset_delta != index {
            return Err(ValidationError::OffsetDelta {
                index,
                offset_delta: record.offset_delta,
            });
        }
        stats.see(&record);
        if let Some(error) = check(index, &record) {
            errors.push((index, error));
        }
    }
    Ok(stats)
}

impl ValidationStats {
    #[inline]
    fn see(&mut self, record: &RecordRef<'_>) {
        self.records_size += record.size_in_bytes;
        if record.timestamp > self.max_timestamp {
            self.max_timestamp = record.timestamp;
            self.offset_of_max_timestamp = record.offset;
        }
        if record.timestamp > NO_TIMESTAMP
            && (self.min_timestamp == NO_TIMESTAMP || record.timestamp < self.min_timestamp)
        {
            self.min_timestamp = record.timestamp;
        }
    }
}
