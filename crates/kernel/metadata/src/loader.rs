//! Follows a metadata log: batches of records in, published images out.

use std::sync::Arc;

use crate::delta::MetadataDelta;
use crate::image::{MetadataImage, MetadataProvenance};
use crate::record::MetadataRecord;
use crate::replay::ReplayError;

#[cfg(test)]
mod tests;

/// A record of the log that can't be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("metadata record at offset {offset}: {error}")]
pub struct LoadError {
    /// The record's offset.
    pub offset: i64,
    /// What is wrong with it.
    pub error: ReplayError,
}

/// A new image and what it changed.
#[derive(Clone, Debug)]
pub struct Published {
    /// The change.
    pub delta: MetadataDelta,
    /// The image after it.
    pub image: Arc<MetadataImage>,
}

/// Turns the committed batches of a metadata log into images.
///
/// What stands between the begin and the end of a transaction is published at once, or not at all. Outside of one, every
/// [`flush`](Self::flush) publishes what came since the last: the driver decides how many batches make an image.
#[derive(Debug)]
pub struct MetadataLoader {
    image: Arc<MetadataImage>,
    delta: MetadataDelta,
    read: MetadataProvenance,
    in_transaction: bool,
}

impl MetadataLoader {
    /// A loader that goes on from `image`.
    pub fn new(image: Arc<MetadataImage>) -> Self {
        Self {
            delta: MetadataDelta::new(&image),
            read: image.provenance(),
            in_transaction: false,
            image,
        }
    }

    /// The newest published image.
    pub fn image(&self) -> &Arc<MetadataImage> {
        &self.image
    }

    /// The offset of the last record read, published or not.
    pub fn last_read_offset(&self) -> i64 {
        self.read.last_contained_offset
    }

    /// Whether a transaction is open, so that what was read since it began isn't published.
    pub fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// Reads a batch, whose records have consecutive offsets from `base_offset` to `last_offset` and were appended at `timestamp_ms` by
    /// the leader of `epoch`. Returns an image when a transaction begins behind other records: those go out first.
    ///
    /// Control batches are passed as empty ones, so that their offset counts as read.
    pub fn load_batch(
        &mut self,
        base_offset: i64,
        last_offset: i64,
        epoch: i32,
        timestamp_ms: i64,
        records: &[MetadataRecord],
    ) -> Result<Option<Published>, LoadError> {
        let mut published = None;
        for (offset, record) in (base_offset..).zip(records) {
            let failed = |error| LoadError { offset, error };
            match record {
                MetadataRecord::BeginTransaction(_) => {
                    if self.in_transaction {
                        return Err(failed(ReplayError::NestedTransaction));
                    }
                    published = self.flush().or(published);
                    self.in_transaction = true;
                }
                MetadataRecord::EndTransaction(_) => {
                    self.end_transaction().map_err(failed)?;
                }
                MetadataRecord::AbortTransaction(_) => {
                    self.end_transaction().map_err(failed)?;
                    // What came before the transaction was published when it began.
                    self.delta = MetadataDelta::new(&self.image);
                }
                record => self.delta.replay(record).map_err(failed)?,
            }
            self.read = MetadataProvenance {
                last_contained_offset: offset,
                last_contained_epoch: epoch,
                last_contained_log_time_ms: timestamp_ms,
            };
        }
        self.read = MetadataProvenance {
            last_contained_offset: last_offset,
            last_contained_epoch: epoch,
            last_contained_log_time_ms: timestamp_ms,
        };
        Ok(published)
    }

    fn end_transaction(&mut self) -> Result<(), ReplayError> {
        if std::mem::take(&mut self.in_transaction) {
            Ok(())
        } else {
            Err(ReplayError::NoTransaction)
        }
    }

    /// Publishes what was read since the last image; nothing inside a transaction, or when nothing was read.
    pub fn flush(&mut self) -> Option<Published> {
        if self.in_transaction || self.read == self.image.provenance() {
            return None;
        }
        let image = Arc::new(self.delta.apply(self.read));
        let delta = std::mem::replace(&mut self.delta, MetadataDelta::new(&image));
        self.image = image.clone();
        Some(Published { delta, image })
    }

    /// Replaces everything by a snapshot that ends at `provenance`.
    pub fn load_snapshot(
        &mut self,
        provenance: MetadataProvenance,
        records: impl IntoIterator<Item = MetadataRecord>,
    ) -> Result<Published, LoadError> {
        let mut delta = MetadataDelta::for_snapshot(&self.image);
        for record in records {
            delta.replay(&record).map_err(|error| LoadError {
                offset: provenance.last_contained_offset,
                error,
            })?;
        }
        delta.finish_snapshot();
        let image = Arc::new(delta.apply(provenance));
        *self = Self::new(image.clone());
        Ok(Published { delta, image })
    }
}
