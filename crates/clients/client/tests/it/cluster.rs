//! The client and what it knows of its cluster.

use std::time::Duration;

use klamm_client::{AlterConfig, Client, ClientBuilder, ConfigResource, Error, ErrorCode, MetadataTopics, NewTopic};
use klamm_protocol::messages::MetadataRequest;

use crate::admin::config_is;
use crate::bed::{Bed, fresh};

fn assert_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test]
async fn brokers_and_topics_are_told() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    let known = assert_send(client.metadata(MetadataTopics::All)).await.expect("told");
    assert_eq!(known.brokers().len(), 1);
    assert!(known.cluster_id().is_some());
    let missing = fresh("missing");
    let known = client.metadata(MetadataTopics::names([&missing])).await.expect("told");
    let topic = known.topic(&missing).expect("an answer to every name");
    assert_eq!(
        (topic.error, topic.partitions.len()),
        (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, 0)
    );
}

#[tokio::test]
async fn requests_go_where_they_are_sent() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    let request = MetadataRequest {
        topics: None,
        ..Default::default()
    };
    let any = assert_send(client.call_any(&request)).await.expect("an answer");
    let node = any.brokers[0].node_id;
    assert_eq!(
        assert_send(client.call_broker(node, &request))
            .await
            .expect("an answer")
            .brokers,
        any.brokers
    );
    assert_eq!(
        assert_send(client.call_controller(&request))
            .await
            .expect("an answer")
            .brokers,
        any.brokers
    );
    let versions = client.versions(node).await.expect("an answer");
    assert!(versions.api_keys.iter().any(|api| api.api_key == 3));
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_a_timeout_with_its_cause() {
    let client = Client::builder("127.0.0.1:1")
        .api_timeout(Duration::from_millis(200))
        .build()
        .expect("well formed");
    let error = client
        .metadata(MetadataTopics::Brokers)
        .await
        .expect_err("nobody is there");
    assert_eq!(
        error.to_string(),
        "Metadata timed out after 200 ms: 127.0.0.1:1: connection refused"
    );
    assert!(matches!(error, Error::TimedOut { .. }));
}

#[tokio::test]
async fn topics_are_created_only_when_asked() {
    let bed = Bed::start().await;
    let client = bed.client().await;
    let name = fresh("automatic");
    let asked = MetadataTopics::names([&name]);
    let known = client.refresh_metadata(asked.clone()).await.expect("told");
    assert_eq!(
        known.topic(&name).expect("told").error,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
    let creating = async {
        loop {
            let known = client.refresh_metadata_creating(asked.clone()).await.expect("told");
            if known.leader(&name, 0).is_some() {
                return known;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let known = tokio::time::timeout(Duration::from_secs(30), creating)
        .await
        .expect("created in time");
    let partition = known.partition(&name, 0).expect("it has partitions");
    assert!(partition.leader_epoch.is_some());
    assert!(known.topic_by_id(known.topic(&name).expect("told").id).is_some());
    // What is known does not have to be asked for.
    let again = client.metadata(asked).await.expect("known");
    assert!(again.leader(&name, 0).is_some());
}

#[tokio::test]
async fn a_restart_of_the_broker_is_survived() {
    let mut bed = Bed::start().await;
    let client = bed.client().await;
    let admin = client.admin();
    let Some(cluster) = bed.embedded() else { return };
    let created = admin
        .create_topics(&[NewTopic::new("orders")], false)
        .await
        .expect("answered");
    assert!(created[0].1.is_ok());
    for _ in 0..3 {
        cluster.kill().await;
        // A call that begins while nobody is there is answered once somebody is.
        let (topics, restarted) = tokio::join!(admin.list_topics(), cluster.restart());
        restarted.expect("the node starts");
        assert_eq!(topics.expect("answered")[0].name, "orders");
    }
}

#[tokio::test]
async fn calls_end_in_time_while_the_broker_is_down() {
    let mut bed = Bed::start().await;
    let client = bed.client().await;
    let Some(cluster) = bed.embedded() else { return };
    cluster.kill().await;
    let admin = client.admin().with_timeout(Duration::from_millis(300));
    let error = admin.list_topics().await.expect_err("nobody is there");
    assert!(matches!(&error, Error::TimedOut { last: Some(last), .. } if matches!(**last, Error::Unreachable { .. })));
    assert!(error.is_retriable());
}

#[tokio::test]
async fn controllers_answer_for_the_quorum() {
    let bed = Bed::start().await;
    let brokers = bed.client().await;
    let Some(address) = bed.controllers() else { return };
    let client = ClientBuilder::bootstrap_controllers(address)
        .build()
        .expect("well formed");
    let admin = client.admin();
    let quorum = admin.describe_quorum().await.expect("answered");
    let cluster = admin.describe_cluster(false).await.expect("answered");
    assert_eq!(cluster.controller, Some(quorum.leader_id));
    assert!(cluster.nodes.contains_key(&quorum.leader_id));
    let by_brokers = brokers.admin().describe_cluster(false).await.expect("answered");
    assert_eq!(cluster.cluster_id, by_brokers.cluster_id);
    assert!(
        admin
            .describe_features(None)
            .await
            .expect("answered")
            .finalized
            .contains_key("metadata.version")
    );

    let name = fresh("of-controllers");
    let created = admin
        .create_topics(&[NewTopic::new(&name)], false)
        .await
        .expect("answered");
    assert!(created[0].1.is_ok(), "{created:?}");
    let resource = ConfigResource::topic(&name);
    let changes = vec![AlterConfig::set("retention.ms", "60000")];
    let changed = admin
        .incremental_alter_configs(&[(resource, changes)], false)
        .await
        .expect("answered");
    assert!(changed[0].1.is_ok(), "{changed:?}");
    config_is(&admin, &name, "retention.ms", "60000", true).await;

    let error = client
        .metadata(MetadataTopics::All)
        .await
        .expect_err("controllers know no topics");
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    let error = admin
        .list_groups(&Default::default())
        .await
        .expect_err("controllers know no groups");
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}
