use klamm_protocol::metadata::{
    AbortTransactionRecord, BeginTransactionRecord, EndTransactionRecord, FeatureLevelRecord, NoOpRecord,
};

use super::*;

fn level(name: &str, feature_level: i16) -> MetadataRecord {
    FeatureLevelRecord {
        name: name.to_owned(),
        feature_level,
        ..FeatureLevelRecord::default()
    }
    .into()
}

fn begin() -> MetadataRecord {
    BeginTransactionRecord::default().into()
}

fn end() -> MetadataRecord {
    EndTransactionRecord::default().into()
}

fn abort() -> MetadataRecord {
    AbortTransactionRecord::default().into()
}

struct Log {
    loader: MetadataLoader,
    next: i64,
}

impl Log {
    fn new() -> Self {
        Self {
            loader: MetadataLoader::new(Arc::new(MetadataImage::empty())),
            next: 0,
        }
    }

    fn batch(&mut self, records: &[MetadataRecord]) -> Result<Option<Published>, LoadError> {
        let base = self.next;
        self.next += i64::try_from(records.len().max(1)).unwrap();
        self.loader.load_batch(base, self.next - 1, 3, 1000 + base, records)
    }
}

#[test]
fn what_was_read_is_published_at_once() {
    let mut log = Log::new();
    assert!(log.loader.flush().is_none());
    assert!(log.batch(&[level("a", 1), level("b", 2)]).unwrap().is_none());
    assert!(log.batch(&[NoOpRecord::default().into()]).unwrap().is_none());
    let published = log.loader.flush().unwrap();
    assert_eq!(published.image.offset_and_epoch(), (2, 3));
    assert_eq!(published.image.provenance().last_contained_log_time_ms, 1002);
    assert_eq!(published.delta.changed_features().len(), 2);
    assert!(log.loader.flush().is_none(), "nothing new");
    log.batch(&[]).unwrap();
    let control = log.loader.flush().unwrap();
    assert_eq!(control.image.offset(), 3, "control batches count");
    assert!(control.delta.changed_features().is_empty());
}

#[test]
fn a_transaction_is_published_as_a_whole() {
    let mut log = Log::new();
    log.batch(&[level("a", 1)]).unwrap();
    let before = log.batch(&[level("b", 1), begin(), level("c", 1)]).unwrap().unwrap();
    assert_eq!(before.image.offset(), 1, "up to the transaction");
    assert_eq!(before.image.features().level("b"), 1);
    assert!(log.loader.in_transaction());
    assert!(log.loader.flush().is_none());
    log.batch(&[level("d", 1)]).unwrap();
    assert!(log.loader.flush().is_none());
    assert_eq!(log.loader.last_read_offset(), 4);
    log.batch(&[end()]).unwrap();
    let whole = log.loader.flush().unwrap();
    assert_eq!(whole.image.offset(), 5);
    assert_eq!(whole.delta.changed_features().len(), 2);
}

#[test]
fn an_aborted_transaction_leaves_nothing() {
    let mut log = Log::new();
    log.batch(&[level("a", 1), begin(), level("a", 2)]).unwrap();
    log.batch(&[abort(), level("b", 1)]).unwrap();
    let published = log.loader.flush().unwrap();
    assert_eq!(published.image.features().level("a"), 1);
    assert_eq!(published.image.features().level("b"), 1);
    assert_eq!(published.image.offset(), 4);
}

#[test]
fn transactions_begin_and_end_in_turn() {
    let error = |records: &[MetadataRecord]| Log::new().batch(records).unwrap_err();
    assert_eq!(
        error(&[begin(), begin()]),
        LoadError {
            offset: 1,
            error: ReplayError::NestedTransaction
        }
    );
    assert_eq!(error(&[end()]).error, ReplayError::NoTransaction);
    assert_eq!(error(&[abort()]).error, ReplayError::NoTransaction);
}
