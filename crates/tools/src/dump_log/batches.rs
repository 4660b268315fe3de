//! The batches of a file, one after the other. A batch is held in memory only where its records are wanted; otherwise it
//! passes through a small buffer, whatever its length field says.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use crc_fast::{CrcAlgorithm, Digest};
use klamm_records::{BATCH_OVERHEAD, BatchHeader, LOG_OVERHEAD, MAGIC_V2};

use super::failures::{unopened, unread};
use crate::output::Failure;

/// Where the magic byte stands, and the end of what all formats share.
const MAGIC_AT: usize = 16;
/// Smallest length field of any format.
const MIN_LENGTH: i32 = 14;
/// Bytes of one read.
const BUFFER: usize = 64 * 1024;
/// Largest batch whose records are shown, and most bytes that they may have when decompressed.
pub(super) const MAX_BATCH: usize = 512 << 20;

/// Reads batches.
pub(super) struct Batches {
    path: PathBuf,
    reader: BufReader<File>,
    position: u64,
    /// Where reading ends: the file's end, or `--max-bytes`.
    end: u64,
}

/// A batch as it lies in the file.
pub(super) struct Raw {
    /// Where it starts.
    pub(super) position: u64,
    /// With the fields that tell its size.
    pub(super) size: u64,
    pub(super) magic: i8,
    pub(super) header: Header,
    /// Whether the checksum holds; set by [`Batches::finish`].
    pub(super) is_valid: bool,
    /// The whole batch, if asked for.
    pub(super) bytes: Vec<u8>,
    front: Vec<u8>,
}

/// What stands before the records.
pub(super) enum Header {
    V2(BatchHeader),
    /// Magic 0 and 1.
    Legacy(Legacy),
}

/// The fields of a message before record batches existed.
pub(super) struct Legacy {
    pub(super) offset: i64,
    pub(super) crc: u32,
    pub(super) attributes: u8,
    pub(super) timestamp: i64,
}

impl Batches {
    /// Opens a file. At most `max_bytes` of it are read.
    pub(super) fn open(path: &Path, max_bytes: u64) -> Result<Batches, Failure> {
        let file = File::open(path).map_err(|error| unopened(path, &error))?;
        let metadata = file.metadata().map_err(|error| unopened(path, &error))?;
        if metadata.is_dir() {
            return Err(unopened(path, &io::Error::from(io::ErrorKind::IsADirectory)));
        }
        Ok(Batches {
            path: path.to_path_buf(),
            reader: BufReader::with_capacity(BUFFER, file),
            position: 0,
            end: metadata.len().min(max_bytes),
        })
    }

    /// Where reading ends.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Where the next batch starts.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Goes on reading at another position.
    pub(super) fn seek(&mut self, position: u64) -> Result<(), Failure> {
        let distance = position as i64 - self.position as i64;
        self.reader
            .seek_relative(distance)
            .map_err(|error| unread(&self.path, &error))?;
        self.position = position;
        Ok(())
    }

    /// The header of the next batch; `None` where no whole batch follows. [`Batches::finish`] or [`Batches::skip`] comes next.
    pub(super) fn next(&mut self) -> Result<Option<Raw>, Failure> {
        let left = self.end.saturating_sub(self.position);
        if left <= (MAGIC_AT + 1) as u64 {
            return Ok(None);
        }
        let mut front = vec![0; BATCH_OVERHEAD.min(left as usize)];
        self.read(&mut front)?;
        let length = i32::from_be_bytes([front[8], front[9], front[10], front[11]]);
        if length < MIN_LENGTH {
            return Err(Failure::own(format!(
                "Found record size {length} smaller than minimum record overhead ({MIN_LENGTH}) in file {}, at byte {}",
                self.path.display(),
                self.position
            ))
            .hint("what comes before is intact; the rest of the file cannot be told apart"));
        }
        let size = LOG_OVERHEAD as u64 + length as u64;
        if size > left {
            return Ok(None);
        }
        let magic = front[MAGIC_AT] as i8;
        let header = header(&front, magic).ok_or_else(|| self.too_short())?;
        Ok(Some(Raw {
            position: self.position,
            size,
            magic,
            header,
            is_valid: false,
            bytes: Vec::new(),
            front,
        }))
    }

    /// Reads the rest of the batch: its checksum, and if `keep` its bytes.
    pub(super) fn finish(&mut self, raw: &mut Raw, keep: bool) -> Result<(), Failure> {
        if keep && raw.size > MAX_BATCH as u64 {
            return Err(Failure::own(format!(
                "the batch at byte {} of {} has {} bytes: its records are not read",
                raw.position,
                self.path.display(),
                raw.size
            ))
            .hint("without `--deep-iteration` and `--print-data-log` its header is shown"));
        }
        // Bytes beyond a small batch are the next one's.
        let here = raw.front.len().min(raw.size as usize);
        let crc_from = match raw.header {
            Header::V2(_) => 21,
            Header::Legacy(_) => MAGIC_AT,
        };
        let mut digest = Digest::new(match raw.header {
            Header::V2(_) => CrcAlgorithm::Crc32Iscsi,
            Header::Legacy(_) => CrcAlgorithm::Crc32IsoHdlc,
        });
        digest.update(&raw.front[crc_from.min(here)..here]);
        raw.bytes.clear();
        if keep {
            raw.bytes.extend_from_slice(&raw.front[..here]);
        }
        self.seek_back(raw.front.len() - here)?;
        let mut left = raw.size - here as u64;
        let mut chunk = [0; 8192];
        while left > 0 {
            let wanted = (chunk.len() as u64).min(left) as usize;
            self.read(&mut chunk[..wanted])?;
            digest.update(&chunk[..wanted]);
            if keep {
                raw.bytes.extend_from_slice(&chunk[..wanted]);
            }
            left -= wanted as u64;
        }
        self.position = raw.position + raw.size;
        let stored = match &raw.header {
            Header::V2(header) => header.crc,
            Header::Legacy(legacy) => legacy.crc,
        };
        let is_whole = matches!(raw.header, Header::Legacy(_)) || raw.size >= BATCH_OVERHEAD as u64;
        raw.is_valid = is_whole && digest.finalize() == u64::from(stored);
        Ok(())
    }

    /// Leaves the rest of the batch alone.
    pub(super) fn skip(&mut self, raw: &Raw) -> Result<(), Failure> {
        self.position = raw.position + raw.front.len() as u64;
        self.seek(raw.position + raw.size)
    }

    fn seek_back(&mut self, bytes: usize) -> Result<(), Failure> {
        self.reader
            .seek_relative(-(bytes as i64))
            .map_err(|error| unread(&self.path, &error))
    }

    fn read(&mut self, into: &mut [u8]) -> Result<(), Failure> {
        self.reader.read_exact(into).map_err(|error| unread(&self.path, &error))
    }

    fn too_short(&self) -> Failure {
        Failure::own(format!(
            "the file {} ends within the header of the batch at byte {}",
            self.path.display(),
            self.position
        ))
    }
}

/// Rewinds, for a reader that is used for several searches.
impl Batches {
    /// As [`Batches::seek`], from the start of the file: for jumps that are far.
    pub(super) fn jump(&mut self, position: u64) -> Result<(), Failure> {
        self.reader
            .seek(SeekFrom::Start(position))
            .map_err(|error| unread(&self.path, &error))?;
        self.position = position;
        Ok(())
    }
}

fn header(front: &[u8], magic: i8) -> Option<Header> {
    if magic < MAGIC_V2 {
        let timestamp = match magic {
            1 => i64::from_be_bytes(*front.get(18..)?.first_chunk()?),
            _ => -1,
        };
        return Some(Header::Legacy(Legacy {
            offset: i64::from_be_bytes(*front.first_chunk()?),
            crc: u32::from_be_bytes(*front.get(12..)?.first_chunk()?),
            attributes: *front.get(17)?,
            timestamp,
        }));
    }
    // Magic and length are what the strict parser checks; here they may be wrong.
    let mut lenient = *front.first_chunk::<BATCH_OVERHEAD>()?;
    lenient[MAGIC_AT] = MAGIC_V2 as u8;
    lenient[8..12].copy_from_slice(&i32::MAX.to_be_bytes());
    BatchHeader::parse(&lenient).ok().map(Header::V2)
}

impl Header {
    /// Offset of the last record.
    pub(super) fn last_offset(&self) -> i64 {
        match self {
            Header::V2(header) => header.last_offset(),
            Header::Legacy(legacy) => legacy.offset,
        }
    }
}
