//! A client that says what the tests want to say, and no more. Whatever the wire does not allow panics here.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use klamm_net::{CallError, Client, ClientOptions};
use klamm_protocol::messages::*;
use klamm_protocol::{ErrorCode, Records, Request, Uuid};
use klamm_records::{BatchBuilder, Compression, Scratch, batches};

/// How long any one reply may take.
pub(crate) const REPLY_WITHIN: Duration = Duration::from_secs(60);

/// The last version of Produce that names topics instead of giving their ids.
pub(crate) const PRODUCE_BY_NAME: i16 = 12;
/// The same of Fetch.
pub(crate) const FETCH_BY_NAME: i16 = 12;
/// The same of OffsetCommit and OffsetFetch.
pub(crate) const OFFSETS_BY_NAME: i16 = 9;

/// A name that no other test uses, nor an earlier run against the same broker.
pub(crate) fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(
        "{stem}-{:x}-{n}",
        now_ms() * 1000 + i64::from(std::process::id() % 1000)
    )
}

pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// A batch of records without keys, with today's timestamps.
pub(crate) fn batch<V: AsRef<[u8]>>(values: &[V]) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    push_all(&mut builder, values);
    builder.build()
}

/// A batch of an idempotent producer.
pub(crate) fn idempotent_batch<V: AsRef<[u8]>>(producer: (i64, i16), sequence: i32, values: &[V]) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None).producer(producer.0, producer.1, sequence);
    push_all(&mut builder, values);
    builder.build()
}

fn push_all<V: AsRef<[u8]>>(builder: &mut BatchBuilder, values: &[V]) {
    for value in values {
        builder.push(now_ms(), None, Some(value.as_ref()), &[]).unwrap();
    }
}

/// Offsets and values of all records in what Fetch returned; a batch that is cut off at the end is left out.
pub(crate) fn records(bytes: &Bytes) -> Vec<(i64, Vec<u8>)> {
    let mut scratch = Scratch::new();
    let mut all = Vec::new();
    for batch in batches(bytes) {
        let Ok(batch) = batch else { break };
        batch.verify_crc().unwrap();
        for record in batch.records(&mut scratch, 64 << 20).unwrap() {
            let record = record.unwrap();
            all.push((record.offset, record.value.unwrap_or_default().to_vec()));
        }
    }
    all
}

/// The records of a partition in a Fetch reply.
pub(crate) fn bytes(partition: &fetch_response::PartitionData) -> Bytes {
    partition
        .records
        .as_ref()
        .and_then(|records| records.as_bytes().cloned())
        .unwrap_or_default()
}

pub(crate) fn produce_request(topic: &str, partition: i32, acks: i16, records: Bytes) -> ProduceRequest {
    let partition = produce_request::PartitionProduceData {
        index: partition,
        records: Some(Records::Bytes(records)),
        ..Default::default()
    };
    let topic = produce_request::TopicProduceData {
        name: topic.to_owned(),
        partition_data: vec![partition],
        ..Default::default()
    };
    ProduceRequest {
        acks,
        timeout_ms: 10_000,
        topic_data: vec![topic],
        ..Default::default()
    }
}

/// A Fetch of one partition, outside of a session.
pub(crate) fn fetch_request(topic: &str, partition: i32, offset: i64) -> FetchRequest {
    let partition = fetch_request::FetchPartition {
        partition,
        fetch_offset: offset,
        partition_max_bytes: 8 << 20,
        ..Default::default()
    };
    let topic = fetch_request::FetchTopic {
        topic: topic.to_owned(),
        partitions: vec![partition],
        ..Default::default()
    };
    FetchRequest {
        max_wait_ms: 0,
        min_bytes: 1,
        max_bytes: 64 << 20,
        topics: vec![topic],
        ..Default::default()
    }
}

/// The only partition of a Fetch reply.
pub(crate) fn only(reply: FetchResponse) -> fetch_response::PartitionData {
    assert_eq!(reply.error_code, ErrorCode::NONE);
    let mut partitions: Vec<_> = reply.responses.into_iter().flat_map(|topic| topic.partitions).collect();
    assert_eq!(partitions.len(), 1, "{partitions:?}");
    partitions.remove(0)
}

pub(crate) fn creatable(
    topic: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> create_topics_request::CreatableTopic {
    let config = |&(name, value): &(&str, &str)| create_topics_request::CreatableTopicConfig {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        ..Default::default()
    };
    create_topics_request::CreatableTopic {
        name: topic.to_owned(),
        num_partitions: partitions,
        replication_factor: 1,
        configs: configs.iter().map(config).collect(),
        ..Default::default()
    }
}

pub(crate) fn commit_request(group: &str, topic: &str, partition: i32, offset: i64) -> OffsetCommitRequest {
    let partition = offset_commit_request::OffsetCommitRequestPartition {
        partition_index: partition,
        committed_offset: offset,
        committed_metadata: Some(String::new()),
        ..Default::default()
    };
    let topic = offset_commit_request::OffsetCommitRequestTopic {
        name: topic.to_owned(),
        partitions: vec![partition],
        ..Default::default()
    };
    OffsetCommitRequest {
        group_id: group.to_owned(),
        topics: vec![topic],
        ..Default::default()
    }
}

/// A connection to a node. Replies other than those asked for are the node's fault and end the test.
pub(crate) struct Connection {
    pub(crate) client: Client,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Connection {
        Connection::try_open(address).await.unwrap()
    }

    pub(crate) async fn try_open(address: SocketAddr) -> Result<Connection, klamm_net::ConnectError> {
        let options = ClientOptions {
            client_id: "klamm-it".to_owned(),
            timeout: REPLY_WITHIN,
            ..Default::default()
        };
        Ok(Connection {
            client: Client::connect_with(address, options).await?,
        })
    }

    /// Calls in the newest version that the node offers.
    pub(crate) async fn call<R: Request>(&mut self, request: &R) -> R::Response {
        match self.client.call_newest(request).await {
            Ok(reply) => reply,
            Err(error) => panic!("{}: {error}", R::NAME),
        }
    }

    pub(crate) async fn call_version<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        match self.client.call(request, version).await {
            Ok(reply) => reply,
            Err(error) => panic!("{} v{version}: {error}", R::NAME),
        }
    }

    /// Creates a topic and returns its id.
    pub(crate) async fn create(&mut self, topic: &str, partitions: i32) -> Uuid {
        self.create_with(topic, partitions, &[]).await
    }

    pub(crate) async fn create_with(&mut self, topic: &str, partitions: i32, configs: &[(&str, &str)]) -> Uuid {
        let topics = vec![creatable(topic, partitions, configs)];
        let reply = self
            .call(&CreateTopicsRequest {
                topics,
                ..Default::default()
            })
            .await;
        let created = &reply.topics[0];
        assert_eq!(
            created.error_code,
            ErrorCode::NONE,
            "{topic}: {:?}",
            created.error_message
        );
        let id = created.topic_id;
        self.wait_for_leaders(topic, partitions).await;
        id
    }

    /// A broker answers CreateTopics when the topic is in the cluster's log, and may itself lag behind that.
    async fn wait_for_leaders(&mut self, topic: &str, partitions: i32) {
        for _ in 0..500 {
            let known = self.metadata(topic).await;
            let led = known
                .partitions
                .iter()
                .filter(|partition| partition.leader_id >= 0)
                .count();
            if known.error_code == ErrorCode::NONE && led == partitions as usize && self.leads(topic, partitions).await
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{topic} has no leaders");
    }

    async fn leads(&mut self, topic: &str, partitions: i32) -> bool {
        for partition in 0..partitions.max(1) {
            if self.offset_at(topic, partition, -1).await.error_code != ErrorCode::NONE {
                return false;
            }
        }
        true
    }

    /// What Metadata says of a topic, without creating it.
    pub(crate) async fn metadata(&mut self, topic: &str) -> metadata_response::MetadataResponseTopic {
        let name = Some(topic.to_owned());
        let topics = Some(vec![metadata_request::MetadataRequestTopic {
            name,
            ..Default::default()
        }]);
        let request = MetadataRequest {
            topics,
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        self.call(&request).await.topics.remove(0)
    }

    pub(crate) async fn produce(
        &mut self,
        topic: &str,
        partition: i32,
        records: Bytes,
    ) -> produce_response::PartitionProduceResponse {
        let request = produce_request(topic, partition, -1, records);
        let mut reply = self.call_version(&request, PRODUCE_BY_NAME).await;
        reply.responses.remove(0).partition_responses.remove(0)
    }

    /// Produces one batch, which must succeed, and returns the offset of its first record.
    pub(crate) async fn append<V: AsRef<[u8]>>(&mut self, topic: &str, partition: i32, values: &[V]) -> i64 {
        let reply = self.produce(topic, partition, batch(values)).await;
        assert_eq!(reply.error_code, ErrorCode::NONE, "{:?}", reply.error_message);
        reply.base_offset
    }

    /// Fetches once, at once, from one partition.
    pub(crate) async fn fetch(&mut self, topic: &str, partition: i32, offset: i64) -> fetch_response::PartitionData {
        only(
            self.call_version(&fetch_request(topic, partition, offset), FETCH_BY_NAME)
                .await,
        )
    }

    /// All records of a partition, from its start to its high watermark.
    pub(crate) async fn fetch_all(&mut self, topic: &str, partition: i32) -> Vec<(i64, Vec<u8>)> {
        let mut all = Vec::new();
        let mut offset = self.offset_at(topic, partition, -2).await.offset;
        loop {
            let reply = self.fetch(topic, partition, offset).await;
            assert_eq!(reply.error_code, ErrorCode::NONE);
            if offset >= reply.high_watermark {
                return all;
            }
            let fetched = records(&bytes(&reply));
            let (last, _) = fetched.last().expect("records up to the high watermark");
            offset = last + 1;
            all.extend(fetched);
        }
    }

    /// ListOffsets of one partition.
    pub(crate) async fn offset_at(
        &mut self,
        topic: &str,
        partition: i32,
        timestamp: i64,
    ) -> list_offsets_response::ListOffsetsPartitionResponse {
        let partition = list_offsets_request::ListOffsetsPartition {
            partition_index: partition,
            timestamp,
            ..Default::default()
        };
        let topic = list_offsets_request::ListOffsetsTopic {
            name: topic.to_owned(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = ListOffsetsRequest {
            replica_id: -1,
            topics: vec![topic],
            ..Default::default()
        };
        self.call(&request).await.topics.remove(0).partitions.remove(0)
    }

    pub(crate) async fn producer_id(&mut self) -> (i64, i16) {
        for _ in 0..500 {
            let reply = self
                .call(&InitProducerIdRequest {
                    transactional_id: None,
                    ..Default::default()
                })
                .await;
            if !is_transient(reply.error_code) {
                assert_eq!(reply.error_code, ErrorCode::NONE);
                return (reply.producer_id, reply.producer_epoch);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no producer id");
    }

    /// Asks until the group's coordinator is there, as clients do.
    pub(crate) async fn find_coordinator(&mut self, group: &str) {
        for _ in 0..1500 {
            let request = FindCoordinatorRequest {
                coordinator_keys: vec![group.to_owned()],
                ..Default::default()
            };
            let error = self.call(&request).await.coordinators[0].error_code;
            if error == ErrorCode::NONE {
                return self.wait_for_offsets_of(group).await;
            }
            assert_eq!(error, ErrorCode::COORDINATOR_NOT_AVAILABLE);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no coordinator for {group}");
    }

    async fn wait_for_offsets_of(&mut self, group: &str) {
        for _ in 0..1500 {
            match self.committed_offsets(group).await {
                (ErrorCode::NONE, _) => return,
                (error, _) => assert!(is_transient(error), "{}", error.name()),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{group}'s coordinator does not load");
    }

    /// Commits as a client without membership does.
    pub(crate) async fn commit(&mut self, group: &str, topic: &str, partition: i32, offset: i64) -> ErrorCode {
        let request = commit_request(group, topic, partition, offset);
        let reply = self.call_version(&request, OFFSETS_BY_NAME).await;
        reply.topics[0].partitions[0].error_code
    }

    /// All offsets that a group has committed: topic, partition, offset.
    pub(crate) async fn committed_offsets(&mut self, group: &str) -> (ErrorCode, Vec<(String, i32, i64)>) {
        let group = offset_fetch_request::OffsetFetchRequestGroup {
            group_id: group.to_owned(),
            topics: None,
            ..Default::default()
        };
        let request = OffsetFetchRequest {
            groups: vec![group],
            ..Default::default()
        };
        let reply = self.call_version(&request, OFFSETS_BY_NAME).await.groups.remove(0);
        let mut offsets = Vec::new();
        for topic in reply.topics {
            for partition in topic.partitions {
                offsets.push((
                    topic.name.clone(),
                    partition.partition_index,
                    partition.committed_offset,
                ));
            }
        }
        (reply.error_code, offsets)
    }
}

/// What a coordinator says while it starts.
pub(crate) fn is_transient(error: ErrorCode) -> bool {
    [
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ErrorCode::NOT_COORDINATOR,
    ]
    .contains(&error)
}

/// Whether the other end has closed the connection.
pub(crate) fn is_closed(error: &CallError) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error, CallError::Io(error) if [BrokenPipe, ConnectionReset, UnexpectedEof].contains(&error.kind()))
}
