//! What the log remembers of idempotent and transactional producers (KIP-98, KIP-360): enough to refuse what is out of
//! sequence, to answer a repeated batch with its first offsets, and to know which transactions are open.
mod refused;
mod snapshot;
#[cfg(test)]
mod tests;
mod verification;

use std::collections::{BTreeMap, VecDeque};

use klamm_records::{
    Batch, BatchHeader, ControlRecordType, NO_PRODUCER_EPOCH, NO_SEQUENCE, RecordRef, decrement_sequence,
};

use crate::txn_index::AbortedEntry;

use refused::Refused;
pub(crate) use snapshot::{decode_snapshot, encode_snapshot};
use verification::Verifications;
pub use verification::{TransactionContext, VerificationGuard};

/// Batches that are recognised when they come again; as many as a producer may have in flight.
const BATCHES_TO_RETAIN: usize = 5;

/// Who appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOrigin {
    /// A producer: everything is checked.
    Client,
    /// A coordinator of this broker: trusted with control batches and sequences, not with epochs.
    Coordinator,
}

/// Why a producer's batch is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProducerError {
    /// The producer was fenced by a newer incarnation (`INVALID_PRODUCER_EPOCH`).
    #[error("producer {producer_id} has epoch {epoch}, the log has seen {current_epoch}")]
    InvalidEpoch {
        /// The producer.
        producer_id: i64,
        /// Its epoch in the batch.
        epoch: i16,
        /// The last one seen.
        current_epoch: i16,
    },
    /// Batches are missing in between, or repeated from too long ago (`OUT_OF_ORDER_SEQUENCE_NUMBER`).
    #[error("producer {producer_id} at epoch {epoch} sends sequence {sequence}, the last one was {last_sequence}")]
    OutOfOrderSequence {
        /// The producer.
        producer_id: i64,
        /// Its epoch in the batch.
        epoch: i16,
        /// First sequence number of the batch.
        sequence: i32,
        /// Last sequence number in the log, -1 if none at this epoch.
        last_sequence: i32,
    },
    /// A plain batch in the middle of a transaction (`INVALID_TXN_STATE`).
    #[error("producer {producer_id} has a transaction open and sends a batch outside of it")]
    OutsideTransaction {
        /// The producer.
        producer_id: i64,
    },
    /// A batch of a transaction of which its coordinator was not asked, or which it has ended since (`INVALID_TXN_STATE`).
    #[error("producer {producer_id} sends a batch that is not part of an open transaction")]
    NotVerified {
        /// The producer.
        producer_id: i64,
    },
    /// A marker of a transaction coordinator that has been replaced (`TRANSACTION_COORDINATOR_FENCED`).
    #[error("marker for producer {producer_id} from coordinator epoch {epoch}, the log has seen {current_epoch}")]
    CoordinatorFenced {
        /// The producer.
        producer_id: i64,
        /// Coordinator epoch in the marker.
        epoch: i32,
        /// The last one seen.
        current_epoch: i32,
    },
}

/// A batch that was appended: enough to recognise it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchMetadata {
    pub(crate) last_sequence: i32,
    pub(crate) last_offset: i64,
    pub(crate) offset_delta: i32,
    pub(crate) timestamp: i64,
}

impl BatchMetadata {
    pub(crate) fn first_sequence(&self) -> i32 {
        decrement_sequence(self.last_sequence, self.offset_delta)
    }

    pub(crate) fn first_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }
}

/// One producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) epoch: i16,
    pub(crate) coordinator_epoch: i32,
    pub(crate) last_timestamp: i64,
    pub(crate) current_txn_first_offset: Option<i64>,
    pub(crate) batches: VecDeque<BatchMetadata>,
}

impl Producer {
    fn new() -> Self {
        Self {
            epoch: NO_PRODUCER_EPOCH,
            coordinator_epoch: -1,
            last_timestamp: -1,
            current_txn_first_offset: None,
            batches: VecDeque::new(),
        }
    }

    fn last_sequence(&self) -> i32 {
        self.batches.back().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    /// The batch, if it was appended before and not too many others since.
    fn seen(&self, batch: &BatchHeader) -> Option<&BatchMetadata> {
        let is_same = |seen: &&BatchMetadata| {
            seen.first_sequence() == batch.base_sequence && seen.last_sequence == batch.last_sequence()
        };
        self.batches
            .iter()
            .find(is_same)
            .filter(|_| batch.producer_epoch == self.epoch)
    }

    fn set_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.batches.clear();
            self.epoch = epoch;
        }
    }

    fn is_expired(&self, now_ms: i64, expiration_ms: i64) -> bool {
        self.current_txn_first_offset.is_none() && now_ms - self.last_timestamp >= expiration_ms
    }
}

/// An end marker of a transaction: the record in its control batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndMarker {
    pub(crate) coordinator_epoch: i32,
    pub(crate) timestamp: i64,
    pub(crate) is_abort: bool,
}

impl EndMarker {
    /// The marker in a control batch of a transaction; `None` for other batches, and for one that compaction emptied.
    pub(crate) fn of(batch: &Batch<'_>) -> Option<Self> {
        if !batch.header.attributes.is_control() || !batch.header.has_producer_id() {
            return None;
        }
        let mut scratch = klamm_records::Scratch::new();
        Self::parse(&batch.records(&mut scratch, 1 << 20).ok()?.next()?.ok()?)
    }

    /// Value: version i16, coordinator epoch i32, and what later versions add.
    pub(crate) fn parse(record: &RecordRef<'_>) -> Option<Self> {
        let is_abort = match ControlRecordType::parse(record.key).ok()?? {
            ControlRecordType::Abort => true,
            ControlRecordType::Commit => false,
            _ => return None,
        };
        Some(Self {
            coordinator_epoch: i32::from_be_bytes(*record.value?.get(2..)?.first_chunk()?),
            timestamp: record.timestamp,
            is_abort,
        })
    }
}

/// How a batch that has passed the checks is dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// To be appended.
    New,
    /// Was appended before: these are its offsets.
    Duplicate(BatchMetadata),
}

/// A producer as DescribeProducers shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    /// The producer's id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// Last sequence number, -1 if none at this epoch.
    pub last_sequence: i32,
    /// Largest timestamp of its last batch, milliseconds.
    pub last_timestamp: i64,
    /// Epoch of the coordinator that wrote its last marker, -1 if none.
    pub coordinator_epoch: i32,
    /// First offset of its open transaction.
    pub current_txn_start_offset: Option<i64>,
}

/// Where a producer's state comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastRecord {
    /// Last offset of its last batch of data; `None` if its last marker is all that is known of it.
    pub(crate) data_offset: Option<i64>,
    /// Its epoch.
    pub(crate) producer_epoch: i16,
}

/// All producers of a log, as of [`end_offset`](Self::end_offset).
#[derive(Clone, Debug, Default)]
pub(crate) struct Producers {
    by_id: BTreeMap<i64, Producer>,
    /// Open transactions: first offset, producer.
    ongoing: BTreeMap<i64, i64>,
    verifications: Verifications,
    refused: Refused,
    /// Ended transactions whose marker the high watermark has not passed: first offset, offset of the marker.
    unreplicated: BTreeMap<i64, i64>,
    /// Everything below this offset is taken into account.
    pub(crate) end_offset: i64,
}

impl Producers {
    pub(crate) fn new(end_offset: i64) -> Self {
        Self {
            end_offset,
            ..Self::default()
        }
    }

    pub(crate) fn insert(&mut self, producer_id: i64, producer: Producer) {
        if let Some(first_offset) = producer.current_txn_first_offset {
            self.ongoing.insert(first_offset, producer_id);
        }
        self.by_id.insert(producer_id, producer);
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (i64, &Producer)> {
        self.by_id.iter().map(|(id, producer)| (*id, producer))
    }

    pub(crate) fn active(&self) -> Vec<ActiveProducer> {
        let describe = |(producer_id, producer): (i64, &Producer)| ActiveProducer {
            producer_id,
            producer_epoch: producer.epoch,
            last_sequence: producer.last_sequence(),
            last_timestamp: producer.last_timestamp,
            coordinator_epoch: producer.coordinator_epoch,
            current_txn_start_offset: producer.current_txn_first_offset,
        };
        self.iter().map(describe).collect()
    }

    /// The last record of each, which compaction keeps the batch of.
    pub(crate) fn last_records(&self) -> BTreeMap<i64, LastRecord> {
        let last = |(id, producer): (i64, &Producer)| {
            let last = LastRecord {
                data_offset: producer.batches.back().map(|batch| batch.last_offset),
                producer_epoch: producer.epoch,
            };
            (id, last)
        };
        self.iter().map(last).collect()
    }

    /// Judges a data batch that the leader is about to append. Batches without producer id are always new.
    /// `guard`: where transactions are verified, what a transactional batch comes with.
    pub(crate) fn admit(
        &self,
        batch: &BatchHeader,
        origin: AppendOrigin,
        guard: Option<VerificationGuard>,
    ) -> Result<Admission, ProducerError> {
        if !batch.has_producer_id() {
            return Ok(Admission::New);
        }
        let producer = self.by_id.get(&batch.producer_id);
        if origin == AppendOrigin::Client
            && let Some(seen) = producer.and_then(|producer| producer.seen(batch))
        {
            return Ok(Admission::Duplicate(*seen));
        }
        if let Some(guard) = guard
            && batch.attributes.is_transactional()
        {
            self.check_verified(batch, guard)?;
        }
        let is_known = producer.is_some_and(|producer| !producer.batches.is_empty());
        let has_gap = self.refused.has_gap_before(batch) || !self.verifications.check_sequence(batch, is_known);
        if origin == AppendOrigin::Client && has_gap {
            return Err(out_of_order(
                batch,
                producer.map_or(NO_SEQUENCE, Producer::last_sequence),
            ));
        }
        let Some(producer) = producer else {
            return Ok(Admission::New);
        };
        check_epoch(batch, producer)?;
        if origin == AppendOrigin::Client {
            check_sequence(batch, producer)?;
        }
        if producer.current_txn_first_offset.is_some() && !batch.attributes.is_transactional() {
            return Err(ProducerError::OutsideTransaction {
                producer_id: batch.producer_id,
            });
        }
        Ok(Admission::New)
    }

    /// Judges an end marker that the leader is about to append.
    pub(crate) fn admit_marker(
        &self,
        batch: &BatchHeader,
        marker: &EndMarker,
        transaction_version: i16,
    ) -> Result<(), ProducerError> {
        let Some(producer) = self.by_id.get(&batch.producer_id) else {
            return Ok(());
        };
        check_epoch(batch, producer)?;
        // The epoch of before, but for a marker that is written again, or when there are no higher ones.
        if transaction_version >= 2
            && batch.producer_epoch == producer.epoch
            && producer.current_txn_first_offset.is_some()
            && batch.producer_epoch != i16::MAX
        {
            return Err(invalid_epoch(batch, producer));
        }
        if marker.coordinator_epoch < producer.coordinator_epoch {
            return Err(ProducerError::CoordinatorFenced {
                producer_id: batch.producer_id,
                epoch: marker.coordinator_epoch,
                current_epoch: producer.coordinator_epoch,
            });
        }
        Ok(())
    }

    /// The transaction that a batch aborts, if it is the abort marker of one that has records here.
    pub(crate) fn aborts(&self, batch: &BatchHeader, marker: Option<EndMarker>) -> Option<AbortedEntry> {
        marker.filter(|marker| marker.is_abort)?;
        let first_offset = self.by_id.get(&batch.producer_id)?.current_txn_first_offset?;
        let is_other = |(_, producer_id): &(&i64, &i64)| **producer_id != batch.producer_id;
        let next_open = self.ongoing.iter().find(is_other);
        Some(AbortedEntry {
            producer_id: batch.producer_id,
            first_offset,
            last_offset: batch.base_offset,
            last_stable_offset: next_open.map_or(batch.base_offset + 1, |(first_offset, _)| *first_offset),
        })
    }

    /// Takes an appended batch into account; `marker` if it is an end marker. What a leader wrote is never refused here.
    pub(crate) fn update(&mut self, batch: &BatchHeader, marker: Option<EndMarker>) {
        self.end_offset = batch.next_offset();
        if !batch.has_producer_id() {
            return;
        }
        if batch.attributes.is_transactional() {
            self.verifications.end(batch.producer_id);
        }
        match marker {
            Some(marker) => self.end_transaction(batch, marker),
            None if batch.attributes.is_control() => {} // a marker that compaction emptied
            None => self.add_batch(batch),
        }
    }

    /// Takes note of a batch that was admitted and could not be written.
    pub(crate) fn note_refused(&mut self, batch: &BatchHeader) {
        self.refused.note(batch);
    }

    fn add_batch(&mut self, batch: &BatchHeader) {
        self.refused.forget(batch.producer_id);
        let producer = self.by_id.entry(batch.producer_id).or_insert_with(Producer::new);
        producer.set_epoch(batch.producer_epoch);
        if producer.batches.len() == BATCHES_TO_RETAIN {
            producer.batches.pop_front();
        }
        producer.batches.push_back(BatchMetadata {
            last_sequence: batch.last_sequence(),
            last_offset: batch.last_offset(),
            offset_delta: batch.last_offset_delta,
            timestamp: batch.max_timestamp,
        });
        producer.last_timestamp = batch.max_timestamp;
        if batch.attributes.is_transactional() && producer.current_txn_first_offset.is_none() {
            producer.current_txn_first_offset = Some(batch.base_offset);
            self.ongoing.insert(batch.base_offset, batch.producer_id);
        }
    }

    fn end_transaction(&mut self, batch: &BatchHeader, marker: EndMarker) {
        let producer = self.by_id.entry(batch.producer_id).or_insert_with(Producer::new);
        producer.set_epoch(batch.producer_epoch);
        producer.coordinator_epoch = marker.coordinator_epoch;
        producer.last_timestamp = marker.timestamp;
        if let Some(first_offset) = producer.current_txn_first_offset.take() {
            self.ongoing.remove(&first_offset);
            self.unreplicated.insert(first_offset, batch.base_offset);
        }
    }

    /// The first offset whose fate is not known to all replicas: of an open transaction, or of an ended one whose marker
    /// the high watermark has not passed.
    pub(crate) fn first_unstable_offset(&self) -> Option<i64> {
        let first = |transactions: &BTreeMap<i64, i64>| transactions.first_key_value().map(|(offset, _)| *offset);
        [first(&self.ongoing), first(&self.unreplicated)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Forgets ended transactions whose marker lies below the high watermark (or the log start offset).
    pub(crate) fn on_high_watermark(&mut self, high_watermark: i64) {
        if !self.unreplicated.is_empty() {
            self.unreplicated
                .retain(|_, marker_offset| *marker_offset >= high_watermark);
        }
    }

    /// Forgets producers that were idle too long.
    pub(crate) fn remove_expired(&mut self, now_ms: i64, expiration_ms: i64) {
        self.by_id
            .retain(|_, producer| !producer.is_expired(now_ms, expiration_ms));
        self.verifications.remove_expired(now_ms, expiration_ms);
    }
}

fn check_epoch(batch: &BatchHeader, producer: &Producer) -> Result<(), ProducerError> {
    if batch.producer_epoch >= producer.epoch {
        return Ok(());
    }
    Err(invalid_epoch(batch, producer))
}

fn invalid_epoch(batch: &BatchHeader, producer: &Producer) -> ProducerError {
    ProducerError::InvalidEpoch {
        producer_id: batch.producer_id,
        epoch: batch.producer_epoch,
        current_epoch: producer.epoch,
    }
}

/// A new epoch begins with sequence 0; a producer the log has forgotten may go on with any.
fn check_sequence(batch: &BatchHeader, producer: &Producer) -> Result<(), ProducerError> {
    let (sequence, last) = (batch.base_sequence, producer.last_sequence());
    let in_order = if producer.epoch == NO_PRODUCER_EPOCH {
        true
    } else if batch.producer_epoch != producer.epoch {
        sequence == 0
    } else {
        i64::from(sequence) == i64::from(last) + 1 || (sequence == 0 && last == i32::MAX)
    };
    if in_order {
        return Ok(());
    }
    Err(out_of_order(batch, last))
}

fn out_of_order(batch: &BatchHeader, last_sequence: i32) -> ProducerError {
    ProducerError::OutOfOrderSequence {
        producer_id: batch.producer_id,
        epoch: batch.producer_epoch,
        sequence: batch.base_sequence,
        last_sequence,
    }
}
