//! The script language of the tests: one line per request, `->` and what comes out of it.
//!
//! `m1 joins` and the like are requests of the client `m1` to the group `g`. Replies are told as `m1: what`, in the order they
//! come, joined by `; `. A client keeps the member id and generation it was given; in what is told, member ids are replaced
//! by the clients' names. `wait MS` lets time pass from deadline to deadline. Appends are committed after each line unless
//! `hold` or `lose` says otherwise. Each script ends by loading the log it wrote and comparing the states.

use bytes::Bytes;
use klamm_coordinator::{Append, CoordinatorError, Effect, Outbox, ShardConfig, ShardRuntime};
use klamm_group_coordinator::{
    Client, GroupConfig, GroupQuery, GroupReply, GroupRequest, GroupShard, GroupState, JoinOptions,
};
use klamm_protocol::data::ConsumerProtocolSubscription;
use klamm_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use klamm_protocol::messages::leave_group_request::MemberIdentity;
use klamm_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use klamm_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use klamm_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use klamm_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use klamm_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use klamm_protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, OffsetCommitRequest, OffsetDeleteRequest,
    SyncGroupRequest,
};
use klamm_protocol::{ErrorCode, Message, Writer};
use klamm_records::{BatchBuilder, Compression};
use std::collections::BTreeMap;

type Shard = GroupShard<String>;

/// Runs a script and compares every line.
pub(crate) fn check(script: &str) -> World {
    let mut world = World::new(GroupConfig::default());
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (command, expected) = line.split_once("->").unwrap_or((line, ""));
        let told = world.run(command.trim());
        assert_eq!(told, expected.trim(), "after `{}`", command.trim());
    }
    world.check_log_against_state();
    world
}

/// What becomes of batches.
#[derive(Clone, Copy, PartialEq)]
enum Appends {
    Commit,
    Hold,
    Lose,
}

/// A shard, its log, and what its clients know.
pub(crate) struct World {
    runtime: ShardRuntime<Shard>,
    config: GroupConfig,
    pub(crate) log: Vec<u8>,
    log_end_offset: i64,
    high_watermark: i64,
    appends: Appends,
    pub(crate) now_ms: i64,
    epoch: i32,
    /// Member id and generation by client.
    clients: BTreeMap<String, (String, i32)>,
    with_events: bool,
    told: Vec<String>,
}

/// Words after the verb: `key=value` pairs and plain ones.
struct Options<'a>(Vec<&'a str>);

impl<'a> Options<'a> {
    fn get(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    fn number(&self, key: &str) -> Option<i64> {
        self.get(key).map(|value| value.parse().expect("a number"))
    }

    fn has(&self, word: &str) -> bool {
        self.0.contains(&word)
    }

    fn group(&self) -> String {
        match self.get("group") {
            Some("none") => String::new(),
            group => group.unwrap_or("g").to_owned(),
        }
    }

    /// Words such as `t-0=5` or `t-0`: topic, partition, the rest.
    fn partitions(&self) -> Vec<(String, i32, &'a str)> {
        let parse = |word: &&'a str| {
            let (partition, value) = word.split_once('=').unwrap_or((word, ""));
            let (topic, index) = partition.split_once('-')?;
            Some((topic.to_owned(), index.parse().ok()?, value))
        };
        self.0.iter().filter_map(parse).collect()
    }
}

fn counter() -> impl FnMut() -> u64 {
    let mut count = 0;
    move || {
        count += 1;
        count
    }
}

impl World {
    pub(crate) fn new(config: GroupConfig) -> Self {
        let mut world = Self {
            runtime: ShardRuntime::new(ShardConfig::default(), GroupShard::new(config.clone()), counter()),
            config,
            log: Vec::new(),
            log_end_offset: 0,
            high_watermark: 0,
            appends: Appends::Commit,
            now_ms: 1_000_000,
            epoch: 0,
            clients: BTreeMap::new(),
            with_events: false,
            told: Vec::new(),
        };
        world.load();
        world
    }

    /// How long the shard would sleep now, ms.
    pub(crate) fn pause_ms(&self) -> Option<i64> {
        self.runtime.next_deadline().map(|deadline| deadline - self.now_ms)
    }

    pub(crate) fn state(&self) -> &GroupState {
        self.runtime.state()
    }

    /// A world whose log was written by somebody else.
    pub(crate) fn of_log(log: Vec<u8>, log_end_offset: i64) -> Self {
        let mut world = Self::new(GroupConfig::default());
        (world.log, world.log_end_offset, world.high_watermark) = (log, log_end_offset, log_end_offset);
        world.load();
        world
    }

    fn load(&mut self) {
        let mut out = Vec::new();
        self.epoch += 1;
        assert!(self.runtime.start_loading(self.epoch, &mut out));
        self.runtime.load(&self.log, self.high_watermark).expect("our own log");
        self.runtime
            .finish_loading(self.now_ms, self.log_end_offset, self.high_watermark, &mut out);
        self.carry_out(out);
    }

    /// The law of coordinators: the state is what the log's records add up to.
    pub(crate) fn check_log_against_state(&self) {
        if self.appends != Appends::Commit {
            return;
        }
        let other = Self::of_log(self.log.clone(), self.log_end_offset);
        assert_eq!(self.runtime.state(), self.runtime.committed());
        assert_eq!(
            other.runtime.state(),
            self.runtime.state(),
            "the state differs from what the log adds up to"
        );
    }

    /// Runs one line and tells what came out.
    pub(crate) fn run(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["with", ref options @ ..] => self.configure(&Options(options.to_vec())),
            ["wait", ms] => self.wait(ms.parse().expect("milliseconds")),
            ["hold"] => self.appends = Appends::Hold,
            ["lose"] => self.appends = Appends::Lose,
            ["release"] => {
                self.appends = Appends::Commit;
                self.commit();
            }
            ["events"] => self.with_events = true,
            ["restart"] => {
                self.load();
                self.settle();
            }
            [client, verb, ref options @ ..] => self.request(client, verb, &Options(options.to_vec())),
            _ => panic!("what is `{line}`?"),
        }
        let told = std::mem::take(&mut self.told).join("; ");
        self.named(told)
    }

    fn configure(&mut self, options: &Options<'_>) {
        if let Some(max_size) = options.number("max_size") {
            self.config.max_size = max_size as usize;
        }
        if let Some(step) = options.number("retention_step") {
            self.config.groups_per_retention_step = step as usize;
        }
        if let Some(minutes) = options.number("retention_minutes") {
            self.config.offsets_retention_ms = minutes * 60_000;
        }
        if let Some(limit) = options.number("metadata_max") {
            self.config.offset_metadata_max_size = limit as usize;
        }
        self.runtime = ShardRuntime::new(ShardConfig::default(), GroupShard::new(self.config.clone()), counter());
        self.load();
    }

    fn wait(&mut self, ms: i64) {
        let until = self.now_ms + ms;
        while let Some(deadline) = self.runtime.next_deadline().filter(|deadline| *deadline <= until) {
            self.now_ms = self.now_ms.max(deadline);
            let mut out = Vec::new();
            self.runtime.tick(self.now_ms, &mut out);
            self.carry_out(out);
            self.settle();
        }
        self.now_ms = until;
    }

    fn request(&mut self, client: &str, verb: &str, options: &Options<'_>) {
        let query = match verb {
            "fetches" if !options.has("stable") => Some(GroupQuery::OffsetFetch(offset_fetch(options))),
            "describes" => Some(GroupQuery::DescribeGroups(vec![options.group()])),
            "lists" => Some(GroupQuery::ListGroups {
                states_filter: options.get("state").map(str::to_owned).into_iter().collect(),
                types_filter: options.get("type").map(str::to_owned).into_iter().collect(),
            }),
            _ => None,
        };
        if let Some(query) = query {
            let result = self.runtime.read(query);
            return self.tell(client, result);
        }
        let request = self.write_request(client, verb, options);
        let mut out = Vec::new();
        self.runtime.write(self.now_ms, request, client.to_owned(), &mut out);
        self.carry_out(out);
        self.settle();
    }

    fn write_request(&mut self, client: &str, verb: &str, options: &Options<'_>) -> GroupRequest {
        let known = self.clients.get(client).cloned();
        let (member_id, generation) = known.unwrap_or((String::new(), -1));
        let member_id = match options.get("as") {
            Some("nobody") => String::new(),
            Some(other) => self
                .clients
                .get(other)
                .map_or(other.to_owned(), |(member_id, _)| member_id.clone()),
            None => member_id,
        };
        let generation_id = options.number("gen").map_or(generation, |generation| generation as i32);
        let group_id = options.group();
        let group_instance_id = options.get("instance").map(str::to_owned);
        match verb {
            "joins" => join(client, member_id, options),
            "syncs" => GroupRequest::SyncGroup(SyncGroupRequest {
                group_id,
                generation_id,
                member_id,
                group_instance_id,
                protocol_type: options.get("type").map(str::to_owned),
                protocol_name: options.get("protocol").map(str::to_owned),
                assignments: self.assignments(options),
                ..SyncGroupRequest::default()
            }),
            "beats" => GroupRequest::Heartbeat(HeartbeatRequest {
                group_id,
                generation_id,
                member_id,
                group_instance_id,
                ..HeartbeatRequest::default()
            }),
            "leaves" => {
                let others = options
                    .get("with")
                    .into_iter()
                    .map(|other| (self.clients[other].0.clone(), None));
                let members = std::iter::once((member_id, group_instance_id)).chain(others);
                let members = members.map(|(member_id, group_instance_id)| MemberIdentity {
                    member_id,
                    group_instance_id,
                    reason: options.get("reason").map(str::to_owned),
                    ..MemberIdentity::default()
                });
                GroupRequest::LeaveGroup(LeaveGroupRequest {
                    group_id,
                    members: members.collect(),
                    ..LeaveGroupRequest::default()
                })
            }
            "commits" => commit(group_id, member_id, generation_id, group_instance_id, options),
            "fetches" => GroupRequest::StableOffsetFetch(offset_fetch(options)),
            "deletes-offsets" => {
                let topics =
                    options
                        .partitions()
                        .into_iter()
                        .map(|(name, partition_index, _)| OffsetDeleteRequestTopic {
                            name,
                            partitions: vec![OffsetDeleteRequestPartition { partition_index }],
                        });
                GroupRequest::OffsetDelete(OffsetDeleteRequest {
                    group_id,
                    topics: topics.collect(),
                })
            }
            "deletes-group" => GroupRequest::DeleteGroups(vec![group_id]),
            "loses-topic" => {
                let partitions = options.partitions().into_iter();
                GroupRequest::PartitionsDeleted(partitions.map(|(topic, partition, _)| (topic, partition)).collect())
            }
            _ => panic!("what does it mean that somebody {verb}?"),
        }
    }

    /// `m1:A` is the assignment `A` of the client `m1`.
    fn assignments(&self, options: &Options<'_>) -> Vec<SyncGroupRequestAssignment> {
        let pairs = options.0.iter().filter_map(|word| word.split_once(':'));
        let known = pairs.filter_map(|(client, assignment)| Some((self.clients.get(client)?, assignment)));
        let rows = known.map(|((member_id, _), assignment)| SyncGroupRequestAssignment {
            member_id: member_id.clone(),
            assignment: Bytes::from(assignment.to_owned()),
            ..SyncGroupRequestAssignment::default()
        });
        rows.collect()
    }

    /// Appends what is to be appended, and commits it, until nothing is left to do.
    fn settle(&mut self) {
        if self.appends == Appends::Hold {
            return;
        }
        loop {
            let mut out = Vec::new();
            self.runtime.flush(self.now_ms, &mut out);
            let appended = out.iter().any(|effect| matches!(effect, Effect::Append(_)));
            self.carry_out(out);
            if !appended {
                return;
            }
            self.commit();
        }
    }

    fn commit(&mut self) {
        if self.appends == Appends::Commit {
            let mut out = Vec::new();
            self.high_watermark = self.log_end_offset;
            self.runtime
                .on_high_watermark(self.now_ms, self.high_watermark, &mut out);
            self.carry_out(out);
            let mut out = Vec::new();
            self.runtime.flush(self.now_ms, &mut out);
            if !out.is_empty() {
                self.carry_out(out);
                self.commit();
            }
        }
    }

    fn carry_out(&mut self, out: Outbox<Shard>) {
        for effect in out {
            match effect {
                Effect::Reply { to, result } => self.tell(&to, result),
                Effect::Tell(event) if self.with_events => self.told.push(event.to_string()),
                Effect::Tell(_) => {}
                Effect::Append(append) => self.append(append),
            }
        }
    }

    fn append(&mut self, append: Append) {
        let mut out = Vec::new();
        if self.appends == Appends::Lose {
            self.runtime
                .on_append_failed(self.now_ms, CoordinatorError::NotAvailable, &mut out);
            return self.carry_out(out);
        }
        let mut batch = BatchBuilder::new(Compression::None).base_offset(append.first_offset);
        for record in &append.records {
            batch
                .push(append.timestamp_ms, Some(&record.key), record.value.as_deref(), &[])
                .expect("no limit");
        }
        self.log.extend(batch.build());
        let last_offset = append.first_offset + append.records.len() as i64 - 1;
        self.log_end_offset = last_offset + 1;
        self.runtime.on_appended(append.first_offset, last_offset, &mut out);
        self.carry_out(out);
    }

    fn tell(&mut self, client: &str, result: Result<GroupReply, CoordinatorError>) {
        let told = match result {
            Err(error) => error.to_string(),
            Ok(GroupReply::JoinGroup(response)) => self.tell_join(client, response),
            Ok(GroupReply::SyncGroup(response)) => match response.error_code {
                ErrorCode::NONE => format!("assigned {}", text(&response.assignment)),
                error => error.name().to_owned(),
            },
            Ok(GroupReply::Heartbeat(result)) => result
                .err()
                .map_or("ok".to_owned(), |error| error.code().name().to_owned()),
            Ok(GroupReply::LeaveGroup(response)) => {
                let rows = response.members.iter().map(|row| {
                    let name = row.group_instance_id.clone().unwrap_or(row.member_id.clone());
                    format!("{name} {}", outcome(row.error_code))
                });
                match response.error_code {
                    ErrorCode::NONE => rows.collect::<Vec<_>>().join(", "),
                    error => error.name().to_owned(),
                }
            }
            Ok(GroupReply::OffsetCommit(Err(error)) | GroupReply::OffsetDelete(Err(error))) => {
                error.code().name().to_owned()
            }
            Ok(GroupReply::OffsetCommit(Ok(response))) => {
                let rows = response.topics.iter().flat_map(|topic| {
                    topic
                        .partitions
                        .iter()
                        .map(|row| format!("{}-{} {}", topic.name, row.partition_index, outcome(row.error_code)))
                });
                rows.collect::<Vec<_>>().join(", ")
            }
            Ok(GroupReply::OffsetDelete(Ok(response))) => {
                let rows = response.topics.iter().flat_map(|topic| {
                    topic
                        .partitions
                        .iter()
                        .map(|row| format!("{}-{} {}", topic.name, row.partition_index, outcome(row.error_code)))
                });
                rows.collect::<Vec<_>>().join(", ")
            }
            Ok(GroupReply::OffsetFetch(response)) => tell_offsets(&response),
            Ok(GroupReply::DeleteGroups(rows)) => rows
                .iter()
                .map(|row| outcome(row.error_code))
                .collect::<Vec<_>>()
                .join(", "),
            Ok(GroupReply::PartitionsDeleted) => "ok".to_owned(),
            Ok(GroupReply::DescribeGroups(rows)) => {
                let rows = rows.into_iter().map(|row| {
                    let members = row
                        .members
                        .iter()
                        .map(|member| format!(" {}={}", member.member_id, text(&member.member_assignment)));
                    let kind = [row.protocol_type.as_str(), row.protocol_data.as_str()].join(" ");
                    format!("{} {}{}", row.group_state, kind.trim(), members.collect::<String>())
                        .trim()
                        .to_owned()
                });
                rows.collect::<Vec<_>>().join(", ")
            }
            Ok(GroupReply::ListGroups(rows)) => {
                let rows = rows
                    .iter()
                    .map(|row| format!("{} {} {}", row.group_id, row.group_state, row.protocol_type));
                rows.map(|row| row.trim().to_owned()).collect::<Vec<_>>().join(", ")
            }
        };
        self.told.push(format!("{client}: {told}").trim_end().to_owned());
    }

    fn tell_join(&mut self, client: &str, response: JoinGroupResponse) -> String {
        let known = self.clients.entry(client.to_owned()).or_insert((String::new(), -1));
        match response.error_code {
            ErrorCode::NONE => {
                *known = (response.member_id.clone(), response.generation_id);
                let generation = response.generation_id;
                let protocol = response.protocol_name.unwrap_or_default();
                if response.leader != response.member_id {
                    return format!("generation {generation} {protocol} led by {}", response.leader);
                }
                let members: Vec<_> = response
                    .members
                    .iter()
                    .map(|member| member.member_id.as_str())
                    .collect();
                let skip = if response.skip_assignment {
                    " without assigning"
                } else {
                    ""
                };
                format!("generation {generation} {protocol} leads {}{skip}", members.join(","))
            }
            error => {
                if error == ErrorCode::MEMBER_ID_REQUIRED {
                    known.0 = response.member_id;
                }
                error.name().to_owned()
            }
        }
    }

    /// Clients' names in place of member ids. Ids no client knows any more lose their random part.
    fn named(&self, mut told: String) -> String {
        for (client, (member_id, _)) in &self.clients {
            if !member_id.is_empty() {
                told = told.replace(member_id, client);
            }
        }
        while let Some(at) = told.find("-0000000") {
            let end = (at + 37).min(told.len());
            told.replace_range(at..end, "-old");
        }
        told
    }
}

fn join(client: &str, member_id: String, options: &Options<'_>) -> GroupRequest {
    let topics: Vec<String> = options
        .get("topics")
        .unwrap_or("t")
        .split(',')
        .map(str::to_owned)
        .collect();
    let subscription = subscription(&topics);
    let names = options
        .get("protocols")
        .unwrap_or("range")
        .split(',')
        .filter(|name| *name != "none");
    let protocols = names.map(|name| JoinGroupRequestProtocol {
        name: name.to_owned(),
        metadata: subscription.clone(),
        ..JoinGroupRequestProtocol::default()
    });
    let session_timeout_ms = options.number("session").unwrap_or(10_000) as i32;
    GroupRequest::JoinGroup {
        client: Client {
            client_id: client.to_owned(),
            host: "/127.0.0.1".to_owned(),
        },
        request: JoinGroupRequest {
            group_id: options.group(),
            session_timeout_ms,
            rebalance_timeout_ms: options.number("rebalance").unwrap_or(60_000) as i32,
            member_id,
            group_instance_id: options.get("instance").map(str::to_owned),
            protocol_type: options.get("type").unwrap_or("consumer").to_owned(),
            protocols: protocols.collect(),
            reason: options.get("reason").map(str::to_owned),
            ..JoinGroupRequest::default()
        },
        options: JoinOptions {
            member_id_required: !options.has("v3"),
            can_skip_assignment: options.has("v9"),
        },
    }
}

fn subscription(topics: &[String]) -> Bytes {
    if topics == ["garbage"] {
        return Bytes::from_static(b"\0");
    }
    let mut writer = Writer::new();
    writer.i16(1);
    let subscription = ConsumerProtocolSubscription {
        topics: topics.to_vec(),
        ..ConsumerProtocolSubscription::default()
    };
    subscription.encode(&mut writer, 1).expect("version 1 holds it");
    writer.into_bytes()
}

fn commit(
    group_id: String,
    member_id: String,
    generation_id: i32,
    group_instance_id: Option<String>,
    options: &Options<'_>,
) -> GroupRequest {
    let topics = options
        .partitions()
        .into_iter()
        .map(|(name, partition_index, offset)| OffsetCommitRequestTopic {
            name,
            partitions: vec![OffsetCommitRequestPartition {
                partition_index,
                committed_offset: offset.parse().expect("an offset"),
                committed_leader_epoch: options.number("epoch").unwrap_or(-1) as i32,
                committed_metadata: options.get("metadata").map(str::to_owned),
                ..OffsetCommitRequestPartition::default()
            }],
            ..OffsetCommitRequestTopic::default()
        });
    GroupRequest::OffsetCommit {
        request: OffsetCommitRequest {
            group_id,
            generation_id_or_member_epoch: generation_id,
            member_id,
            group_instance_id,
            retention_time_ms: options.number("retention").unwrap_or(-1),
            topics: topics.collect(),
            ..OffsetCommitRequest::default()
        },
        unknown_group_is_illegal_generation: options.has("v8"),
    }
}

fn offset_fetch(options: &Options<'_>) -> OffsetFetchRequestGroup {
    let topics = options
        .partitions()
        .into_iter()
        .map(|(name, partition, _)| OffsetFetchRequestTopics {
            name,
            partition_indexes: vec![partition],
            ..OffsetFetchRequestTopics::default()
        });
    let topics: Vec<_> = topics.collect();
    OffsetFetchRequestGroup {
        group_id: options.group(),
        topics: (!topics.is_empty()).then_some(topics),
        ..OffsetFetchRequestGroup::default()
    }
}

fn tell_offsets(response: &OffsetFetchResponseGroup) -> String {
    let rows = response.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|row| {
            let mut told = format!("{}-{}={}", topic.name, row.partition_index, row.committed_offset);
            if row.committed_leader_epoch != -1 {
                told += &format!("@{}", row.committed_leader_epoch);
            }
            if let Some(metadata) = row.metadata.as_deref().filter(|metadata| !metadata.is_empty()) {
                told += &format!(" '{metadata}'");
            }
            if row.error_code.is_err() {
                told += &format!(" {}", row.error_code.name());
            }
            told
        })
    });
    rows.collect::<Vec<_>>().join(", ")
}

fn outcome(error: ErrorCode) -> &'static str {
    if error.is_none() { "ok" } else { error.name() }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
