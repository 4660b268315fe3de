//! Taking things away: from the end (truncation), from the front (DeleteRecords, retention), or all (deletion).
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::read::floor;
use super::replay::{load_producers, replay};
use super::{ActiveSegment, Log, Place, Position, UNPOISONED, Writer};
use crate::disk;
use crate::error::{Result, StorageError};
use crate::names::{FileKind, delete_dir_name, stray_dir_name};
use crate::producers::Producers;
use crate::retention::{self, LogFacts, SegmentFacts};
use crate::segment::Segment;

/// Why records were not deleted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeleteRecordsError {
    /// Only what all replicas have can be deleted (`OFFSET_OUT_OF_RANGE`).
    #[error("offset {offset} is beyond the high watermark {high_watermark}")]
    BeyondHighWatermark {
        /// The offset asked for.
        offset: i64,
        /// The high watermark.
        high_watermark: i64,
    },
    /// The disk.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What retention took out of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retired {
    /// So many segments.
    Segments(usize),
    /// The log is being cleaned; another time.
    NotNow,
}

/// Segments that one call of [`Log::delete_old_segments`] removes at most.
pub(crate) const SEGMENTS_PER_STEP: usize = 32;

impl Log {
    /// Drops all batches that hold `offset` or a later one. `false`: there are none. The caller sees to it that a recovery
    /// point above the offset does not stay in the checkpoint ([`LogManager::truncate_to`](crate::LogManager::truncate_to)).
    pub fn truncate_to(&self, offset: i64, now_ms: i64) -> Result<bool, StorageError> {
        let _not_cleaning = self.cleaning.stop();
        let _flushing = self.flushing.lock().expect(UNPOISONED);
        self.truncate_now(offset, now_ms)
    }

    /// As [`truncate_to`](Self::truncate_to), after `keep` has put on disk what this log says of its recovery point and log
    /// start then. No flush comes in between, which would raise the recovery point again.
    pub(crate) fn truncate_prepared(
        &self,
        offset: i64,
        now_ms: i64,
        keep: impl FnOnce() -> Result<()>,
    ) -> Result<bool> {
        let _not_cleaning = self.cleaning.stop();
        let _flushing = self.flushing.lock().expect(UNPOISONED);
        if self.prepare_truncation(offset)? {
            keep()?;
        }
        self.truncate_now(offset, now_ms)
    }

    fn truncate_now(&self, offset: i64, now_ms: i64) -> Result<bool> {
        let mut writer = self.open_writer()?;
        let log_end_offset = self.log_end_offset();
        if offset >= log_end_offset {
            // A leader that appended nothing leaves an epoch behind which the next leader knows nothing of.
            self.epochs.write().expect(UNPOISONED).truncate_from_end(log_end_offset);
            return Ok(false);
        }
        let first = self.segments()[0].base_offset;
        let result = if offset < first {
            self.restart_at(&mut writer, offset, now_ms)
        } else {
            self.cut_at(&mut writer, offset, now_ms)
        };
        self.log_dir.watch(result)?;
        Ok(true)
    }

    /// Lowers recovery point and log start to where the log would end after a truncation, for the checkpoints: a crash in the
    /// middle of it, or after the next appends, must not find offsets on disk that lie above the log's end. `false`: there is
    /// nothing to truncate.
    fn prepare_truncation(&self, offset: i64) -> Result<bool> {
        let _writer = self.open_writer()?;
        if offset >= self.log_end_offset() {
            return Ok(false);
        }
        let segments = self.segments();
        let holding = segments[0].base_offset.max(offset);
        let found = self.log_dir.watch(segments[floor(&segments, holding)].locate(offset))?;
        let end = found.map_or(offset, |found| offset.min(found.header.base_offset));
        self.change_positions(|positions| {
            positions.recovery_point = positions.recovery_point.min(end);
            positions.set_log_start(positions.log_start_offset.min(end));
        });
        self.cleaned_offset.fetch_min(end, Ordering::AcqRel);
        Ok(true)
    }

    fn cut_at(&self, writer: &mut Writer, offset: i64, now_ms: i64) -> Result<()> {
        let segments = self.segments();
        let (kept, dropped) = segments.split_at(floor(&segments, offset) + 1);
        let last = kept.last().expect("the segment that the offset lies in");
        writer.dir_dirty = true; // names go: of segments, or at least of snapshots
        // From the end, so that what a failure leaves is without a gap.
        let reversed: Vec<_> = dropped.iter().rev().cloned().collect();
        self.doom_segments(&reversed, now_ms)?;
        // A batch that straddles the offset goes whole.
        let mut end = offset;
        if let Some(found) = last.locate(offset)? {
            end = end.min(found.header.base_offset);
            last.truncate(found.position, end)?;
        }
        self.set_segments(kept.to_vec());
        writer.active = ActiveSegment::new(&self.topic_partition, last.base_offset, now_ms);
        writer.active.appended = true; // the time index may have lost its end
        self.epochs.write().expect(UNPOISONED).truncate_from_end(end);
        let place = Some(Place {
            segment: last.base_offset,
            position: last.size(),
        });
        self.change_positions(|positions| {
            positions.set_log_start(positions.log_start_offset.min(end));
            positions.recovery_point = positions.recovery_point.min(end);
            positions.log_end = Position { offset: end, place };
            positions.set_high_watermark(positions.high_watermark.offset);
        });
        self.cleaned_offset.fetch_min(end, Ordering::AcqRel);
        self.reload_producers(writer, end, now_ms)
    }

    /// Drops everything and begins anew at `offset`: a follower whose leader has nothing older, or a snapshot was loaded.
    pub fn truncate_fully_and_start_at(&self, offset: i64, now_ms: i64) -> Result<(), StorageError> {
        let _not_cleaning = self.cleaning.stop();
        let _flushing = self.flushing.lock().expect(UNPOISONED);
        let mut writer = self.open_writer()?;
        self.log_dir.watch(self.restart_at(&mut writer, offset, now_ms))
    }

    fn restart_at(&self, writer: &mut Writer, offset: i64, now_ms: i64) -> Result<()> {
        let old = self.segments();
        self.doom_segments(&old, now_ms)?;
        let new = Arc::new(Segment::create(&self.dir, offset, &self.log_dir.shared.files)?);
        self.set_segments(vec![new]);
        writer.dir_dirty = true;
        writer.active = ActiveSegment::new(&self.topic_partition, offset, now_ms);
        self.epochs.write().expect(UNPOISONED).clear();
        for snapshot in std::mem::take(&mut writer.snapshots) {
            disk::remove_file(self.log_dir.disk(), &self.file_path(FileKind::Snapshot, snapshot))?;
        }
        writer.producers = Producers::new(offset);
        let end = Position {
            offset,
            place: Some(Place {
                segment: offset,
                position: 0,
            }),
        };
        self.change_positions(|positions| {
            positions.set_log_start(offset);
            positions.recovery_point = offset;
            positions.log_end = end;
            positions.high_watermark = end;
            positions.first_unstable_offset = None;
        });
        self.cleaned_offset.fetch_min(offset, Ordering::AcqRel);
        Ok(())
    }

    fn reload_producers(&self, writer: &mut Writer, end: i64, now_ms: i64) -> Result<()> {
        for above in writer.snapshots.split_off(&(end + 1)) {
            disk::remove_file(self.log_dir.disk(), &self.file_path(FileKind::Snapshot, above))?;
        }
        let loaded = load_producers(
            self.log_dir.disk(),
            &self.dir(),
            &mut writer.snapshots,
            self.segments()[0].base_offset,
        )?;
        writer.producers = replay(&self.segments(), loaded, end, |_, _| Ok(()))?;
        writer
            .producers
            .remove_expired(now_ms, self.log_dir.shared.producer_id_expiration_ms());
        writer.producers.on_high_watermark(self.high_watermark());
        let first_unstable_offset = writer.producers.first_unstable_offset();
        self.change_positions(|positions| positions.first_unstable_offset = first_unstable_offset);
        Ok(())
    }

    /// Moves the log start offset forward to `offset`, at most to the high watermark; segments that end below it are
    /// removed by a later tick. Returns the log start offset.
    pub fn delete_records(&self, offset: i64) -> Result<i64, DeleteRecordsError> {
        let mut writer = self.open_writer()?;
        let high_watermark = self.high_watermark();
        if offset > high_watermark {
            return Err(DeleteRecordsError::BeyondHighWatermark { offset, high_watermark });
        }
        self.move_log_start(&mut writer, offset);
        Ok(self.log_start_offset())
    }

    fn move_log_start(&self, writer: &mut Writer, offset: i64) {
        if offset <= self.log_start_offset() {
            return;
        }
        self.epochs.write().expect(UNPOISONED).truncate_from_start(offset);
        writer.producers.on_high_watermark(offset);
        let first_unstable_offset = writer.producers.first_unstable_offset();
        self.change_positions(|positions| {
            positions.set_log_start(offset);
            positions.set_high_watermark(positions.high_watermark.offset);
            positions.first_unstable_offset = first_unstable_offset;
        });
    }

    /// Removes the segments that retention does not keep. Their files are renamed now and removed after
    /// `file.delete.delay.ms`. Returns how many; at 32 there may be more, left for the next call so that
    /// appends do not wait long.
    ///
    /// For an owner that keeps the log start offset itself. A log manager puts it on disk between the two steps: of the
    /// renames a power cut may keep any, and only the log start tells then that what is left over was given up.
    pub fn delete_old_segments(&self, now_ms: i64) -> Result<usize, StorageError> {
        let retired = self.retire_old_segments(now_ms)?;
        self.remove_retired_segments(now_ms)?;
        Ok(match retired {
            Retired::Segments(count) => count,
            Retired::NotNow => 0,
        })
    }

    /// Takes the segments that retention does not keep out of the log, and moves the log start behind them.
    pub(crate) fn retire_old_segments(&self, now_ms: i64) -> Result<Retired> {
        let config = self.config();
        let Some(_not_cleaning) = self.cleaning.begin() else {
            return Ok(Retired::NotNow);
        };
        let _flushing = self.flushing.lock().expect(UNPOISONED);
        let mut writer = self.open_writer()?;
        let facts = self.log_dir.watch(self.facts())?;
        let Some(mut plan) = retention::plan(&facts, &config, now_ms) else {
            return Ok(Retired::Segments(0));
        };
        plan.segments = plan.segments.min(SEGMENTS_PER_STEP);
        if plan.segments == facts.segments.len() {
            self.log_dir
                .watch(self.roll_at(&mut writer, facts.log_end_offset, now_ms))?;
        }
        drop(writer);
        // What goes can't tell any more which transactions it began.
        let first_kept = self.segments()[plan.segments].base_offset;
        self.log_dir.watch(self.keep_producers_at(first_kept))?;
        let mut writer = self.open_writer()?;
        let segments = self.segments();
        let (gone, kept) = segments.split_at(plan.segments);
        tracing::info!(partition = %self.topic_partition, reason = ?plan.reason, segments = gone.len(), "deleting segments");
        self.move_log_start(&mut writer, kept[0].base_offset);
        self.set_segments(kept.to_vec());
        writer.retired.extend_from_slice(gone);
        Ok(Retired::Segments(gone.len()))
    }

    /// Renames the files of retired segments and removes the producer snapshots before the log start.
    pub(crate) fn remove_retired_segments(&self, now_ms: i64) -> Result<()> {
        let _flushing = self.flushing.lock().expect(UNPOISONED);
        let mut writer = self.open_writer()?;
        if writer.retired.is_empty() {
            return Ok(());
        }
        self.log_dir.watch(self.doom_segments(&writer.retired, now_ms))?;
        // Snapshots below the log start serve no recovery.
        let first = self.segments()[0].base_offset;
        let snapshots = writer.snapshots.split_off(&first);
        for below in std::mem::replace(&mut writer.snapshots, snapshots) {
            self.log_dir.watch(disk::remove_file(
                self.log_dir.disk(),
                &self.file_path(FileKind::Snapshot, below),
            ))?;
        }
        self.log_dir.watch(disk::sync_dir(self.log_dir.disk(), &self.dir()))?;
        writer.retired.clear();
        Ok(())
    }

    /// Whether retired segments wait for [`remove_retired_segments`](Self::remove_retired_segments).
    pub(crate) fn has_retired_segments(&self) -> bool {
        !self.writer().retired.is_empty()
    }

    /// The log start offset, if the names of the files that may be there after a crash do not tell it.
    pub(crate) fn log_start_to_keep(&self) -> Option<i64> {
        let writer = self.writer();
        let first = writer
            .retired
            .first()
            .map_or(self.segments()[0].base_offset, |retired| retired.base_offset);
        let start = self.log_start_offset();
        // Removals that no sync of the directory covers may be undone by a power cut.
        let may_come_back = writer.dir_dirty && start > 0;
        (start > first || may_come_back).then_some(start)
    }

    fn facts(&self) -> Result<LogFacts> {
        let positions = self.positions();
        let facts_of = |segment: &Arc<Segment>| {
            let largest = segment.max_timestamp()?.timestamp;
            let largest_timestamp = if largest >= 0 {
                largest
            } else {
                disk::inspect(self.log_dir.disk(), &segment.path(FileKind::Log))?.modified_ms
            };
            let size = segment.size().into();
            Ok(SegmentFacts {
                base_offset: segment.base_offset,
                size,
                largest_timestamp,
            })
        };
        Ok(LogFacts {
            segments: self.segments().iter().map(facts_of).collect::<Result<_>>()?,
            log_start_offset: positions.log_start_offset,
            high_watermark: positions.high_watermark.offset,
            log_end_offset: positions.log_end.offset,
        })
    }

    /// Renames the files of segments that are out of the list and has them removed later.
    fn doom_segments(&self, segments: &[Arc<Segment>], now_ms: i64) -> Result<()> {
        for segment in segments {
            // The log file last: what is left of a segment after a crash in between is still a segment.
            for kind in FileKind::SEGMENT.into_iter().rev() {
                self.doom_file(segment, kind, now_ms)?;
            }
            segment.release();
        }
        Ok(())
    }

    /// Renames a file of a segment that is out of the list, or will be, if there is one, and has it removed later.
    pub(super) fn doom_file(&self, segment: &Segment, kind: FileKind, now_ms: i64) -> Result<()> {
        if segment.rename(kind, ".deleted")? {
            let at_ms = now_ms.saturating_add(self.config().file_delete_delay_ms);
            self.log_dir.doom(segment.current_path(kind), at_ms);
        }
        Ok(())
    }

    /// Takes the log out of service and renames its directory to `topic-N.<id>-delete`, for the log manager to remove.
    pub(crate) fn delete(&self, unique: u128, now_ms: i64) -> Result<()> {
        self.take_out_of_service(&delete_dir_name(&self.topic_partition, unique))?;
        self.doom(now_ms);
        Ok(())
    }

    /// Has the directory of a log that is out of service removed after `file.delete.delay.ms`.
    pub(crate) fn doom(&self, now_ms: i64) {
        let at_ms = now_ms.saturating_add(self.config().file_delete_delay_ms);
        self.log_dir.doom(self.dir().to_path_buf(), at_ms);
    }

    /// Takes the log out of service and renames its directory to `topic-N.<id>-stray`, which nobody touches any more.
    pub(crate) fn set_aside(&self, unique: u128) -> Result<()> {
        self.take_out_of_service(&stray_dir_name(&self.topic_partition, unique))
    }

    /// Takes over from the log that this is a copy of what its batches do not tell. The copy is clean below `clean_below` at
    /// most.
    pub(crate) fn take_over(&self, source: &Log, clean_below: i64, now_ms: i64) -> Result<()> {
        self.update_config((*source.config()).clone());
        self.skip_to(source.log_end_offset(), now_ms)?;
        {
            let mut epochs = self.epochs.write().expect(UNPOISONED);
            for entry in source.leader_epochs() {
                epochs.assign(entry.epoch, entry.start_offset);
            }
        }
        self.update_high_watermark(source.high_watermark());
        let mut writer = self.open_writer()?;
        self.move_log_start(&mut writer, source.log_start_offset());
        if let Some(offset) = source.cleaned_offset() {
            self.set_cleaned_offset(offset.min(clean_below).max(source.log_start_offset()));
        }
        Ok(())
    }

    /// Has the log end at `offset` without any batch up to there: compaction took those that were.
    fn skip_to(&self, offset: i64, now_ms: i64) -> Result<()> {
        let mut writer = self.open_writer()?;
        if offset > self.log_end_offset() {
            self.log_dir.watch(self.roll_at(&mut writer, offset, now_ms))?;
            self.change_positions(|positions| positions.log_end.offset = offset);
        }
        Ok(())
    }

    /// Gives the log's directory the name of a log in service.
    pub(crate) fn settle(&self) -> Result<()> {
        let _flushing = self.flushing.lock().expect(UNPOISONED);
        let _writer = self.open_writer()?;
        self.rename_dir(&self.topic_partition.to_string())
    }

    /// Takes the log out of service under another name, for it to be removed once something else is in its place.
    pub(crate) fn make_room(&self, unique: u128) -> Result<()> {
        self.take_out_of_service(&delete_dir_name(&self.topic_partition, unique))
    }

    /// Puts a log that has [made room](Self::make_room) into service again.
    pub(crate) fn return_to_service(&self) -> Result<()> {
        let _flushing = self.flushing.lock().expect(UNPOISONED);
        let mut writer = self.writer();
        self.log_dir.check()?;
        self.rename_dir(&self.topic_partition.to_string())?;
        writer.closed = false;
        Ok(())
    }

    fn take_out_of_service(&self, dir_name: &str) -> Result<()> {
        let _not_cleaning = self.cleaning.stop();
        let _flushing = self.flushing.lock().expect(UNPOISONED);
        self.writer().closed = true;
        self.rename_dir(dir_name)?;
        for segment in self.segments().iter() {
            segment.release();
        }
        Ok(())
    }

    /// Renames the log's directory, and with it the files in it that wait for their removal. Who reads goes on.
    fn rename_dir(&self, name: &str) -> Result<()> {
        let (from, to) = (self.dir(), self.log_dir.path.join(name));
        let renamed = self.log_dir.names().and_then(|names| {
            self.dir.rename(self.log_dir.disk(), &to)?;
            self.log_dir.follow_rename(&from, &to);
            names.sync()
        });
        self.log_dir.watch(renamed)
    }
}
