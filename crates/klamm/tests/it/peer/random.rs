//! Random requests from a seed: what the cases don't think of.

use bytes::Bytes;
use klamm_protocol::messages::*;
use klamm_protocol::{Records, Request};
use klamm_records::{BatchBuilder, Compression, Header};

use super::pair::Pair;
use crate::client::*;
use crate::random::Random;

/// Asks so many random requests.
pub(super) async fn ask(pair: &mut Pair, seed: u64, count: usize) {
    let prefix = pair.name("random");
    let mut asking = Asking {
        pair,
        random: Random::new(seed),
        prefix,
    };
    asking.prepare().await;
    for _ in 0..count {
        asking.ask_something().await;
    }
}

struct Asking<'a> {
    pair: &'a mut Pair,
    random: Random,
    prefix: String,
}

impl Asking<'_> {
    /// Groups that are there: Apache Kafka makes one for each commit that fails, too.
    async fn prepare(&mut self) {
        let prefix = self.prefix.clone();
        self.pair
            .both(async |mut connection| {
                for n in 0..5 {
                    connection.find_coordinator(&format!("{prefix}-{n}")).await;
                }
                connection.find_coordinator("").await;
                connection.create(&prefix, 1).await;
                connection.producer_id().await;
            })
            .await;
        self.make_group("").await;
        for n in 0..5 {
            let group = format!("{}-{n}", self.prefix);
            self.make_group(&group).await;
        }
    }

    /// Asks both, in a random version that can say the request.
    async fn ask<R: Request>(&mut self, request: R, versions: std::ops::RangeInclusive<i16>) {
        let count = (versions.end() - versions.start() + 1) as usize;
        let version = versions.start() + self.random.below(count) as i16;
        self.pair.ask("random", version, |_| request.clone()).await;
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.random.below(choices.len())].clone()
    }

    fn topic(&mut self) -> String {
        match self.random.below(14) {
            0 => "a/b".to_owned(),
            1 => String::new(),
            2 => format!("{}-none", self.prefix),
            n => format!("{}-{}", self.prefix, n % 4),
        }
    }

    fn group(&mut self) -> String {
        match self.random.below(12) {
            0 => String::new(),
            n => format!("{}-{}", self.prefix, n % 5),
        }
    }

    fn partition(&mut self) -> i32 {
        self.pick(&[0, 0, 0, 0, 1, 1, 2, 3, -1])
    }

    fn offset(&mut self) -> i64 {
        match self.random.below(10) {
            0 => self.pick(&[-1, -2, i64::MAX, i64::MIN, 1 << 40]),
            _ => self.random.below(25) as i64,
        }
    }

    fn epoch(&mut self) -> i32 {
        self.pick(&[-1, -1, -1, 0, 0, 1, 7])
    }

    fn configs(&mut self) -> Vec<(&'static str, &'static str)> {
        const CHOICES: &[(&str, &str)] = &[
            ("retention.ms", "123456789"),
            ("retention.ms", "-1"),
            ("retention.ms", "-2"),
            ("retention.bytes", "x"),
            ("cleanup.policy", "compact"),
            ("cleanup.policy", "delete,compact"),
            ("max.message.bytes", "2000"),
            ("max.message.bytes", "-5"),
            ("compression.type", "zstd"),
            ("compression.type", "ZSTD"),
            ("message.timestamp.type", "LogAppendTime"),
            ("message.timestamp.after.max.ms", "0"),
            ("message.timestamp.before.max.ms", "1000"),
            ("min.insync.replicas", "2"),
            ("min.insync.replicas", "0"),
            ("segment.ms", "60000"),
            ("segment.bytes", "1048576"),
            ("flush.messages", "1"),
            ("preallocate", "maybe"),
            ("min.cleanable.dirty.ratio", "0.75"),
            ("min.cleanable.dirty.ratio", "1.5"),
            ("message.format.version", "3.0"),
            ("follower.replication.throttled.replicas", "*"),
            ("follower.replication.throttled.replicas", "0:1,1:1"),
            ("leader.replication.throttled.replicas", "zero"),
            ("unclean.leader.election.enable", "true"),
            ("", "1"),
            ("No.Such", "1"),
        ];
        // At most one: of several bad ones either may be named.
        (0..self.random.below(2)).map(|_| self.pick(CHOICES)).collect()
    }

    fn batch(&mut self) -> Bytes {
        let codec = self.pick(&[
            Compression::None,
            Compression::None,
            Compression::Gzip,
            Compression::Snappy,
            Compression::Lz4,
            Compression::Zstd,
        ]);
        let mut builder = BatchBuilder::new(codec);
        let sequence = self.random.below(4) as i32;
        if self.random.one_in(5) {
            builder = builder.producer(4711, self.pick(&[0, 0, 1]), sequence);
        }
        let timestamp = match self.random.below(8) {
            0 => -1,
            1 => now_ms() + 86_400_000,
            2 => now_ms() - 3_600_000,
            _ => now_ms(),
        };
        for n in 0..=self.random.below(4) {
            let key = self.pick(&[None, Some(&b"key"[..])]);
            let length = self.pick(&[0, 5, 200, 1500]);
            let value = vec![b'v'; length];
            let value = self
                .pick(&[Some(&value[..]), Some(&value[..]), None])
                .map(<[u8]>::to_vec);
            let headers = [Header { key: b"h", value: None }];
            let headers = if self.random.one_in(3) { &headers[..] } else { &[] };
            builder
                .push((timestamp + n as i64 * 3).max(-1), key, value.as_deref(), headers)
                .unwrap();
        }
        let good = builder.build();
        if !self.random.one_in(3) {
            return good;
        }
        let mut bad = good.to_vec();
        for _ in 0..=self.random.below(2) {
            // Not the length and the magic: what brokers make of those is in the tables.
            let at = self.pick(&[0, 12, 21, 21, 30, 40, 50, 57, 61, 61]) + self.random.below(4);
            if let Some(byte) = bad.get_mut(at) {
                *byte = self.pick(&[0, 1, 2, 7, 0x80, 0xff, *byte ^ 0x10]);
            }
        }
        if !self.random.one_in(6) {
            let crc = klamm_records::crc32c(&bad[21..]);
            bad[17..21].copy_from_slice(&crc.to_be_bytes());
        }
        bad.into()
    }

    async fn ask_something(&mut self) {
        match self.random.below(24) {
            0 => self.create_topics().await,
            1 => {
                let topic_names = vec![self.topic()];
                if self.random.one_in(3) {
                    let request = DeleteTopicsRequest {
                        topic_names,
                        timeout_ms: 5000,
                        ..Default::default()
                    };
                    self.ask(request, 1..=5).await;
                    // The peer deletes behind its reply's back.
                    self.pair.settle().await;
                }
            }
            2 => self.create_partitions().await,
            3 => self.metadata().await,
            4..=8 => self.produce().await,
            9..=11 => self.fetch().await,
            12 => self.list_offsets().await,
            13 => self.offset_for_leader_epoch().await,
            14 => self.delete_records().await,
            15 | 16 => self.commit().await,
            17 => self.fetch_offsets().await,
            18 | 19 => self.group_request().await,
            20 => self.alter_configs().await,
            21 => self.describe_configs().await,
            22 => self.describe().await,
            _ => {
                let request = InitProducerIdRequest {
                    transactional_id: None,
                    transaction_timeout_ms: self.pick(&[60_000, -1, 0]),
                    producer_id: self.pick(&[-1, -1, 5, -7]),
                    producer_epoch: self.pick(&[-1, -1, 0, -7]),
                    ..Default::default()
                };
                self.ask(request, 0..=5).await;
            }
        }
    }

    /// Makes the group be there. Apache Kafka also makes it for a commit that fails, and forgets that at its next start.
    async fn make_group(&mut self, group: &str) {
        self.ask(commit_request(group, &self.prefix.clone(), 0, 1), 2..=8).await;
    }

    async fn create_topics(&mut self) {
        let (name, partitions) = (self.topic(), self.pick(&[-1, 0, 1, 2, 3, 3, -9]));
        let configs = self.configs();
        let replication_factor = self.pick(&[-1, 1, 1, 1, 2, 0]);
        let topic = create_topics_request::CreatableTopic {
            replication_factor,
            ..creatable(&name, partitions, &configs)
        };
        let validate_only = self.random.one_in(4);
        let request = CreateTopicsRequest {
            topics: vec![topic],
            validate_only,
            ..Default::default()
        };
        self.ask(request, 2..=7).await;
        self.pair.settle().await;
    }

    async fn create_partitions(&mut self) {
        let topic = create_partitions_request::CreatePartitionsTopic {
            name: self.topic(),
            count: self.pick(&[-1, 0, 1, 2, 3, 4]),
            assignments: self.pick(&[
                None,
                None,
                Some(vec![create_partitions_request::CreatePartitionsAssignment {
                    broker_ids: vec![1],
                    ..Default::default()
                }]),
            ]),
            ..Default::default()
        };
        let validate_only = self.random.one_in(2);
        let request = CreatePartitionsRequest {
            topics: vec![topic],
            timeout_ms: 5000,
            validate_only,
            ..Default::default()
        };
        self.ask(request, 0..=3).await;
        self.pair.settle().await;
    }

    async fn metadata(&mut self) {
        let name = Some(self.topic());
        let topics = Some(vec![metadata_request::MetadataRequestTopic {
            name,
            ..Default::default()
        }]);
        let request = MetadataRequest {
            topics,
            allow_auto_topic_creation: false,
            include_topic_authorized_operations: self.random.one_in(2),
            ..Default::default()
        };
        self.ask(request, 4..=13).await;
    }

    async fn produce(&mut self) {
        let (topic, partition, records) = (self.topic(), self.partition(), self.batch());
        let acks = self.pick(&[-1, -1, 1, 1, 2, -2]);
        let mut request = produce_request(&topic, partition, acks, records.clone());
        if self.random.one_in(20) {
            request.topic_data[0].partition_data[0].records = Some(Records::Bytes(Bytes::new()));
        }
        self.ask(request, 3..=12).await;
    }

    async fn fetch(&mut self) {
        let (topic, partition, offset) = (self.topic(), self.partition(), self.offset());
        let mut request = fetch_request(&topic, partition, offset);
        request.isolation_level = self.pick(&[0, 0, 1]);
        request.max_bytes = self.pick(&[0, 1, 100, 1000, 64 << 20]);
        let asked = &mut request.topics[0].partitions[0];
        asked.partition_max_bytes = self.pick(&[0, 1, 100, 500, 3000, 1 << 20]);
        asked.current_leader_epoch = self.epoch();
        asked.last_fetched_epoch = self.pick(&[-1, -1, -1, 0, 1]);
        self.ask(request, 4..=12).await;
    }

    async fn list_offsets(&mut self) {
        let now = now_ms();
        let partition = list_offsets_request::ListOffsetsPartition {
            partition_index: self.partition(),
            current_leader_epoch: self.epoch(),
            timestamp: self.pick(&[
                -1,
                -2,
                -3,
                -4,
                -5,
                -6,
                -7,
                -100,
                0,
                1,
                1000,
                1004,
                now - 500,
                now - 2000,
            ]),
            ..Default::default()
        };
        let topic = list_offsets_request::ListOffsetsTopic {
            name: self.topic(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = ListOffsetsRequest {
            replica_id: -1,
            isolation_level: self.pick(&[0, 1]),
            topics: vec![topic],
            ..Default::default()
        };
        self.ask(request, 1..=11).await;
    }

    async fn offset_for_leader_epoch(&mut self) {
        let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition {
            partition: self.partition(),
            current_leader_epoch: self.epoch(),
            leader_epoch: self.epoch(),
            ..Default::default()
        };
        let topic = offset_for_leader_epoch_request::OffsetForLeaderTopic {
            topic: self.topic(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = OffsetForLeaderEpochRequest {
            replica_id: -1,
            topics: vec![topic],
            ..Default::default()
        };
        self.ask(request, 2..=4).await;
    }

    async fn delete_records(&mut self) {
        let partition = delete_records_request::DeleteRecordsPartition {
            partition_index: self.partition(),
            offset: self.pick(&[-1, -2, 0, 1, 2, 3, 5, 8, 1000]),
            ..Default::default()
        };
        let topic = delete_records_request::DeleteRecordsTopic {
            name: self.topic(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = DeleteRecordsRequest {
            topics: vec![topic],
            timeout_ms: 5000,
            ..Default::default()
        };
        self.ask(request, 0..=2).await;
    }

    async fn commit(&mut self) {
        let (group, topic, partition) = (self.group(), self.topic(), self.partition());
        let offset = self.offset();
        let mut request = commit_request(&group, &topic, partition, offset);
        request.generation_id_or_member_epoch = self.pick(&[-1, -1, -1, 0, 1]);
        request.member_id = self.pick(&["", "", "", "x"]).to_owned();
        request.group_instance_id = self.pick(&[None, None, None, Some("i".to_owned())]);
        let committed = &mut request.topics[0].partitions[0];
        committed.committed_metadata =
            self.pick(&[None, Some(String::new()), Some("m".to_owned()), Some("m".repeat(5000))]);
        committed.committed_leader_epoch = self.epoch();
        self.ask(request, 2..=9).await;
    }

    async fn fetch_offsets(&mut self) {
        let (group, topic) = (self.group(), self.topic());
        let partition_indexes = vec![self.partition()];
        if self.random.one_in(2) {
            // Those of all topics come in any order.
            let topics = Some(vec![offset_fetch_request::OffsetFetchRequestTopic {
                name: topic,
                partition_indexes,
                ..Default::default()
            }]);
            let require_stable = self.random.one_in(2);
            let request = OffsetFetchRequest {
                group_id: group,
                topics,
                require_stable,
                ..Default::default()
            };
            self.ask(request, 1..=7).await;
        } else {
            let topics = Some(vec![offset_fetch_request::OffsetFetchRequestTopics {
                name: topic,
                partition_indexes,
                ..Default::default()
            }]);
            let group = offset_fetch_request::OffsetFetchRequestGroup {
                group_id: group,
                member_id: self.pick(&[None, None, Some("x".to_owned())]),
                member_epoch: self.pick(&[-1, -1, 0, 1]),
                topics,
                ..Default::default()
            };
            self.ask(
                OffsetFetchRequest {
                    groups: vec![group],
                    ..Default::default()
                },
                8..=9,
            )
            .await;
        }
    }

    async fn group_request(&mut self) {
        let group_id = self.group();
        let member_id = self.pick(&["", "x"]).to_owned();
        let group_instance_id = self.pick(&[None, None, Some("i".to_owned())]);
        let generation_id = self.pick(&[-1, 0, 1]);
        match self.random.below(8) {
            0 => {
                let request = HeartbeatRequest {
                    group_id,
                    member_id,
                    group_instance_id,
                    generation_id,
                    ..Default::default()
                };
                self.ask(request, 0..=4).await;
            }
            1 => {
                let request = SyncGroupRequest {
                    group_id,
                    member_id,
                    group_instance_id,
                    generation_id,
                    protocol_type: self.pick(&[None, Some("consumer".to_owned())]),
                    protocol_name: self.pick(&[None, Some("range".to_owned())]),
                    ..Default::default()
                };
                self.ask(request, 0..=5).await;
            }
            2 => {
                let members = vec![leave_group_request::MemberIdentity {
                    member_id: member_id.clone(),
                    group_instance_id,
                    ..Default::default()
                }];
                if self.random.one_in(2) {
                    self.ask(
                        LeaveGroupRequest {
                            group_id,
                            member_id,
                            ..Default::default()
                        },
                        0..=2,
                    )
                    .await;
                } else {
                    self.ask(
                        LeaveGroupRequest {
                            group_id,
                            members,
                            ..Default::default()
                        },
                        3..=5,
                    )
                    .await;
                }
            }
            3 => {
                let request = DescribeGroupsRequest {
                    groups: vec![group_id],
                    include_authorized_operations: self.random.one_in(2),
                    ..Default::default()
                };
                self.ask(request, 3..=6).await;
            }
            4 => {
                let groups_names = vec![group_id.clone()];
                self.ask(
                    DeleteGroupsRequest {
                        groups_names,
                        ..Default::default()
                    },
                    0..=3,
                )
                .await;
                self.make_group(&group_id).await;
            }
            5 => {
                let topic = offset_delete_request::OffsetDeleteRequestTopic {
                    name: self.topic(),
                    partitions: vec![offset_delete_request::OffsetDeleteRequestPartition {
                        partition_index: self.partition(),
                    }],
                };
                self.ask(
                    OffsetDeleteRequest {
                        group_id,
                        topics: vec![topic],
                    },
                    0..=0,
                )
                .await;
            }
            _ => {
                // Never to the end: members that stay would make both wait for them.
                let protocol = join_group_request::JoinGroupRequestProtocol {
                    name: "range".to_owned(),
                    metadata: Bytes::from_static(b"m"),
                    ..Default::default()
                };
                let request = JoinGroupRequest {
                    group_id,
                    session_timeout_ms: self.pick(&[1, 10_000, i32::MAX, -1]),
                    rebalance_timeout_ms: self.pick(&[-1, 10_000]),
                    member_id: self.pick(&["x", ""]).to_owned(),
                    protocol_type: self.pick(&["consumer", ""]).to_owned(),
                    protocols: self.pick(&[Vec::new(), vec![protocol]]),
                    ..Default::default()
                };
                self.ask(request, 4..=9).await;
            }
        }
    }

    async fn alter_configs(&mut self) {
        let name = self.topic();
        let (resource_type, resource_name) = match self.random.below(8) {
            0 => (
                self.pick(&[0, 1, 4, 8, 16, 32, 77]),
                self.pick(&["", "x", "7"]).to_owned(),
            ),
            _ => (2, name),
        };
        let configs = self.configs();
        let request = IncrementalAlterConfigsRequest {
            resources: vec![incremental_alter_configs_request::AlterConfigsResource {
                resource_type,
                resource_name,
                configs: configs
                    .iter()
                    .map(|(name, value)| incremental_alter_configs_request::AlterableConfig {
                        name: (*name).to_owned(),
                        config_operation: self.pick(&[0, 0, 0, 1, 2, 3]),
                        value: self.pick(&[Some((*value).to_owned()), Some((*value).to_owned()), None]),
                        ..Default::default()
                    })
                    .collect(),
                ..Default::default()
            }],
            validate_only: self.random.one_in(3),
            ..Default::default()
        };
        self.ask(request, 0..=1).await;
        self.pair.settle().await;
    }

    async fn describe_configs(&mut self) {
        let name = self.topic();
        let (resource_type, resource_name) = match self.random.below(8) {
            0 => (self.pick(&[0, 1, 8, 16, 77]), self.pick(&["", "x", "7"]).to_owned()),
            1 => (4, self.pick(&["", "x", "7"]).to_owned()),
            _ => (2, name),
        };
        let keys = [
            "retention.ms",
            "cleanup.policy",
            "max.message.bytes",
            "compression.type",
            "segment.bytes",
            "nix",
        ];
        let request = DescribeConfigsRequest {
            resources: vec![describe_configs_request::DescribeConfigsResource {
                resource_type,
                resource_name,
                configuration_keys: Some(vec![self.pick(&keys).to_owned()]),
                ..Default::default()
            }],
            include_synonyms: self.random.one_in(2),
            ..Default::default()
        };
        self.ask(request, 1..=4).await;
    }

    async fn describe(&mut self) {
        let name = self.topic();
        match self.random.below(3) {
            0 => {
                let topic = describe_producers_request::TopicRequest {
                    name,
                    partition_indexes: vec![self.partition()],
                    ..Default::default()
                };
                self.ask(
                    DescribeProducersRequest {
                        topics: vec![topic],
                        ..Default::default()
                    },
                    0..=0,
                )
                .await;
            }
            1 => {
                let request = DescribeTopicPartitionsRequest {
                    topics: vec![describe_topic_partitions_request::TopicRequest {
                        name,
                        ..Default::default()
                    }],
                    response_partition_limit: self.pick(&[0, 1, 2, 2000, -1]),
                    ..Default::default()
                };
                self.ask(request, 0..=0).await;
            }
            _ => {
                let topic = describe_log_dirs_request::DescribableLogDirTopic {
                    topic: name,
                    partitions: vec![self.partition()],
                    ..Default::default()
                };
                self.ask(
                    DescribeLogDirsRequest {
                        topics: Some(vec![topic]),
                        ..Default::default()
                    },
                    1..=4,
                )
                .await;
            }
        }
    }
}
