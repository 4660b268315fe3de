//! One partition's directory: every batch, and what the other files say of them.
use std::collections::BTreeMap;
use std::path::Path;

use klamm_records::{BATCH_OVERHEAD, Batch, BatchHeader, Scratch};

use super::{Check, Severity, files};
use crate::checkpoint::EpochEntry;
use crate::disk::{self, DiskFile};
use crate::error::StorageError;
use crate::index::{Entry, OffsetPosition, TimestampOffset};
use crate::names::{CLUSTER_METADATA_TOPIC, FileKind, PartitionFile, TopicPartition};
use crate::producers::{EndMarker, Producer, Producers, decode_snapshot};
use crate::txn_index::{self, AbortedEntry};

type Result<T> = std::result::Result<T, StorageError>;

/// Bytes read at once.
const WINDOW: usize = 1 << 20;
/// Batches between two words of progress.
const TELL_EVERY: u64 = 1_000;
/// Findings of one kind in one file; of the others only the number is told.
const FINDINGS_MAX: usize = 10;

pub(super) fn check(
    check: &mut Check<'_>,
    dir: &Path,
    partition: &TopicPartition,
    offsets: &files::Checkpoints,
) -> Result<()> {
    check.looked.partitions += 1;
    let is_metadata = &*partition.topic == CLUSTER_METADATA_TOPIC;
    if is_metadata {
        files::quorum_state(check, dir)?;
    }
    files::partition_metadata(check, dir, !is_metadata)?;
    let epochs = files::leader_epochs(check, dir)?;
    let names = take_stock(check, dir)?;
    // The metadata log has no recovery point.
    let synced = match offsets.is_clean {
        true => i64::MAX,
        false => offsets.recovery_points.get(partition).copied().unwrap_or(0),
    };
    let first = names.segments.keys().next().copied();
    let mut log = Log {
        dir,
        next_offset: first.unwrap_or(0),
        producers: Producers::new(first.unwrap_or(0)),
        epochs,
        epoch_faults: 0,
        synced,
        cleaned: offsets.cleaned.get(partition).copied(),
        ended: false,
    };
    for (base_offset, kinds) in &names.segments {
        log.segment(check, *base_offset, kinds, &names.snapshots)?;
    }
    log.snapshots_left(check, &names.snapshots);
    if !log.ended && !is_metadata {
        offsets.compare(check, dir, partition, log.next_offset);
    }
    Ok(())
}

/// What is in the directory.
#[derive(Default)]
struct Names {
    segments: BTreeMap<i64, Vec<FileKind>>,
    /// Producers by the snapshot's offset; `None` if it can't be read.
    snapshots: BTreeMap<i64, Option<Producers>>,
}

fn take_stock(check: &mut Check<'_>, dir: &Path) -> Result<Names> {
    let mut names = Names::default();
    for entry in disk::list(&check.disk, dir)? {
        let path = dir.join(&entry.name);
        match PartitionFile::parse(&entry.name) {
            PartitionFile::Live(FileKind::Snapshot, offset) => {
                let bytes = disk::read_file(&check.disk, &path)?.unwrap_or_default();
                let producers = decode_snapshot(&bytes, offset);
                if producers.is_none() {
                    check.find(Severity::Repair, &path, None, "torn, damaged, or of an unknown version");
                }
                names.snapshots.insert(offset, producers);
            }
            PartitionFile::Live(kind, offset) => names.segments.entry(offset).or_default().push(kind),
            PartitionFile::Deleted | PartitionFile::Temporary | PartitionFile::Cleaned(_) => {
                check.find(Severity::Note, &path, None, "left over; a start removes it");
            }
            PartitionFile::Swap(..) => {
                check.find(
                    Severity::Note,
                    &path,
                    None,
                    "of a cleaning that was interrupted at its end",
                );
            }
            PartitionFile::Other if is_known(&entry.name) => {}
            PartitionFile::Other if entry.name.ends_with(".checkpoint") => metadata_snapshot(check, &path)?,
            PartitionFile::Other => check.find(Severity::Note, &path, None, "none of Kafka's files"),
        }
    }
    names.segments.retain(|base_offset, kinds| {
        let has_log = kinds.contains(&FileKind::Log);
        for kind in kinds.iter().filter(|_| !has_log) {
            let path = kind.path(dir, *base_offset);
            check.find(Severity::Repair, &path, None, "there is no segment with this name");
        }
        has_log
    });
    Ok(names)
}

/// Whether a producer's batches contradict what a snapshot says of it. In a cleaned log the last of them may be gone, if it has
/// written more since.
fn contradict(told: &Producer, read: &Producer, is_cleaned: bool) -> bool {
    let last = |of: &Producer| of.batches.back().map(|batch| (batch.last_offset, batch.last_sequence));
    if read.epoch != told.epoch {
        return !(is_cleaned && read.epoch < told.epoch);
    }
    match (last(told), last(read)) {
        (Some(told), Some(read)) if is_cleaned => read.0 > told.0 || read.0 == told.0 && read.1 != told.1,
        (Some(told), Some(read)) => read.1 != told.1,
        _ => false,
    }
}

fn is_known(name: &str) -> bool {
    ["leader-epoch-checkpoint", "partition.metadata", "quorum-state", ".lock"].contains(&name)
}

/// A snapshot of the metadata log: whole batches to its end.
fn metadata_snapshot(check: &mut Check<'_>, path: &Path) -> Result<()> {
    let file = disk::open(&check.disk, path)?;
    let mut window = Window::new(&*file, path)?;
    let mut at = 0;
    while let Some(batch) = window.batch(at)? {
        if let Err(problem) = batch {
            check.find(Severity::Damage, path, Some(at), problem);
            break;
        }
        at = window.end;
    }
    Ok(())
}

/// The log as far as it was read.
struct Log<'a> {
    dir: &'a Path,
    next_offset: i64,
    producers: Producers,
    epochs: Option<Vec<EpochEntry>>,
    epoch_faults: usize,
    /// Below it everything was flushed.
    synced: i64,
    /// Below it compaction may have left gaps; `None`: nothing was ever compacted.
    cleaned: Option<i64>,
    /// Damage was found, behind which nothing can be compared.
    ended: bool,
}

impl Log<'_> {
    fn segment(
        &mut self,
        check: &mut Check<'_>,
        base_offset: i64,
        kinds: &[FileKind],
        snapshots: &BTreeMap<i64, Option<Producers>>,
    ) -> Result<()> {
        check.looked.segments += 1;
        let path = FileKind::Log.path(self.dir, base_offset);
        if base_offset < self.next_offset {
            let what = format!(
                "begins below offset {}, where the segment before it ends",
                self.next_offset
            );
            check.find(Severity::Damage, &path, None, what);
        }
        self.gap(check, &path, base_offset);
        self.next_offset = base_offset.max(self.next_offset);
        // What came before the first segment only its snapshot tells.
        if let Some(Some(producers)) = snapshots.get(&base_offset)
            && (self.producers.iter().len() == 0 || self.ended)
        {
            self.producers = producers.clone();
        }
        let mut beside = Beside::read(check, self.dir, base_offset, kinds, self.next_offset < self.synced)?;
        let file = disk::open(&check.disk, &path)?;
        let mut window = Window::new(&*file, &path)?;
        let (mut at, mut scratch) = (0, Scratch::new());
        while let Some(batch) = window.batch(at)? {
            let fault = match &batch {
                Ok(batch) => fault(batch, self.next_offset, base_offset, &mut scratch),
                Err(problem) => Some(problem.clone()),
            };
            let (Ok(batch), None) = (&batch, &fault) else {
                let severity = if self.next_offset < self.synced {
                    Severity::Damage
                } else {
                    Severity::Note
                };
                let what = format!("{}, behind offset {}", fault.unwrap_or_default(), self.next_offset - 1);
                check.find(severity, &path, Some(at), what);
                self.ended = true;
                break;
            };
            self.gap(check, &path, batch.header.base_offset);
            self.batch(check, batch, at, &mut beside, snapshots);
            let size = batch.bytes.len() as u64;
            check.looked.bytes += size;
            check.looked.batches += 1;
            check.looked.records += u64::try_from(batch.header.records_count).unwrap_or(0);
            if check.looked.batches.is_multiple_of(TELL_EVERY) {
                (check.progress)(&check.looked);
            }
            at += size;
        }
        check.looked.bytes += window.len - at;
        if !self.ended {
            beside.at_end(check, self.dir, base_offset, self.cleaned.unwrap_or(0));
        }
        (check.progress)(&check.looked);
        Ok(())
    }

    /// Only compaction leaves out offsets.
    fn gap(&self, check: &mut Check<'_>, path: &Path, offset: i64) {
        if offset <= self.next_offset || self.ended {
            return;
        }
        let what = format!("offsets {} to {} are missing", self.next_offset, offset - 1);
        match self.cleaned {
            Some(cleaned) if offset <= cleaned => {}
            // It notes how far it got after the segments have changed.
            Some(cleaned) => {
                let what =
                    format!("{what}: of a compaction that died before it could note that it got beyond {cleaned}?");
                check.find(Severity::Note, path, None, what);
            }
            None => check.find(Severity::Damage, path, None, what),
        }
    }

    fn batch(
        &mut self,
        check: &mut Check<'_>,
        batch: &Batch<'_>,
        at: u64,
        beside: &mut Beside,
        snapshots: &BTreeMap<i64, Option<Producers>>,
    ) {
        let header = &batch.header;
        self.epoch(check, header);
        let marker = EndMarker::of(batch);
        beside.aborted_expected.extend(self.producers.aborts(header, marker));
        self.producers.update(header, marker);
        beside.batch(header, at);
        self.next_offset = header.next_offset();
        if let Some(Some(snapshot)) = snapshots.get(&self.next_offset) {
            self.snapshot(check, snapshot);
        }
    }

    /// Compares a batch's epoch with the checkpoint, as far as that is known to be on disk. It knows nothing of what lies in
    /// front of the log start.
    fn epoch(&mut self, check: &mut Check<'_>, header: &BatchHeader) {
        let (Some(epochs), true) = (&self.epochs, header.partition_leader_epoch >= 0) else {
            return;
        };
        let at = epochs.partition_point(|entry| entry.start_offset <= header.base_offset);
        let Some(known) = at.checked_sub(1).map(|at| epochs[at].epoch) else {
            return;
        };
        if known != header.partition_leader_epoch && header.base_offset < self.synced {
            self.epoch_faults += 1;
            if self.epoch_faults == 1 {
                let what = format!(
                    "the batch at offset {} is of epoch {}, here it is {known}",
                    header.base_offset, header.partition_leader_epoch
                );
                check.find(Severity::Repair, &self.dir.join("leader-epoch-checkpoint"), None, what);
            }
        }
    }

    /// Compares a snapshot with the producers as the batches tell of them. Some may be missing on either side: forgotten
    /// because they were idle, or known from batches that are gone.
    fn snapshot(&self, check: &mut Check<'_>, snapshot: &Producers) {
        let read: BTreeMap<i64, _> = self.producers.iter().collect();
        let differs = snapshot.iter().find(|(id, producer)| {
            read.get(id)
                .is_some_and(|read| contradict(producer, read, self.cleaned.is_some()))
        });
        if let Some((id, producer)) = differs {
            let path = FileKind::Snapshot.path(self.dir, self.next_offset);
            let what = format!("says of producer {id}: {producer:?}, the batches: {:?}", read[&id]);
            check.find(Severity::Damage, &path, None, what);
        }
    }

    fn snapshots_left(&self, check: &mut Check<'_>, snapshots: &BTreeMap<i64, Option<Producers>>) {
        for above in snapshots.range(self.next_offset + 1..).map(|(offset, _)| *offset) {
            if !self.ended {
                let path = FileKind::Snapshot.path(self.dir, above);
                let what = format!("lies above the log end {}; a start removes it", self.next_offset);
                check.find(Severity::Note, &path, None, what);
            }
        }
    }
}

/// What is wrong with a batch where it is, if something is.
fn fault(batch: &Batch<'_>, next_offset: i64, base_offset: i64, scratch: &mut Scratch) -> Option<String> {
    let header = &batch.header;
    if let Err(error) = batch.verify_crc() {
        return Some(error.to_string());
    }
    if header.base_offset < next_offset || header.last_offset_delta < 0 {
        return Some(format!(
            "a batch of offsets {} to {}",
            header.base_offset,
            header.last_offset()
        ));
    }
    if header.last_offset() - base_offset > i64::from(i32::MAX) {
        return Some(format!(
            "offset {} is too far from the segment's base",
            header.last_offset()
        ));
    }
    let records = match batch.records(scratch, i32::MAX as usize) {
        Ok(records) => records,
        Err(error) => return Some(format!("the records can't be read: {error}")),
    };
    let mut count = 0;
    for record in records {
        if let Err(error) = record {
            return Some(format!("record {count} can't be read: {error}"));
        }
        count += 1;
    }
    (count != header.records_count).then(|| format!("{count} records, the header says {}", header.records_count))
}

/// The indexes beside a segment, compared with its batches as they come.
struct Beside {
    offsets: Vec<OffsetPosition>,
    times: Vec<TimestampOffset>,
    offsets_at: usize,
    times_at: usize,
    offset_faults: Vec<String>,
    time_faults: Vec<String>,
    max_timestamp: i64,
    aborted: Option<Vec<AbortedEntry>>,
    aborted_expected: Vec<AbortedEntry>,
    /// Everything in the segment was flushed, and the indexes with it.
    synced: bool,
}

impl Beside {
    fn read(check: &mut Check<'_>, dir: &Path, base_offset: i64, kinds: &[FileKind], synced: bool) -> Result<Self> {
        for kind in [FileKind::OffsetIndex, FileKind::TimeIndex] {
            if !kinds.contains(&kind) {
                check.find(
                    Severity::Repair,
                    &kind.path(dir, base_offset),
                    None,
                    "missing; a start makes it anew",
                );
            }
        }
        let path = FileKind::TxnIndex.path(dir, base_offset);
        let bytes = disk::read_file(&check.disk, &path)?;
        let mut aborted = Some(Vec::new());
        if let Some(bytes) = bytes {
            aborted = match txn_index::fault(&bytes, base_offset) {
                Some(problem) => {
                    check.find(Severity::Repair, &path, None, problem);
                    None
                }
                None => Some(bytes.as_chunks().0.iter().map(AbortedEntry::decode).collect()),
            };
        }
        Ok(Self {
            offsets: entries(check, &FileKind::OffsetIndex.path(dir, base_offset), base_offset)?,
            times: entries(check, &FileKind::TimeIndex.path(dir, base_offset), base_offset)?,
            offsets_at: 0,
            times_at: 0,
            offset_faults: Vec::new(),
            time_faults: Vec::new(),
            max_timestamp: -1,
            aborted,
            aborted_expected: Vec::new(),
            synced,
        })
    }

    fn batch(&mut self, header: &BatchHeader, at: u64) {
        self.max_timestamp = self.max_timestamp.max(header.max_timestamp);
        while let Some(entry) = self
            .offsets
            .get(self.offsets_at)
            .filter(|entry| u64::from(entry.position) <= at)
        {
            self.offsets_at += 1;
            if u64::from(entry.position) != at
                || entry.offset < header.base_offset
                || entry.offset > header.last_offset()
            {
                let what = format!(
                    "entry {} says {entry:?}, where there is no such batch",
                    self.offsets_at - 1
                );
                self.offset_faults.push(what);
            }
        }
        while let Some(entry) = self
            .times
            .get(self.times_at)
            .filter(|entry| entry.offset <= header.last_offset())
        {
            self.times_at += 1;
            if entry.timestamp > self.max_timestamp {
                let what = format!("entry {} says {entry:?}, which no batch has by then", self.times_at - 1);
                self.time_faults.push(what);
            } else if entry.timestamp < self.max_timestamp && entry.offset == header.last_offset() {
                let what = format!(
                    "entry {} says {entry:?}, a batch has {}",
                    self.times_at - 1,
                    self.max_timestamp
                );
                self.time_faults.push(what);
            }
        }
    }

    /// Below `cleaned` compaction may have taken the records of transactions whose markers are still there.
    fn at_end(mut self, check: &mut Check<'_>, dir: &Path, base_offset: i64, cleaned: i64) {
        let left = self.offsets.len() - self.offsets_at;
        if left > 0 {
            self.offset_faults
                .push(format!("{left} entries behind the segment's end"));
        }
        let left = self.times.len() - self.times_at;
        if left > 0 {
            self.time_faults
                .push(format!("{left} entries behind the segment's end"));
        }
        for (kind, faults) in [
            (FileKind::OffsetIndex, &self.offset_faults),
            (FileKind::TimeIndex, &self.time_faults),
        ] {
            let path = kind.path(dir, base_offset);
            for problem in faults.iter().take(FINDINGS_MAX) {
                check.find(Severity::Repair, &path, None, problem);
            }
            if faults.len() > FINDINGS_MAX {
                let what = format!("{} more like these", faults.len() - FINDINGS_MAX);
                check.find(Severity::Repair, &path, None, what);
            }
        }
        // Transactions that began before anything that is known are in the index alone.
        let Some(aborted) = &self.aborted else { return };
        let missing = self.aborted_expected.iter().find(|entry| !aborted.contains(entry));
        let unknown = aborted.iter().find(|entry| {
            let is_known = self
                .aborted_expected
                .iter()
                .any(|known| known.last_offset == entry.last_offset);
            !is_known && entry.first_offset >= base_offset.max(cleaned)
        });
        let path = FileKind::TxnIndex.path(dir, base_offset);
        // Below the recovery point no start looks for it.
        let severity = if self.synced {
            Severity::Damage
        } else {
            Severity::Repair
        };
        if let Some(missing) = missing {
            check.find(severity, &path, None, format!("lacks {missing:?}"));
        }
        if let Some(unknown) = unknown {
            check.find(severity, &path, None, format!("the log does not have {unknown:?}"));
        }
    }
}

/// The entries of an index file, without the zeros that are allocated ahead.
fn entries<E: Entry>(check: &mut Check<'_>, path: &Path, base_offset: i64) -> Result<Vec<E>> {
    let mut bytes = disk::read_file(&check.disk, path)?.unwrap_or_default();
    let is_one = E::MAY_BE_ZERO && bytes.len() / E::SIZE == 1;
    while !is_one && bytes.len() >= E::SIZE && bytes[bytes.len() - E::SIZE..].iter().all(|byte| *byte == 0) {
        bytes.truncate(bytes.len() - E::SIZE);
    }
    let rest = bytes.len() % E::SIZE;
    if rest > 0 && bytes[bytes.len() - rest..].iter().any(|byte| *byte != 0) {
        check.find(
            Severity::Repair,
            path,
            None,
            format!("{rest} bytes behind the last whole entry"),
        );
    }
    let entries: Vec<E> = bytes
        .chunks_exact(E::SIZE)
        .map(|entry| E::decode(entry, base_offset))
        .collect();
    if let Some(at) = entries.windows(2).position(|pair| pair[0].key() >= pair[1].key()) {
        check.find(
            Severity::Repair,
            path,
            None,
            format!("entry {} does not ascend", at + 1),
        );
    }
    Ok(entries)
}

/// A file of batches, read from front to end.
struct Window<'a> {
    file: &'a dyn DiskFile,
    path: &'a Path,
    len: u64,
    bytes: Vec<u8>,
    at: u64,
    /// Where the last batch ended.
    end: u64,
}

impl<'a> Window<'a> {
    fn new(file: &'a dyn DiskFile, path: &'a Path) -> Result<Self> {
        Ok(Self {
            file,
            path,
            len: disk::len(file, path)?,
            bytes: Vec::new(),
            at: 0,
            end: 0,
        })
    }

    /// The batch at a position, or what is there instead; `None` at the end of the file.
    fn batch(&mut self, at: u64) -> Result<Option<std::result::Result<Batch<'_>, String>>> {
        if at >= self.len {
            return Ok(None);
        }
        let header = match BatchHeader::parse(self.get(at, BATCH_OVERHEAD)?) {
            Ok(header) => header,
            Err(error) => return Ok(Some(Err(error.to_string()))),
        };
        let size = header.size_in_bytes();
        if at + size as u64 > self.len {
            let there = self.len - at;
            return Ok(Some(Err(format!(
                "a batch of {size} bytes, of which {there} are there"
            ))));
        }
        self.end = at + size as u64;
        let bytes = self.get(at, size)?;
        Ok(Some(Ok(Batch { header, bytes })))
    }

    /// Up to `len` bytes; fewer where the file ends.
    fn get(&mut self, at: u64, len: usize) -> Result<&[u8]> {
        let has = |this: &Self| at >= this.at && at + len as u64 <= this.at + this.bytes.len() as u64;
        if !has(self) {
            let wanted = (len.max(WINDOW) as u64).min(self.len - at);
            self.bytes.resize(wanted as usize, 0);
            let read = disk::read_at(self.file, self.path, &mut self.bytes, at)?;
            self.bytes.truncate(read);
            self.at = at;
        }
        let from = (at - self.at) as usize;
        Ok(&self.bytes[from..self.bytes.len().min(from + len)])
    }
}
