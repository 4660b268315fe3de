//! Where the batches of a segment lie, by their headers.
use klamm_records::{BATCH_OVERHEAD, BatchError, BatchHeader};

use super::Segment;
use crate::error::{Result, unless_malformed};

/// Bytes read at once where batches' headers are looked for.
const HEADER_WINDOW: usize = 4096 + BATCH_OVERHEAD;

/// Where a batch was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located {
    pub(crate) position: u32,
    pub(crate) header: BatchHeader,
}

impl Located {
    pub(crate) fn size(&self) -> u32 {
        self.header.size_in_bytes() as u32
    }

    pub(crate) fn end(&self) -> u32 {
        self.position + self.size()
    }
}

/// Walks over the batches of a segment by their headers. Ends after an error, which names the file and the position.
pub(crate) struct Headers<'a> {
    segment: &'a Segment,
    position: u32,
    end: u32,
    window: Vec<u8>,
    window_at: u32,
    failed: bool,
}

impl<'a> Headers<'a> {
    pub(super) fn new(segment: &'a Segment, position: u32) -> Self {
        Self {
            segment,
            position,
            end: segment.size(),
            window: Vec::new(),
            window_at: 0,
            failed: false,
        }
    }

    /// The bytes from `position` on that are at hand, at least a header unless the segment ends.
    fn at(&mut self, position: u32) -> Result<&[u8]> {
        let have = (self.window_at + self.window.len() as u32).saturating_sub(position) as usize;
        if position < self.window_at || have < BATCH_OVERHEAD {
            self.window = self
                .segment
                .read(position, (self.end - position).min(HEADER_WINDOW as u32))?;
            self.window_at = position;
        }
        Ok(&self.window[(position - self.window_at) as usize..])
    }

    /// The next batch; `None` if there is none or what stands there makes no sense.
    pub(crate) fn first(&mut self) -> Result<Option<Located>> {
        Ok(self.next().map(unless_malformed).transpose()?.flatten())
    }

    /// The first of the batches to come that holds `offset` or a later one.
    pub(super) fn find_offset(&mut self, offset: i64) -> Result<Option<Located>> {
        let is_before = |located: &Result<Located>| {
            located
                .as_ref()
                .is_ok_and(|located| located.header.last_offset() < offset)
        };
        self.find(|located| !is_before(located)).transpose()
    }

    fn step(&mut self) -> Result<Located> {
        let (position, end) = (self.position, self.end);
        let parsed = BatchHeader::parse(self.at(position)?);
        let problem = match parsed {
            Ok(header) if header.size_in_bytes() <= (end - position) as usize && header.last_offset_delta >= 0 => {
                self.position = position + header.size_in_bytes() as u32;
                return Ok(Located { position, header });
            }
            Ok(_) => BatchError::Truncated {
                needed: BATCH_OVERHEAD,
                available: (end - position) as usize,
            },
            Err(error) => error,
        };
        Err(self.segment.corrupt(position, &problem.to_string()))
    }
}

impl Iterator for Headers<'_> {
    type Item = Result<Located>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.position >= self.end {
            return None;
        }
        let step = self.step();
        self.failed = step.is_err();
        Some(step)
    }
}
