//! DeleteTopics (key 20), v1-6, flexible from v4. By name, from v6 also by id (KIP-516).
//! Errors per topic: UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, INVALID_REQUEST, TOPIC_DELETION_DISABLED (v3+),
//! NOT_CONTROLLER, REQUEST_TIMED_OUT.

use klamm_controller::{Controller, ControllerError};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::delete_topics_response::DeletableTopicResult;
use klamm_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};

use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let knows_deletion_disabled = cx.api_version >= 3;
    if !cx.node.config.server.config.boolean("delete.topic.enable") {
        return failed(
            &request,
            &match knows_deletion_disabled {
                true => ErrorCode::TOPIC_DELETION_DISABLED.into(),
                false => ControllerError::new(ErrorCode::INVALID_REQUEST, "Topic deletion is disabled."),
            },
        );
    }
    let asked = request.clone();
    let deadline_ms = cx.node.clock.now_ms() + i64::from(request.timeout_ms);
    let delete = move |controller: &Controller, _now_ms: i64| controller.delete_topics(&request);
    let deleted = cx.node.controller.write("delete topics", deadline_ms, delete).await;
    deleted.unwrap_or_else(|error| failed(&asked, &error))
}

/// The same error for all that was asked.
fn failed(request: &DeleteTopicsRequest, error: &ControllerError) -> DeleteTopicsResponse {
    let named = request
        .topic_names
        .iter()
        .map(|name| (Some(name.clone()), Default::default()));
    let states = request.topics.iter().map(|topic| (topic.name.clone(), topic.topic_id));
    let response = |(name, topic_id)| DeletableTopicResult {
        name,
        topic_id,
        error_code: error.code,
        error_message: error.message.clone(),
        ..Default::default()
    };
    DeleteTopicsResponse {
        responses: named.chain(states).map(response).collect(),
        ..Default::default()
    }
}
