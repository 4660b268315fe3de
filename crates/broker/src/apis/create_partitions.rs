//! CreatePartitions (key 37), v0-3, flexible from v2. KIP-195.
//! Errors per topic: UNKNOWN_TOPIC_OR_PARTITION, INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT,
//! INVALID_REPLICATION_FACTOR, INVALID_REQUEST, POLICY_VIOLATION, NOT_CONTROLLER, REQUEST_TIMED_OUT.

use klamm_controller::Controller;
use klamm_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use klamm_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let names: Vec<_> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let deadline_ms = cx.node.clock.now_ms() + i64::from(request.timeout_ms);
    let create = move |controller: &Controller, _now_ms: i64| controller.create_partitions(&request);
    match cx.node.controller.write("create partitions", deadline_ms, create).await {
        Ok(response) => response,
        Err(error) => {
            let failed = |name| CreatePartitionsTopicResult {
                name,
                error_code: error.code,
                error_message: error.message.clone(),
                ..Default::default()
            };
            CreatePartitionsResponse {
                results: names.into_iter().map(failed).collect(),
                ..Default::default()
            }
        }
    }
}
