//! A reader: first as a thread that must not wait for the disk, and where it would have to, as one that may.
use bytes::Bytes;
use klamm_log::{FetchData, Isolation, Log, ReadError, StorageError};
use klamm_records::{Scratch, batches};

use super::model::Batch;
use super::transactions;
use crate::SimDisk;

/// Why there is nothing to compare.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The log is wrong.
    Wrong(String),
    /// It says that the disk has failed.
    Failed(StorageError),
}

impl From<Trouble> for String {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Wrong(problem) => problem,
            Trouble::Failed(error) => error.to_string(),
        }
    }
}

/// Reads one log.
pub(super) struct Reader<'a> {
    pub(super) disk: &'a SimDisk,
    pub(super) log: &'a Log,
    /// From which offset on the log has to know in which epoch a batch was appended.
    pub(super) epochs_from: i64,
}

impl Reader<'_> {
    /// All batches from the one that holds `offset` to the log end.
    pub(super) fn read(&self, mut offset: i64) -> Result<Vec<Batch>, Trouble> {
        let mut found = Vec::new();
        let mut scratch = Scratch::new();
        let epochs = self.log.leader_epochs();
        while offset < self.log.log_end_offset() {
            let before = offset;
            let (_, bytes) = self.fetch(offset, 1_000, Isolation::LogEnd)?;
            for batch in batches(&bytes) {
                let Ok(batch) = batch else { break };
                batch.verify_crc().map_err(|e| wrong(before, &e))?;
                let header = &batch.header;
                let is_known = header.last_offset() >= self.epochs_from;
                let began = epochs.iter().rfind(|entry| entry.start_offset <= header.last_offset());
                if is_known && began.is_none_or(|entry| entry.epoch < header.partition_leader_epoch) {
                    return Err(wrong(
                        header.base_offset,
                        &format!("of epoch {}, not of {began:?}", header.partition_leader_epoch),
                    ));
                }
                let records = batch.records(&mut scratch, usize::MAX).map_err(|e| wrong(before, &e))?;
                let records = records
                    .map(|record| record.map(|record| (record.timestamp, record.value.unwrap_or_default().to_vec())))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|e| wrong(before, &e))?;
                found.push(Batch {
                    base_offset: batch.header.base_offset,
                    kind: transactions::kind_of(&batch),
                    records,
                });
                offset = batch.header.next_offset();
            }
            if offset == before {
                return Err(wrong(offset, &"no whole batch"));
            }
        }
        Ok(found)
    }

    /// Some batches from the one that holds `offset` on, which is there, and what was found of them.
    pub(super) fn fetch(
        &self,
        offset: i64,
        max_bytes: u32,
        isolation: Isolation,
    ) -> Result<(FetchData, Bytes), Trouble> {
        let waits = self.disk.waits();
        let from_memory = self.log.read_from_memory(offset, max_bytes, isolation, true);
        let had_to_wait = self.disk.waits() > waits;
        let read = match from_memory {
            // For bytes, or for a file that has to be opened.
            None => self.log.read(offset, max_bytes, isolation, true),
            Some(Ok(_)) if had_to_wait => return Err(wrong(offset, &"it was to be waited for, and is there")),
            Some(read) => read,
        };
        let data = read.map_err(|error| match error {
            ReadError::Storage(error) => Trouble::Failed(error),
            ReadError::OffsetOutOfRange { .. } => wrong(offset, &error),
        })?;
        let Some(region) = &data.region else {
            return Err(wrong(offset, &"nothing, before the end"));
        };
        // The log only finds the region: who can't read it asks again.
        let again = |_| {
            self.disk.fail_read_after(None);
            region.read()
        };
        let bytes = region.read().or_else(again).map_err(Trouble::Failed)?;
        Ok((data, bytes))
    }
}

/// What is wrong with a read at an offset.
pub(super) fn wrong(offset: i64, what: &dyn std::fmt::Display) -> Trouble {
    Trouble::Wrong(format!("read at {offset}: {what}"))
}
