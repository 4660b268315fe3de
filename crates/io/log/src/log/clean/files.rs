//! The files of a round of cleaning: what is read, what is written, and what lies between the two.
use std::path::PathBuf;
use std::sync::Arc;

use klamm_records::{BATCH_OVERHEAD, BatchHeader};

use crate::config::LogConfig;
use crate::disk::{self, DiskFile};
use crate::error::{Result, StorageError};
use crate::names::{CLEANER_STACK, FileKind};
use crate::recovery::EntryPacer;
use crate::segment::{Located, Segment};

/// Reads segments piece by piece into one buffer.
pub(super) struct Reader {
    buffer: Vec<u8>,
    usual: usize,
}

impl Reader {
    pub(super) fn new(usual: usize) -> Self {
        Self {
            buffer: Vec::new(),
            usual: usual.max(BATCH_OVERHEAD),
        }
    }

    /// Bytes from `position` on, where a batch begins: that one at least.
    pub(super) fn read(&mut self, segment: &Segment, position: u32) -> Result<&[u8]> {
        let left = (segment.size() - position) as usize;
        self.fit(self.usual.min(left));
        let mut read = self.fill(segment, position)?;
        let header = BatchHeader::parse(&self.buffer[..read]);
        let needed = header
            .map_err(|error| segment.corrupt(position, &error.to_string()))?
            .size_in_bytes();
        if needed > left {
            return Err(segment.corrupt(position, "a batch that is longer than the rest of the segment"));
        }
        if needed > read {
            self.fit(needed);
            read = self.fill(segment, position)?;
        }
        if needed > read {
            return Err(segment.corrupt(position, "the file became shorter while it was read"));
        }
        Ok(&self.buffer[..read])
    }

    /// The bytes of some batches that were read before.
    pub(super) fn read_to(&mut self, segment: &Segment, position: u32, end: u32) -> Result<&[u8]> {
        let len = (end - position) as usize;
        self.fit(len);
        if self.fill(segment, position)? < len {
            return Err(segment.corrupt(position, "the file became shorter while it was read"));
        }
        Ok(&self.buffer)
    }

    /// Gives the memory back until the next read.
    pub(super) fn forget(&mut self) {
        self.buffer = Vec::new();
    }

    /// Makes the buffer so long, and gives back memory that a batch of unusual size took.
    fn fit(&mut self, len: usize) {
        if self.buffer.capacity() > self.usual && len <= self.usual {
            self.buffer = Vec::new();
        }
        self.buffer.resize(len, 0);
    }

    fn fill(&mut self, segment: &Segment, position: u32) -> Result<usize> {
        disk::read_at(
            &*segment.file()?,
            &segment.path(FileKind::Log),
            &mut self.buffer,
            position.into(),
        )
    }
}

/// Appends batches to a new segment.
pub(super) struct Writer<'a> {
    segment: &'a Segment,
    entries: EntryPacer,
    interval: u32,
    index_bytes: u32,
    /// Batches behind what is written.
    pub(super) out: Vec<u8>,
    /// Where in `out` the batch begins that comes next.
    noted: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(segment: &'a Segment, config: &LogConfig) -> Self {
        Self {
            segment,
            entries: EntryPacer::default(),
            interval: config.index_interval_bytes,
            index_bytes: config.segment_index_bytes,
            out: Vec::new(),
            noted: 0,
        }
    }

    /// Notes the batch that was put at the end of `out` in the indexes.
    pub(super) fn note_last(&mut self) -> Result<()> {
        let end = self.segment.size() as usize + self.out.len();
        if end > i32::MAX as usize {
            let problem = "it would be larger than a segment can be once it is cleaned";
            return Err(self.segment.corrupt(self.segment.size(), problem));
        }
        let header = BatchHeader::parse(&self.out[self.noted..]).expect("a batch that was just written");
        let batch = Located {
            position: self.segment.size() + self.noted as u32,
            header,
        };
        self.noted = self.out.len();
        let entry = self.entries.is_due(&batch, self.interval) && !self.segment.is_index_full(self.index_bytes)?;
        self.segment.note(&batch, entry)
    }

    /// Writes what there is to write, and says how much it was.
    pub(super) fn flush(&mut self) -> Result<u64> {
        let written = self.out.len();
        if written > 0 {
            self.segment.write(&self.out, &[])?;
            self.segment.publish(written as u32);
            self.out.clear();
            self.noted = 0;
        }
        Ok(written as u64)
    }
}

/// Bytes behind each batch on a stack: its length.
const LENGTH: usize = size_of::<u32>();

/// Turns batches round that come in the reverse order: the last one put on it is the first one taken off it. What is too much
/// for its buffer lies in a file, which is as long as what is left there. Its name has a start remove it, Kafka's too.
pub(super) struct BatchStack<'a> {
    segment: &'a Segment,
    usual: usize,
    /// The newest bytes.
    top: Vec<u8>,
    /// Where the batch begins that is put on next.
    begin: usize,
    file: Option<Arc<dyn DiskFile>>,
    /// Bytes below those of `top`, in the file.
    below: u64,
    /// Bytes that went to the file or came from it and were not told of.
    moved: u64,
}

impl<'a> BatchStack<'a> {
    /// An empty stack with a buffer of `usual` bytes, of what is to become `segment`.
    pub(super) fn new(segment: &'a Segment, usual: usize) -> Self {
        Self {
            segment,
            usual,
            top: Vec::new(),
            begin: 0,
            file: None,
            below: 0,
            moved: 0,
        }
    }

    fn path(&self) -> PathBuf {
        let name = format!("{:020}.{CLEANER_STACK}.cleaned", self.segment.base_offset);
        self.segment.path(FileKind::Log).with_file_name(name)
    }

    /// Where a batch is to be appended, or nothing.
    pub(super) fn top(&mut self) -> &mut Vec<u8> {
        &mut self.top
    }

    /// Ends the batch that was appended, if one was.
    pub(super) fn close_batch(&mut self) -> Result<()> {
        let size = self.top.len() - self.begin;
        if size == 0 {
            return Ok(());
        }
        self.top.extend_from_slice(&(size as u32).to_le_bytes());
        if self.top.len() >= self.usual {
            let path = self.path();
            if self.file.is_none() {
                self.file = Some(disk::create(self.segment.disk(), &path)?);
            }
            let file = self.file.as_ref().expect("it was just made");
            disk::write_at(&**file, &path, &self.top, &[], self.below)?;
            self.below += self.top.len() as u64;
            self.moved += self.top.len() as u64;
            self.top.clear();
        }
        self.begin = self.top.len();
        Ok(())
    }

    /// Appends the batch that was put on last to `out` and takes it off. `false`: there is none.
    pub(super) fn pop_into(&mut self, out: &mut Vec<u8>) -> Result<bool> {
        self.have(LENGTH)?;
        let Some((rest, length)) = self.top.split_last_chunk::<LENGTH>() else {
            return Ok(false);
        };
        let (size, ends) = (u32::from_le_bytes(*length) as usize, rest.len());
        self.top.truncate(ends);
        self.have(size)?;
        let Some(at) = self.top.len().checked_sub(size) else {
            return Err(self.changed());
        };
        out.extend_from_slice(&self.top[at..]);
        self.top.truncate(at);
        Ok(true)
    }

    /// Has so many bytes be in memory, if there are.
    fn have(&mut self, bytes: usize) -> Result<()> {
        let Some(missing) = bytes.checked_sub(self.top.len()).filter(|missing| *missing > 0) else {
            return Ok(());
        };
        let Some(file) = &self.file else { return Ok(()) };
        let path = self.path();
        let more = self.below.min(missing.max(self.usual) as u64) as usize;
        self.below -= more as u64;
        self.moved += more as u64;
        let mut top = vec![0; more + self.top.len()];
        let read = disk::read_at(&**file, &path, &mut top[..more], self.below)?;
        if read < more {
            return Err(self.changed());
        }
        top[more..].copy_from_slice(&self.top);
        self.top = top;
        disk::set_len(&**file, &path, self.below)
    }

    /// Bytes written to the file and read from it since this was asked last.
    pub(super) fn take_moved(&mut self) -> u64 {
        std::mem::take(&mut self.moved)
    }

    fn changed(&self) -> StorageError {
        StorageError::malformed(&self.path(), "it changed while it was in use".to_owned())
    }

    /// Removes the file, if there is one.
    pub(super) fn remove(self) -> Result<()> {
        match self.file {
            Some(_) => disk::remove_file(self.segment.disk(), &self.path()),
            None => Ok(()),
        }
    }
}
