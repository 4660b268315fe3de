//! Topics that are created because somebody asked for them (`auto.create.topics.enable`), and the coordinators' own.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use klamm_controller::Controller;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::CreateTopicsRequest;
use klamm_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::node::Node;
use crate::topics::{GROUP_METADATA_TOPIC, is_internal};

/// As many topics may be on their way at once; further ones wait for their clients' next try.
const MAX_UNDER_WAY: usize = 1_000;

/// Creates topics in the background, each once however many ask for it.
#[derive(Debug, Default)]
pub struct AutoTopics {
    state: Mutex<UnderWay>,
}

#[derive(Debug, Default)]
struct UnderWay {
    names: BTreeSet<String>,
    /// Dropped with the node, which ends what is still under way.
    tasks: JoinSet<()>,
}

impl AutoTopics {
    /// Begins to create topics with the defaults for their names, but for those that it is about to create already. The
    /// names have to be valid. Topics of coordinators that do not work yet are left for those to create as they need them.
    pub fn create<'a>(&self, node: &Arc<Node>, names: impl IntoIterator<Item = &'a str>) {
        let mut state = self.state();
        while state.tasks.try_join_next().is_some() {}
        let mut topics = Vec::new();
        for name in names {
            let is_for_us = !is_internal(name) || name == GROUP_METADATA_TOPIC;
            if is_for_us && state.names.len() < MAX_UNDER_WAY && state.names.insert(name.to_owned()) {
                topics.push(creatable(node, name));
            }
        }
        if topics.is_empty() {
            return;
        }
        let node = Arc::downgrade(node);
        state.tasks.spawn(async move {
            if let Some(node) = node.upgrade() {
                let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
                create(&node, topics).await;
                let mut state = node.auto_topics.state();
                for name in &names {
                    state.names.remove(name);
                }
            }
        });
    }

    fn state(&self) -> MutexGuard<'_, UnderWay> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn create(node: &Node, topics: Vec<CreatableTopic>) {
    let request = CreateTopicsRequest {
        topics,
        ..Default::default()
    };
    let create = move |controller: &Controller, _now_ms: i64| controller.create_topics(&request);
    match node
        .controller
        .write("create topics", node.request_deadline_ms(), create)
        .await
    {
        Ok(response) => {
            for topic in response.topics {
                let name = topic.name;
                match topic.error_code {
                    ErrorCode::NONE => info!("created topic {name} because it was asked for"),
                    ErrorCode::TOPIC_ALREADY_EXISTS => {}
                    code => warn!("could not create topic {name}: {code} {:?}", topic.error_message),
                }
            }
        }
        Err(error) => warn!("could not create topics: {error}"),
    }
}

/// What the broker asks for when it creates a topic of this name.
fn creatable(node: &Node, name: &str) -> CreatableTopic {
    let config = &node.config.server.config;
    if name != GROUP_METADATA_TOPIC {
        // The controller fills in its defaults.
        return CreatableTopic {
            name: name.to_owned(),
            num_partitions: config.int("num.partitions"),
            replication_factor: config.int("default.replication.factor") as i16,
            ..Default::default()
        };
    }
    let configs = [
        ("cleanup.policy", "compact".to_owned()),
        ("compression.type", "producer".to_owned()),
        ("segment.bytes", config.int("offsets.topic.segment.bytes").to_string()),
    ];
    let set = |(name, value): (&str, String)| CreatableTopicConfig {
        name: name.to_owned(),
        value: Some(value),
        ..Default::default()
    };
    CreatableTopic {
        name: name.to_owned(),
        num_partitions: config.int("offsets.topic.num.partitions"),
        replication_factor: config.short("offsets.topic.replication.factor"),
        configs: configs.map(set).into(),
        ..Default::default()
    }
}
