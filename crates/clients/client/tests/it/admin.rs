//! The admin calls, against a node of ours or any Kafka.

use std::collections::BTreeSet;
use std::time::Duration;

use klamm_client::*;
use klamm_protocol::messages::ConsumerGroupHeartbeatRequest;

use crate::bed::{Bed, fresh, until};

/// The only answer, if it is no error.
fn only<K: std::fmt::Debug, T>(answers: Each<K, T>) -> T {
    assert_eq!(answers.len(), 1);
    let (key, answer) = answers.into_iter().next().expect("one answer");
    answer.unwrap_or_else(|error| panic!("{key:?}: {error}"))
}

/// The code in the only answer.
fn code<K, T>(answers: &Each<K, T>) -> Option<ErrorCode> {
    assert_eq!(answers.len(), 1);
    answers[0].1.as_ref().err().and_then(Error::code)
}

/// A new topic that the broker has heard of.
async fn topic(admin: &Admin, partitions: i32) -> String {
    let name = fresh("topic");
    only(
        admin
            .create_topics(&[NewTopic::new(&name).partitions(partitions)], false)
            .await
            .expect("answered"),
    );
    heard_of(admin, &name).await;
    name
}

/// Waits until the broker has heard of a topic from the controller.
async fn heard_of(admin: &Admin, name: &str) {
    let hearing = async {
        while code(&admin.describe_topics(&[name.into()]).await.expect("answered")).is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), hearing)
        .await
        .expect("heard of in time");
}

/// Waits until the broker has heard from the controller that a topic's config has, or no longer has, this value.
pub(crate) async fn config_is(admin: &Admin, topic: &str, name: &str, value: &str, has: bool) -> ConfigEntry {
    let asked = [ConfigResource::topic(topic)];
    let hearing = async {
        loop {
            let answers = admin.describe_configs(&asked, DescribeConfigs::default()).await;
            let entries = only(answers.expect("answered"));
            let mut entries = entries.into_iter();
            let entry = entries.find(|entry| entry.name == name).expect("a topic has it");
            if (entry.value.as_deref() == Some(value)) == has {
                return entry;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), hearing)
        .await
        .expect("heard of in time")
}

#[tokio::test]
async fn topics_are_made_listed_described_and_deleted() {
    let bed = Bed::start().await;
    let admin = bed.client().await.admin();
    let name = fresh("orders");
    let new = NewTopic::new(&name)
        .partitions(3)
        .replication_factor(1)
        .config("retention.ms", "60000");
    only(
        admin
            .create_topics(std::slice::from_ref(&new), true)
            .await
            .expect("answered"),
    );
    assert!(
        !admin
            .list_topics()
            .await
            .expect("answered")
            .iter()
            .any(|topic| topic.name == name)
    );

    let created = only(
        admin
            .create_topics(std::slice::from_ref(&new), false)
            .await
            .expect("answered"),
    );
    assert_eq!((created.partitions, created.replication_factor), (3, 1));
    heard_of(&admin, &name).await;
    let again = admin.create_topics(&[new], false).await.expect("answered");
    assert_eq!(code(&again), Some(ErrorCode::TOPIC_ALREADY_EXISTS));

    let listed = admin.list_topics().await.expect("answered");
    let listed = listed.iter().find(|topic| topic.name == name).expect("listed");
    assert_eq!((listed.id, listed.is_internal), (created.id, false));

    let missing = fresh("missing");
    let asked = [
        TopicRef::from(name.as_str()),
        TopicRef::from(created.id),
        TopicRef::from(missing.as_str()),
    ];
    let described = admin.describe_topics(&asked).await.expect("answered");
    let by_name = described[0].1.as_ref().expect("described");
    let by_id = described[1].1.as_ref().expect("described");
    assert_eq!((&by_name.name, by_name.id), (&name, created.id));
    assert_eq!((&by_id.name, by_id.partitions.len()), (&name, 3));
    let first = &by_name.partitions[0];
    assert_eq!(
        (first.index, first.leader, &first.replicas, &first.isr),
        (0, Some(first.replicas[0]), &first.isr, &first.isr)
    );
    let error = described[2].1.as_ref().expect_err("there is no such topic");
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));

    only(
        admin
            .delete_topics(&[TopicRef::from(created.id)])
            .await
            .expect("answered"),
    );
    let gone = admin
        .delete_topics(&[TopicRef::from(name.as_str())])
        .await
        .expect("answered");
    assert_eq!(code(&gone), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let unknown = admin
        .delete_topics(&[TopicRef::from(Uuid::from_u128(77))])
        .await
        .expect("answered");
    assert_eq!(code(&unknown), Some(ErrorCode::UNKNOWN_TOPIC_ID));
}

#[tokio::test]
async fn what_is_wrong_with_a_new_topic_is_told() {
    let bed = Bed::start().await;
    let admin = bed.client().await.admin();
    let wrong = [
        (NewTopic::new("no spaces"), ErrorCode::INVALID_TOPIC_EXCEPTION),
        (
            NewTopic::new(fresh("none")).partitions(0),
            ErrorCode::INVALID_PARTITIONS,
        ),
        (
            NewTopic::new(fresh("many")).replication_factor(99),
            ErrorCode::INVALID_REPLICATION_FACTOR,
        ),
        (
            NewTopic::new(fresh("placed")).replicas([vec![77]]),
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
        ),
        (
            NewTopic::new(fresh("config")).config("retention.ms", "never"),
            ErrorCode::INVALID_CONFIG,
        ),
    ];
    let topics: Vec<_> = wrong.iter().map(|(topic, _)| topic.clone()).collect();
    let answers = admin.create_topics(&topics, false).await.expect("answered");
    for ((name, answer), (topic, expected)) in answers.iter().zip(&wrong) {
        assert_eq!(name, &topic.name);
        let error = answer.as_ref().expect_err("refused");
        assert_eq!(error.code(), Some(*expected), "{error}");
        assert!(!error.to_string().is_empty());
    }
}

#[tokio::test]
async fn many_partitions_come_in_pages() {
    let bed = Bed::start().await;
    let admin = bed.client().await.admin();
    let (large, small) = (fresh("a-large"), fresh("b-small"));
    let new = [
        NewTopic::new(&large).partitions(21),
        NewTopic::new(&small).partitions(2),
    ];
    for (name, created) in admin.create_topics(&new, false).await.expect("answered") {
        created.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    heard_of(&admin, &large).await;
    heard_of(&admin, &small).await;
    let asked = [TopicRef::from(small.as_str()), TopicRef::from(large.as_str())];
    // The first page ends with the topic of the first name, or within it, or has both.
    for partitions in [1, 10, 21, 22, 2000] {
        let described = admin.describe_topics_by(partitions, &asked).await.expect("answered");
        let indexes = |place: usize| {
            let topic = described[place].1.as_ref().expect("described");
            topic
                .partitions
                .iter()
                .map(|partition| partition.index)
                .collect::<Vec<_>>()
        };
        assert_eq!(indexes(0), [0, 1]);
        assert_eq!(indexes(1), (0..21).collect::<Vec<_>>());
    }
    admin.delete_topics(&asked).await.expect("answered");
}

#[tokio::test]
async fn partitions_are_added() {
    let bed = Bed::start().await;
    let admin = bed.client().await.admin();
    let name = topic(&admin, 1).await;
    only(
        admin
            .create_partitions(&[NewPartitions::increase_to(&name, 3)], false)
            .await
            .expect("answered"),
    );
    let fewer = admin
        .create_partitions(&[NewPartitions::increase_to(&name, 2)], false)
        .await
        .expect("answered");
    assert_eq!(code(&fewer), Some(ErrorCode::INVALID_PARTITIONS));
    let missing = NewPartitions::increase_to(fresh("missing"), 2);
    let missing = admin.create_partitions(&[missing], false).await.expect("answered");
    assert_eq!(code(&missing), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
}

#[tokio::test]
async fn configs_are_described_and_changed() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    let (admin, broker) = (
        client.admin(),
        *client.known_metadata().brokers().keys().next().expect("a broker"),
    );
    let name = topic(&admin, 1).await;
    let resource = ConfigResource::topic(&name);
    let changes = vec![
        AlterConfig::set("retention.ms", "60000"),
        AlterConfig::append("cleanup.policy", "compact"),
    ];
    only(
        admin
            .incremental_alter_configs(&[(resource.clone(), changes)], false)
            .await
            .expect("answered"),
    );

    config_is(&admin, &name, "retention.ms", "60000", true).await;
    let options = DescribeConfigs::default().with_synonyms().with_documentation();
    let asked = [
        resource.clone(),
        ConfigResource::broker(broker),
        ConfigResource::topic(fresh("missing")),
    ];
    let described = admin.describe_configs(&asked, options).await.expect("answered");
    assert_eq!(
        described.iter().map(|(resource, _)| resource).collect::<Vec<_>>(),
        asked.iter().collect::<Vec<_>>()
    );
    let entries = described[0].1.as_ref().expect("described");
    let entry = |name: &str| entries.iter().find(|entry| entry.name == name).expect("a topic has it");
    let retention = entry("retention.ms");
    assert_eq!(
        (retention.value.as_deref(), retention.source),
        (Some("60000"), ConfigSource::DynamicTopic)
    );
    assert_eq!((retention.kind, retention.is_default()), (ConfigType::Long, false));
    assert_eq!(retention.synonyms[0].source, ConfigSource::DynamicTopic);
    assert!(retention.documentation.is_some());
    assert_eq!(entry("cleanup.policy").value.as_deref(), Some("delete,compact"));
    let broker = described[1].1.as_ref().expect("described");
    assert!(
        broker
            .iter()
            .any(|entry| entry.name == "log.dirs" && entry.source == ConfigSource::StaticBroker)
    );
    let error = described[2].1.as_ref().expect_err("there is no such topic");
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));

    let changes = vec![
        AlterConfig::delete("retention.ms"),
        AlterConfig::subtract("cleanup.policy", "compact"),
    ];
    only(
        admin
            .incremental_alter_configs(&[(resource.clone(), changes)], false)
            .await
            .expect("answered"),
    );
    let retention = config_is(&admin, &name, "retention.ms", "60000", false).await;
    assert!(retention.synonyms.is_empty() && retention.documentation.is_none());

    let wrong = vec![AlterConfig::set("retention.ms", "never")];
    let refused = admin
        .incremental_alter_configs(&[(resource, wrong)], true)
        .await
        .expect("answered");
    assert_eq!(code(&refused), Some(ErrorCode::INVALID_CONFIG));
}

#[tokio::test]
async fn configs_are_replaced() {
    let bed = Bed::start().await;
    let admin = bed.client().await.admin();
    let name = topic(&admin, 1).await;
    let resource = ConfigResource::topic(&name);
    let configs = vec![("segment.bytes".to_owned(), "2000000".to_owned())];
    only(
        admin
            .alter_configs(&[(resource.clone(), configs)], false)
            .await
            .expect("answered"),
    );
    config_is(&admin, &name, "segment.bytes", "2000000", true).await;
    let listed = admin
        .list_config_resources(&[ConfigResourceKind::Topic])
        .await
        .expect("answered");
    assert!(listed.contains(&resource));
}

#[tokio::test]
async fn offsets_are_listed_and_records_deleted() {
    let bed = Bed::start().await;
    let admin = bed.client().await.admin();
    let name = topic(&admin, 2).await;
    let partition = |index| TopicPartition::new(name.as_str(), index);
    let asked = [(partition(1), OffsetSpec::Latest), (partition(0), OffsetSpec::Earliest)];
    let listed = admin
        .list_offsets(&asked, IsolationLevel::ReadCommitted)
        .await
        .expect("answered");
    assert_eq!(
        listed
            .iter()
            .map(|(partition, _)| partition.partition)
            .collect::<Vec<_>>(),
        [1, 0]
    );
    assert!(
        listed
            .iter()
            .all(|(_, listed)| listed.as_ref().is_ok_and(|listed| listed.offset == Some(0))),
        "{listed:?}"
    );
    let by_time = [
        (partition(0), OffsetSpec::Timestamp(0)),
        (partition(1), OffsetSpec::MaxTimestamp),
    ];
    let listed = admin
        .list_offsets(&by_time, IsolationLevel::ReadUncommitted)
        .await
        .expect("answered");
    assert!(
        listed
            .iter()
            .all(|(_, listed)| listed.as_ref().is_ok_and(|listed| listed.offset.is_none())),
        "{listed:?}"
    );

    let missing = TopicPartition::new(fresh("missing"), 0);
    let asked = [(missing, OffsetSpec::Latest)];
    let listed = admin
        .list_offsets(&asked, IsolationLevel::ReadUncommitted)
        .await
        .expect("answered");
    assert_eq!(code(&listed), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));

    assert_eq!(
        only(admin.delete_records(&[(partition(0), -1)]).await.expect("answered")),
        0
    );
    let beyond = admin.delete_records(&[(partition(0), 10)]).await.expect("answered");
    assert_eq!(code(&beyond), Some(ErrorCode::OFFSET_OUT_OF_RANGE));
    assert_eq!(
        only(admin.describe_producers(&[partition(0)]).await.expect("answered")),
        []
    );
}

#[tokio::test]
async fn groups_have_offsets_that_can_be_changed() {
    let bed = Bed::start().await;
    let admin = bed.client().await.admin();
    let (name, group) = (topic(&admin, 2).await, fresh("group"));
    let partition = |index| TopicPartition::new(name.as_str(), index);
    let committed = CommittedOffset {
        offset: 7,
        leader_epoch: Some(0),
        metadata: "by hand".to_owned(),
    };
    let offsets = [
        (partition(0), committed.clone()),
        (partition(1), CommittedOffset::new(3)),
    ];
    let answers = admin.alter_group_offsets(&group, &offsets).await.expect("answered");
    assert!(answers.iter().all(|(_, answer)| answer.is_ok()), "{answers:?}");

    let all = only(
        admin
            .list_group_offsets(&[GroupOffsets::of(&group)], true)
            .await
            .expect("answered"),
    );
    let all: Vec<_> = all
        .into_iter()
        .map(|(partition, offset)| (partition, offset.expect("committed")))
        .collect();
    assert_eq!(all.len(), 2);
    assert!(all.contains(&(partition(0), Some(committed))));
    let some = GroupOffsets {
        group_id: group.clone(),
        partitions: Some(vec![partition(1), TopicPartition::new(name.as_str(), 9)]),
    };
    let some = only(admin.list_group_offsets(&[some], false).await.expect("answered"));
    assert_eq!(some[0].1.as_ref().expect("committed"), &Some(CommittedOffset::new(3)));
    assert_eq!(some[1].1.as_ref().expect("no error"), &None);

    let listed = admin.list_groups(&ListGroups::default()).await.expect("answered");
    let own = listed
        .groups
        .iter()
        .find(|listing| listing.group_id == group)
        .expect("listed");
    assert_eq!(
        (own.state, own.group_type, own.is_simple()),
        (Some(GroupState::Empty), Some(GroupType::Classic), true)
    );
    let stable = ListGroups::default().in_states([GroupState::Stable]);
    let listed = admin.list_groups(&stable).await.expect("answered");
    assert!(!listed.groups.iter().any(|listing| listing.group_id == group));
    let classic = ListGroups::default().of_types([GroupType::Classic]);
    let listed = admin.list_groups(&classic).await.expect("answered");
    assert!(listed.groups.iter().any(|listing| listing.group_id == group));

    let answers = admin
        .delete_group_offsets(&group, &[partition(0)])
        .await
        .expect("answered");
    assert!(answers[0].1.is_ok());
    let left = only(
        admin
            .list_group_offsets(&[GroupOffsets::of(&group)], false)
            .await
            .expect("answered"),
    );
    assert_eq!(
        left.into_iter()
            .map(|(partition, _)| partition.partition)
            .collect::<Vec<_>>(),
        [1]
    );

    let missing = fresh("missing");
    let asked = [group.clone(), missing.clone()];
    let described = admin.describe_groups(&asked).await.expect("answered");
    let own = described[0].1.as_ref().expect("described");
    assert_eq!(
        (own.state, own.group_type, own.members.len()),
        (GroupState::Empty, GroupType::Classic, 0)
    );
    let error = described[1].1.as_ref().expect_err("there is no such group");
    assert_eq!(error.code(), Some(ErrorCode::GROUP_ID_NOT_FOUND));

    let deleted = admin.delete_groups(&asked).await.expect("answered");
    assert!(deleted[0].1.is_ok());
    assert_eq!(
        deleted[1].1.as_ref().expect_err("no such group").code(),
        Some(ErrorCode::GROUP_ID_NOT_FOUND)
    );
    let offsets = [partition(0)];
    let error = admin
        .delete_group_offsets(&missing, &offsets)
        .await
        .expect_err("no such group");
    assert_eq!(error.code(), Some(ErrorCode::GROUP_ID_NOT_FOUND));
}

#[tokio::test]
async fn members_are_removed() {
    let bed = Bed::start().await;
    let admin = bed.client().await.admin();
    let members = [
        MemberToRemove::Instance("nobody".to_owned()),
        MemberToRemove::Member("no-one".to_owned()),
    ];
    match admin.remove_group_members(&fresh("missing"), &members, "test").await {
        Ok(answers) => {
            let codes: BTreeSet<_> = answers
                .iter()
                .filter_map(|(_, answer)| answer.as_ref().err()?.code())
                .collect();
            assert_eq!(codes, BTreeSet::from([ErrorCode::UNKNOWN_MEMBER_ID]), "{answers:?}");
        }
        Err(error) => assert_eq!(error.code(), Some(ErrorCode::GROUP_ID_NOT_FOUND)),
    }
}

#[tokio::test]
async fn the_cluster_is_described() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    let admin = client.admin();
    let cluster = admin.describe_cluster(false).await.expect("answered");
    let known = client.known_metadata();
    assert_eq!(Some(cluster.cluster_id.as_str()), known.cluster_id());
    assert_eq!(
        cluster.nodes.keys().collect::<Vec<_>>(),
        known.brokers().keys().collect::<Vec<_>>()
    );
    assert!(cluster.controller.is_some());
    let fenced = admin.describe_cluster(true).await.expect("answered");
    assert!(fenced.nodes.values().all(|node| !node.is_fenced));

    let features = admin.describe_features(None).await.expect("answered");
    assert!(features.finalized["metadata.version"].max > 0 && features.finalized_epoch.is_some());
    assert!(features.supported["metadata.version"].max >= features.finalized["metadata.version"].max);

    let quorum = admin.describe_quorum().await.expect("answered");
    assert!(quorum.voters.iter().any(|voter| voter.replica_id == quorum.leader_id));
    assert!(quorum.high_watermark > 0);

    let error = admin.unregister_broker(77).await.expect_err("there is no such broker");
    assert_eq!(error.code(), Some(ErrorCode::BROKER_ID_NOT_REGISTERED));
}

#[tokio::test]
async fn features_are_changed_or_refused() {
    let bed = Bed::start().await;
    let admin = bed.client().await.admin();
    let update = FeatureUpdate {
        name: "metadata.version".to_owned(),
        max_version_level: 9999,
        upgrade: FeatureUpgrade::Upgrade,
    };
    let error = admin
        .update_features(&[update], true)
        .await
        .expect_err("there is no such level");
    assert_eq!(error.code(), Some(ErrorCode::INVALID_UPDATE_VERSION), "{error}");
}

#[tokio::test]
async fn log_directories_are_described() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    let (admin, broker) = (
        client.admin(),
        *client.known_metadata().brokers().keys().next().expect("a broker"),
    );
    let name = topic(&admin, 2).await;
    let own = [TopicPartition::new(name.as_str(), 1)];
    // A broker makes the logs of a new topic a moment after the controller has answered.
    until("the log is there", async || {
        let dirs = only(admin.describe_log_dirs(&[broker], Some(&own)).await.expect("answered"));
        let replicas: Vec<_> = dirs.iter().flat_map(|dir| dir.replicas.keys()).collect();
        replicas == [&own[0]]
    })
    .await;
    let all = only(admin.describe_log_dirs(&[broker], None).await.expect("answered"));
    assert!(all.iter().all(|dir| dir.error.is_none() && dir.total_bytes.is_some()));
    assert!(all.iter().flat_map(|dir| dir.replicas.keys()).count() >= 2);
}

#[tokio::test]
async fn what_a_broker_does_not_offer_is_said_clearly() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    let (admin, broker) = (
        client.admin(),
        *client.known_metadata().brokers().keys().next().expect("a broker"),
    );
    let name = topic(&admin, 1).await;
    let partition = TopicPartition::new(name.as_str(), 0);
    let moving = [(broker, partition.clone(), "/no/such/directory".to_owned())];
    let moved = admin.alter_replica_log_dirs(&moving).await.expect("answered");
    let elected = admin
        .elect_leaders(ElectionType::Preferred, Some(std::slice::from_ref(&partition)))
        .await;
    let listed = admin.list_partition_reassignments(None).await;
    let altered = admin.alter_partition_reassignments(&[(partition, None)]).await;
    told_or_unsupported(moved[0].1.clone().err(), ErrorCode::LOG_DIR_NOT_FOUND);
    let elected = elected.map_or_else(Some, |answers| answers[0].1.clone().err());
    told_or_unsupported(elected, ErrorCode::ELECTION_NOT_NEEDED);
    let altered = altered.map_or_else(Some, |answers| answers[0].1.clone().err());
    told_or_unsupported(altered, ErrorCode::NO_REASSIGNMENT_IN_PROGRESS);
    match listed {
        Ok(listed) => assert!(listed.is_empty()),
        Err(error) => told_or_unsupported(Some(error), ErrorCode::NONE),
    }
}

/// Kafka's answer, or the clear word of a broker that does not offer the API yet.
fn told_or_unsupported(error: Option<Error>, expected: ErrorCode) {
    match error.expect("there is nothing to do") {
        error @ Error::Unsupported { .. } => {
            assert!(error.to_string().ends_with("the broker does not offer it"), "{error}");
        }
        error => assert_eq!(error.code(), Some(expected), "{error}"),
    }
}

#[tokio::test]
async fn groups_that_the_coordinator_runs_are_described() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    let admin = client.admin();
    let (name, group) = (topic(&admin, 2).await, fresh("group"));
    let coordinator = client
        .coordinator(CoordinatorKind::Group, &group)
        .await
        .expect("there is one");
    let joining = ConsumerGroupHeartbeatRequest {
        group_id: group.clone(),
        member_id: Uuid::from_u128(u128::MAX / 3).to_string(),
        rebalance_timeout_ms: 60_000,
        subscribed_topic_names: Some(vec![name.clone()]),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    };
    let mut epoch = None;
    // A coordinator is named before it has read its part of the offsets topic.
    until("the member joins", async || {
        let joined = match client.call_broker(coordinator, &joining).await {
            // Not every broker runs groups (KIP-848).
            Err(Error::Unsupported { .. }) => return true,
            joined => joined.expect("answered"),
        };
        epoch = joined.error_code.is_none().then_some(joined.member_epoch);
        epoch.is_some()
    })
    .await;
    if epoch.is_none() {
        return;
    }
    let described = only(
        admin
            .describe_groups(std::slice::from_ref(&group))
            .await
            .expect("answered"),
    );
    assert_eq!(
        (described.group_type, described.protocol_type.as_str()),
        (GroupType::Consumer, "consumer")
    );
    assert!(described.epochs.is_some_and(|(group_epoch, _)| group_epoch > 0));
    let member = &described.members[0];
    assert_eq!((&member.member_id, member.member_epoch), (&joining.member_id, epoch));
    assert!(member.target_assignment.is_some());
    let filter = ListGroups::default().of_types([GroupType::Consumer]);
    let listed = admin.list_groups(&filter).await.expect("answered");
    assert!(
        listed
            .groups
            .iter()
            .any(|listing| listing.group_id == group && !listing.is_simple())
    );
}
