//! The small text files beside the data: a version, a count, and one entry per line; and those that are not even that.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use klamm_protocol::Uuid;

use crate::disk::{self, Disk};
use crate::error::{Result, StorageError};
use crate::names::TopicPartition;

/// Up to which offset each partition's log was flushed.
pub(crate) const RECOVERY_POINT_CHECKPOINT: &str = "recovery-point-offset-checkpoint";
/// Log start offsets that lie inside a segment, where only DeleteRecords puts them.
pub(crate) const LOG_START_OFFSET_CHECKPOINT: &str = "log-start-offset-checkpoint";
/// High watermarks.
pub(crate) const REPLICATION_OFFSET_CHECKPOINT: &str = "replication-offset-checkpoint";
/// Up to where each compacted partition was cleaned.
pub(crate) const CLEANER_OFFSET_CHECKPOINT: &str = "cleaner-offset-checkpoint";
const LEADER_EPOCH_CHECKPOINT: &str = "leader-epoch-checkpoint";
const PARTITION_METADATA: &str = "partition.metadata";
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";

/// Reads a checkpoint: version 0, the number of entries, the entries. Missing and empty files hold nothing.
fn read_lines<T>(disk: &dyn Disk, path: &Path, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
    let Some(bytes) = disk::read_file(disk, path)? else {
        return Ok(Vec::new());
    };
    let malformed = |problem: String| StorageError::malformed(path, problem);
    let text = std::str::from_utf8(&bytes).map_err(|_| malformed("not UTF-8".into()))?;
    let mut lines = text.lines();
    match lines.next() {
        None => return Ok(Vec::new()),
        Some("0") => {}
        Some(version) => return Err(malformed(format!("version `{version}`, expected 0"))),
    }
    let Some(count) = lines.next() else {
        return Ok(Vec::new());
    };
    let count: usize = count.parse().map_err(|_| malformed(format!("count `{count}`")))?;
    let mut entries = Vec::new();
    for line in lines {
        entries.push(parse(line).ok_or_else(|| malformed(format!("line `{line}`")))?);
    }
    if entries.len() != count {
        return Err(malformed(format!("{} entries, expected {count}", entries.len())));
    }
    Ok(entries)
}

fn to_lines(entries: impl ExactSizeIterator<Item = String>) -> String {
    let mut text = format!("0\n{}\n", entries.len());
    for entry in entries {
        text.push_str(&entry);
        text.push('\n');
    }
    text
}

/// Offsets by partition, as in `recovery-point-offset-checkpoint` and its sisters.
pub(crate) type Offsets = BTreeMap<TopicPartition, i64>;

pub(crate) fn read_offsets(disk: &dyn Disk, path: &Path) -> Result<Offsets> {
    let entries = read_lines(disk, path, |line| {
        let mut words = line.split_ascii_whitespace();
        let entry = (
            TopicPartition::new(words.next()?, words.next()?.parse().ok()?),
            words.next()?.parse().ok()?,
        );
        words.next().is_none().then_some(entry)
    })?;
    Ok(entries.into_iter().collect())
}

pub(crate) fn write_offsets(disk: &dyn Disk, path: &Path, offsets: &Offsets) -> Result<()> {
    let lines = offsets
        .iter()
        .map(|(tp, offset)| format!("{} {} {offset}", tp.topic, tp.partition));
    disk::replace_file(disk, path, to_lines(lines).as_bytes())
}

/// A leader's epoch and the offset of the first batch it appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// The leader's epoch.
    pub epoch: i32,
    /// Where it began.
    pub start_offset: i64,
}

pub(crate) fn read_leader_epochs(disk: &dyn Disk, dir: &Path) -> Result<Vec<EpochEntry>> {
    read_lines(disk, &dir.join(LEADER_EPOCH_CHECKPOINT), |line| {
        let (epoch, start_offset) = line.split_once(' ')?;
        Some(EpochEntry {
            epoch: epoch.parse().ok()?,
            start_offset: start_offset.parse().ok()?,
        })
    })
}

pub(crate) fn write_leader_epochs(disk: &dyn Disk, dir: &Path, entries: &[EpochEntry]) -> Result<()> {
    disk::replace_file(
        disk,
        &dir.join(LEADER_EPOCH_CHECKPOINT),
        epoch_lines(entries).as_bytes(),
    )
}

/// The first half of [`write_leader_epochs`]: returns from where to where the file has to be renamed when it is synced.
pub(crate) fn write_leader_epochs_beside(
    disk: &dyn Disk,
    dir: &Path,
    entries: &[EpochEntry],
) -> Result<(PathBuf, PathBuf)> {
    let path = dir.join(LEADER_EPOCH_CHECKPOINT);
    let (beside, _) = disk::write_beside(disk, &path, epoch_lines(entries).as_bytes())?;
    Ok((beside, path))
}

fn epoch_lines(entries: &[EpochEntry]) -> String {
    let lines = entries
        .iter()
        .map(|entry| format!("{} {}", entry.epoch, entry.start_offset));
    to_lines(lines)
}

/// The topic id in `partition.metadata`; `None` when there is no such file.
pub(crate) fn read_partition_metadata(disk: &dyn Disk, dir: &Path) -> Result<Option<Uuid>> {
    let path = dir.join(PARTITION_METADATA);
    // Empty: written shortly before a power cut, before anything of the log was synced.
    let Some(bytes) = disk::read_file(disk, &path)?.filter(|bytes| !bytes.is_empty()) else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().map(|line| line.split_once(": "));
    let id = match (lines.next(), lines.next()) {
        (Some(Some(("version", "0"))), Some(Some(("topic_id", id)))) => id.parse::<Uuid>().ok(),
        _ => None,
    };
    match id {
        Some(id) if id != Uuid::ZERO => Ok(Some(id)),
        _ => Err(StorageError::malformed(
            &path,
            "expected `version: 0` and `topic_id: <uuid>`",
        )),
    }
}

/// Durable only after [`sync_partition_metadata`], which comes before anything of the log counts as synced.
pub(crate) fn write_partition_metadata(disk: &dyn Disk, dir: &Path, topic_id: Uuid) -> Result<()> {
    let text = format!("version: 0\ntopic_id: {topic_id}");
    disk::replace_file_unsynced(disk, &dir.join(PARTITION_METADATA), text.as_bytes())
}

pub(crate) fn sync_partition_metadata(disk: &dyn Disk, dir: &Path) -> Result<()> {
    let path = dir.join(PARTITION_METADATA);
    match disk::open(disk, &path) {
        Err(error) if error.is_not_found() => Ok(()),
        file => disk::sync(&*file?, &path),
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct CleanShutdown {
    version: i32,
    #[serde(rename = "brokerEpoch")]
    broker_epoch: i64,
}

/// How a log directory was left (KIP-966).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// The clean shutdown file was there: everything is flushed. The broker's epoch then, if the file tells it.
    Clean(Option<i64>),
    /// The process died.
    Unclean,
}

/// Reads the clean shutdown file, which a start then [removes](remove_clean_shutdown).
pub(crate) fn read_clean_shutdown(disk: &dyn Disk, log_dir: &Path) -> Result<Shutdown> {
    let Some(bytes) = disk::read_file(disk, &log_dir.join(CLEAN_SHUTDOWN))? else {
        return Ok(Shutdown::Unclean);
    };
    let content = serde_json::from_slice::<CleanShutdown>(&bytes).ok();
    Ok(Shutdown::Clean(content.map(|content| content.broker_epoch)))
}

/// Has dying before the next shutdown count as unclean.
pub(crate) fn remove_clean_shutdown(disk: &dyn Disk, log_dir: &Path) -> Result<()> {
    disk::remove_file(disk, &log_dir.join(CLEAN_SHUTDOWN))?;
    disk::sync_dir(disk, log_dir)
}

pub(crate) fn write_clean_shutdown(disk: &dyn Disk, log_dir: &Path, broker_epoch: i64) -> Result<()> {
    let text = serde_json::to_vec(&CleanShutdown {
        version: 0,
        broker_epoch,
    })
    .expect("two numbers serialise");
    disk::replace_file(disk, &log_dir.join(CLEAN_SHUTDOWN), &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::OsDisk;

    #[test]
    fn offsets_are_written_as_kafka_writes_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(RECOVERY_POINT_CHECKPOINT);
        assert_eq!(read_offsets(&OsDisk, &path).unwrap(), Offsets::new());
        let offsets = Offsets::from([(TopicPartition::new("b", 1), 7), (TopicPartition::new("a-b", 0), 0)]);
        write_offsets(&OsDisk, &path, &offsets).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "0\n2\na-b 0 0\nb 1 7\n");
        assert_eq!(read_offsets(&OsDisk, &path).unwrap(), offsets);
        assert!(!dir.path().join("recovery-point-offset-checkpoint.tmp").exists());
    }

    #[test]
    fn malformed_checkpoints_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        for text in [
            "1\n0\n",
            "0\nx\n",
            "0\n2\na 0 1\n",
            "0\n1\na 0\n",
            "0\n1\na 0 1 2\n",
            "0\n1\na 0 x\n",
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(
                matches!(read_offsets(&OsDisk, &path), Err(StorageError::Malformed { .. })),
                "{text:?}"
            );
        }
        std::fs::write(&path, "").unwrap();
        assert_eq!(read_offsets(&OsDisk, &path).unwrap(), Offsets::new());
    }

    #[test]
    fn leader_epochs() {
        let dir = tempfile::tempdir().unwrap();
        let entries = [
            EpochEntry {
                epoch: 0,
                start_offset: 0,
            },
            EpochEntry {
                epoch: 3,
                start_offset: 17,
            },
        ];
        write_leader_epochs(&OsDisk, dir.path(), &entries).unwrap();
        assert_eq!(
            std::fs::read_to_string(dir.path().join("leader-epoch-checkpoint")).unwrap(),
            "0\n2\n0 0\n3 17\n"
        );
        assert_eq!(read_leader_epochs(&OsDisk, dir.path()).unwrap(), entries);
    }

    #[test]
    fn partition_metadata() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_partition_metadata(&OsDisk, dir.path()).unwrap(), None);
        let id: Uuid = "h1hDyK1MQxGq9zs1eTcJ3g".parse().unwrap();
        write_partition_metadata(&OsDisk, dir.path(), id).unwrap();
        let text = std::fs::read_to_string(dir.path().join("partition.metadata")).unwrap();
        assert_eq!(text, "version: 0\ntopic_id: h1hDyK1MQxGq9zs1eTcJ3g");
        assert_eq!(read_partition_metadata(&OsDisk, dir.path()).unwrap(), Some(id));
        std::fs::write(dir.path().join("partition.metadata"), "version: 1\n").unwrap();
        assert!(read_partition_metadata(&OsDisk, dir.path()).is_err());
    }

    #[test]
    fn a_clean_shutdown_counts_once() {
        let dir = tempfile::tempdir().unwrap();
        let read = || read_clean_shutdown(&OsDisk, dir.path()).unwrap();
        assert_eq!(read(), Shutdown::Unclean);
        write_clean_shutdown(&OsDisk, dir.path(), 12).unwrap();
        let text = std::fs::read_to_string(dir.path().join(".kafka_cleanshutdown")).unwrap();
        assert_eq!(text, r#"{"version":0,"brokerEpoch":12}"#);
        assert_eq!(read(), Shutdown::Clean(Some(12)));
        remove_clean_shutdown(&OsDisk, dir.path()).unwrap();
        assert_eq!(read(), Shutdown::Unclean);
        std::fs::write(dir.path().join(".kafka_cleanshutdown"), "").unwrap();
        assert_eq!(read(), Shutdown::Clean(None));
    }
}
