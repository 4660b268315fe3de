//! Appending: by the leader, which gives offsets, and by followers and the metadata quorum, which are given them.
use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use klamm_records::{BATCH_OVERHEAD, BatchError, BatchHeader, Compression, Scratch, TimestampType, batches};

use super::{ActiveSegment, Log, Place, Position, UNPOISONED, Writer};
use crate::config::LogConfig;
use crate::disk;
use crate::error::{Result, StorageError};
use crate::names::{FileKind, TopicPartition};
use crate::producers::{Admission, AppendOrigin, EndMarker, ProducerError, TransactionContext, encode_snapshot};
use crate::recovery::EntryPacer;
use crate::segment::{Located, Segment};
use crate::validate::{InvalidBatch, validate};

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendInfo {
    /// Offset of the first record.
    pub first_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// The time that the records were given, -1 if they keep their own. Milliseconds.
    pub log_append_time_ms: i64,
    /// First offset that is served.
    pub log_start_offset: i64,
    /// The batch had been appended before; the offsets are those of then.
    pub is_duplicate: bool,
}

/// Why nothing was appended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// The batch is refused whatever the log holds.
    #[error(transparent)]
    Invalid(#[from] InvalidBatch),
    /// The batch contradicts what the log knows of its producer.
    #[error(transparent)]
    Producer(#[from] ProducerError),
    /// The batch fits no segment (`RECORD_LIST_TOO_LARGE`).
    #[error("the batch has {size} bytes, a segment at most {segment_bytes}")]
    LargerThanSegment {
        /// Bytes of the batch.
        size: usize,
        /// The topic's `segment.bytes`.
        segment_bytes: u32,
    },
    /// A follower's batch begins below the log end, or below the batch before it.
    #[error("the batch begins at offset {base_offset}, expected {log_end_offset} or higher")]
    UnexpectedOffset {
        /// Base offset of the batch.
        base_offset: i64,
        /// The next offset.
        log_end_offset: i64,
    },
    /// The partition has no offsets left.
    #[error("the partition has reached the last offset")]
    OffsetsExhausted,
    /// The disk.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A checked batch with its final offsets, and its bytes in two parts.
struct Incoming<'a> {
    header: BatchHeader,
    head: &'a [u8],
    body: &'a [u8],
    marker: Option<EndMarker>,
}

impl Log {
    /// Appends the one batch in `records` as the leader of `leader_epoch`: checks it, gives it the next offsets and writes
    /// it. A batch that an idempotent producer sends again is not written again but answered with its first offsets.
    pub fn append_as_leader(
        &self,
        records: &Bytes,
        leader_epoch: i32,
        origin: AppendOrigin,
        now_ms: i64,
    ) -> Result<AppendInfo, AppendError> {
        self.append_in_transaction(records, leader_epoch, origin, TransactionContext::default(), now_ms)
    }

    /// As [`append_as_leader`](Self::append_as_leader), with what the caller knows of the batch's transaction.
    pub fn append_in_transaction(
        &self,
        records: &Bytes,
        leader_epoch: i32,
        origin: AppendOrigin,
        transaction: TransactionContext,
        now_ms: i64,
    ) -> Result<AppendInfo, AppendError> {
        let config = self.config();
        let shared = &self.log_dir.shared;
        let valid = match stays_uncompressed(records, &config) {
            true => validate(records, &config, origin, now_ms, &mut Scratch::new())?,
            false => shared.with_scratch(|scratch| validate(records, &config, origin, now_ms, scratch))?,
        };
        let size = valid.bytes.len();
        if size > config.segment_bytes as usize {
            return Err(AppendError::LargerThanSegment {
                size,
                segment_bytes: config.segment_bytes,
            });
        }
        let marker = valid.marker;
        let verifies = shared.verifies_transactions.load(Ordering::Relaxed);
        let log_append_time_ms = match config.message_timestamp_type {
            TimestampType::CreateTime => -1,
            TimestampType::LogAppendTime => now_ms,
        };

        let mut writer = self.open_writer()?;
        let positions = self.positions();
        let admission = match &marker {
            Some(marker) => writer
                .producers
                .admit_marker(&valid.header, marker, transaction.transaction_version)
                .map(|()| Admission::New),
            None => writer
                .producers
                .admit(&valid.header, origin, verifies.then_some(transaction.guard)),
        };
        if let Admission::Duplicate(seen) = admission? {
            drop(writer);
            if config.flush_messages < i64::MAX && self.recovery_point() <= seen.last_offset {
                self.flush_appended()?; // which may be what failed when it came first
            }
            return Ok(AppendInfo {
                first_offset: seen.first_offset(),
                last_offset: seen.last_offset,
                log_append_time_ms: seen.timestamp,
                log_start_offset: positions.log_start_offset,
                is_duplicate: true,
            });
        }
        let mut header = valid.header;
        header.base_offset = positions.log_end.offset;
        header.partition_leader_epoch = leader_epoch;
        header
            .base_offset
            .checked_add(i64::from(header.last_offset_delta) + 1)
            .ok_or(AppendError::OffsetsExhausted)?;
        let mut head = [0; BATCH_OVERHEAD];
        header.write(&mut head);
        let incoming = Incoming {
            header,
            head: &head,
            body: &valid.bytes[BATCH_OVERHEAD..],
            marker,
        };
        self.log_dir
            .watch(self.append_batches(&mut writer, &config, &[incoming], now_ms))
            .inspect_err(|_| writer.producers.note_refused(&header))?;
        self.after_append(writer, &config)?;
        Ok(AppendInfo {
            first_offset: header.base_offset,
            last_offset: header.last_offset(),
            log_append_time_ms,
            log_start_offset: positions.log_start_offset,
            is_duplicate: false,
        })
    }

    /// Appends batches that have their offsets and leader epochs: from a leader's fetch response, or from the metadata
    /// quorum. Gaps between offsets are fine; a partial batch at the end is left out. Returns the offsets appended, `None`
    /// if there was no whole batch.
    pub fn append_as_follower(&self, records: &Bytes, now_ms: i64) -> Result<Option<AppendInfo>, AppendError> {
        let config = self.config();
        let mut incoming = Vec::new();
        for batch in batches(records) {
            let batch = match batch {
                Err(BatchError::Truncated { .. }) if !incoming.is_empty() => break,
                batch => batch.map_err(InvalidBatch::Corrupt)?,
            };
            batch.verify_crc().map_err(InvalidBatch::Corrupt)?;
            let (head, body) = batch.bytes.split_at(BATCH_OVERHEAD);
            incoming.push(Incoming {
                header: batch.header,
                head,
                body,
                marker: EndMarker::of(&batch),
            });
        }
        let (Some(first), Some(last)) = (incoming.first(), incoming.last()) else {
            return Ok(None);
        };
        let (first_offset, last_offset) = (first.header.base_offset, last.header.last_offset());

        let mut writer = self.open_writer()?;
        let positions = self.positions();
        let mut next = positions.log_end.offset;
        for Incoming { header, .. } in &incoming {
            if header.base_offset < next || header.last_offset_delta < 0 {
                let base_offset = header.base_offset;
                return Err(AppendError::UnexpectedOffset {
                    base_offset,
                    log_end_offset: next,
                });
            }
            let after = header.base_offset.checked_add(i64::from(header.last_offset_delta) + 1);
            next = after.ok_or(AppendError::OffsetsExhausted)?;
        }
        self.log_dir
            .watch(self.append_batches(&mut writer, &config, &incoming, now_ms))?;
        self.after_append(writer, &config)?;
        Ok(Some(AppendInfo {
            first_offset,
            last_offset,
            log_append_time_ms: -1,
            log_start_offset: positions.log_start_offset,
            is_duplicate: false,
        }))
    }

    /// Writes batches one by one and shows each to readers when it is whole.
    fn append_batches(
        &self,
        writer: &mut Writer,
        config: &LogConfig,
        incoming: &[Incoming<'_>],
        now_ms: i64,
    ) -> Result<()> {
        self.touched.store(true, Ordering::Relaxed);
        for Incoming {
            header,
            head,
            body,
            marker,
        } in incoming
        {
            if self.should_roll(writer, config, header, now_ms)? {
                self.roll_at(writer, header.base_offset, now_ms)?;
            }
            let segment = self.active_segment();
            let batch = Located {
                position: segment.size(),
                header: *header,
            };
            segment.write(head, body)?;
            self.epochs
                .write()
                .expect(UNPOISONED)
                .assign(header.partition_leader_epoch, header.base_offset);
            let noted = note_in_segment(&segment, writer, config, &batch)
                .and_then(|()| note_aborted(&segment, writer, header, *marker));
            noted.inspect_err(|_| segment.forget_write())?;
            writer.producers.update(header, *marker);
            writer.unflushed_records += i64::from(header.records_count);
            self.unflushed
                .bytes
                .fetch_add(u64::from(batch.size()), Ordering::Relaxed);
            self.unflushed.since_ms.fetch_min(now_ms, Ordering::Relaxed);
            segment.publish(batch.size());
            let place = Place {
                segment: segment.base_offset,
                position: batch.end(),
            };
            let first_unstable_offset = writer.producers.first_unstable_offset();
            self.change_positions(|positions| {
                positions.log_end = Position {
                    offset: header.next_offset(),
                    place: Some(place),
                };
                positions.first_unstable_offset = first_unstable_offset;
            });
        }
        Ok(())
    }

    /// Flushes at once if the topic asks for it (`flush.messages`), else in the background when much is unflushed.
    /// Decided before the writer is let go: a flush that begins after that resets the count long before it has synced.
    fn after_append(&self, writer: MutexGuard<'_, Writer>, config: &LogConfig) -> Result<()> {
        let is_due = config.flush_messages < i64::MAX && writer.unflushed_records >= config.flush_messages;
        drop(writer);
        if is_due {
            self.flush_appended()?;
        } else if self.unflushed.bytes.load(Ordering::Relaxed) >= self.log_dir.shared.background_flush_bytes {
            self.ask_for_flush(true);
        } else if self.log_dir.shared.files.is_crowded() {
            self.ask_for_flush(false);
        }
        Ok(())
    }

    fn should_roll(
        &self,
        writer: &mut Writer,
        config: &LogConfig,
        incoming: &BatchHeader,
        now_ms: i64,
    ) -> Result<bool> {
        let segment = self.active_segment();
        let size = segment.size();
        if size as usize + incoming.size_in_bytes() > config.segment_bytes as usize && size > 0 {
            return Ok(true);
        }
        if incoming.last_offset() - segment.base_offset > i64::from(i32::MAX) {
            return Ok(true);
        }
        if size == 0 {
            return Ok(false);
        }
        if writer.active.first_timestamp.is_none() {
            writer.active.first_timestamp = first_timestamp(&segment)?;
        }
        let age = match writer.active.first_timestamp {
            Some(first) if first >= 0 => incoming.max_timestamp - first,
            _ => now_ms - writer.active.created_ms,
        };
        let max_age = config.max_segment_ms();
        Ok(
            age > max_age - jitter(writer.active.seed, config.segment_jitter_ms.min(max_age))
                || segment.is_index_full(config.segment_index_bytes)?,
        )
    }

    /// Ends the active segment and begins one at the log end.
    pub fn roll(&self, now_ms: i64) -> Result<(), StorageError> {
        let mut writer = self.open_writer()?;
        let base_offset = self.positions().log_end.offset;
        self.log_dir.watch(self.roll_at(&mut writer, base_offset, now_ms))
    }

    pub(super) fn roll_at(&self, writer: &mut Writer, base_offset: i64, now_ms: i64) -> Result<()> {
        let old = self.active_segment();
        if old.base_offset == base_offset {
            return Ok(()); // it is empty
        }
        close_segment(&old)?;
        writer.dir_dirty = true; // also when it fails: names came and went
        let new = Segment::create(&self.dir, base_offset, &self.log_dir.shared.files)?;
        writer.active = ActiveSegment::new(&self.topic_partition, base_offset, now_ms);
        let mut segments = self.segments().to_vec();
        segments.push(new.into());
        self.set_segments(segments);
        self.change_positions(|positions| {
            let place = Some(Place {
                segment: base_offset,
                position: 0,
            });
            if positions.high_watermark.offset == positions.log_end.offset {
                positions.high_watermark.place = place;
            }
            positions.log_end.place = place;
        });
        // A snapshot for each segment: recovery of a segment begins with it.
        writer.producers.end_offset = base_offset;
        self.write_snapshot(writer)
    }

    /// Writes the producers' state as of the log end, unless that is on disk already.
    pub(super) fn write_snapshot(&self, writer: &mut Writer) -> Result<()> {
        let offset = writer.producers.end_offset;
        if writer.snapshots.contains(&offset) {
            return Ok(());
        }
        disk::replace_file_unsynced(
            self.log_dir.disk(),
            &self.file_path(FileKind::Snapshot, offset),
            &encode_snapshot(&writer.producers),
        )?;
        writer.snapshots.insert(offset);
        Ok(())
    }
}

/// Whether a batch needs no codec's memory.
fn stays_uncompressed(records: &[u8], config: &LogConfig) -> bool {
    let none = Compression::None;
    config.target_codec(none).is_none()
        && BatchHeader::parse(records).is_ok_and(|header| header.attributes.compression() == Ok(none))
}

/// Leaves a segment's indexes as Kafka does: the time index ends with the largest timestamp.
pub(super) fn close_segment(segment: &Segment) -> Result<()> {
    segment.cut_torn_write()?;
    segment.note_max_timestamp()?;
    segment.write_out_indexes()?;
    segment.trim_indexes()
}

fn note_in_segment(segment: &Segment, writer: &mut Writer, config: &LogConfig, batch: &Located) -> Result<()> {
    if batch.position == 0 {
        writer.active.first_timestamp = Some(batch.header.max_timestamp);
    }
    writer.active.appended = true;
    let entry = writer.active.entries.is_due(batch, config.index_interval_bytes);
    segment.note(batch, entry)
}

/// Before the marker is shown to readers, who then find the transaction in the index.
fn note_aborted(segment: &Segment, writer: &mut Writer, header: &BatchHeader, marker: Option<EndMarker>) -> Result<()> {
    if let Some(aborted) = writer.producers.aborts(header, marker) {
        writer.dir_dirty |= segment.note_aborted(&aborted)?;
    }
    Ok(())
}

pub(super) fn first_timestamp(segment: &Segment) -> Result<Option<i64>> {
    Ok(segment
        .headers(0)
        .next()
        .transpose()?
        .map(|first| first.header.max_timestamp))
}

impl ActiveSegment {
    pub(super) fn new(partition: &TopicPartition, base_offset: i64, now_ms: i64) -> Self {
        let mut name = partition.to_string().into_bytes();
        name.extend_from_slice(&base_offset.to_be_bytes());
        Self {
            entries: EntryPacer::default(),
            first_timestamp: None,
            appended: false,
            snapshot_at: 0,
            created_ms: now_ms,
            seed: klamm_records::crc32c(&name),
        }
    }
}

/// How much earlier a segment ends than its age alone would have it, in milliseconds: below `max`.
fn jitter(seed: u32, max: i64) -> i64 {
    if max > 0 { i64::from(seed) % max } else { 0 }
}
