//! Records on their way to one partition, from the first of them to the outcome.

use std::sync::Arc;

use bytes::Bytes;
use klamm_records::{Batch as Wire, BatchBuilder, Codec, Header, NO_PRODUCER_ID, NO_SEQUENCE, Scratch, set_producer};
use tokio::time::Instant;

use super::SendError;
use super::delivery::{Completion, Outcome};
use super::sequences::Stamp;
use crate::Error;

/// A partition: the topic's place in the accumulator, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) topic: usize,
    pub(super) partition: i32,
}

/// A batch: being filled, or sealed and sent. Whoever waits for it hears [`SendError::Closed`] if it is dropped.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) place: Place,
    /// Counts up over all batches of the producer; pieces of a split batch share it.
    pub(super) number: u64,
    pub(super) created: Instant,
    pub(super) completion: Arc<Completion>,
    /// Units of `buffer.memory` that its records hold, as the accumulator counts them: not bytes.
    pub(super) units: usize,
    /// Times it was sent in vain.
    pub(super) attempts: u32,
    /// What the latest of them failed of.
    pub(super) last: Option<Error>,
    records: u32,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Open(Option<BatchBuilder>),
    Sealed { bytes: Bytes, stamp: Option<Stamp> },
}

impl Batch {
    /// An empty batch of at most `limit` bytes, with memory for `capacity` of them.
    pub(super) fn open(
        place: Place,
        number: u64,
        codec: Codec,
        limit: usize,
        capacity: usize,
        completion: Arc<Completion>,
    ) -> Batch {
        let builder = BatchBuilder::new(codec).max_size(limit).capacity(capacity);
        Batch {
            place,
            number,
            created: Instant::now(),
            completion,
            units: 0,
            attempts: 0,
            last: None,
            records: 0,
            body: Body::Open(Some(builder)),
        }
    }

    /// Adds a record that holds `units` of the room, if there is room, and answers its position.
    pub(super) fn push(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
        units: usize,
    ) -> Option<u32> {
        let Body::Open(Some(builder)) = &mut self.body else {
            return None;
        };
        let position = builder.push(timestamp, key, value, headers).ok()?;
        self.records += 1;
        self.units += units;
        Some(position as u32)
    }

    pub(super) fn records(&self) -> u32 {
        self.records
    }

    /// Bytes on the wire, before compression for a batch that is still being filled.
    pub(super) fn size(&self) -> usize {
        match &self.body {
            Body::Open(builder) => builder.as_ref().map_or(0, BatchBuilder::size_estimate),
            Body::Sealed { bytes, .. } => bytes.len(),
        }
    }

    /// The bytes as they are sent under this stamp. Compressed when first asked for; a new stamp is put into them later.
    pub(super) fn sealed(&mut self, wanted: Option<Stamp>, scratch: &mut Scratch) -> Bytes {
        match &mut self.body {
            Body::Open(builder) => {
                let builder = builder.take().expect("sealed once");
                let (id, epoch, sequence) = parts(wanted);
                let bytes = builder.producer(id, epoch, sequence).build_with(scratch);
                self.body = Body::Sealed {
                    bytes: bytes.clone(),
                    stamp: wanted,
                };
                bytes
            }
            Body::Sealed { bytes, stamp } => {
                if *stamp != wanted {
                    // Copied if an earlier sending still holds the bytes.
                    let mut changed = Vec::from(std::mem::take(bytes));
                    let (id, epoch, sequence) = parts(wanted);
                    set_producer(&mut changed, id, epoch, sequence);
                    (*bytes, *stamp) = (changed.into(), wanted);
                }
                bytes.clone()
            }
        }
    }

    /// The same records as several batches of at most `limit` bytes before compression, and about half of this one, but at
    /// least one record.
    pub(super) fn split(&self, limit: usize, codec: Codec, scratch: &mut Scratch) -> Vec<Batch> {
        let Body::Sealed { bytes, .. } = &self.body else {
            return Vec::new();
        };
        let whole = Wire::parse(bytes).expect("sealed by this producer");
        let uncompressed = whole
            .decompressed(scratch, usize::MAX)
            .expect("compressed by this producer");
        let half = uncompressed.len().saturating_sub(klamm_records::BATCH_OVERHEAD) / 2;
        let limit = limit.min(half + klamm_records::BATCH_OVERHEAD);
        let records = whole.records(scratch, usize::MAX).expect("compressed by this producer");
        let mut pieces: Vec<Batch> = Vec::new();
        let share = self.units / self.records.max(1) as usize;
        for record in records {
            let record = record.expect("encoded by this producer");
            let headers: Vec<Header<'_>> = record.headers().into_iter().collect();
            let add = |piece: &mut Batch| piece.push(record.timestamp, record.key, record.value, &headers, share);
            // One that was made larger for a single record takes no other, else splitting might never come to an end.
            if pieces
                .last_mut()
                .is_some_and(|piece| piece.size() < limit && add(piece).is_some())
            {
                continue;
            }
            let limit = limit.max(record.size_in_bytes + klamm_records::BATCH_OVERHEAD + MARGIN);
            let completion = Completion::new(self.completion.topic.clone(), self.place.partition);
            let mut piece = Batch::open(self.place, self.number, codec, limit, 0, completion);
            piece.created = self.created;
            add(&mut piece).expect("made to fit");
            pieces.push(piece);
        }
        let left_over = self.units - pieces.iter().map(|piece| piece.units).sum::<usize>();
        if let Some(piece) = pieces.first_mut() {
            piece.units += left_over;
        }
        pieces
    }

    /// Whether its outcome has been told.
    pub(super) fn is_complete(&self) -> bool {
        self.completion.is_complete()
    }
}

/// A record's deltas may take more bytes at another place of a batch.
const MARGIN: usize = 20;

fn parts(stamp: Option<Stamp>) -> (i64, i16, i32) {
    match stamp {
        Some(stamp) => (stamp.identity.id, stamp.identity.epoch, stamp.sequence),
        None => (NO_PRODUCER_ID, klamm_records::NO_PRODUCER_EPOCH, NO_SEQUENCE),
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.completion.complete(Outcome::Failed(SendError::Closed));
    }
}

#[cfg(test)]
mod tests {
    use super::super::sequences::Identity;
    use super::*;
    use klamm_records::Compression;

    fn filled(codec: Compression, records: usize) -> Batch {
        let place = Place { topic: 0, partition: 0 };
        let completion = Completion::new("t".into(), 0);
        let mut batch = Batch::open(place, 0, codec.into(), usize::MAX, 0, completion);
        for n in 0..records {
            batch.push(1000 + n as i64, Some(b"key"), Some(&[b'v'; 100]), &[], 150);
        }
        batch
    }

    fn stamp(epoch: i16, sequence: i32) -> Option<Stamp> {
        Some(Stamp {
            identity: Identity { id: 9, epoch },
            sequence,
        })
    }

    #[test]
    fn a_later_stamp_is_put_into_the_sealed_bytes() {
        let mut scratch = Scratch::new();
        let mut batch = filled(Compression::Lz4, 10);
        let first = batch.sealed(stamp(0, 70), &mut scratch);
        assert_eq!(batch.sealed(stamp(0, 70), &mut scratch), first);
        let second = batch.sealed(stamp(1, 0), &mut scratch);
        let header = |bytes: &[u8]| {
            let wire = Wire::parse(bytes).unwrap();
            wire.verify_crc().unwrap();
            (
                wire.header.producer_id,
                wire.header.producer_epoch,
                wire.header.base_sequence,
            )
        };
        assert_eq!((header(&first), header(&second)), ((9, 0, 70), (9, 1, 0)));
    }

    #[test]
    fn two_records_split_into_two() {
        let mut scratch = Scratch::new();
        for sizes in [[1000, 9], [9, 1000], [0, 0], [1, 300]] {
            let place = Place { topic: 0, partition: 0 };
            let completion = Completion::new("t".into(), 0);
            let mut batch = Batch::open(place, 0, Compression::None.into(), usize::MAX, 0, completion);
            for size in sizes {
                batch.push(1000, None, Some(&vec![b'v'; size]), &[], 0);
            }
            batch.sealed(None, &mut scratch);
            for limit in [usize::MAX, 16_384, 1] {
                let pieces = batch.split(limit, Compression::None.into(), &mut scratch);
                let records: Vec<u32> = pieces.iter().map(Batch::records).collect();
                assert_eq!(records, [1, 1], "{sizes:?} by {limit}");
            }
        }
    }

    #[test]
    fn a_batch_splits_without_losing_a_record() {
        for codec in Compression::ALL {
            let mut scratch = Scratch::new();
            let mut batch = filled(codec, 50);
            batch.sealed(None, &mut scratch);
            let mut pieces = batch.split(1000, codec.into(), &mut scratch);
            assert!(pieces.len() > 5 && pieces.iter().all(|piece| piece.size() <= 1000));
            assert_eq!(pieces.iter().map(Batch::records).sum::<u32>(), 50);
            assert_eq!(pieces.iter().map(|piece| piece.units).sum::<usize>(), batch.units);
            assert!(
                batch.split(usize::MAX, codec.into(), &mut scratch).len() > 1,
                "smaller in any case"
            );
            let mut timestamps = Vec::new();
            for piece in &mut pieces {
                let bytes = piece.sealed(None, &mut scratch);
                let wire = Wire::parse(&bytes).unwrap();
                timestamps.extend(
                    wire.records(&mut Scratch::new(), 1 << 20)
                        .unwrap()
                        .map(|r| r.unwrap().timestamp),
                );
            }
            assert_eq!(timestamps, (1000..1050).collect::<Vec<_>>());
            assert_eq!(
                batch.split(1, codec.into(), &mut scratch).len(),
                50,
                "one record each at least"
            );
        }
    }
}
