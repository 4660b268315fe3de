//! What befalls a member of a group between two of its generations.

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::{JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest, SyncGroupRequest};
use klamm_testkit::{Fault, Proxy};

use super::*;

const COOPERATIVE: (&str, &str) = ("partition.assignment.strategy", "cooperative-sticky");
const BY_HAND: (&str, &str) = ("enable.auto.commit", "false");

async fn member_behind(proxy: &Proxy, group: &str, topic: &str, properties: &[(&str, &str)]) -> Consumer {
    let mut builder = Consumer::builder(proxy.bootstrap())
        .group(group)
        .subscribe([topic])
        .property("auto.offset.reset", "earliest")
        .property("heartbeat.interval.ms", "100");
    for (key, value) in properties {
        builder = builder.property(*key, *value);
    }
    builder.build().await.unwrap()
}

#[tokio::test]
async fn a_topic_that_is_made_later_is_read_soon() {
    let bed = Bed::start().await;
    let (topic, group) = (fresh("later"), fresh("group"));
    let settings = [("allow.auto.create.topics", "false")];
    let consumer = member(&bed, &group, &topic, &settings).await;
    until("it has joined", async || {
        assert!(consumer.poll(Duration::from_millis(20)).await.unwrap().is_empty());
        consumer.group_member().is_some()
    })
    .await;
    let client = bed.client().await;
    let topics = [NewTopic::new(&topic).partitions(1).replication_factor(1)];
    client.admin().create_topics(&topics, false).await.unwrap();
    fill(&bed, &topic, 1, 0, 5).await;
    assert_eq!(read(&consumer, 5).await, [0, 1, 2, 3, 4]);
}

/// Until something is committed again, and then in one and the same generation.
async fn settles(consumer: &Consumer) {
    until("it can commit again", async || {
        consumer.poll(Duration::from_millis(20)).await.unwrap();
        consumer.commit().await.is_ok()
    })
    .await;
    let before = consumer.group_member();
    consumer.poll(Duration::from_millis(500)).await.unwrap();
    assert_eq!(consumer.group_member(), before, "one rebalance brings another");
}

#[tokio::test]
async fn no_commit_waits_for_a_rebalance_or_makes_another() {
    let mut bed = Bed::start().await;
    let (topic, group) = (topic(&bed, "joining", 1).await, fresh("group"));
    fill(&bed, &topic, 1, 0, 10).await;
    let Some(cluster) = bed.embedded() else { return };
    let proxy = cluster.proxy().unwrap();
    let consumer = member_behind(&proxy, &group, &topic, &[COOPERATIVE, BY_HAND]).await;
    read(&consumer, 10).await;
    let joins = proxy.on::<JoinGroupRequest>().hold_reply();
    let syncs = proxy.on::<SyncGroupRequest>().hold_reply();
    let refused = async |fault: &Fault| {
        fault.wait_for_hits(1).await;
        let patient = Duration::from_secs(5);
        let error = timeout(patient, consumer.commit()).await.unwrap().unwrap_err();
        assert!(matches!(error, CommitError::Rebalancing), "{error}");
        let partition = TopicPartition::new(topic.as_str(), 0);
        timeout(patient, consumer.committed([&partition]))
            .await
            .unwrap()
            .unwrap();
    };
    consumer.enforce_rebalance();
    refused(&joins).await;
    joins.lift();
    refused(&syncs).await;
    syncs.lift();
    settles(&consumer).await;
}

#[tokio::test]
async fn a_commit_of_an_old_generation_expels_nobody() {
    let mut bed = Bed::start().await;
    let (topic, group) = (topic(&bed, "late", 1).await, fresh("group"));
    fill(&bed, &topic, 1, 0, 10).await;
    let Some(cluster) = bed.embedded() else { return };
    let proxy = cluster.proxy().unwrap();
    let consumer = member_behind(&proxy, &group, &topic, &[COOPERATIVE, BY_HAND]).await;
    read(&consumer, 10).await;
    let member_id = consumer.group_member().unwrap().member_id;
    let commits = proxy.on::<OffsetCommitRequest>().once().hold();
    let failing = proxy
        .on::<OffsetCommitRequest>()
        .once()
        .fail(ErrorCode::UNKNOWN_MEMBER_ID);
    let late = tokio::spawn({
        let consumer = consumer.clone();
        async move { consumer.commit().await }
    });
    commits.wait_for_hits(1).await;
    consumer.enforce_rebalance();
    // Its JoinGroup waits behind the commit; what is asked for from now on does not.
    let partition = TopicPartition::new(topic.as_str(), 0);
    until("it joins", async || {
        let asking = timeout(Duration::from_millis(100), consumer.committed([&partition]));
        asking.await.is_ok_and(|asked| asked.is_ok())
    })
    .await;
    commits.lift();
    let error = late.await.unwrap().unwrap_err();
    assert!(matches!(error, CommitError::Rebalancing), "{error}");
    assert_eq!(failing.hits(), 1);
    settles(&consumer).await;
    assert_eq!(consumer.group_member().unwrap().member_id, member_id);
}

#[tokio::test]
async fn who_ends_while_it_joins_is_no_ghost() {
    let mut bed = Bed::start().await;
    let (topic, group) = (topic(&bed, "ghost", 1).await, fresh("group"));
    let Some(cluster) = bed.embedded() else { return };
    let proxy = cluster.proxy().unwrap();
    let with_id = |request: &JoinGroupRequest| !request.member_id.is_empty();
    let joins = proxy.on::<JoinGroupRequest>().matching(with_id).hold_reply();
    let leaves = proxy.on::<LeaveGroupRequest>().delay(Duration::ZERO);
    let first = member_behind(&proxy, &group, &topic, &[]).await;
    joins.wait_for_hits(1).await;
    drop(first);
    leaves.wait_for_hits(1).await;
    // It does not wait for the session of the first to run out.
    let second = member(&bed, &group, &topic, &[]).await;
    until_assigned(&second, 1).await;
}

struct Fickle(String);

impl RebalanceListener for Fickle {
    async fn revoked(&self, consumer: &Consumer, _: &[TopicPartition]) {
        let _ = consumer.subscribe([&self.0]);
    }
}

#[tokio::test]
async fn a_subscription_in_the_middle_of_a_rebalance_counts() {
    let bed = Bed::start().await;
    let [one, other] = [topic(&bed, "one", 1).await, topic(&bed, "other", 2).await];
    let consumer = Consumer::builder(bed.bootstrap())
        .group(fresh("group"))
        .subscribe([&one])
        .property("heartbeat.interval.ms", "100")
        .listener(Fickle(other.clone()))
        .build()
        .await
        .unwrap();
    until_assigned(&consumer, 1).await;
    consumer.enforce_rebalance();
    until_assigned(&consumer, 2).await;
    let partitions = [0, 1].map(|index| TopicPartition::new(other.as_str(), index));
    assert_eq!(consumer.assignment(), partitions.into());
}

#[tokio::test]
async fn who_unsubscribes_in_the_middle_of_a_rebalance_gets_nothing_back() {
    let mut bed = Bed::start().await;
    let topic = topic(&bed, "gone", 1).await;
    fill(&bed, &topic, 1, 0, 10).await;
    let Some(cluster) = bed.embedded() else { return };
    let proxy = cluster.proxy().unwrap();
    let leaves = proxy.on::<LeaveGroupRequest>().delay(Duration::ZERO);
    for waits_for_user in [true, false] {
        let told = Arc::new(Told::default());
        let consumer = Consumer::builder(proxy.bootstrap())
            .group(fresh("group"))
            .subscribe([&topic])
            .property("auto.offset.reset", "earliest")
            .property("enable.auto.commit", "false")
            .property("heartbeat.interval.ms", "100")
            .listener(Listener(told.clone()))
            .build()
            .await
            .unwrap();
        read(&consumer, 10).await;
        let joins = proxy.on::<JoinGroupRequest>().hold_reply();
        let left = leaves.hits();
        consumer.enforce_rebalance();
        if !waits_for_user {
            consumer.poll(Duration::from_millis(100)).await.unwrap();
            joins.wait_for_hits(1).await;
        }
        consumer.unsubscribe().await;
        joins.lift();
        leaves.wait_for_hits(left + 1).await;
        assert!(consumer.assignment().is_empty());
        assert_eq!(*told.events.lock().unwrap(), [("assigned", 1), ("revoked", 1)]);
    }
}
