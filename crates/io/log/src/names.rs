//! Names on disk: a partition's directory, a segment's files.
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Kafka's topic of the metadata quorum; its one partition lies in the metadata log directory and is not managed here.
pub const CLUSTER_METADATA_TOPIC: &str = "__cluster_metadata";

/// A partition of a topic, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Names partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

/// `topic-partition`, which is also the directory's name.
impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// What a directory inside a log directory is, told from its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PartitionDir {
    /// `topic-0`: the partition's log.
    Current(TopicPartition),
    /// `topic-0.<id>-delete`: a deleted partition that waits for its removal.
    Delete(TopicPartition),
    /// `topic-0.<id>-future`: a copy that is on its way from another log directory.
    Future(TopicPartition),
    /// `topic-0.<id>-stray`: a partition that the cluster does not know as this broker's.
    Stray(TopicPartition),
}

type Kind = fn(TopicPartition) -> PartitionDir;

const SUFFIXES: [(&str, Kind); 3] = [
    ("-delete", PartitionDir::Delete),
    ("-future", PartitionDir::Future),
    ("-stray", PartitionDir::Stray),
];

impl PartitionDir {
    /// `None`: not a name that Kafka gives. A topic's name may itself hold dashes and dots (`a-1.b-0`), so the partition
    /// is what follows the last dash, and only the three known endings make a name special.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        for (suffix, kind) in SUFFIXES {
            if let Some(marked) = name.strip_suffix(suffix) {
                let (partition, id) = marked.rsplit_once('.')?;
                return if id.is_empty() {
                    None
                } else {
                    parse_partition(partition).map(kind)
                };
            }
        }
        parse_partition(name).map(Self::Current)
    }
}

fn parse_partition(name: &str) -> Option<TopicPartition> {
    let (topic, partition) = name.rsplit_once('-')?;
    if topic.is_empty() || !partition.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(TopicPartition::new(topic, partition.parse().ok()?))
}

/// The name of a partition's directory from its deletion to its removal.
pub(crate) fn delete_dir_name(partition: &TopicPartition, unique: u128) -> String {
    unique_dir_name(partition, unique, "-delete")
}

/// The name of a partition's directory that the cluster does not know as this broker's.
pub(crate) fn stray_dir_name(partition: &TopicPartition, unique: u128) -> String {
    unique_dir_name(partition, unique, "-stray")
}

/// The name of the directory of a log's copy, while it is on its way into another log directory.
pub(crate) fn future_dir_name(partition: &TopicPartition, unique: u128) -> String {
    unique_dir_name(partition, unique, "-future")
}

/// File systems cap names at 255 bytes.
fn unique_dir_name(partition: &TopicPartition, unique: u128, ending: &str) -> String {
    let suffix = format!("-{}.{unique:032x}{ending}", partition.partition);
    let topic = &partition.topic[..partition.topic.len().min(255 - suffix.len())];
    format!("{topic}{suffix}")
}

/// Kinds of files that belong to an offset. Their names are 20 digits and an ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileKind {
    Log,
    OffsetIndex,
    TimeIndex,
    TxnIndex,
    Snapshot,
}

impl FileKind {
    /// The files that make up a segment.
    pub(crate) const SEGMENT: [Self; 4] = [Self::Log, Self::OffsetIndex, Self::TimeIndex, Self::TxnIndex];

    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::OffsetIndex => "index",
            Self::TimeIndex => "timeindex",
            Self::TxnIndex => "txnindex",
            Self::Snapshot => "snapshot",
        }
    }

    pub(crate) fn path(self, dir: &Path, offset: i64) -> PathBuf {
        dir.join(format!("{offset:020}.{}", self.extension()))
    }
}

/// Extension, in front of `.cleaned`, of what a cleaning has not brought into order yet. Kafka's start removes it too.
pub(crate) const CLEANER_STACK: &str = "stack";

/// What a file inside a partition's directory is, told from its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartitionFile {
    Live(FileKind, i64),
    /// `.deleted`: was taken out of the log and waits for its removal.
    Deleted,
    /// `.cleaned`: written by a cleaning that did not get to its end.
    Cleaned(i64),
    /// `.swap`: the result of a finished cleaning, on its way into the log.
    Swap(FileKind, i64),
    /// `.tmp`: half of a crash-safe replacement.
    Temporary,
    /// Checkpoints and whatever else.
    Other,
}

impl PartitionFile {
    pub(crate) fn parse(name: &str) -> Self {
        if name.ends_with(".deleted") {
            return Self::Deleted;
        }
        if name.ends_with(".tmp") {
            return Self::Temporary;
        }
        let (plain, swap, cleaned) = match (name.strip_suffix(".swap"), name.strip_suffix(".cleaned")) {
            (Some(plain), _) => (plain, true, false),
            (None, Some(plain)) => (plain, false, true),
            (None, None) => (name, false, false),
        };
        let Some((digits, extension)) = plain.split_once('.') else {
            return Self::Other;
        };
        let is_offset = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
        if cleaned && extension == CLEANER_STACK && is_offset {
            return digits.parse().map_or(Self::Other, Self::Cleaned);
        }
        let kinds = [
            FileKind::Log,
            FileKind::OffsetIndex,
            FileKind::TimeIndex,
            FileKind::TxnIndex,
            FileKind::Snapshot,
        ];
        let Some(kind) = kinds.into_iter().find(|kind| kind.extension() == extension) else {
            return Self::Other;
        };
        if !is_offset {
            return Self::Other;
        }
        match digits.parse() {
            Ok(offset) if swap => Self::Swap(kind, offset),
            Ok(offset) if cleaned => Self::Cleaned(offset),
            Ok(offset) => Self::Live(kind, offset),
            Err(_) => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_names_split_at_the_last_dash() {
        let current = |topic: &str, partition| Some(PartitionDir::Current(TopicPartition::new(topic, partition)));
        assert_eq!(PartitionDir::parse("orders-0"), current("orders", 0));
        assert_eq!(PartitionDir::parse("a-b-c-12"), current("a-b-c", 12));
        assert_eq!(PartitionDir::parse("a-1.b-0"), current("a-1.b", 0));
        assert_eq!(PartitionDir::parse("--1"), current("-", 1));
        assert_eq!(PartitionDir::parse("x.y-delete-3"), current("x.y-delete", 3));
        let deleted = Some(PartitionDir::Delete(TopicPartition::new("a.b-c", 7)));
        assert_eq!(PartitionDir::parse("a.b-c-7.0123abc-delete"), deleted);
        let stray = Some(PartitionDir::Stray(TopicPartition::new("s", 0)));
        assert_eq!(PartitionDir::parse("s-0.f00-stray"), stray);
        for foreign in [
            "lost+found",
            "orders",
            "-0",
            "orders-",
            "orders-x",
            "orders--delete",
            "a-0.-delete",
            "a-+1",
        ] {
            assert_eq!(PartitionDir::parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_deleted_directory_keeps_to_the_file_systems_limit_and_parses_back() {
        let long = TopicPartition::new("t".repeat(249), 4);
        let name = delete_dir_name(&long, 5);
        assert_eq!(name.len(), 255);
        let PartitionDir::Delete(parsed) = PartitionDir::parse(&name).expect("own name") else {
            panic!("{name}")
        };
        assert_eq!(parsed.partition, 4);
        assert_eq!(
            delete_dir_name(&TopicPartition::new("t", 0), 1),
            format!("t-0.{:032x}-delete", 1)
        );
    }

    #[test]
    fn file_names() {
        let path = FileKind::TimeIndex.path(Path::new("/d"), 42);
        assert_eq!(path, Path::new("/d/00000000000000000042.timeindex"));
        use PartitionFile::*;
        assert_eq!(
            PartitionFile::parse("00000000000000000042.log"),
            Live(FileKind::Log, 42)
        );
        assert_eq!(
            PartitionFile::parse("00000000000000000042.index.swap"),
            Swap(FileKind::OffsetIndex, 42)
        );
        assert_eq!(PartitionFile::parse("00000000000000000007.log.cleaned"), Cleaned(7));
        assert_eq!(PartitionFile::parse("00000000000000000007.stack.cleaned"), Cleaned(7));
        assert_eq!(PartitionFile::parse("00000000000000000007.stack"), Other);
        assert_eq!(PartitionFile::parse("00000000000000000042.log.deleted"), Deleted);
        assert_eq!(PartitionFile::parse("leader-epoch-checkpoint.tmp"), Temporary);
        assert_eq!(PartitionFile::parse("leader-epoch-checkpoint"), Other);
        assert_eq!(PartitionFile::parse("42.log"), Other);
    }
}
