//! CreateTopics (key 19), v2-7, flexible from v5. KIP-464 (defaults), KIP-525 (configuration in the reply), KIP-516 (ids).
//! Creates topics, each on its own; the reply tells what they came to be.
//! Errors per topic: TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION, INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR,
//! INVALID_REPLICA_ASSIGNMENT, INVALID_CONFIG, INVALID_REQUEST, POLICY_VIOLATION, NOT_CONTROLLER, REQUEST_TIMED_OUT.

use klamm_controller::Controller;
use klamm_protocol::messages::create_topics_response::CreatableTopicResult;
use klamm_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};

use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let names: Vec<_> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let deadline_ms = cx.node.clock.now_ms() + i64::from(request.timeout_ms);
    let create = move |controller: &Controller, _now_ms: i64| controller.create_topics(&request);
    match cx.node.controller.write("create topics", deadline_ms, create).await {
        Ok(response) => response,
        Err(error) => {
            let failed = |name| CreatableTopicResult {
                name,
                error_code: error.code,
                error_message: error.message.clone(),
                ..Default::default()
            };
            CreateTopicsResponse {
                topics: names.into_iter().map(failed).collect(),
                ..Default::default()
            }
        }
    }
}
