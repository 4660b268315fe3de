//! One segment: a `.log` file of batches and its indexes.
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use klamm_records::{Batch, Scratch};

use crate::disk::{self, Disk, DiskFile};
use crate::error::{Result, StorageError};
use crate::faults::{self, Fault};
use crate::file_cache::{FileCache, Slot, Unsynced, with_suffix};
use crate::index::{Index, OffsetPosition, TimestampOffset};
use crate::names::FileKind;
use crate::txn_index::{AbortedEntry, TxnIndex};

pub(crate) use headers::{Headers, Located};

mod headers;

/// A partition's directory, which is renamed when the partition is deleted.
#[derive(Debug)]
pub(crate) struct DirPath(RwLock<Arc<Path>>);

impl DirPath {
    pub(crate) fn new(path: PathBuf) -> Arc<Self> {
        Arc::new(Self(RwLock::new(path.into())))
    }

    pub(crate) fn get(&self) -> Arc<Path> {
        Arc::clone(&self.0.read().expect("no panic while a path is read"))
    }

    /// Renames the directory. Whoever asks for the path meanwhile waits, so that a file that is not found under the path of
    /// before is found under the one of now.
    pub(crate) fn rename(&self, disk: &dyn Disk, to: &Path) -> Result<()> {
        let mut path = self.0.write().expect("no panic while a path is changed");
        disk::rename(disk, &path, to)?;
        *path = to.into();
        Ok(())
    }
}

/// Batches in the order of their offsets, from `base_offset` on.
///
/// `size` is what readers may see: it is raised after the bytes are in the file. The indexes may lag behind.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base_offset: i64,
    dir: Arc<DirPath>,
    log: Arc<Slot>,
    offset_index: Index<OffsetPosition>,
    time_index: Index<TimestampOffset>,
    txn_index: TxnIndex,
    size: AtomicU32,
    /// A write failed and may have left bytes behind the published ones.
    torn: AtomicBool,
    /// The largest timestamp and the last offset of the first batch that has it; `None` until somebody asks.
    max_timestamp: Mutex<Option<TimestampOffset>>,
}

impl Segment {
    /// Begins an empty segment: creates its files. All of them or none: an empty `.log` file that stayed behind would end
    /// the log at its offset after the next start, whatever the segment before it got meanwhile.
    pub(crate) fn create(dir: &Arc<DirPath>, base_offset: i64, cache: &Arc<FileCache>) -> Result<Self> {
        Self::create_as(dir, base_offset, "", cache)
    }

    /// As [`create`](Self::create), with a suffix behind the files' names.
    pub(crate) fn create_as(
        dir: &Arc<DirPath>,
        base_offset: i64,
        suffix: &'static str,
        cache: &Arc<FileCache>,
    ) -> Result<Self> {
        let path = dir.get();
        let kinds = [FileKind::Log, FileKind::OffsetIndex, FileKind::TimeIndex];
        let file = |kind: FileKind| with_suffix(kind.path(&path, base_offset), suffix);
        let created = kinds
            .iter()
            .try_for_each(|kind| disk::create(cache.disk(), &file(*kind)).map(drop));
        if let Err(error) = created {
            for kind in kinds {
                disk::remove_file(cache.disk(), &file(kind))?;
            }
            return Err(error);
        }
        // One may have stayed behind of another segment that had this name.
        disk::remove_file(cache.disk(), &file(FileKind::TxnIndex))?;
        let segment = Self::existing_as(dir, base_offset, 0, suffix, cache);
        segment.txn_index.is_new();
        *segment.lock_max_timestamp() = Some(segment.no_timestamp());
        // Files of these names may have been there, and their emptiness has to reach the disk.
        segment.assume_unsynced()?;
        Ok(segment)
    }

    /// A segment whose `.log` file is there and `size` bytes long.
    pub(crate) fn existing(dir: &Arc<DirPath>, base_offset: i64, size: u32, cache: &Arc<FileCache>) -> Self {
        Self::existing_as(dir, base_offset, size, "", cache)
    }

    /// As [`existing`](Self::existing), with a suffix behind the files' names.
    pub(crate) fn existing_as(
        dir: &Arc<DirPath>,
        base_offset: i64,
        size: u32,
        suffix: &'static str,
        cache: &Arc<FileCache>,
    ) -> Self {
        Self {
            base_offset,
            dir: Arc::clone(dir),
            log: cache.slot(suffix),
            offset_index: Index::new(base_offset, suffix, cache),
            time_index: Index::new(base_offset, suffix, cache),
            txn_index: TxnIndex::new(suffix, cache),
            size: AtomicU32::new(size),
            torn: AtomicBool::new(false),
            max_timestamp: Mutex::new(None),
        }
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        self.log.disk()
    }

    /// A file's name, without the suffix that it has while the segment comes or goes.
    pub(crate) fn path(&self, kind: FileKind) -> PathBuf {
        kind.path(&self.dir.get(), self.base_offset)
    }

    /// A file's name as it is now.
    pub(crate) fn current_path(&self, kind: FileKind) -> PathBuf {
        let suffix = match kind {
            FileKind::Log => self.log.suffix(),
            FileKind::OffsetIndex => self.offset_index.suffix(),
            FileKind::TimeIndex => self.time_index.suffix(),
            FileKind::TxnIndex => self.txn_index.suffix(),
            FileKind::Snapshot => "",
        };
        with_suffix(self.path(kind), suffix)
    }

    /// Gives a file's name another suffix; who reads the segment goes on. `false`: there is no such file.
    pub(crate) fn rename(&self, kind: FileKind, suffix: &'static str) -> Result<bool> {
        let path = self.path(kind);
        let renamed = match kind {
            FileKind::Log => self.log.rename(path, suffix),
            FileKind::OffsetIndex => self.offset_index.rename(path, suffix),
            FileKind::TimeIndex => self.time_index.rename(path, suffix),
            FileKind::TxnIndex => self.txn_index.rename(path, suffix),
            FileKind::Snapshot => unreachable!("no segment's file"),
        };
        match renamed {
            Err(error) if error.is_not_found() => Ok(false),
            renamed => renamed.map(|()| true),
        }
    }

    /// Removes all files, as far as they are there.
    pub(crate) fn remove(&self) -> Result<()> {
        self.release();
        let mut kinds = FileKind::SEGMENT.into_iter().rev();
        kinds.try_for_each(|kind| disk::remove_file(self.disk(), &self.current_path(kind)))
    }

    pub(crate) fn size(&self) -> u32 {
        self.size.load(Ordering::Acquire)
    }

    pub(crate) fn file(&self) -> Result<Arc<dyn DiskFile>> {
        self.log.file(|| self.path(FileKind::Log))
    }

    fn lock_max_timestamp(&self) -> MutexGuard<'_, Option<TimestampOffset>> {
        self.max_timestamp
            .lock()
            .expect("no panic while a timestamp is changed")
    }

    fn no_timestamp(&self) -> TimestampOffset {
        TimestampOffset {
            timestamp: -1,
            offset: self.base_offset,
        }
    }

    /// The largest timestamp so far, -1 if none, and the last offset of the first batch that has it.
    pub(crate) fn max_timestamp(&self) -> Result<TimestampOffset> {
        if let Some(known) = *self.lock_max_timestamp() {
            return Ok(known);
        }
        let last = self.time_index.last(|| self.path(FileKind::TimeIndex))?;
        Ok(*self
            .lock_max_timestamp()
            .get_or_insert(last.unwrap_or(self.no_timestamp())))
    }

    fn saw_timestamp(&self, timestamp: i64, last_offset: i64) -> Result<()> {
        if timestamp > self.max_timestamp()?.timestamp {
            *self.lock_max_timestamp() = Some(TimestampOffset {
                timestamp,
                offset: last_offset,
            });
        }
        Ok(())
    }

    /// Writes whole batches behind the last one; readers see them after [`publish`](Self::publish).
    pub(crate) fn write(&self, head: &[u8], body: &[u8]) -> Result<()> {
        self.cut_torn_write()?;
        let file = self.file()?;
        let writing = self.log.writes();
        let written = disk::write_whole(&*file, head, body, u64::from(self.size()))
            .map_err(|e| StorageError::io("write", &self.path(FileKind::Log), e));
        drop(writing);
        if written.is_err() {
            self.forget_write();
        }
        written
    }

    /// What was written and not published is not to be: it goes, at once if possible, or else before the next write.
    pub(crate) fn forget_write(&self) {
        self.torn.store(true, Ordering::Release);
        drop(self.cut_torn_write()); // the failure that counts is the one before
    }

    /// Removes what a failed write has left behind the last batch: nobody reads it now, but after the next start it would
    /// stand in the middle of the log, or at the end of a segment that was closed. Only for the one who writes.
    pub(crate) fn cut_torn_write(&self) -> Result<()> {
        if self.torn.load(Ordering::Acquire) && !faults::is_on(Fault::KeepTornWrite) {
            let _writing = self.log.writes();
            disk::set_len(&*self.file()?, &self.path(FileKind::Log), self.size().into())?;
            self.torn.store(false, Ordering::Release);
        }
        self.txn_index.cut_torn_write(|| self.path(FileKind::TxnIndex))
    }

    /// Shows `bytes` more bytes to readers.
    pub(crate) fn publish(&self, bytes: u32) {
        self.size.fetch_add(bytes, Ordering::Release);
    }

    /// Notes a batch in the indexes: its timestamp always, an entry for it if `entry` says that it is time for one.
    pub(crate) fn note(&self, batch: &Located, entry: bool) -> Result<()> {
        let last_offset = batch.header.last_offset();
        self.saw_timestamp(batch.header.max_timestamp, last_offset)?;
        if !entry {
            return Ok(());
        }
        self.note_max_timestamp()?;
        let position = OffsetPosition {
            offset: last_offset,
            position: batch.position,
        };
        self.offset_index.append(|| self.path(FileKind::OffsetIndex), position)
    }

    /// Notes a transaction whose abort marker is in this segment. Says whether a file was created for that.
    pub(crate) fn note_aborted(&self, aborted: &AbortedEntry) -> Result<bool> {
        self.txn_index.append(|| self.path(FileKind::TxnIndex), aborted)
    }

    /// Collects the aborted transactions with their marker at or above `from` that begin below `to`. Says whether later
    /// segments hold none.
    pub(crate) fn collect_aborted(&self, from: i64, to: i64, found: &mut Vec<AbortedEntry>) -> Result<bool> {
        self.txn_index
            .collect(|| self.path(FileKind::TxnIndex), from, to, found)
    }

    /// Makes the aborted transactions with their marker at or above `from` be these. Says whether they were not.
    pub(crate) fn replace_aborted(&self, from: i64, entries: &[AbortedEntry]) -> Result<bool> {
        self.txn_index
            .replace_from(|| self.path(FileKind::TxnIndex), from, entries)
    }

    /// What is wrong with the index of aborted transactions, if something is.
    pub(crate) fn txn_index_fault(&self) -> Result<Option<String>> {
        self.txn_index.fault(|| self.path(FileKind::TxnIndex), self.base_offset)
    }

    /// Makes the time index end with the largest timestamp, as every closed segment's does.
    pub(crate) fn note_max_timestamp(&self) -> Result<()> {
        let max = self.max_timestamp()?;
        if max.timestamp < 0 {
            Ok(())
        } else {
            self.time_index.append(|| self.path(FileKind::TimeIndex), max)
        }
    }

    /// Whether the next entry would not fit, in either index.
    pub(crate) fn is_index_full(&self, index_bytes: u32) -> Result<bool> {
        let offsets = self.offset_index.count(|| self.path(FileKind::OffsetIndex))?;
        let times = self.time_index.count(|| self.path(FileKind::TimeIndex))?;
        Ok(offsets >= index_bytes / 8 || times + 1 >= index_bytes / 12)
    }

    /// Bytes of the offset index and of the time index.
    pub(crate) fn index_bytes(&self) -> Result<(u64, u64)> {
        let offsets = self.offset_index.count(|| self.path(FileKind::OffsetIndex))?;
        let times = self.time_index.count(|| self.path(FileKind::TimeIndex))?;
        Ok((u64::from(offsets) * 8, u64::from(times) * 12))
    }

    /// Writes index entries that are only in memory. The time index first: its entries then cover all of the other's.
    pub(crate) fn write_out_indexes(&self) -> Result<()> {
        self.time_index.write_out(|| self.path(FileKind::TimeIndex))?;
        self.offset_index.write_out(|| self.path(FileKind::OffsetIndex))
    }

    /// Has the next sync reach the disk whatever this process has written: an earlier one may have died between its writes
    /// and their sync, and what it wrote is seen in the file all the same.
    pub(crate) fn assume_unsynced(&self) -> Result<()> {
        if faults::is_on(Fault::TrustDeadProcess) {
            return Ok(());
        }
        self.log.assume_unsynced();
        self.offset_index.assume_unsynced();
        self.time_index.assume_unsynced();
        self.txn_index.assume_unsynced(|| self.path(FileKind::TxnIndex))
    }

    /// Whether this process wrote to the `.log` file since its last sync.
    pub(crate) fn has_unsynced_writes(&self) -> bool {
        self.log.is_dirty()
    }

    /// Makes the segment durable as far as it is written.
    pub(crate) fn sync(&self) -> Result<()> {
        self.sync_records()?;
        self.offset_index.sync(|| self.path(FileKind::OffsetIndex))?;
        self.time_index.sync(|| self.path(FileKind::TimeIndex))?;
        self.txn_index.sync(|| self.path(FileKind::TxnIndex))
    }

    /// Makes the batches durable; their indexes can be made from them again.
    pub(crate) fn sync_records(&self) -> Result<()> {
        self.log.sync(|| self.path(FileKind::Log))
    }

    /// What [`sync`](Self::sync) would make durable, for whoever syncs it in another way.
    pub(crate) fn begin_sync(&self) -> impl Iterator<Item = Unsynced> {
        let files = [
            self.log.begin_sync(),
            self.offset_index.begin_sync(),
            self.time_index.begin_sync(),
            self.txn_index.begin_sync(),
        ];
        files.into_iter().flatten()
    }

    /// Gives back handles and the indexes' memory; they come back when needed. Files with unsynced writes stay open.
    pub(crate) fn release(&self) {
        self.log.release();
        self.offset_index.release();
        self.time_index.release();
        self.txn_index.release();
    }

    /// The first batch that holds `offset` or a later one; `None` when the segment ends before it.
    pub(crate) fn locate(&self, offset: i64) -> Result<Option<Located>> {
        let entry = self.offset_index.lookup(|| self.path(FileKind::OffsetIndex), offset)?;
        // The entry's batch may hold the offset or end before it, never begin behind it. Otherwise the index is not this
        // log's, and the search begins at the front.
        if let Some(OffsetPosition { position, .. }) = entry {
            let mut from_entry = self.headers(position);
            let first = match from_entry.first() {
                Err(_) if faults::is_on(Fault::SearchPastFailedRead) => None,
                first => first?,
            };
            if let Some(first) = first
                && first.header.base_offset <= offset
                && first.header.base_offset >= self.base_offset
            {
                return match first.header.last_offset() >= offset {
                    true => Ok(Some(first)),
                    false => from_entry.find_offset(offset),
                };
            }
        }
        self.headers(0).find_offset(offset)
    }

    /// The largest timestamp of the records at and above `start_offset`, -1 if none has one. Reads the headers behind it.
    pub(crate) fn max_timestamp_from(&self, start_offset: i64) -> Result<i64> {
        let Some(first) = self.locate(start_offset)? else {
            return Ok(-1);
        };
        let mut max = -1;
        for located in self.headers(first.position) {
            let located = located?;
            let header = &located.header;
            if header.max_timestamp > max && header.base_offset < start_offset {
                let mut scratch = Scratch::new();
                self.find_record(&located, &mut scratch, |offset, timestamp| {
                    if offset >= start_offset {
                        max = max.max(timestamp);
                    }
                    false // all are looked at
                })?;
            } else {
                max = max.max(header.max_timestamp);
            }
        }
        Ok(max)
    }

    /// Timestamp and offset of the first record of a batch that `is_it`, told offset and timestamp, says is it.
    fn find_record(
        &self,
        located: &Located,
        scratch: &mut Scratch,
        mut is_it: impl FnMut(i64, i64) -> bool,
    ) -> Result<Option<(i64, i64)>> {
        let bytes = self.read(located.position, located.size())?;
        let unreadable = |problem: String| self.corrupt(located.position, &problem);
        let batch = Batch::parse(&bytes).map_err(|e| unreadable(e.to_string()))?;
        let records = batch
            .positions(scratch, i32::MAX as usize)
            .map_err(|e| unreadable(e.to_string()))?;
        for record in records {
            let record = record.map_err(|e| unreadable(e.to_string()))?;
            if is_it(record.offset, record.timestamp) {
                return Ok(Some((record.timestamp, record.offset)));
            }
        }
        Ok(None)
    }

    /// The first record at or after `start_offset` whose timestamp is not below `target`: timestamp, offset, and its batch's
    /// leader epoch.
    pub(crate) fn locate_timestamp(&self, target: i64, start_offset: i64) -> Result<Option<(i64, i64, i32)>> {
        let below = self.time_index.lookup(|| self.path(FileKind::TimeIndex), target)?;
        let offset = below.map_or(self.base_offset, |entry| entry.offset).max(start_offset);
        let Some(from) = self.locate(offset)? else {
            return Ok(None);
        };
        let mut scratch = Scratch::new();
        for located in self.headers(from.position) {
            let located = located?;
            if located.header.max_timestamp < target || located.header.last_offset() < start_offset {
                continue;
            }
            let is_it = |offset, timestamp| timestamp >= target && offset >= start_offset;
            if let Some((timestamp, offset)) = self.find_record(&located, &mut scratch, is_it)? {
                return Ok(Some((timestamp, offset, located.header.partition_leader_epoch)));
            }
        }
        Ok(None)
    }

    /// Reads `len` bytes; fewer only where the file ends.
    pub(crate) fn read(&self, position: u32, len: u32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len as usize];
        let read = disk::read_whole(&*self.file()?, &mut bytes, position.into())
            .map_err(|e| StorageError::io("read", &self.path(FileKind::Log), e))?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// The headers of all batches from `position`, where one begins, to the end of what is published.
    pub(crate) fn headers(&self, position: u32) -> Headers<'_> {
        Headers::new(self, position)
    }

    pub(crate) fn corrupt(&self, position: u32, problem: &str) -> StorageError {
        StorageError::malformed(&self.path(FileKind::Log), format!("at byte {position}: {problem}"))
    }

    /// The newest index entry at or below `offset`, where a scan may begin.
    pub(crate) fn index_entry(&self, offset: i64) -> Result<Option<OffsetPosition>> {
        self.offset_index.lookup(|| self.path(FileKind::OffsetIndex), offset)
    }

    /// The last offset of the first batch in the index that begins at or behind a position.
    pub(crate) fn indexed_offset_behind(&self, position: u64) -> Result<Option<i64>> {
        let is_behind = |entry: &OffsetPosition| u64::from(entry.position) >= position;
        let found = self
            .offset_index
            .first_above(|| self.path(FileKind::OffsetIndex), is_behind)?;
        Ok(found.map(|entry| entry.offset))
    }

    /// The newest index entry of all.
    pub(crate) fn last_index_entry(&self) -> Result<Option<OffsetPosition>> {
        self.offset_index.last(|| self.path(FileKind::OffsetIndex))
    }

    /// Cuts the file at `position`, where the batch that begins with or holds `offset` begins, and the indexes with it. On
    /// disk at once: if a power cut came before that and after the next batches were written, what is cut off here would
    /// stand behind them again, and look like a part of the log if sizes fall so.
    pub(crate) fn truncate(&self, position: u32, offset: i64) -> Result<()> {
        self.size.store(position, Ordering::Release);
        self.truncate_indexes(offset)?;
        self.txn_index.truncate_to(|| self.path(FileKind::TxnIndex), offset)?;
        let writing = self.log.writes();
        disk::set_len(&*self.file()?, &self.path(FileKind::Log), position.into())?;
        drop(writing);
        self.log.sync(|| self.path(FileKind::Log))
    }

    /// Drops the index entries at and above `offset`, if there are any.
    pub(crate) fn drop_index_entries_from(&self, offset: i64) -> Result<()> {
        let time = self.time_index.last(|| self.path(FileKind::TimeIndex))?;
        let position = self.last_index_entry()?;
        if time.is_some_and(|entry| entry.offset >= offset) || position.is_some_and(|entry| entry.offset >= offset) {
            self.truncate_indexes(offset)?;
        }
        Ok(())
    }

    /// Drops the index entries at and above `offset` and finds the largest timestamp of the batches that are left.
    pub(crate) fn truncate_indexes(&self, offset: i64) -> Result<()> {
        self.offset_index
            .truncate_to(|| self.path(FileKind::OffsetIndex), offset)?;
        // Entries of the time index are only right together with an offset index that reaches as far.
        let anchor = self.last_index_entry()?;
        let covered = anchor.map_or(self.base_offset, |entry| entry.offset + 1);
        self.time_index
            .truncate_to(|| self.path(FileKind::TimeIndex), covered)?;
        *self.lock_max_timestamp() = None;
        for located in self.headers(self.timestamps_known_to()?) {
            let header = located?.header;
            if header.base_offset >= offset {
                break;
            }
            self.saw_timestamp(header.max_timestamp, header.last_offset())?;
            if header.next_offset() >= offset {
                break; // what follows may be torn
            }
        }
        Ok(())
    }

    /// Where the batches begin whose timestamps the time index may not tell. The offset index may reach further: of two files
    /// that recovery wrote and no flush has synced, a power cut keeps what it likes.
    pub(crate) fn timestamps_known_to(&self) -> Result<u32> {
        let last = self.time_index.last(|| self.path(FileKind::TimeIndex))?;
        let entry = match last {
            Some(last) => self.index_entry(last.offset)?,
            None => None,
        };
        let Some(OffsetPosition { offset, position }) = entry else {
            return Ok(0);
        };
        let batch = self.headers(position).first()?;
        let agrees = batch.is_some_and(|batch| batch.header.last_offset() == offset);
        Ok(if agrees { position } else { 0 })
    }

    /// Forgets all index entries; the files are created when missing.
    pub(crate) fn reset_indexes(&self) -> Result<()> {
        self.offset_index.release();
        self.time_index.release();
        self.offset_index.assume_unsynced();
        self.time_index.assume_unsynced();
        disk::create(self.disk(), &self.path(FileKind::OffsetIndex))?;
        disk::create(self.disk(), &self.path(FileKind::TimeIndex))?;
        *self.lock_max_timestamp() = Some(self.no_timestamp());
        Ok(())
    }

    /// Cuts off what Kafka allocates ahead.
    pub(crate) fn trim_indexes(&self) -> Result<()> {
        self.offset_index.trim(|| self.path(FileKind::OffsetIndex))?;
        self.time_index.trim(|| self.path(FileKind::TimeIndex))
    }
}
