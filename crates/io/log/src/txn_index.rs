//! The index of a segment's aborted transactions (KIP-98): `.txnindex`, an entry for each abort marker in the segment.
//!
//! Entries ascend by the offset of their marker, and so do the last stable offsets in them, so that both ends of what a reader
//! needs are found without reading the rest. The file is there only when it is needed. Unlike the other indexes it is no hint:
//! whoever reads committed records relies on every entry, so recovery makes it say what the log says. A file that is lost as
//! a whole after a clean stop looks like one that was not needed, as in Kafka: only the batches tell, and only `verify` and the
//! rebuilding of all of a segment's indexes read those.
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk;
use crate::error::Result;
use crate::file_cache::{FileCache, Slot, Unsynced, wherever_it_is, with_suffix};

/// Version i16, then producer id, first, last and last stable offset as i64.
pub(crate) const ENTRY: usize = 34;
const VERSION: i16 = 0;
/// Entries read at once.
const BLOCK: u32 = 512;

/// An aborted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AbortedEntry {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    /// Offset of the abort marker.
    pub(crate) last_offset: i64,
    /// Where the last stable offset was when the marker was written.
    pub(crate) last_stable_offset: i64,
}

impl AbortedEntry {
    pub(crate) fn encode(&self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        bytes[..2].copy_from_slice(&VERSION.to_be_bytes());
        let fields = [
            self.producer_id,
            self.first_offset,
            self.last_offset,
            self.last_stable_offset,
        ];
        for (field, at) in fields.into_iter().zip((2..).step_by(8)) {
            bytes[at..at + 8].copy_from_slice(&field.to_be_bytes());
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; ENTRY]) -> Self {
        let field = |at: usize| i64::from_be_bytes(*bytes[at..].first_chunk().expect("an entry's fields lie in it"));
        Self {
            producer_id: field(2),
            first_offset: field(10),
            last_offset: field(18),
            last_stable_offset: field(26),
        }
    }
}

/// What is wrong with the file's bytes, if something is: entries of this version, whole, ascending, of markers at or above
/// the segment's base offset.
pub(crate) fn fault(bytes: &[u8], base_offset: i64) -> Option<String> {
    let (entries, rest) = bytes.as_chunks::<ENTRY>();
    let mut last_offset = base_offset - 1;
    for (at, bytes) in entries.iter().enumerate() {
        let entry = AbortedEntry::decode(bytes);
        if bytes[..2] != VERSION.to_be_bytes() {
            return Some(format!("entry {at} is of an unknown version"));
        }
        if entry.last_offset <= last_offset || entry.first_offset > entry.last_offset {
            return Some(format!("entry {at} does not follow on: {entry:?}"));
        }
        last_offset = entry.last_offset;
    }
    (!rest.is_empty()).then(|| format!("{} bytes behind the last whole entry", rest.len()))
}

/// One index file, or none yet.
#[derive(Debug)]
pub(crate) struct TxnIndex {
    slot: Arc<Slot>,
    state: Mutex<Option<State>>,
    /// A write failed and may have left bytes behind the last entry.
    torn: AtomicBool,
}

#[derive(Clone, Copy, Debug)]
struct State {
    exists: bool,
    /// Entries; what is left over of a torn one is not counted.
    count: u32,
}

impl TxnIndex {
    /// An index whose file's name ends with `suffix`, if there is one.
    pub(crate) fn new(suffix: &'static str, cache: &Arc<FileCache>) -> Self {
        Self {
            slot: cache.slot(suffix),
            state: Mutex::new(None),
            torn: AtomicBool::new(false),
        }
    }

    /// Nobody holds it over a call of the disk.
    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().expect("no panic while an index is changed")
    }

    fn state(&self, path: &impl Fn() -> PathBuf) -> Result<State> {
        if let Some(state) = *self.lock() {
            return Ok(state);
        }
        if !disk::may_wait() {
            return Err(disk::would_wait(&path())); // the directory may have to be read
        }
        let inspected = wherever_it_is(|| self.current(path), |path| disk::inspect(self.slot.disk(), path));
        let state = match inspected {
            Ok(file) => State {
                exists: true,
                count: u32::try_from(file.len / ENTRY as u64).unwrap_or(u32::MAX),
            },
            Err(error) if error.is_not_found() => State {
                exists: false,
                count: 0,
            },
            Err(error) => return Err(error),
        };
        Ok(*self.lock().get_or_insert(state))
    }

    /// The file's name as it is now.
    fn current(&self, path: &impl Fn() -> PathBuf) -> PathBuf {
        with_suffix(path(), self.slot.suffix())
    }

    /// Gives the file's name another suffix; fails if there is no file.
    pub(crate) fn rename(&self, path: PathBuf, suffix: &'static str) -> Result<()> {
        // What is known of it stays so: another file may take the name.
        self.state(&|| path.clone())?;
        self.slot.rename(path, suffix)
    }

    /// What the file's name ends with.
    pub(crate) fn suffix(&self) -> &'static str {
        self.slot.suffix()
    }

    /// Tells of a segment that has no such file.
    pub(crate) fn is_new(&self) {
        *self.lock() = Some(State {
            exists: false,
            count: 0,
        });
    }

    /// Adds an entry. Says whether the file had to be created, a name that its directory's next sync has to cover. One caller
    /// at a time: the log's writer.
    pub(crate) fn append(&self, path: impl Fn() -> PathBuf, entry: &AbortedEntry) -> Result<bool> {
        let state = self.state(&path)?;
        if !state.exists {
            disk::create(self.slot.disk(), &self.current(&path))?;
        }
        let file = self.slot.file(&path)?;
        let writing = self.slot.writes();
        let at = u64::from(state.count) * ENTRY as u64;
        let written = disk::write_at(&*file, &path(), &entry.encode(), &[], at);
        drop(writing);
        self.torn.fetch_or(written.is_err(), Ordering::AcqRel);
        let count = state.count + u32::from(written.is_ok());
        *self.lock() = Some(State { exists: true, count });
        written.map(|()| !state.exists)
    }

    /// Removes what a failed write has left behind the last entry.
    pub(crate) fn cut_torn_write(&self, path: impl Fn() -> PathBuf) -> Result<()> {
        if self.torn.load(Ordering::Acquire) {
            self.set_count(&path, self.state(&path)?.count)?;
        }
        Ok(())
    }

    /// Cuts the file off behind so many entries, on disk too: nothing is left to flush in a log that ends here, and a power
    /// cut would bring back transactions that were never aborted.
    fn set_count(&self, path: &impl Fn() -> PathBuf, count: u32) -> Result<()> {
        let file = self.slot.file(path)?;
        let writing = self.slot.writes();
        disk::set_len(&*file, &path(), u64::from(count) * ENTRY as u64)?;
        drop(writing);
        self.slot.sync(path)?;
        self.torn.store(false, Ordering::Release);
        *self.lock() = Some(State { exists: true, count });
        Ok(())
    }

    /// Collects the transactions that have their marker at or above `from` and begin below `to`. Says whether that is all of
    /// them, also of those whose markers lie in later segments.
    pub(crate) fn collect(
        &self,
        path: impl Fn() -> PathBuf,
        from: i64,
        to: i64,
        found: &mut Vec<AbortedEntry>,
    ) -> Result<bool> {
        let count = self.state(&path)?.count;
        let mut at = self.first_from(&path, from, count)?;
        while at < count {
            let block = self.read(&path, at, BLOCK.min(count - at))?;
            if block.is_empty() {
                break; // cut short meanwhile
            }
            for entry in &block {
                if entry.first_offset < to {
                    found.push(*entry);
                }
                if entry.last_stable_offset >= to {
                    return Ok(true);
                }
            }
            at += block.len() as u32;
        }
        Ok(false)
    }

    /// The first of `count` entries whose marker is at or above `offset`.
    fn first_from(&self, path: &impl Fn() -> PathBuf, offset: i64, count: u32) -> Result<u32> {
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.read(path, middle, 1)?.first() {
                Some(entry) if entry.last_offset < offset => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    fn read(&self, path: &impl Fn() -> PathBuf, from: u32, count: u32) -> Result<Vec<AbortedEntry>> {
        let mut bytes = vec![0; count as usize * ENTRY];
        let file = self.slot.file(path)?;
        let read = disk::read_at(&*file, &path(), &mut bytes, u64::from(from) * ENTRY as u64)?;
        let (entries, _torn) = bytes[..read].as_chunks::<ENTRY>();
        Ok(entries.iter().map(AbortedEntry::decode).collect())
    }

    /// Drops the entries whose marker is at or above `offset`.
    pub(crate) fn truncate_to(&self, path: impl Fn() -> PathBuf, offset: i64) -> Result<()> {
        let state = self.state(&path)?;
        let kept = self.first_from(&path, offset, state.count)?;
        if kept < state.count {
            self.set_count(&path, kept)?;
        }
        Ok(())
    }

    /// Makes the entries from `from` on be `entries`. Says whether they were not, and if so has put them on disk.
    pub(crate) fn replace_from(&self, path: impl Fn() -> PathBuf, from: i64, entries: &[AbortedEntry]) -> Result<bool> {
        let state = self.state(&path)?;
        let kept = self.first_from(&path, from, state.count)?;
        if self.torn_or_longer(&path, state)? || self.read_all(&path, kept, state.count)? != entries {
            if state.exists {
                self.set_count(&path, kept)?;
            }
            for entry in entries {
                self.append(&path, entry)?;
            }
            self.slot.sync(path)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether the file does not end with its last whole entry.
    fn torn_or_longer(&self, path: &impl Fn() -> PathBuf, state: State) -> Result<bool> {
        Ok(state.exists
            && disk::inspect(self.slot.disk(), &self.current(path))?.len != u64::from(state.count) * ENTRY as u64)
    }

    fn read_all(&self, path: &impl Fn() -> PathBuf, from: u32, count: u32) -> Result<Vec<AbortedEntry>> {
        if from < count {
            self.read(path, from, count - from)
        } else {
            Ok(Vec::new())
        }
    }

    /// What is wrong with the file, if something is.
    pub(crate) fn fault(&self, path: impl Fn() -> PathBuf, base_offset: i64) -> Result<Option<String>> {
        let bytes = disk::read_file(self.slot.disk(), &self.current(&path))?;
        Ok(bytes.and_then(|bytes| fault(&bytes, base_offset)))
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
    pub(crate) fn assume_unsynced(&self, path: impl Fn() -> PathBuf) -> Result<()> {
        if self.state(&path)?.exists {
            self.slot.assume_unsynced();
        }
        Ok(())
    }

    /// Gives back the handle of an index that is not used for now.
    pub(crate) fn release(&self) {
        self.slot.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::OsDisk;

    fn entry(last_offset: i64) -> AbortedEntry {
        AbortedEntry {
            producer_id: 7,
            first_offset: last_offset - 5,
            last_offset,
            last_stable_offset: last_offset - 2,
        }
    }

    fn found(index: &TxnIndex, path: impl Fn() -> PathBuf, from: i64, to: i64) -> (Vec<i64>, bool) {
        let mut found = Vec::new();
        let complete = index.collect(path, from, to, &mut found).unwrap();
        (found.iter().map(|entry| entry.last_offset).collect(), complete)
    }

    #[test]
    fn entries_are_kafkas() {
        let bytes = AbortedEntry {
            producer_id: 1,
            first_offset: 2,
            last_offset: 3,
            last_stable_offset: 4,
        }
        .encode();
        let expected = [
            0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4,
        ];
        assert_eq!(bytes, expected);
        assert_eq!(AbortedEntry::decode(&bytes).encode(), bytes);
    }

    #[test]
    fn what_a_reader_needs_is_found_and_nothing_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = || dir.path().join("i.txnindex");
        let index = TxnIndex::new("", &FileCache::new(Arc::new(OsDisk), 10, usize::MAX));
        assert_eq!(found(&index, path, 0, 1_000_000), (vec![], false));
        assert!(!path().exists(), "there is nothing to index yet");
        assert!(index.append(path, &entry(10)).unwrap(), "the file is new");
        for i in 2..=2_000 {
            assert!(!index.append(path, &entry(i * 10)).unwrap());
        }
        assert_eq!(
            found(&index, path, 10_001, 10_026),
            (vec![10_010, 10_020, 10_030], true)
        );
        assert_eq!(found(&index, path, 19_990, 1_000_000), (vec![19_990, 20_000], false));
        assert_eq!(found(&index, path, 20_001, 1_000_000), (vec![], false));
        let again = TxnIndex::new("", &FileCache::new(Arc::new(OsDisk), 10, usize::MAX));
        assert_eq!(found(&again, path, 0, 16), (vec![10, 20], true));

        index.truncate_to(path, 10_000).unwrap();
        assert_eq!(found(&index, path, 9_980, 1_000_000), (vec![9_980, 9_990], false));
        assert_eq!(std::fs::metadata(path()).unwrap().len(), 999 * 34);
        assert!(!index.replace_from(path, 9_985, &[entry(9_990)]).unwrap(), "as it is");
        assert!(index.replace_from(path, 9_985, &[entry(9_991), entry(9_992)]).unwrap());
        assert_eq!(
            found(&index, path, 9_980, 1_000_000),
            (vec![9_980, 9_991, 9_992], false)
        );
    }

    #[test]
    fn faults_are_seen_and_a_torn_entry_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = || dir.path().join("i.txnindex");
        let bytes = [entry(10).encode(), entry(20).encode()].concat();
        assert_eq!(fault(&bytes, 10), None);
        assert!(fault(&bytes, 11).is_some(), "a marker before the segment");
        assert!(fault(&bytes[..60], 0).is_some(), "torn");
        assert!(fault(&[entry(20).encode(), entry(10).encode()].concat(), 0).is_some());
        assert!(fault(&[1; ENTRY], 0).is_some(), "another version");
        std::fs::write(path(), &bytes[..60]).unwrap();
        let index = TxnIndex::new("", &FileCache::new(Arc::new(OsDisk), 10, usize::MAX));
        assert_eq!(found(&index, path, 0, 100), (vec![10], false));
        assert!(index.replace_from(path, 11, &[]).unwrap(), "the rest goes");
        assert_eq!(std::fs::metadata(path()).unwrap().len(), 34);
        index.append(path, &entry(30)).unwrap();
        assert_eq!(found(&index, path, 0, 100), (vec![10, 30], false));
    }
}
