//! Replaying a shard's log: data records, and the ends of transactions.

use crate::error::{LoadError, RecordError};
use crate::shard::{Shard, TransactionOutcome};
use klamm_records::{Batch, ControlRecordType, NO_PRODUCER_ID, Scratch, batches};
use klamm_timeline::Timeline;

/// Most bytes a batch of the log may decompress to. The coordinators write batches of `max.message.bytes`, 1 MiB by default.
const MAX_DECOMPRESSED_BYTES: usize = 128 * 1024 * 1024;

/// Replays whole batches and takes a snapshot after each, so that what lies above the high watermark stays uncommitted.
pub(crate) fn replay_batches<S: Shard>(
    timeline: &mut Timeline<S::State>,
    chunk: &[u8],
    high_watermark: i64,
) -> Result<(), LoadError> {
    let mut scratch = Scratch::new();
    for batch in batches(chunk) {
        let after = timeline.newest_offset();
        let bad = |reason: String| LoadError::Batch { after, reason };
        let batch = batch.map_err(|error| bad(error.to_string()))?;
        batch.verify_crc().map_err(|error| bad(error.to_string()))?;
        replay_batch::<S>(timeline.current_mut(), &batch, &mut scratch, bad)?;
        timeline.snapshot(batch.header.last_offset());
        timeline.commit(high_watermark - 1);
    }
    Ok(())
}

fn replay_batch<S: Shard>(
    state: &mut S::State,
    batch: &Batch<'_>,
    scratch: &mut Scratch,
    bad: impl Fn(String) -> LoadError,
) -> Result<(), LoadError> {
    let transactional = batch.header.attributes.is_transactional();
    let producer_id = if transactional {
        batch.header.producer_id
    } else {
        NO_PRODUCER_ID
    };
    let records = batch
        .records(scratch, MAX_DECOMPRESSED_BYTES)
        .map_err(|error| bad(error.to_string()))?;
    for record in records {
        let record = record.map_err(|error| bad(error.to_string()))?;
        if batch.header.attributes.is_control() {
            if let Some(outcome) = transaction_end(record.key).map_err(&bad)? {
                S::replay_end_transaction(state, batch.header.producer_id, outcome);
            }
            continue;
        }
        let decoded = record
            .key
            .ok_or_else(|| RecordError("the record has no key".to_owned()))
            .and_then(|key| S::decode(key, record.value))
            .map_err(|error| LoadError::Record {
                offset: record.offset,
                error,
            })?;
        S::replay(state, record.offset, producer_id, &decoded);
    }
    Ok(())
}

/// The outcome that a control record tells; none for the kinds that end no transaction.
fn transaction_end(key: Option<&[u8]>) -> Result<Option<TransactionOutcome>, String> {
    let kind = ControlRecordType::parse(key).map_err(|error| error.to_string())?;
    Ok(match kind {
        Some(ControlRecordType::Commit) => Some(TransactionOutcome::Commit),
        Some(ControlRecordType::Abort) => Some(TransactionOutcome::Abort),
        _ => None,
    })
}
