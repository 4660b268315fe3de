//! Aborted transactions, which consumers with `read_committed` have to leave out (KIP-98).
//!
//! Kafka notes each in the `.txnindex` of the segment that holds its abort marker. This node has no transactions of its own
//! yet, so the files never change while it runs: they are read once, when somebody first asks.
use std::sync::Arc;

use super::Log;
use crate::disk;
use crate::error::{Result, StorageError};
use crate::names::FileKind;

#[cfg(test)]
mod tests;

/// An entry of a `.txnindex`: version i16, producer id, first, last and last stable offset as i64.
const ENTRY: usize = 34;

/// A transaction whose records are not to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// The producer.
    pub producer_id: i64,
    /// Offset of its first record.
    pub first_offset: i64,
    /// Offset of its abort marker.
    pub last_offset: i64,
}

impl Log {
    /// The aborted transactions that have records or their marker at or above `from` and begin below `to`.
    pub fn aborted_transactions(&self, from: i64, to: i64) -> Result<Vec<AbortedTransaction>, StorageError> {
        let all = match self.aborted.get() {
            Some(all) => all,
            None => {
                let read = self.log_dir.watch(self.read_aborted())?;
                self.aborted.get_or_init(|| read)
            }
        };
        let overlap = |aborted: &&AbortedTransaction| aborted.last_offset >= from && aborted.first_offset < to;
        Ok(all.iter().filter(overlap).copied().collect())
    }

    fn read_aborted(&self) -> Result<Arc<[AbortedTransaction]>> {
        let mut all = Vec::new();
        for segment in self.segments().iter() {
            if let Some(bytes) = disk::read_file(self.log_dir.disk(), &segment.path(FileKind::TxnIndex))? {
                all.extend(parse(&bytes));
            }
        }
        Ok(all.into())
    }
}

/// The whole entries of a file; one that a crash has torn is not an entry.
fn parse(bytes: &[u8]) -> impl Iterator<Item = AbortedTransaction> {
    let (entries, _torn) = bytes.as_chunks::<ENTRY>();
    entries.iter().map(|entry| {
        let field = |at: usize| entry[at..].first_chunk().map_or(-1, |field| i64::from_be_bytes(*field));
        AbortedTransaction {
            producer_id: field(2),
            first_offset: field(10),
            last_offset: field(18),
        }
    })
}
