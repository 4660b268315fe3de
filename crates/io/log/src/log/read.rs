//! Reading: from an offset to a region of a file, which the caller sends without looking at it.
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::{AbortedTransaction, Log, LogOffsets, Place, Position, Positions, UNPOISONED};
use crate::disk::{self, DiskFile};
use crate::error::{Result, StorageError};
use crate::segment::Segment;

/// How far a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// To the log end: replicas.
    LogEnd,
    /// To the high watermark: consumers with `read_uncommitted`.
    HighWatermark,
    /// To the last stable offset: consumers with `read_committed`.
    LastStableOffset,
}

/// Bytes of a segment's file. They stay readable also when the segment is deleted meanwhile.
#[derive(Clone, Debug)]
pub struct FileRegion {
    /// The `.log` file; [`DiskFile::os_file`] is what can be sent from.
    pub file: Arc<dyn DiskFile>,
    /// First byte.
    pub position: u64,
    /// Number of bytes.
    pub len: u32,
}

impl FileRegion {
    /// Reads the region into memory.
    pub fn read(&self) -> Result<Bytes, StorageError> {
        let mut bytes = vec![0; self.len as usize];
        let path = Path::new("a segment's file");
        let read = disk::read_at(&*self.file, path, &mut bytes, self.position)?;
        bytes.truncate(read);
        Ok(bytes.into())
    }
}

/// What a read found.
#[derive(Clone, Debug)]
pub struct FetchData {
    /// Batches, from the one that holds the offset asked for; the last one may be cut by the limit. `None`: nothing there.
    pub region: Option<FileRegion>,
    /// The limit is smaller than the first batch, of which only a part is there.
    pub first_entry_incomplete: bool,
    /// The log's offsets when it was read.
    pub offsets: LogOffsets,
    /// Read up to the last stable offset: the aborted transactions that may have records in the region, by the offsets of
    /// their markers. Whoever reads only committed records leaves out theirs.
    pub aborted: Vec<AbortedTransaction>,
}

impl FetchData {
    /// Bytes found.
    pub fn size(&self) -> u32 {
        self.region.as_ref().map_or(0, |region| region.len)
    }
}

/// A region, whether its first batch is cut, and which transactions were aborted there.
struct Found {
    region: FileRegion,
    is_incomplete: bool,
    aborted: Vec<AbortedTransaction>,
}

/// Why a read failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The offset was never written or is served no more (`OFFSET_OUT_OF_RANGE`).
    #[error("offset {offset} is outside of the log, which holds {log_start_offset} to {log_end_offset}")]
    OffsetOutOfRange {
        /// The offset asked for.
        offset: i64,
        /// First offset that is served.
        log_start_offset: i64,
        /// The next offset.
        log_end_offset: i64,
    },
    /// The disk, or a damaged file.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Log {
    /// Finds batches from the one that holds `start_offset`, or the next one, on: at most `max_bytes` of one segment, none
    /// beyond what `isolation` allows. With `min_one_message` the first batch is whole even if it is larger than that.
    pub fn read(
        &self,
        start_offset: i64,
        max_bytes: u32,
        isolation: Isolation,
        min_one_message: bool,
    ) -> Result<FetchData, ReadError> {
        self.touched.store(true, Ordering::Relaxed);
        self.log_dir.check()?;
        let positions = self.positions();
        self.check_in_range(start_offset, &positions)?;
        let nothing = FetchData {
            region: None,
            first_entry_incomplete: false,
            offsets: positions.offsets(),
            aborted: Vec::new(),
        };
        let (_, found) = self.on_segments(|segments| {
            let limit = self.place_of_limit(segments, &positions, isolation)?;
            self.find(segments, start_offset, limit, max_bytes, min_one_message, isolation)
        });
        Ok(match self.unless_deleted(start_offset, found)? {
            None => nothing,
            Some(found) => FetchData {
                region: Some(found.region),
                first_entry_incomplete: found.is_incomplete,
                aborted: found.aborted,
                ..nothing
            },
        })
    }

    /// As [`Self::read`], but for threads that must not wait for the disk. `None`: it would have to be waited for.
    pub fn read_from_memory(
        &self,
        start_offset: i64,
        max_bytes: u32,
        isolation: Isolation,
        min_one_message: bool,
    ) -> Option<Result<FetchData, ReadError>> {
        match disk::without_waiting(|| self.read(start_offset, max_bytes, isolation, min_one_message)) {
            Err(ReadError::Storage(error)) if error.would_wait() => None,
            read => Some(read),
        }
    }

    pub(super) fn check_in_range(&self, offset: i64, positions: &Positions) -> Result<(), ReadError> {
        let (log_start_offset, log_end_offset) = (positions.local_log_start_offset, positions.log_end.offset);
        if offset < log_start_offset || offset > log_end_offset {
            return Err(ReadError::OffsetOutOfRange {
                offset,
                log_start_offset,
                log_end_offset,
            });
        }
        Ok(())
    }

    /// A segment that was deleted while it was looked at is a matter of range, not of the disk.
    fn unless_deleted<T>(&self, offset: i64, result: Result<T>) -> Result<T, ReadError> {
        result.or_else(|error| {
            self.check_in_range(offset, &self.positions())?;
            Err(self
                .watch_read::<T>(Err(error))
                .map_or_else(ReadError::Storage, |_| unreachable!("an error")))
        })
    }

    /// Base offset of the batch that holds `offset`, or of the next one.
    pub(crate) fn first_batch_at(&self, offset: i64) -> Result<Option<i64>, ReadError> {
        let segments = self.segments();
        let found = segments[floor(&segments, offset)..]
            .iter()
            .find_map(|segment| segment.locate(offset).transpose())
            .transpose();
        let found = self.unless_deleted(offset, found)?;
        Ok(found.map(|found| found.header.base_offset))
    }

    fn find(
        &self,
        segments: &[Arc<Segment>],
        start_offset: i64,
        limit: Position,
        max_bytes: u32,
        min_one_message: bool,
        isolation: Isolation,
    ) -> Result<Option<Found>> {
        let Some(place) = limit.place.filter(|_| start_offset < limit.offset) else {
            return Ok(None);
        };
        for segment in &segments[floor(segments, start_offset)..] {
            let end = if segment.base_offset < place.segment {
                segment.size()
            } else {
                place.position
            };
            if segment.base_offset > place.segment {
                break;
            }
            let Some(first) = segment.locate(start_offset)? else {
                continue;
            };
            if first.position >= end {
                break;
            }
            let allowed = if min_one_message {
                max_bytes.max(first.size())
            } else {
                max_bytes
            };
            let len = allowed.min(end - first.position);
            let region = FileRegion {
                file: segment.file()?,
                position: first.position.into(),
                len,
            };
            if len == 0 {
                break;
            }
            let aborted = match isolation {
                Isolation::LastStableOffset => self.aborted_in(segments, segment.base_offset, start_offset, &region)?,
                Isolation::HighWatermark | Isolation::LogEnd => Vec::new(),
            };
            return Ok(Some(Found {
                region,
                is_incomplete: len < first.size(),
                aborted,
            }));
        }
        Ok(None)
    }

    /// Where reading has to end.
    fn place_of_limit(
        &self,
        segments: &[Arc<Segment>],
        positions: &Positions,
        isolation: Isolation,
    ) -> Result<Position> {
        let limit = match isolation {
            Isolation::LogEnd => positions.log_end,
            Isolation::LastStableOffset if positions.last_stable_offset() < positions.high_watermark.offset => {
                Position {
                    offset: positions.last_stable_offset(),
                    place: None,
                }
            }
            Isolation::HighWatermark | Isolation::LastStableOffset => positions.high_watermark,
        };
        if limit.place.is_some() {
            return Ok(limit);
        }
        let limit = Position {
            place: self.place_of(segments, limit.offset)?,
            ..limit
        };
        if limit.offset == positions.high_watermark.offset {
            let mut current = self.positions.write().expect(UNPOISONED);
            if current.high_watermark.offset == limit.offset {
                current.high_watermark = limit; // the next reader need not look for it
            }
        }
        Ok(limit)
    }

    /// Where the batch at `offset`, which lies within the log, is.
    fn place_of(&self, segments: &[Arc<Segment>], offset: i64) -> Result<Option<Place>> {
        for segment in &segments[floor(segments, offset)..] {
            if let Some(found) = segment.locate(offset)? {
                return Ok(Some(Place {
                    segment: segment.base_offset,
                    position: found.position,
                }));
            }
        }
        Ok(self.positions().log_end.place)
    }
}

/// Index of the segment that `offset` lies in: the last one that does not begin behind it.
pub(super) fn floor(segments: &[Arc<Segment>], offset: i64) -> usize {
    segments
        .partition_point(|segment| segment.base_offset <= offset)
        .saturating_sub(1)
}
