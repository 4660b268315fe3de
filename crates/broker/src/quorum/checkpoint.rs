//! Checkpoint files (KIP-630): a control batch with the header, batches of metadata records, a control batch with the footer.
//! Snapshots of the metadata log have their end offset and epoch as name. The one at offset 0 is what formatting leaves there
//! for a new cluster to start from; until Kafka 4.3 its metadata records were in `bootstrap.checkpoint`, beside the log.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use klamm_metadata::{MetadataRecord, MetadataVersion};
use klamm_raft::{ControlRecord, OffsetAndEpoch, encode_control_batch, parse_batches};

use super::batches::{self, EncodeBatchError, Position};
use super::{QuorumError, files};

/// Where Kafka until 4.3 has the metadata records that a new cluster starts from.
pub(crate) const BOOTSTRAP: &str = "bootstrap.checkpoint";

const SUFFIX: &str = ".checkpoint";
const PARTIAL_SUFFIX: &str = ".part";
const DELETED_SUFFIX: &str = ".deleted";
const OFFSET_DIGITS: usize = 20;
const EPOCH_DIGITS: usize = 10;

/// What a checkpoint says.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    /// Timestamp of the last record that it contains, milliseconds.
    pub(crate) last_contained_log_timestamp: i64,
    /// All control records, header and footer included.
    pub(crate) control: Vec<ControlRecord>,
    /// The metadata records.
    pub(crate) records: Vec<MetadataRecord>,
}

/// What a name in the directory of the metadata log stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CheckpointFile {
    /// A snapshot.
    Complete(OffsetAndEpoch),
    /// What a crash left of one being written or deleted.
    Leftover,
}

impl CheckpointFile {
    /// None: the name is no checkpoint's.
    pub(crate) fn parse(name: &str) -> Option<CheckpointFile> {
        let (offset, rest) = name.split_at_checked(OFFSET_DIGITS)?;
        let (epoch, suffix) = rest.strip_prefix('-')?.split_at_checked(EPOCH_DIGITS)?;
        let id = OffsetAndEpoch {
            offset: digits(offset)?,
            epoch: i32::try_from(digits(epoch)?).ok()?,
        };
        let is_leftover = [PARTIAL_SUFFIX, DELETED_SUFFIX]
            .iter()
            .any(|end| suffix.ends_with(&format!("{SUFFIX}{end}")));
        match suffix {
            SUFFIX => Some(CheckpointFile::Complete(id)),
            _ if is_leftover => Some(CheckpointFile::Leftover),
            _ => None,
        }
    }
}

fn digits(text: &str) -> Option<i64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// The file of a snapshot.
pub(crate) fn snapshot_path(dir: &Path, id: OffsetAndEpoch) -> PathBuf {
    dir.join(format!("{:020}-{:010}{SUFFIX}", id.offset, id.epoch))
}

/// Builds a checkpoint. Its batches carry `epoch`; their offsets count from 0.
pub(crate) fn encode(
    epoch: i32,
    header: Vec<ControlRecord>,
    records: &[MetadataRecord],
    version: MetadataVersion,
    now_ms: i64,
) -> Result<Vec<u8>, String> {
    let header = encode_control_batch(0, epoch, now_ms, header);
    let base_offset = header.last_offset + 1;
    let body = batches::encode(
        records,
        version,
        Position {
            base_offset,
            epoch,
            now_ms,
        },
        false,
    )
    .map_err(|error: EncodeBatchError| error.to_string())?;
    let footer_offset = body.last().map_or(base_offset, |batch| batch.last_offset + 1);
    let footer = encode_control_batch(footer_offset, epoch, now_ms, vec![ControlRecord::SnapshotFooter]);
    let all = [&header].into_iter().chain(&body).chain([&footer]);
    Ok(all.flat_map(|batch| batch.bytes.iter().copied()).collect())
}

/// Writes a checkpoint, durably.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), QuorumError> {
    files::replace(path, PARTIAL_SUFFIX, bytes)
}

/// Reads a checkpoint; none, if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Checkpoint>, QuorumError> {
    let Some(bytes) = files::read(path)? else {
        return Ok(None);
    };
    let bytes = Bytes::from(bytes);
    let parsed = parse_batches(&bytes).map_err(|fault| QuorumError::Batch {
        path: path.to_owned(),
        fault,
    })?;
    let control: Vec<ControlRecord> = parsed.into_iter().flat_map(|batch| batch.control).collect();
    let malformed = |problem: &str| QuorumError::Malformed {
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    let Some(ControlRecord::SnapshotHeader {
        last_contained_log_timestamp,
    }) = control.first().cloned()
    else {
        return Err(malformed("it does not begin with a snapshot header"));
    };
    if control.last() != Some(&ControlRecord::SnapshotFooter) {
        return Err(malformed("it does not end with a snapshot footer"));
    }
    let records = batches::decode(&bytes, path)?
        .into_iter()
        .flat_map(|batch| batch.records)
        .collect();
    Ok(Some(Checkpoint {
        last_contained_log_timestamp,
        control,
        records,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_snapshots_are_kafkas() {
        let id = OffsetAndEpoch { offset: 1234, epoch: 7 };
        let name = "00000000000000001234-0000000007.checkpoint";
        assert_eq!(snapshot_path(Path::new("d"), id), Path::new("d").join(name));
        assert_eq!(CheckpointFile::parse(name), Some(CheckpointFile::Complete(id)));
        let leftovers = [
            "00000000000000001234-0000000007.checkpoint.part",
            "00000000000000001234-0000000007-5678901.checkpoint.part",
            "00000000000000001234-0000000007.checkpoint.deleted",
        ];
        for name in leftovers {
            assert_eq!(CheckpointFile::parse(name), Some(CheckpointFile::Leftover), "{name}");
        }
        for name in [
            "00000000000000001234.log",
            "quorum-state",
            "0000000000000000123x-0000000007.checkpoint",
            "ä",
            BOOTSTRAP,
        ] {
            assert_eq!(CheckpointFile::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_torn_checkpoint_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(BOOTSTRAP);
        assert!(read(&path).unwrap().is_none());
        let header = vec![ControlRecord::SnapshotHeader {
            last_contained_log_timestamp: 5,
        }];
        let bytes = encode(0, header, &[], MetadataVersion::LATEST_PRODUCTION, 9).unwrap();
        for cut in 0..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            assert!(read(&path).is_err(), "cut at {cut}");
        }
        write(&path, &bytes).unwrap();
        let checkpoint = read(&path).unwrap().unwrap();
        assert_eq!(
            (checkpoint.last_contained_log_timestamp, checkpoint.control.len()),
            (5, 2)
        );
    }
}
