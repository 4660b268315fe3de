//! Offset and time indexes, compared with the segment beside them.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use klamm_records::{Batch, Scratch};

use super::Dump;
use super::batches::{Batches, Header, MAX_BATCH};
use super::failures::{base_offset, corrupt, unopened, unread};
use super::line::Line;
use crate::call::Outcome;
use crate::output::{Failure, Out};

const OFFSET_ENTRY: usize = 8;
const TIME_ENTRY: usize = 12;

/// What to do with an index.
#[derive(Clone, Copy)]
pub(super) struct Depth {
    pub(super) sanity_only: bool,
    pub(super) verify_only: bool,
    pub(super) max_message_size: i32,
}

/// An index file with entries of `N` bytes.
struct Index<const N: usize> {
    path: PathBuf,
    base: i64,
    file: File,
    length: u64,
}

impl<const N: usize> Index<N> {
    fn open(path: &Path, base: i64) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|error| unopened(path, &error))?;
        let length = file.metadata().map_err(|error| unopened(path, &error))?.len();
        Ok(Index {
            path: path.to_path_buf(),
            base,
            file,
            length,
        })
    }

    fn entries(&self) -> u64 {
        self.length / N as u64
    }

    fn entry(&self, index: u64) -> Result<[u8; N], Failure> {
        let mut entry = [0; N];
        let read = self.file.read_exact_at(&mut entry, index * N as u64);
        read.map_err(|error| unread(&self.path, &error))?;
        Ok(entry)
    }

    /// The entries up to the first that is all zero, as the rest of a file is that was not closed.
    fn each(&self, mut see: impl FnMut([u8; N]) -> Outcome) -> Outcome {
        let file = self.file.try_clone().map_err(|error| unread(&self.path, &error))?;
        let mut reader = BufReader::new(file);
        for index in 0..self.entries() {
            let mut entry = [0; N];
            reader
                .read_exact(&mut entry)
                .map_err(|error| unread(&self.path, &error))?;
            if index > 0 && Self::relative_offset(&entry) == 0 {
                break;
            }
            see(entry)?;
        }
        Ok(())
    }

    /// The offset of an entry as the file has it: what it is beyond the base.
    fn relative_offset(entry: &[u8; N]) -> i32 {
        int_at(entry, if N == TIME_ENTRY { 8 } else { 0 })
    }

    fn shown(&self) -> String {
        std::path::absolute(&self.path)
            .unwrap_or_else(|_| self.path.clone())
            .display()
            .to_string()
    }

    fn has_whole_entries(&self, kind: &str) -> Outcome {
        match self.length.is_multiple_of(N as u64) {
            true => Ok(()),
            false => Err(corrupt(format!(
                "{kind} {} is corrupt, found {} bytes which is neither positive nor a multiple of {N}",
                self.shown(),
                self.length
            ))),
        }
    }
}

fn int_at(bytes: &[u8], at: usize) -> i32 {
    bytes
        .get(at..)
        .and_then(|bytes| bytes.first_chunk())
        .map_or(0, |bytes| i32::from_be_bytes(*bytes))
}

fn offset_entry(base: i64, entry: [u8; OFFSET_ENTRY]) -> (i64, u64) {
    // A file may be called after any offset: beyond the greatest it goes on as in Java.
    (
        base.wrapping_add(int_at(&entry, 0).into()),
        u64::from(int_at(&entry, 4) as u32),
    )
}

fn time_entry(base: i64, entry: [u8; TIME_ENTRY]) -> (i64, i64) {
    let timestamp = entry.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes));
    (timestamp, base.wrapping_add(int_at(&entry, 8).into()))
}

/// The file of the same segment with another suffix.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').next().unwrap_or_default();
    path.with_file_name(format!("{stem}.{suffix}"))
}

/// `*.index`.
pub(super) fn offsets(path: &Path, depth: Depth, dump: &mut Dump, out: &mut Out) -> Outcome {
    let base = base_offset(path)?;
    let mut log = Batches::open(&beside(path, "log"), u64::MAX)?;
    let index = Index::<OFFSET_ENTRY>::open(path, base)?;
    if index.entries() == 0 {
        return verdict(path, "empty", "is empty.", out);
    }
    if depth.sanity_only {
        let (last, _) = offset_entry(base, index.entry(index.entries() - 1)?);
        if last < base {
            return Err(corrupt(format!(
                "Corrupt index found, index file {} has non-zero size but the last offset is {last} which is less than the \
                 base offset {base}",
                index.shown()
            )));
        }
        index.has_whole_entries("Index file")?;
        return verdict(path, "passed", "passed sanity check.", out);
    }
    index.each(|entry| {
        let (offset, position) = offset_entry(base, entry);
        let found = batch_at(&mut log, position, depth.max_message_size)?.ok_or_else(|| {
            let log = beside(path, "log");
            Failure::own(format!(
                "the entry of offset {offset} points to byte {position} of {}, where no batch of at most {} bytes is",
                log.display(),
                depth.max_message_size
            ))
            .hint("`--max-message-size` may be too small, or the index belongs to another segment")
        })?;
        if found != offset {
            dump.index_mismatch(path, offset, found);
        }
        match depth.verify_only {
            true => Ok(()),
            false => Line::new("index-entry")
                .int("offset", offset)
                .int("position", position as i64)
                .print("", out),
        }
    })
}

/// The last offset of the batch at a position, if it fits the size.
fn batch_at(log: &mut Batches, position: u64, max_size: i32) -> Result<Option<i64>, Failure> {
    log.jump(position)?;
    let raw = log.next()?;
    let raw = raw.filter(|raw| i64::try_from(raw.size).is_ok_and(|size| size <= i64::from(max_size)));
    Ok(raw.map(|raw| raw.header.last_offset()))
}

fn verdict(path: &Path, kind: &'static str, words: &str, out: &mut Out) -> Outcome {
    let shown = path.display();
    match out.is_json() {
        true => Line::new(kind).text("file", shown.to_string()).print("", out),
        false => out.line(format_args!("{shown} {words}")),
    }
}

/// `*.timeindex`.
pub(super) fn times(path: &Path, depth: Depth, dump: &mut Dump, out: &mut Out) -> Outcome {
    let base = base_offset(path)?;
    let log_path = beside(path, "log");
    let mut log = Batches::open(&log_path, u64::MAX)?;
    let index = Index::<TIME_ENTRY>::open(path, base)?;
    if depth.sanity_only {
        is_sane(&index)?;
        return verdict(path, "passed", "passed sanity check.", out);
    }
    let offsets = Index::<OFFSET_ENTRY>::open(&beside(path, "index"), base)?;
    let mut scratch = Scratch::new();
    let mut previous = -1;
    index.each(|entry| {
        let (timestamp, offset) = time_entry(base, entry);
        log.jump(position_before(&offsets, offset)?)?;
        match batch_with(&mut log, offset)? {
            None => dump.offset_not_found(path, offset, -1),
            Some(raw) if raw.header.last_offset() != offset => {
                dump.offset_not_found(path, offset, raw.header.last_offset());
            }
            Some(mut raw) => {
                log.finish(&mut raw, true)?;
                let largest = largest_timestamp(&raw.header, &raw.bytes, &mut scratch).map_err(|why| {
                    let at = raw.position;
                    Failure::own(format!("the batch at byte {at} of {}: {why}", log_path.display()))
                })?;
                if largest != timestamp {
                    dump.time_mismatch(path, timestamp, largest);
                }
                if previous >= timestamp {
                    dump.out_of_order(path, timestamp, previous);
                }
            }
        }
        previous = timestamp;
        match depth.verify_only {
            true => Ok(()),
            false => Line::new("timeindex-entry")
                .int("timestamp", timestamp)
                .int("offset", offset)
                .print("", out),
        }
    })
}

fn is_sane(index: &Index<TIME_ENTRY>) -> Outcome {
    let Some(last) = index.entries().checked_sub(1) else {
        return index.has_whole_entries("Time index file");
    };
    let (first, _) = time_entry(index.base, index.entry(0)?);
    let (timestamp, offset) = time_entry(index.base, index.entry(last)?);
    let less = |what: &str, last: i64, first: i64| {
        corrupt(format!(
            "Corrupt time index found, time index file ({}) has non-zero size but the last {what} is {last} which is less \
             than the first {what} {first}",
            index.shown()
        ))
    };
    if timestamp < first {
        return Err(less("timestamp", timestamp, first));
    }
    if offset < index.base {
        return Err(less("offset", offset, index.base));
    }
    index.has_whole_entries("Time index file")
}

/// Where to start looking for an offset: the last entry that is not beyond it.
fn position_before(index: &Index<OFFSET_ENTRY>, offset: i64) -> Result<u64, Failure> {
    let (mut low, mut high) = (0, index.entries());
    let mut position = 0;
    while low < high {
        let middle = low + (high - low) / 2;
        let (found, at) = offset_entry(index.base, index.entry(middle)?);
        let is_unused = middle > 0 && found == index.base;
        if is_unused || found > offset {
            high = middle;
        } else {
            (low, position) = (middle + 1, at);
        }
    }
    Ok(position)
}

/// The first batch that ends at the offset or beyond it; its header only.
fn batch_with(log: &mut Batches, offset: i64) -> Result<Option<super::batches::Raw>, Failure> {
    while let Some(raw) = log.next()? {
        if raw.header.last_offset() >= offset {
            return Ok(Some(raw));
        }
        log.skip(&raw)?;
    }
    Ok(None)
}

fn largest_timestamp(header: &Header, bytes: &[u8], scratch: &mut Scratch) -> Result<i64, String> {
    if let Header::Legacy(legacy) = header {
        return Ok(legacy.timestamp);
    }
    let batch = Batch::parse(bytes).map_err(|error| error.to_string())?;
    let positions = batch.positions(scratch, MAX_BATCH).map_err(|error| error.to_string())?;
    let mut largest = -1;
    for record in positions {
        largest = record.map_err(|error| error.to_string())?.timestamp.max(largest);
    }
    Ok(largest)
}
