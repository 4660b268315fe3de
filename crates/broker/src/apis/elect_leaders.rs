//! ElectLeaders (key 43), v0-2, flexible from v2. KIP-183 (preferred leaders), KIP-460 (unclean elections).
//! Errors per partition: ELECTION_NOT_NEEDED, UNKNOWN_TOPIC_OR_PARTITION, PREFERRED_LEADER_NOT_AVAILABLE,
//! ELIGIBLE_LEADERS_NOT_AVAILABLE; for all: INVALID_REQUEST (unknown type), NOT_CONTROLLER, REQUEST_TIMED_OUT.

use klamm_controller::{Controller, ControllerError};
use klamm_protocol::messages::elect_leaders_request::TopicPartitions;
use klamm_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use klamm_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};

use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: ElectLeadersRequest) -> ElectLeadersResponse {
    if request.topic_partitions.as_ref().is_some_and(Vec::is_empty) {
        return ElectLeadersResponse::default();
    }
    let has_error_for_all = cx.api_version >= 1;
    let asked = request.topic_partitions.clone();
    let deadline_ms = cx.node.clock.now_ms() + i64::from(request.timeout_ms);
    let elect = move |controller: &Controller, _now_ms: i64| controller.elect_leaders(&request);
    match cx.node.controller.write("elect leaders", deadline_ms, elect).await {
        Ok(response) => response,
        Err(error) => {
            let mut response = failed(asked, &error);
            if has_error_for_all {
                response.error_code = error.code;
            }
            response
        }
    }
}

fn failed(asked: Option<Vec<TopicPartitions>>, error: &ControllerError) -> ElectLeadersResponse {
    let partition = |partition_id| PartitionResult {
        partition_id,
        error_code: error.code,
        error_message: error.message.clone(),
        ..Default::default()
    };
    let topics = asked.into_iter().flatten().map(|topic| ReplicaElectionResult {
        topic: topic.topic,
        partition_result: topic.partitions.into_iter().map(partition).collect(),
        ..Default::default()
    });
    ElectLeadersResponse {
        replica_election_results: topics.collect(),
        ..Default::default()
    }
}
