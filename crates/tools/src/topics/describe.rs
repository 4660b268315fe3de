//! Describing: a line for each topic and one for each of its partitions.

use std::collections::{BTreeMap, BTreeSet};

use klamm_client::{
    Admin, ConfigEntry, ConfigResource, DescribeConfigs, Error, ErrorCode, PartitionDescription, PartitionReassignment,
    TopicDescription, TopicPartition, TopicRef, Uuid,
};
use serde_json::{Value, json};

use super::{chosen, exists, failed, told};
use crate::call::{Call, Outcome};
use crate::output::{Failure, hash_map_order};
use crate::spec::Matches;

/// As Kafka's tool asks.
const PARTITIONS_AT_ONCE: i32 = 2000;

/// What there is to say of one topic.
struct Topic {
    description: TopicDescription,
    configs: Vec<ConfigEntry>,
    moving: BTreeMap<i32, PartitionReassignment>,
}

pub(super) async fn run(call: &mut Call, admin: &Admin) -> Outcome {
    let args = &call.args;
    let asked = asked(args, admin).await?;
    if asked.is_empty() {
        return Ok(());
    }
    let mut descriptions = Vec::new();
    let at_once = args.int("partition-size-limit-per-response");
    let answers = admin.describe_topics_by(at_once.unwrap_or(PARTITIONS_AT_ONCE), &asked);
    for (_, outcome) in answers.await.map_err(failed("describeTopics"))? {
        descriptions.push(outcome.map_err(failed("describeTopics"))?);
    }
    descriptions.sort_by(|one, other| one.name.cmp(&other.name));
    let live = admin.describe_cluster(false).await.map_err(failed("listNodes"))?;
    let live: BTreeSet<i32> = live.nodes.into_keys().collect();
    let mut configs = configs(admin, &descriptions).await?;
    let mut moving = moving(admin, &descriptions).await?;
    let view = View::of(args, live);
    for description in descriptions {
        let topic = Topic {
            configs: configs.remove(&description.name).unwrap_or_default(),
            moving: moving.remove(&description.name).unwrap_or_default(),
            description,
        };
        view.print(call, &topic)?;
    }
    Ok(())
}

/// The topics that the command line means. An id counts for more than a name.
async fn asked(args: &Matches, admin: &Admin) -> Result<Vec<TopicRef>, Failure> {
    let id = args.get("topic-id").map(|text| {
        let id: Result<Uuid, _> = text.parse();
        id.map_err(|_| told(not_an_id(text)))
    });
    match id.transpose()?.filter(|id| *id != Uuid::ZERO) {
        None => {
            let names = chosen(args, admin).await?;
            exists(args, &names)?;
            Ok(names.iter().map(|name| TopicRef::from(&**name)).collect())
        }
        Some(id) => {
            let listings = admin.list_topics().await.map_err(failed("listTopics"))?;
            let hide = args.has("exclude-internal");
            let found = listings
                .iter()
                .any(|listing| listing.id == id && !(hide && listing.is_internal));
            match found {
                true => Ok(vec![TopicRef::from(id)]),
                false if args.has("if-exists") => Ok(Vec::new()),
                false => Err(told(format_args!("TopicId '{id}' does not exist as expected"))),
            }
        }
    }
}

/// Java's words.
fn not_an_id(text: &str) -> String {
    if text.len() > 24 {
        let prefix: String = text.chars().take(24).collect();
        return format!("Input string with prefix `{prefix}` is too long to be decoded as a base64 UUID");
    }
    format!(
        "Input string `{text}` decoded as {} bytes, which is not equal to the expected 16 bytes of a base64-encoded UUID",
        text.len() * 6 / 8
    )
}

/// One topic that was listed a moment ago.
pub(super) async fn one(admin: &Admin, name: &str) -> Result<(TopicRef, TopicDescription), Error> {
    let answers = admin.describe_topics(&[TopicRef::from(name)]).await?;
    match answers.into_iter().next() {
        Some((topic, outcome)) => Ok((topic, outcome?)),
        None => Err(Error::Broker {
            code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            message: None,
        }),
    }
}

async fn configs(admin: &Admin, topics: &[TopicDescription]) -> Result<BTreeMap<String, Vec<ConfigEntry>>, Failure> {
    let resources: Vec<ConfigResource> = topics.iter().map(|topic| ConfigResource::topic(&*topic.name)).collect();
    let failed = failed("describeConfigs");
    let answers = admin
        .describe_configs(&resources, DescribeConfigs::default())
        .await
        .map_err(failed)?;
    let mut configs = BTreeMap::new();
    for (resource, outcome) in answers {
        // Kafka's tool keeps them in a `HashMap`.
        let entries = hash_map_order(outcome.map_err(failed)?, |entry| &entry.name);
        configs.insert(resource.name, entries);
    }
    Ok(configs)
}

type Moving = BTreeMap<String, BTreeMap<i32, PartitionReassignment>>;

/// Partitions that are on their way to other brokers. A cluster that can't tell has none.
async fn moving(admin: &Admin, topics: &[TopicDescription]) -> Result<Moving, Failure> {
    let of = |topic: &TopicDescription| {
        let name = topic.name.clone();
        let numbers: Vec<i32> = topic.partitions.iter().map(|partition| partition.index).collect();
        numbers
            .into_iter()
            .map(move |number| TopicPartition::new(&*name, number))
    };
    let partitions: Vec<TopicPartition> = topics.iter().flat_map(of).collect();
    let found = match admin.list_partition_reassignments(Some(&partitions)).await {
        Ok(found) => found,
        Err(Error::Unsupported { .. }) => return Ok(Moving::new()),
        Err(error) if error.code() == Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED) => return Ok(Moving::new()),
        Err(error) => return Err(failed("listPartitionReassignments")(error)),
    };
    let mut moving = Moving::new();
    for (partition, reassignment) in found {
        let topic = moving.entry(partition.topic.to_string()).or_default();
        topic.insert(partition.partition, reassignment);
    }
    Ok(moving)
}

/// Which lines are wanted.
struct View {
    live: BTreeSet<i32>,
    only_overrides: bool,
    under_replicated: bool,
    under_min_isr: bool,
    at_min_isr: bool,
    unavailable: bool,
}

impl View {
    fn of(args: &Matches, live: BTreeSet<i32>) -> View {
        View {
            live,
            only_overrides: args.has("topics-with-overrides"),
            under_replicated: args.has("under-replicated-partitions"),
            under_min_isr: args.has("under-min-isr-partitions"),
            at_min_isr: args.has("at-min-isr-partitions"),
            unavailable: args.has("unavailable-partitions"),
        }
    }

    /// Whether only some partitions are wanted.
    fn is_report(&self) -> bool {
        self.under_replicated || self.under_min_isr || self.at_min_isr || self.unavailable
    }

    fn wants(&self, topic: &Topic, partition: &PartitionDescription) -> bool {
        if !self.is_report() {
            return true;
        }
        let in_sync = partition.isr.len();
        let least = topic.min_insync_replicas();
        let lives = partition.leader.is_some_and(|leader| self.live.contains(&leader));
        (self.under_replicated && topic.replication_factor(partition) > in_sync)
            || (self.under_min_isr && (partition.leader.is_none() || in_sync < least))
            || (self.at_min_isr && in_sync == least)
            || (self.unavailable && !lives)
    }

    fn print(&self, call: &mut Call, topic: &Topic) -> Outcome {
        if self.only_overrides && topic.overrides().next().is_none() {
            return Ok(());
        }
        let partitions = topic.description.partitions.iter();
        let partitions: Vec<_> = partitions.filter(|partition| self.wants(topic, partition)).collect();
        if call.out.is_json() {
            return match self.is_report() && partitions.is_empty() {
                true => Ok(()),
                false => call.out.json(&topic.json(&partitions)),
            };
        }
        if !self.is_report() {
            call.out.line(topic.line())?;
        }
        if !self.only_overrides {
            for partition in partitions {
                call.out.line(topic.partition_line(partition))?;
            }
        }
        Ok(())
    }
}

impl Topic {
    fn overrides(&self) -> impl Iterator<Item = &ConfigEntry> {
        self.configs.iter().filter(|entry| !entry.is_default())
    }

    fn min_insync_replicas(&self) -> usize {
        let entry = self.configs.iter().find(|entry| entry.name == "min.insync.replicas");
        entry.and_then(|entry| entry.value.as_ref()?.parse().ok()).unwrap_or(1)
    }

    /// Replicas that are still to come don't count.
    fn replication_factor(&self, partition: &PartitionDescription) -> usize {
        let moving = self.moving.get(&partition.index).filter(|moving| {
            let mut changing = moving.adding_replicas.iter().chain(&moving.removing_replicas);
            changing.any(|id| partition.replicas.contains(id))
        });
        match moving {
            Some(moving) => moving.replicas.len().saturating_sub(moving.adding_replicas.len()),
            None => partition.replicas.len(),
        }
    }

    fn line(&self) -> String {
        let TopicDescription {
            name, id, partitions, ..
        } = &self.description;
        let factor = partitions.first().map_or(0, |first| self.replication_factor(first));
        let configs: Vec<String> = self.overrides().map(setting).collect();
        let id = match *id == Uuid::ZERO {
            true => String::new(),
            false => format!("\tTopicId: {id}"),
        };
        format!(
            "Topic: {name}{id}\tPartitionCount: {}\tReplicationFactor: {factor}\tConfigs: {}",
            partitions.len(),
            configs.join(",")
        )
    }

    fn partition_line(&self, partition: &PartitionDescription) -> String {
        let leader = partition.leader.map_or("none".to_owned(), |leader| leader.to_string());
        let moving = self.moving.get(&partition.index).map_or(String::new(), |moving| {
            format!(
                "\tAdding Replicas: {}\tRemoving Replicas: {}",
                ids(&moving.adding_replicas),
                ids(&moving.removing_replicas)
            )
        });
        let known = |list: &Option<Vec<i32>>| list.as_ref().map_or("N/A".to_owned(), |list| ids(list));
        format!(
            "\tTopic: {}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}{moving}\tElr: {}\tLastKnownElr: {}",
            self.description.name,
            partition.index,
            ids(&partition.replicas),
            ids(&partition.isr),
            known(&partition.eligible_leader_replicas),
            known(&partition.last_known_elr),
        )
    }

    fn json(&self, partitions: &[&PartitionDescription]) -> Value {
        let configs: BTreeMap<&str, Option<&str>> = self
            .overrides()
            .map(|entry| (&*entry.name, entry.value.as_deref()))
            .collect();
        let partition = |partition: &&PartitionDescription| {
            json!({
                "partition": partition.index,
                "leader": partition.leader,
                "replicas": partition.replicas,
                "isr": partition.isr,
                "elr": partition.eligible_leader_replicas,
                "lastKnownElr": partition.last_known_elr,
            })
        };
        let described = &self.description;
        json!({
            "topic": described.name,
            "topicId": described.id.to_string(),
            "partitionCount": described.partitions.len(),
            "replicationFactor": described.partitions.first().map_or(0, |first| self.replication_factor(first)),
            "configs": configs,
            "partitions": partitions.iter().map(partition).collect::<Vec<_>>(),
        })
    }
}

fn setting(entry: &ConfigEntry) -> String {
    format!("{}={}", entry.name, entry.value.as_deref().unwrap_or("null"))
}

fn ids(ids: &[i32]) -> String {
    ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
}
