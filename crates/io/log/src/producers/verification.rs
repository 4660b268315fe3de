//! Transactions that are being verified with their coordinator before their first batch is let into the log (KIP-890).
//!
//! Without this a batch that comes late, after its transaction was aborted, would begin a transaction that nobody ends. The
//! broker asks for a guard, then asks the coordinator whether the transaction is open and has this partition, and shows the
//! guard with the batch. An end marker that is written in between takes the guard away, and the batch is refused.
use std::collections::BTreeMap;

use klamm_records::BatchHeader;

use super::{ProducerError, Producers};

/// What shows that a transaction was verified after its last end marker. The default is none, for a transaction that the log
/// knows to be open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerificationGuard(u64);

/// What a caller knows of a transactional batch that it appends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransactionContext {
    /// Of a transaction's first batch: what [`Log::start_verification`](crate::Log::start_verification) gave.
    pub guard: VerificationGuard,
    /// Of an end marker: the transaction version that its coordinator ended the transaction with. From 2 on each marker has
    /// a higher epoch than the batches before it.
    pub transaction_version: i16,
}

/// A transaction whose coordinator is being asked.
#[derive(Clone, Debug)]
struct Verification {
    guard: VerificationGuard,
    since_ms: i64,
    lowest_sequence: i32,
    epoch: i16,
    supports_epoch_bump: bool,
}

/// All of a log, by producer.
#[derive(Clone, Debug, Default)]
pub(super) struct Verifications {
    by_id: BTreeMap<i64, Verification>,
    /// Guards given so far; none is given twice.
    given: u64,
}

impl Verifications {
    fn start(
        &mut self,
        producer_id: i64,
        sequence: i32,
        epoch: i16,
        supports_epoch_bump: bool,
        now_ms: i64,
    ) -> VerificationGuard {
        let given = &mut self.given;
        let verification = self.by_id.entry(producer_id).or_insert_with(|| {
            *given += 1;
            Verification {
                guard: VerificationGuard(*given),
                since_ms: now_ms,
                lowest_sequence: sequence,
                epoch,
                supports_epoch_bump,
            }
        });
        if epoch > verification.epoch {
            verification.epoch = epoch;
            verification.lowest_sequence = sequence;
        } else if epoch == verification.epoch {
            verification.lowest_sequence = verification.lowest_sequence.min(sequence);
        }
        verification.guard
    }

    pub(super) fn end(&mut self, producer_id: i64) {
        self.by_id.remove(&producer_id);
    }

    pub(super) fn remove_expired(&mut self, now_ms: i64, expiration_ms: i64) {
        self.by_id
            .retain(|_, verification| now_ms - verification.since_ms < expiration_ms);
    }

    /// Of several batches sent at once the one with the lowest sequence has to be first in the log; and a producer that gets
    /// a new epoch with each transaction begins each with sequence 0, also where the log knows nothing of it.
    pub(super) fn check_sequence(&self, batch: &BatchHeader, is_known: bool) -> bool {
        self.by_id.get(&batch.producer_id).is_none_or(|verification| {
            let begins_anew = verification.supports_epoch_bump && !is_known;
            batch.base_sequence <= verification.lowest_sequence && (!begins_anew || batch.base_sequence == 0)
        })
    }

    fn is_verified(&self, producer_id: i64, guard: VerificationGuard) -> bool {
        guard != VerificationGuard::default()
            && self
                .by_id
                .get(&producer_id)
                .is_some_and(|verification| verification.guard == guard)
    }
}

impl Producers {
    /// Begins to verify a transaction that the log does not know to be open; one that it knows needs no guard.
    pub(crate) fn start_verification(
        &mut self,
        producer_id: i64,
        sequence: i32,
        epoch: i16,
        supports_epoch_bump: bool,
        now_ms: i64,
    ) -> Result<VerificationGuard, ProducerError> {
        if self.has_ongoing_transaction(producer_id, epoch) {
            return Ok(VerificationGuard::default());
        }
        self.check_not_fenced(producer_id, epoch)?;
        let verifications = &mut self.verifications;
        Ok(verifications.start(producer_id, sequence, epoch, supports_epoch_bump, now_ms))
    }

    /// Whether the log knows a transaction of the producer, with this epoch, to be open.
    pub(crate) fn has_ongoing_transaction(&self, producer_id: i64, epoch: i16) -> bool {
        let producer = self.by_id.get(&producer_id);
        producer.is_some_and(|producer| producer.epoch == epoch && producer.current_txn_first_offset.is_some())
    }

    /// Whether a transactional batch belongs to a transaction that its coordinator knows of.
    pub(super) fn check_verified(&self, batch: &BatchHeader, guard: VerificationGuard) -> Result<(), ProducerError> {
        let producer_id = batch.producer_id;
        if self.has_ongoing_transaction(producer_id, batch.producer_epoch) {
            return Ok(());
        }
        self.check_not_fenced(producer_id, batch.producer_epoch)?;
        match self.verifications.is_verified(producer_id, guard) {
            true => Ok(()),
            false => Err(ProducerError::NotVerified { producer_id }),
        }
    }

    fn check_not_fenced(&self, producer_id: i64, epoch: i16) -> Result<(), ProducerError> {
        match self.by_id.get(&producer_id) {
            Some(producer) if epoch < producer.epoch => Err(ProducerError::InvalidEpoch {
                producer_id,
                epoch,
                current_epoch: producer.epoch,
            }),
            _ => Ok(()),
        }
    }
}
