//! What an unclean stop leaves, and what is done about it.
//!
//! Only what lies above the recovery point is looked at: below it everything was synced, and nothing is ever cut there.
//! The scan reads every byte above it once, checks each batch, cuts at the first thing that is not a whole batch in its
//! place, and rebuilds the index entries on the way.
//!
//! Memory: a window of 1 MiB for each thread that opens logs, whatever lengths stand in the files. Besides it there is only
//! what an open log keeps: its producers' state, and the index of the segment at hand.

use std::ops::Range;
use std::path::PathBuf;

use klamm_records::{BATCH_OVERHEAD, Batch, BatchError, BatchHeader};

use crate::error::Result;
use crate::faults::{self, Fault};
use crate::names::FileKind;
use crate::segment::{Located, Segment};

/// Bytes read at once.
const WINDOW: usize = 1 << 20;
/// Where in a batch the bytes begin that its checksum covers.
const CRC_COVERS_FROM: usize = 21;
/// The same of a message of format v0 or v1; what stands before it is offset, size and the checksum.
const OLD_CRC_COVERS_FROM: usize = 16;
/// How far behind damage valid batches are looked for, to tell a torn end from rot in the middle.
const SEARCH_MAX: u32 = 64 << 20;

/// What stands at a position where a batch should begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A whole batch whose checksum is right and whose offsets follow on.
    Batch,
    /// A whole batch by its length, whose bytes do not fit its checksum.
    CrcDiffers { behind: Behind },
    /// A whole and sound batch that does not belong here: its offsets do not follow on.
    OffsetsGoBack { behind: Behind },
    /// Bytes that no batch begins with.
    NoHeader { behind: Behind },
    /// A batch that is longer than the rest of the file, or too little for a header.
    LongerThanFile { behind: Behind },
    /// Zeros to the end of the file: allocated, never written.
    Zeros,
    /// A whole and sound message of a format before v2 (Apache Kafka 0.10 and older wrote those), which nobody here reads.
    OldMessage,
}

/// Whether a valid batch of this log lies somewhere behind the damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    ValidBatch,
    Nothing,
}

/// What to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Keep,
    Cut(Cause),
    /// The log is not opened, and nothing of it changed.
    Refuse,
}

/// Why the end of a log was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The last write did not get to its end: what a crash leaves.
    TornTail,
    /// There are valid batches behind the damage, which are lost with it: not what a crash alone leaves.
    CorruptMiddle,
}

/// Every case has its row; only a torn tail is quiet.
pub(crate) fn judge(found: Found) -> Verdict {
    match found {
        Found::Batch => Verdict::Keep,
        Found::OldMessage => Verdict::Refuse,
        Found::CrcDiffers {
            behind: Behind::ValidBatch,
        }
        | Found::OffsetsGoBack {
            behind: Behind::ValidBatch,
        }
        | Found::NoHeader {
            behind: Behind::ValidBatch,
        }
        | Found::LongerThanFile {
            behind: Behind::ValidBatch,
        } => Verdict::Cut(Cause::CorruptMiddle),
        Found::CrcDiffers {
            behind: Behind::Nothing,
        }
        | Found::OffsetsGoBack {
            behind: Behind::Nothing,
        }
        | Found::NoHeader {
            behind: Behind::Nothing,
        }
        | Found::LongerThanFile {
            behind: Behind::Nothing,
        }
        | Found::Zeros => Verdict::Cut(Cause::TornTail),
    }
}

/// Something that opening a log repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecoveryEvent {
    /// The end of a segment was cut off.
    Cut {
        /// The segment's `.log` file.
        file: PathBuf,
        /// Where it ends now.
        position: u32,
        /// Bytes cut off.
        bytes: u64,
        /// Records in valid batches among them.
        records_lost: u64,
        /// Why.
        cause: Cause,
    },
    /// A segment behind a cut was removed.
    SegmentDropped {
        /// Its `.log` file.
        file: PathBuf,
        /// Its bytes.
        bytes: u64,
        /// Records in valid batches.
        records_lost: u64,
    },
    /// The indexes of a segment were missing or contradicted its log, and were made anew.
    IndexesRebuilt {
        /// The segment's `.log` file.
        file: PathBuf,
    },
    /// The index of a segment's aborted transactions was missing, short, or contradicted its log, and was made anew.
    TxnIndexRebuilt {
        /// The segment's `.log` file.
        file: PathBuf,
    },
    /// The newest producer snapshots were missing or damaged; the producers' state was read from the batches from this
    /// offset on.
    ProducersRebuilt {
        /// First offset read.
        from_offset: i64,
    },
    /// `leader-epoch-checkpoint` could not be read and was made anew from the batches.
    LeaderEpochsRebuilt,
    /// All segments end below the log start offset: the log was begun anew there.
    Restarted {
        /// The log start offset.
        at_offset: i64,
    },
    /// The log ends below its recovery point: what had been synced is not there, as after a repair of the file system or where
    /// files were deleted. It goes on where it ends, and gives the offsets out again.
    EndsTooEarly {
        /// Where it ends.
        end_offset: i64,
        /// Where it ended at least when it was synced.
        recovery_point: i64,
    },
    /// A cleaning that was interrupted after its last step but one was brought to its end.
    SwapCompleted {
        /// Base offset of the cleaned segment.
        base_offset: i64,
    },
}

/// What a scan of a segment's end found.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    /// Bytes looked at.
    pub(crate) bytes: u64,
    pub(crate) cut: Option<RecoveryEvent>,
}

/// Judges the batches of `segment` from `position` on, where one begins, and cuts the segment where it has to. `next_offset`
/// is the least that the first of them may have. `keep` sees each batch that stays.
pub(crate) fn scan(
    segment: &Segment,
    position: u32,
    mut next_offset: i64,
    mut keep: impl FnMut(&Located) -> Result<()>,
) -> Result<Scanned> {
    let mut window = Window {
        segment,
        bytes: Vec::new(),
        at: position,
    };
    let mut at = position;
    let end = segment.size();
    while at < end {
        let found = match look(&mut window, at, end, next_offset, segment.base_offset) {
            Err(_) if faults::is_on(Fault::CutAtFailedRead) => (Found::Zeros, None),
            found => found?,
        };
        match (judge(found.0), found.1) {
            (Verdict::Keep, Some(header)) => {
                let located = Located { position: at, header };
                keep(&located)?;
                next_offset = header.next_offset();
                at = located.end();
            }
            (Verdict::Keep, None) => unreachable!("a batch has a header"),
            (Verdict::Refuse, _) => {
                let problem = "a message of format v0 or v1, as before Apache Kafka 0.11; only v2 is read here";
                return Err(segment.corrupt(at, problem));
            }
            (Verdict::Cut(cause), _) => {
                let records_lost = match cause {
                    Cause::TornTail => 0,
                    Cause::CorruptMiddle => count_records(&mut window, at + 1, end, segment.base_offset)?,
                };
                let file = segment.path(FileKind::Log);
                let bytes = u64::from(end - at);
                let at = if faults::is_on(Fault::CutTooMuch) { position } else { at };
                segment.truncate(at, next_offset)?;
                let cut = RecoveryEvent::Cut {
                    file,
                    position: at,
                    bytes,
                    records_lost,
                    cause,
                };
                return Ok(Scanned {
                    bytes: u64::from(end - position),
                    cut: Some(cut),
                });
            }
        }
    }
    Ok(Scanned {
        bytes: u64::from(end - position),
        cut: None,
    })
}

/// Says what stands at `at`.
fn look(
    window: &mut Window<'_>,
    at: u32,
    end: u32,
    next_offset: i64,
    base_offset: i64,
) -> Result<(Found, Option<BatchHeader>)> {
    let rest = (end - at) as usize;
    let header = BatchHeader::parse(window.get(at, rest.min(BATCH_OVERHEAD))?);
    let header = match header {
        Ok(header) if header.size_in_bytes() <= rest => header,
        Ok(_) | Err(BatchError::Truncated { .. }) => {
            return Ok((
                Found::LongerThanFile {
                    behind: behind(window, at, end, base_offset)?,
                },
                None,
            ));
        }
        Err(BatchError::UnsupportedMagic { .. }) if window.is_old_message(at, rest)? => {
            return Ok((Found::OldMessage, None));
        }
        Err(_) if is_zero(window, at, end)? => return Ok((Found::Zeros, None)),
        Err(_) => {
            return Ok((
                Found::NoHeader {
                    behind: behind(window, at, end, base_offset)?,
                },
                None,
            ));
        }
    };
    if !faults::is_on(Fault::SkipCrc) && !window.is_sound(at, header)? {
        return Ok((
            Found::CrcDiffers {
                behind: behind(window, at, end, base_offset)?,
            },
            None,
        ));
    }
    if header.base_offset < next_offset || !fits(&header, base_offset) {
        return Ok((
            Found::OffsetsGoBack {
                behind: behind(window, at, end, base_offset)?,
            },
            None,
        ));
    }
    Ok((Found::Batch, Some(header)))
}

/// Whether a batch may lie in a segment with this base offset.
fn fits(header: &BatchHeader, base_offset: i64) -> bool {
    let relative = header.base_offset.checked_sub(base_offset);
    header.last_offset_delta >= 0
        && relative
            .is_some_and(|first| first >= 0 && first + i64::from(header.last_offset_delta) <= i64::from(i32::MAX))
}

fn is_zero(window: &mut Window<'_>, at: u32, end: u32) -> Result<bool> {
    let mut from = at;
    while from < end {
        let len = ((end - from) as usize).min(WINDOW);
        if window.get(from, len)?.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        from += len as u32;
    }
    Ok(true)
}

fn behind(window: &mut Window<'_>, at: u32, end: u32, base_offset: i64) -> Result<Behind> {
    Ok(match next_valid(window, at + 1, end, base_offset)? {
        Some(_) => Behind::ValidBatch,
        None => Behind::Nothing,
    })
}

/// Records in the valid batches of a part of a segment.
pub(crate) fn count_records(window: &mut Window<'_>, from: u32, end: u32, base_offset: i64) -> Result<u64> {
    let (mut records, mut from) = (0, from);
    while let Some(found) = next_valid(window, from, end, base_offset)? {
        records += u64::try_from(found.header.records_count).unwrap_or(0);
        from = found.end();
    }
    Ok(records)
}

/// Records in the valid batches of a whole segment.
pub(crate) fn records_in(segment: &Segment) -> Result<u64> {
    let mut window = Window {
        segment,
        bytes: Vec::new(),
        at: 0,
    };
    count_records(&mut window, 0, segment.size(), segment.base_offset)
}

/// The next whole, sound batch of this segment at `from` or behind it, wherever it begins.
fn next_valid(window: &mut Window<'_>, from: u32, end: u32, base_offset: i64) -> Result<Option<Located>> {
    let last = end.min(from.saturating_add(SEARCH_MAX));
    let mut at = from;
    while at + BATCH_OVERHEAD as u32 <= last {
        let len = ((end - at) as usize).min(WINDOW);
        let bytes = window.get(at, len)?;
        // Most positions fall at the magic byte.
        let candidates = bytes.windows(BATCH_OVERHEAD).enumerate();
        let hit = candidates.into_iter().find_map(|(index, head)| {
            let header = (head[16] == 2).then(|| BatchHeader::parse(head).ok()).flatten()?;
            let position = at + index as u32;
            let whole = header.size_in_bytes() <= (end - position) as usize;
            (whole && header.records_count >= 0 && fits(&header, base_offset)).then_some(Located { position, header })
        });
        let Some(hit) = hit else {
            at += (len - BATCH_OVERHEAD + 1) as u32;
            continue;
        };
        if window.is_sound(hit.position, hit.header)? {
            return Ok(Some(hit));
        }
        at = hit.position + 1;
    }
    Ok(None)
}

/// A part of a segment's file in memory.
pub(crate) struct Window<'a> {
    segment: &'a Segment,
    bytes: Vec<u8>,
    at: u32,
}

impl Window<'_> {
    /// Whether the bytes of the batch at `at` fit its checksum. How long it says that it is may be made up, so a long one is
    /// read piece by piece.
    fn is_sound(&mut self, at: u32, header: BatchHeader) -> Result<bool> {
        let len = header.size_in_bytes();
        if len <= WINDOW {
            let bytes = self.get(at, len)?;
            return Ok(Batch { header, bytes }.verify_crc().is_ok());
        }
        let crc = self.crc(crc_fast::CrcAlgorithm::Crc32Iscsi, at, CRC_COVERS_FROM..len)?;
        Ok(crc == u64::from(header.crc))
    }

    /// Whether a sound message of format v0 or v1 begins at `at`: after offset and size come a CRC-32 of all that follows it, and
    /// the format's number.
    fn is_old_message(&mut self, at: u32, rest: usize) -> Result<bool> {
        let head = self.get(at, rest.min(BATCH_OVERHEAD))?;
        let int = |from: usize| {
            head.get(from..from + 4)
                .and_then(|int| int.try_into().ok())
                .map(u32::from_be_bytes)
        };
        let (Some(size), Some(crc)) = (int(8), int(12)) else {
            return Ok(false);
        };
        let end = OLD_CRC_COVERS_FROM - 4 + size as usize;
        if end <= OLD_CRC_COVERS_FROM || end > rest {
            return Ok(false);
        }
        Ok(self.crc(crc_fast::CrcAlgorithm::Crc32IsoHdlc, at, OLD_CRC_COVERS_FROM..end)? == u64::from(crc))
    }

    fn crc(&mut self, algorithm: crc_fast::CrcAlgorithm, at: u32, part: Range<usize>) -> Result<u64> {
        let mut crc = crc_fast::Digest::new(algorithm);
        let mut from = part.start;
        while from < part.end {
            let piece = (part.end - from).min(WINDOW);
            crc.update(self.get(at + from as u32, piece)?);
            from += piece;
        }
        Ok(crc.finalize())
    }

    /// `len` bytes from `from` on; they lie within the segment.
    fn get(&mut self, from: u32, len: usize) -> Result<&[u8]> {
        let start = from.wrapping_sub(self.at) as usize;
        if from < self.at || start + len > self.bytes.len() {
            let wanted = len.max(WINDOW).min((self.segment.size() - from) as usize);
            self.bytes = self.segment.read(from, wanted as u32)?;
            self.at = from;
            if self.bytes.len() < len {
                return Err(self.segment.corrupt(from, "the file became shorter while it was read"));
            }
            return Ok(&self.bytes[..len]);
        }
        Ok(&self.bytes[start..start + len])
    }
}

/// Makes the indexes of a segment anew from its batches' headers, without judging their content.
pub(crate) fn rebuild_indexes(segment: &Segment, interval: u32) -> Result<()> {
    segment.reset_indexes()?;
    let mut entries = EntryPacer::default();
    for located in segment.headers(0) {
        let located = located?;
        segment.note(&located, entries.is_due(&located, interval))?;
    }
    segment.note_max_timestamp()?;
    segment.write_out_indexes()
}

/// Says when it is time for an index entry: when more than the interval was written since the last one.
#[derive(Debug, Default)]
pub(crate) struct EntryPacer {
    pub(crate) bytes_since: u32,
}

impl EntryPacer {
    pub(crate) fn is_due(&mut self, batch: &Located, interval: u32) -> bool {
        let due = self.bytes_since > interval;
        if due {
            self.bytes_since = 0;
        }
        self.bytes_since = self.bytes_since.saturating_add(batch.size());
        due
    }
}
