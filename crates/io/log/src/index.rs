//! The two indexes of a segment: from offsets to file positions, from timestamps to offsets.
//!
//! An index is a hint: it lags behind the log (entries are written in blocks), a crash may lose its end, and whoever
//! uses an entry checks it against the batch found there. Kafka maps these files into memory and keeps the active ones
//! at full length, zeros at the end; here they are exactly as long as their entries, and both forms are read.
//! In memory stay only the newest entries of a segment that is written to, none of an idle one.
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk;
use crate::error::Result;
use crate::file_cache::{FileCache, Slot, Unsynced};

/// Entries written to the file at once.
const WRITE_BLOCK: usize = 256;
/// Entries kept in memory when written.
const TAIL: usize = 512;
/// Entries read from the file at once when few are left to search.
const READ_BLOCK: u32 = 256;

/// Entry of an offset index: a batch with this last offset begins at this position of the `.log` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OffsetPosition {
    pub(crate) offset: i64,
    pub(crate) position: u32,
}

/// Entry of a time index: no record up to and including this offset has a larger timestamp (milliseconds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimestampOffset {
    pub(crate) timestamp: i64,
    pub(crate) offset: i64,
}

/// An entry's form on disk, offsets relative to the segment's base offset.
pub(crate) trait Entry: Copy {
    const SIZE: usize;
    /// Whether an entry can be all zeros, as what Kafka allocates ahead is. It is the first one of its file then, and taken for
    /// one where it is the only one: at such a length nothing is allocated.
    const MAY_BE_ZERO: bool;
    /// What entries ascend by and are looked up by.
    fn key(&self) -> i64;
    fn offset(&self) -> i64;
    fn encode(&self, base_offset: i64, out: &mut Vec<u8>);
    fn decode(bytes: &[u8], base_offset: i64) -> Self;
}

fn int(bytes: &[u8]) -> i32 {
    i32::from_be_bytes(bytes[..4].try_into().expect("four bytes"))
}

impl Entry for OffsetPosition {
    const SIZE: usize = 8;
    /// The first batch, at position 0, gets none.
    const MAY_BE_ZERO: bool = false;
    fn key(&self) -> i64 {
        self.offset
    }
    fn offset(&self) -> i64 {
        self.offset
    }
    fn encode(&self, base_offset: i64, out: &mut Vec<u8>) {
        out.extend_from_slice(&((self.offset - base_offset) as i32).to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
    }
    fn decode(bytes: &[u8], base_offset: i64) -> Self {
        Self {
            offset: base_offset + i64::from(int(bytes)),
            position: int(&bytes[4..]) as u32,
        }
    }
}

impl Entry for TimestampOffset {
    const SIZE: usize = 12;
    /// Of a first batch with one record, at the beginning of 1970.
    const MAY_BE_ZERO: bool = true;
    fn key(&self) -> i64 {
        self.timestamp
    }
    fn offset(&self) -> i64 {
        self.offset
    }
    fn encode(&self, base_offset: i64, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&((self.offset - base_offset) as i32).to_be_bytes());
    }
    fn decode(bytes: &[u8], base_offset: i64) -> Self {
        let timestamp = i64::from_be_bytes(bytes[..8].try_into().expect("eight bytes"));
        Self {
            timestamp,
            offset: base_offset + i64::from(int(&bytes[8..])),
        }
    }
}

/// One index file.
#[derive(Debug)]
pub(crate) struct Index<E> {
    base_offset: i64,
    slot: Arc<Slot>,
    state: Mutex<Option<State<E>>>,
}

#[derive(Debug)]
struct State<E> {
    /// Entries, those not yet written included.
    count: u32,
    /// The newest entries; the last `unwritten` of them are not in the file yet.
    tail: VecDeque<E>,
    unwritten: usize,
    last: Option<E>,
}

impl<E: Entry> Index<E> {
    /// An index whose file's name ends with `suffix`.
    pub(crate) fn new(base_offset: i64, suffix: &'static str, cache: &Arc<FileCache>) -> Self {
        Self {
            base_offset,
            slot: cache.slot(suffix),
            state: Mutex::new(None),
        }
    }

    /// The newest entry.
    pub(crate) fn last(&self, path: impl Fn() -> PathBuf) -> Result<Option<E>> {
        self.with_state(&path, |state| state.last)
    }

    /// Entries in the index.
    pub(crate) fn count(&self, path: impl Fn() -> PathBuf) -> Result<u32> {
        self.with_state(&path, |state| state.count)
    }

    /// The entry with the largest key that is not above `target`.
    pub(crate) fn lookup(&self, path: impl Fn() -> PathBuf, target: i64) -> Result<Option<E>> {
        let (found, in_file) = self.with_state(&path, |state| {
            let at = state.tail.partition_point(|entry| entry.key() <= target);
            (
                at.checked_sub(1).map(|at| state.tail[at]),
                state.count - state.tail.len() as u32,
            )
        })?;
        if found.is_some() || in_file == 0 {
            return Ok(found);
        }
        self.search_file(&path, in_file, target)
    }

    /// The first entry for which `is_above` holds; it has to hold for all that follow.
    pub(crate) fn first_above(&self, path: impl Fn() -> PathBuf, is_above: impl Fn(&E) -> bool) -> Result<Option<E>> {
        let (in_tail, in_file) = self.with_state(&path, |state| {
            let at = state.tail.partition_point(|entry| !is_above(entry));
            (state.tail.get(at).copied(), state.count - state.tail.len() as u32)
        })?;
        let (mut low, mut high) = (0, in_file);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_above(&self.read_entry(&path, middle)?) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        match low < in_file {
            true => Ok(Some(self.read_entry(&path, low)?)),
            false => Ok(in_tail),
        }
    }

    /// Adds an entry, in memory. Entries whose key is not above the last one's say nothing new and are dropped.
    pub(crate) fn append(&self, path: impl Fn() -> PathBuf, entry: E) -> Result<()> {
        let full = self.with_state(&path, |state| {
            if state.last.is_none_or(|last| entry.key() > last.key()) {
                state.count += 1;
                state.tail.push_back(entry);
                state.unwritten += 1;
                state.last = Some(entry);
            }
            state.unwritten >= WRITE_BLOCK
        })?;
        if full { self.write_out(path) } else { Ok(()) }
    }

    /// Writes what is only in memory. One caller at a time: the log's writer.
    pub(crate) fn write_out(&self, path: impl Fn() -> PathBuf) -> Result<()> {
        let (bytes, at, written) = {
            let state = self.lock();
            let Some(state) = &*state else { return Ok(()) };
            let mut bytes = Vec::with_capacity(state.unwritten * E::SIZE);
            for entry in state.tail.range(state.tail.len() - state.unwritten..) {
                entry.encode(self.base_offset, &mut bytes);
            }
            (
                bytes,
                (u64::from(state.count) - state.unwritten as u64) * E::SIZE as u64,
                state.unwritten,
            )
        };
        if written == 0 {
            return Ok(());
        }
        let file = self.slot.file(&path)?;
        let writing = self.slot.writes();
        disk::write_at(&*file, &path(), &bytes, &[], at)?;
        drop(writing);
        if let Some(state) = &mut *self.lock() {
            state.unwritten -= written;
            let spare = state.tail.len().saturating_sub(TAIL.max(state.unwritten));
            state.tail.drain(..spare);
        }
        Ok(())
    }

    /// Makes what was written durable.
    pub(crate) fn sync(&self, path: impl Fn() -> PathBuf) -> Result<()> {
        self.slot.sync(path)
    }

    /// What a sync would make durable, for whoever syncs it in another way.
    pub(crate) fn begin_sync(&self) -> Option<Unsynced> {
        self.slot.begin_sync()
    }

    /// Has the next sync reach the disk whatever this process has written.
    pub(crate) fn assume_unsynced(&self) {
        self.slot.assume_unsynced();
    }

    /// Gives the file's name another suffix.
    pub(crate) fn rename(&self, path: PathBuf, suffix: &'static str) -> Result<()> {
        self.slot.rename(path, suffix)
    }

    /// What the file's name ends with.
    pub(crate) fn suffix(&self) -> &'static str {
        self.slot.suffix()
    }

    /// Gives back memory and handle of an index that is not written to for now.
    pub(crate) fn release(&self) {
        let mut state = self.lock();
        if state.as_ref().is_none_or(|state| state.unwritten == 0) {
            *state = None;
            self.slot.release();
        }
    }

    /// Drops the entries at and above `offset`.
    pub(crate) fn truncate_to(&self, path: impl Fn() -> PathBuf, offset: i64) -> Result<()> {
        self.write_out(&path)?;
        let file = self.slot.file(&path)?;
        let count = self.count(&path)?;
        let writing = self.slot.writes();
        let kept = self
            .read_entries(&path, 0, count)?
            .partition_point(|entry| entry.offset() < offset);
        disk::set_len(&*file, &path(), (kept * E::SIZE) as u64)?;
        drop(writing);
        *self.lock() = None;
        Ok(())
    }

    /// Cuts zeros and half entries off the end of the file.
    pub(crate) fn trim(&self, path: impl Fn() -> PathBuf) -> Result<()> {
        let len = u64::from(self.count(&path)?) * E::SIZE as u64;
        let file = self.slot.file(&path)?;
        if disk::len(&*file, &path())? == len {
            Ok(())
        } else {
            let _writing = self.slot.writes();
            disk::set_len(&*file, &path(), len)
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<State<E>>> {
        self.state.lock().expect("no panic while an index is changed")
    }

    fn with_state<T>(&self, path: &impl Fn() -> PathBuf, f: impl FnOnce(&mut State<E>) -> T) -> Result<T> {
        let mut state = disk::lock(&self.state, path)?;
        if let Some(state) = &mut *state {
            return Ok(f(state));
        }
        let loaded = self.load(path)?;
        Ok(f(state.insert(loaded)))
    }

    fn load(&self, path: &impl Fn() -> PathBuf) -> Result<State<E>> {
        let file = self.slot.file(path)?;
        let mut end = (disk::len(&*file, &path())? / E::SIZE as u64) as u32;
        let mut last = None;
        if end > 0 {
            let entry = self.read_entry(path, end - 1)?;
            if self.is_zero(&entry) && !(E::MAY_BE_ZERO && end == 1) {
                end = self.first_padding(path, end)?;
                last = end.checked_sub(1).map(|at| self.read_entry(path, at)).transpose()?;
            } else {
                last = Some(entry);
            }
        }
        Ok(State {
            count: end,
            tail: VecDeque::new(),
            unwritten: 0,
            last,
        })
    }

    /// As what Kafka allocates ahead, and leaves behind the entries of a segment that it did not close.
    fn is_zero(&self, entry: &E) -> bool {
        let mut bytes = Vec::with_capacity(E::SIZE);
        entry.encode(self.base_offset, &mut bytes);
        bytes.iter().all(|b| *b == 0)
    }

    fn first_padding(&self, path: &impl Fn() -> PathBuf, count: u32) -> Result<u32> {
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.is_zero(&self.read_entry(path, middle)?) {
                high = middle
            } else {
                low = middle + 1
            }
        }
        Ok(low)
    }

    fn search_file(&self, path: &impl Fn() -> PathBuf, count: u32, target: i64) -> Result<Option<E>> {
        let (mut low, mut high) = (0, count); // entries below `low` are not above the target, those from `high` on are
        while high - low > READ_BLOCK {
            let middle = low + (high - low) / 2;
            if self.read_entry(path, middle)?.key() <= target {
                low = middle + 1
            } else {
                high = middle
            }
        }
        let from = low.saturating_sub(1);
        let entries = self.read_entries(path, from, high - from)?;
        let at = entries.partition_point(|entry| entry.key() <= target);
        Ok(at.checked_sub(1).map(|at| entries[at]))
    }

    fn read_entry(&self, path: &impl Fn() -> PathBuf, at: u32) -> Result<E> {
        // A file that was cut short meanwhile reads as zeros, which no lookup trusts.
        let entry = self.read_entries(path, at, 1)?.pop();
        Ok(entry.unwrap_or_else(|| E::decode(&[0; 12], self.base_offset)))
    }

    fn read_entries(&self, path: &impl Fn() -> PathBuf, from: u32, count: u32) -> Result<Vec<E>> {
        let mut bytes = vec![0; count as usize * E::SIZE];
        let file = self.slot.file(path)?;
        let read = disk::read_at(&*file, Path::new(&path()), &mut bytes, u64::from(from) * E::SIZE as u64)?;
        Ok(bytes[..read]
            .chunks_exact(E::SIZE)
            .map(|entry| E::decode(entry, self.base_offset))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::OsDisk;

    fn entry(i: i64) -> OffsetPosition {
        OffsetPosition {
            offset: 100 + i * 10,
            position: (i * 4096) as u32,
        }
    }

    #[test]
    fn lookups_find_the_entry_below_in_memory_and_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = || dir.path().join("i.index");
        disk::create(&OsDisk, &path()).unwrap();
        let cache = FileCache::new(Arc::new(OsDisk), 10, usize::MAX);
        let index = Index::<OffsetPosition>::new(100, "", &cache);
        assert_eq!(index.lookup(path, 1_000).unwrap(), None);
        for i in 1..=3_000 {
            index.append(path, entry(i)).unwrap();
        }
        let check = |index: &Index<OffsetPosition>| {
            assert_eq!(index.count(path).unwrap(), 3_000);
            assert_eq!(index.lookup(path, 109).unwrap(), None);
            for i in [1, 2, 255, 256, 257, 1_000, 2_487, 2_488, 2_744, 2_999, 3_000] {
                assert_eq!(index.lookup(path, 100 + i * 10).unwrap(), Some(entry(i)));
                assert_eq!(index.lookup(path, 109 + i * 10).unwrap(), Some(entry(i)));
            }
        };
        check(&index);
        index.write_out(path).unwrap();
        check(&index);
        index.sync(path).unwrap();
        index.release();
        assert_eq!(cache.open_files(), 0);
        check(&index);
        check(&Index::new(100, "", &cache));
    }

    #[test]
    fn the_file_is_kafkas_and_may_end_in_zeros() {
        let dir = tempfile::tempdir().unwrap();
        let path = || dir.path().join("i.timeindex");
        disk::create(&OsDisk, &path()).unwrap();
        let cache = FileCache::new(Arc::new(OsDisk), 10, usize::MAX);
        let index = Index::<TimestampOffset>::new(7, "", &cache);
        index
            .append(
                path,
                TimestampOffset {
                    timestamp: 1_000,
                    offset: 9,
                },
            )
            .unwrap();
        index
            .append(
                path,
                TimestampOffset {
                    timestamp: 1_000,
                    offset: 11,
                },
            )
            .unwrap(); // says nothing new
        index
            .append(
                path,
                TimestampOffset {
                    timestamp: 1_001,
                    offset: 12,
                },
            )
            .unwrap();
        index.write_out(path).unwrap();
        let mut bytes = std::fs::read(path()).unwrap();
        assert_eq!(
            bytes,
            [
                0, 0, 0, 0, 0, 0, 3, 232, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 3, 233, 0, 0, 0, 5
            ]
        );

        bytes.resize(10 * 1024 * 1024 + 5, 0);
        std::fs::write(path(), &bytes).unwrap();
        let padded = Index::<TimestampOffset>::new(7, "", &cache);
        assert_eq!(
            padded.last(path).unwrap(),
            Some(TimestampOffset {
                timestamp: 1_001,
                offset: 12
            })
        );
        padded.trim(path).unwrap();
        assert_eq!(std::fs::metadata(path()).unwrap().len(), 24);
        std::fs::write(path(), [0; 120]).unwrap();
        assert_eq!(Index::<TimestampOffset>::new(7, "", &cache).count(path).unwrap(), 0);
    }

    #[test]
    fn an_entry_of_zeros_alone_is_one_of_the_time_index() {
        let dir = tempfile::tempdir().unwrap();
        let path = || dir.path().join("i");
        let cache = FileCache::new(Arc::new(OsDisk), 10, usize::MAX);
        let zero = TimestampOffset {
            timestamp: 0,
            offset: 7,
        };
        std::fs::write(path(), [0; 12]).unwrap();
        let index = Index::<TimestampOffset>::new(7, "", &cache);
        assert_eq!(index.last(path).unwrap(), Some(zero));
        index.trim(path).unwrap();
        assert_eq!(std::fs::metadata(path()).unwrap().len(), 12);
        let next = TimestampOffset {
            timestamp: 1,
            offset: 8,
        };
        index.append(path, next).unwrap();
        index.write_out(path).unwrap();
        let mut bytes = std::fs::read(path()).unwrap();
        bytes.resize(1_200, 0); // as Kafka leaves it when it is killed
        std::fs::write(path(), bytes).unwrap();
        let padded = Index::<TimestampOffset>::new(7, "", &cache);
        assert_eq!(
            (padded.count(path).unwrap(), padded.last(path).unwrap()),
            (2, Some(next))
        );
        assert_eq!(padded.lookup(path, 0).unwrap(), Some(zero));

        std::fs::write(path(), [0; 8]).unwrap();
        assert_eq!(Index::<OffsetPosition>::new(7, "", &cache).count(path).unwrap(), 0);
    }

    #[test]
    fn truncation_drops_what_lies_at_or_above_the_offset() {
        let dir = tempfile::tempdir().unwrap();
        let path = || dir.path().join("i.index");
        disk::create(&OsDisk, &path()).unwrap();
        let index = Index::<OffsetPosition>::new(100, "", &FileCache::new(Arc::new(OsDisk), 10, usize::MAX));
        for i in 1..=400 {
            index.append(path, entry(i)).unwrap();
        }
        index.truncate_to(path, 100 + 3_000).unwrap();
        assert_eq!(index.last(path).unwrap(), Some(entry(299)));
        index.append(path, entry(300)).unwrap();
        index.write_out(path).unwrap();
        assert_eq!(std::fs::metadata(path()).unwrap().len(), 300 * 8);
        index.truncate_to(path, 0).unwrap();
        assert_eq!(index.count(path).unwrap(), 0);
    }
}
