//! Offsets by time and by meaning.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_protocol::ApiKey;
use klamm_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use klamm_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};

use super::leaders::{LeaderCall, by_topic};
use super::{Admin, Each};
use crate::{Error, TopicPartition};

/// Which offset of a partition is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OffsetSpec {
    /// The first one that is there.
    Earliest,
    /// The one that the next record gets; of committed records only, for [`IsolationLevel::ReadCommitted`].
    Latest,
    /// The first record of this time or later, in milliseconds since the Unix epoch.
    Timestamp(i64),
    /// The record of the highest timestamp (KIP-734).
    MaxTimestamp,
    /// The first one on the leader's own disk (KIP-405).
    EarliestLocal,
    /// The last one in tiered storage (KIP-1005).
    LatestTiered,
    /// The first one that tiered storage does not have yet (KIP-1023).
    EarliestPendingUpload,
}

/// Whether records of transactions that are open count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IsolationLevel {
    /// They do.
    #[default]
    ReadUncommitted,
    /// They don't.
    ReadCommitted,
}

/// An offset that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedOffset {
    /// The offset; `None` when no record is like that.
    pub offset: Option<i64>,
    /// Its timestamp, where a record was looked for.
    pub timestamp: Option<i64>,
    /// The epoch of the leader that wrote it.
    pub leader_epoch: Option<i32>,
}

impl OffsetSpec {
    /// The timestamp that stands for it in a request.
    fn timestamp(self) -> i64 {
        match self {
            OffsetSpec::Timestamp(timestamp) => timestamp,
            OffsetSpec::Latest => -1,
            OffsetSpec::Earliest => -2,
            OffsetSpec::MaxTimestamp => -3,
            OffsetSpec::EarliestLocal => -4,
            OffsetSpec::LatestTiered => -5,
            OffsetSpec::EarliestPendingUpload => -6,
        }
    }

    /// The first version of ListOffsets that knows it.
    fn since(self) -> i16 {
        match self {
            OffsetSpec::Timestamp(_) | OffsetSpec::Latest | OffsetSpec::Earliest => 1,
            OffsetSpec::MaxTimestamp => 7,
            OffsetSpec::EarliestLocal => 8,
            OffsetSpec::LatestTiered => 9,
            OffsetSpec::EarliestPendingUpload => 11,
        }
    }
}

impl IsolationLevel {
    /// As requests have it.
    pub(crate) fn id(self) -> i8 {
        match self {
            IsolationLevel::ReadUncommitted => 0,
            IsolationLevel::ReadCommitted => 1,
        }
    }
}

#[derive(Clone)]
struct ListOffsets {
    specs: Arc<BTreeMap<TopicPartition, OffsetSpec>>,
    isolation: IsolationLevel,
    timeout_ms: i32,
}

impl LeaderCall for ListOffsets {
    type Request = ListOffsetsRequest;
    type Item = ListedOffset;
    const WHAT: &'static str = "ListOffsets";

    fn request(&self, version: i16, partitions: &[TopicPartition]) -> ListOffsetsRequest {
        let known = partitions
            .iter()
            .filter(|partition| self.specs[*partition].since() <= version);
        let known: Vec<_> = known.cloned().collect();
        let topics = by_topic(&known).into_iter().map(|(name, indexes)| {
            let partitions = indexes.into_iter().map(|index| ListOffsetsPartition {
                partition_index: index,
                timestamp: self.specs[&TopicPartition::new(name.clone(), index)].timestamp(),
                ..Default::default()
            });
            ListOffsetsTopic {
                partitions: partitions.collect(),
                name: name.to_string(),
                ..Default::default()
            }
        });
        ListOffsetsRequest {
            replica_id: -1,
            isolation_level: if version < 2 { 0 } else { self.isolation.id() },
            topics: topics.collect(),
            timeout_ms: self.timeout_ms,
            ..Default::default()
        }
    }

    fn read(&self, version: i16, response: ListOffsetsResponse) -> Vec<(TopicPartition, Result<ListedOffset, Error>)> {
        let unknown = self.specs.iter().filter(|(_, spec)| spec.since() > version);
        let mut answers: Vec<_> = unknown
            .map(|(partition, spec)| (partition.clone(), Err(too_old(*spec, version))))
            .collect();
        for topic in response.topics {
            let name: Arc<str> = topic.name.into();
            answers.extend(topic.partitions.into_iter().map(|partition| {
                let listed = Error::check(partition.error_code).map(|()| ListedOffset {
                    offset: Some(partition.offset).filter(|offset| *offset >= 0),
                    timestamp: Some(partition.timestamp).filter(|timestamp| *timestamp >= 0),
                    leader_epoch: Some(partition.leader_epoch).filter(|epoch| *epoch >= 0),
                });
                (TopicPartition::new(name.clone(), partition.partition_index), listed)
            }));
        }
        answers
    }
}

fn too_old(spec: OffsetSpec, version: i16) -> Error {
    Error::Unsupported {
        api: ApiKey::ListOffsets,
        address: "the partition's leader".to_owned(),
        reason: format!("{spec:?} needs version {}, the broker has {version}", spec.since()),
    }
}

impl Admin {
    /// The offset of each partition that its specification asks for. ListOffsets 1-11, sent to the partitions' leaders.
    ///
    /// # Errors
    /// Per partition: UNKNOWN_TOPIC_OR_PARTITION; [`Error::Unsupported`] when the leader's broker is too old for the
    /// specification; UNSUPPORTED_FOR_MESSAGE_FORMAT; [`Error::TimedOut`] when there was no leader.
    ///
    /// ```
    /// # klamm_testkit::run(async |cluster| {
    /// # use klamm_client::{Client, IsolationLevel, NewTopic, OffsetSpec, TopicPartition};
    /// # let admin = Client::connect(cluster.bootstrap()).await?.admin();
    /// # admin.create_topics(&[NewTopic::new("orders")], false).await?;
    /// let asked = [(TopicPartition::new("orders", 0), OffsetSpec::Latest)];
    /// let answers = admin.list_offsets(&asked, IsolationLevel::ReadUncommitted).await?;
    /// assert_eq!(answers[0].1.as_ref().map(|listed| listed.offset).ok(), Some(Some(0)));
    /// # Ok(()) });
    /// ```
    pub async fn list_offsets(
        &self,
        asked: &[(TopicPartition, OffsetSpec)],
        isolation: IsolationLevel,
    ) -> Result<Each<TopicPartition, ListedOffset>, Error> {
        let call = ListOffsets {
            specs: Arc::new(asked.iter().cloned().collect()),
            isolation,
            timeout_ms: self.timeout_ms(),
        };
        let partitions: Vec<_> = asked.iter().map(|(partition, _)| partition.clone()).collect();
        self.ask_leaders(&call, &partitions).await
    }
}
