//! What goes out on a connection: bytes in memory and regions of files, in order.

use std::fs::File;
use std::io::IoSliceMut;
use std::sync::Arc;

use bytes::Bytes;
use klamm_protocol::EncodedFrame;
use rustix::io::{Errno, ReadWriteFlags};

/// A part of a file that is sent without passing through this process's memory (`sendfile`).
#[derive(Clone, Debug)]
pub struct FileRegion {
    /// The open file.
    pub file: Arc<File>,
    /// Where the region starts, in bytes from the start of the file.
    pub position: u64,
    /// Its length in bytes.
    pub len: u32,
}

impl FileRegion {
    /// The region's bytes, if they are in the system's cache: for regions so small that a copy costs less than `sendfile`.
    pub fn read_if_cached(&self) -> Option<Bytes> {
        let mut bytes = vec![0; self.len as usize];
        match self.read_cached(&mut bytes, self.position) {
            Ok(read) if read == bytes.len() => Some(bytes.into()),
            _ => None,
        }
    }

    /// Reads what is in the system's cache, without waiting for the disk.
    pub(crate) fn read_cached(&self, bytes: &mut [u8], position: u64) -> rustix::io::Result<usize> {
        let buffers = &mut [IoSliceMut::new(bytes)];
        match rustix::io::preadv2(&*self.file, buffers, position, ReadWriteFlags::NOWAIT) {
            // A file system in memory, or one that can't tell: it is taken at its best.
            Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => rustix::io::pread(&*self.file, bytes, position),
            read => read,
        }
    }
}

/// One piece of a frame that goes out.
#[derive(Clone, Debug)]
pub enum Segment {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes in a file.
    File(FileRegion),
}

impl Segment {
    /// The length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Segment::Bytes(bytes) => bytes.len(),
            Segment::File(region) => region.len as usize,
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Makes segments of an encoded frame (size, header and body): its bytes, cut where records were left out, with what
/// `external` answers for each cut's id in between.
///
/// # Panics
/// When `external` answers with another length than was announced: the frame would be unreadable.
pub fn assemble(frame: EncodedFrame, mut external: impl FnMut(u32) -> Vec<Segment>) -> Vec<Segment> {
    let mut segments = Vec::with_capacity(1 + 2 * frame.external.len());
    let mut rest = frame.bytes;
    let mut start = 0;
    for cut in frame.external {
        segments.push(Segment::Bytes(rest.split_to(cut.at - start)));
        start = cut.at;
        let records = external(cut.id);
        let len: usize = records.iter().map(Segment::len).sum();
        assert_eq!(len, cut.len as usize, "what is spliced in has the announced length");
        segments.extend(records);
    }
    segments.push(Segment::Bytes(rest));
    segments.retain(|segment| !segment.is_empty());
    segments
}
