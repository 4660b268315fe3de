//! The order of a start, and how a broker leaves.

use std::path::Path;
use std::sync::{Arc, Mutex};

use klamm_config::Origin;
use klamm_metadata::{MetadataDelta, MetadataImage};
use klamm_net::Client;
use klamm_protocol::messages::CreateTopicsRequest;
use klamm_protocol::messages::create_topics_request::CreatableTopic;

use super::*;
use crate::standalone::Standalone;

fn config(data_dir: &Path) -> ServerConfig {
    config_with(data_dir, &[])
}

fn config_with(data_dir: &Path, settings: &[(&str, &str)]) -> ServerConfig {
    let standalone = Standalone {
        host: "127.0.0.1",
        port: 0,
        data_dir,
    };
    let mut properties = standalone.properties();
    for (key, value) in settings {
        properties.set(*key, *value, Origin::Program);
    }
    ServerConfig::load(&properties).expect("sound settings").0
}

/// Keeps, for each change, the leader epochs of what this node leads.
#[derive(Clone, Default)]
struct Led(Arc<Mutex<Vec<Vec<i32>>>>);

impl MetadataPublisher for Led {
    fn on_metadata_update(&self, delta: &MetadataDelta, image: &Arc<MetadataImage>) {
        let node_id = *image
            .cluster()
            .brokers()
            .keys()
            .next()
            .expect("this node has registered");
        let leaders = delta.local_changes(node_id).leaders;
        let epochs = leaders.values().map(|local| local.registration.leader_epoch);
        self.0.lock().expect("no panic").push(epochs.collect());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_node_led_is_taken_up_once_and_in_a_new_epoch() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(config(dir.path()), Unformatted::Format)
        .await
        .expect("the node starts");
    let mut client = Client::connect(server.client_address().expect("a listener"))
        .await
        .expect("it listens");
    let topic = CreatableTopic {
        name: "t".to_owned(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: 5_000,
        ..Default::default()
    };
    client.call(&request, 7).await.expect("an answer");
    let before = server.node().image();
    let epoch = |image: &MetadataImage| {
        let topic = image.topics().by_name("t").expect("it was created");
        topic.partitions.get(0).expect("it has one").leader_epoch
    };
    server.kill().await;

    let config = Arc::new(NodeConfig::new(config(dir.path())));
    let endpoints = endpoints::bind(&config.server, config.socket_options()).expect("free ports");
    let open = move || open::open(config, endpoints, Unformatted::Refuse).expect("the logs open");
    let mut opened = spawn_blocking(open).await.expect("no panic");
    let node = opened.node.clone();
    assert_eq!(
        epoch(&node.image()),
        epoch(&before),
        "the metadata names the former incarnation"
    );
    let led = Led::default();
    opened.publishers.push(Box::new(led.clone()));
    assert!(node.partitions.online().is_empty(), "nothing is taken up yet");
    join_cluster(&node, &opened.quorum, opened.publishers, &opened.incarnation)
        .await
        .expect("the broker registers");
    assert_eq!(*led.0.lock().expect("no panic"), [vec![], vec![epoch(&node.image())]]);
    assert!(epoch(&node.image()) > epoch(&before));
}

/// Whether the metadata says after a clean end that the broker has left.
async fn has_left(settings: &[(&str, &str)]) -> bool {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(config_with(dir.path(), settings), Unformatted::Format)
        .await
        .expect("the node starts");
    server.shutdown().await.expect("a clean end");
    let config = Arc::new(NodeConfig::new(config(dir.path())));
    let endpoints = endpoints::bind(&config.server, config.socket_options()).expect("free ports");
    let open = move || open::open(config, endpoints, Unformatted::Refuse).expect("the logs open");
    let opened = spawn_blocking(open).await.expect("no panic");
    let image = opened.node.image();
    image.cluster().broker(1).expect("it has registered").fenced
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_leaves_before_it_stops_unless_it_is_told_not_to() {
    assert!(has_left(&[]).await);
    assert!(!has_left(&[("controlled.shutdown.enable", "false")]).await);
}
