//! FindCoordinator (key 10), v0-6, flexible from v3. Kinds of coordinators from v1, several keys from v4 (KIP-699), share groups
//! from v6 (KIP-932).
//! Errors per key: COORDINATOR_NOT_AVAILABLE while the coordinators' topic is created or its partition has no leader that this
//! listener can be told of; INVALID_REQUEST for an unknown kind; UNSUPPORTED_VERSION for transactions and share groups, which do
//! not work yet.

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::find_coordinator_response::Coordinator;
use klamm_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};

use crate::request::RequestContext;
use crate::topics::GROUP_METADATA_TOPIC;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let several_keys = cx.api_version >= 4;
    let knows_share_groups = cx.api_version >= 6;
    let find = |key: String| match request.key_type {
        GROUP => find_group_coordinator(cx, key),
        TRANSACTION => failed(key, ErrorCode::UNSUPPORTED_VERSION),
        SHARE if knows_share_groups => failed(key, ErrorCode::UNSUPPORTED_VERSION),
        _ => failed(key, ErrorCode::INVALID_REQUEST),
    };
    if several_keys {
        let coordinators = request.coordinator_keys.into_iter().map(find).collect();
        return FindCoordinatorResponse {
            coordinators,
            ..Default::default()
        };
    }
    let found = find(request.key);
    FindCoordinatorResponse {
        error_code: found.error_code,
        error_message: match found.error_code {
            ErrorCode::NONE => Some(ErrorCode::NONE.name().to_owned()),
            _ => found.error_message,
        },
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..Default::default()
    }
}

fn find_group_coordinator(cx: &RequestContext<'_>, key: String) -> Coordinator {
    let Some(topic) = cx.image.topics().by_name(GROUP_METADATA_TOPIC) else {
        cx.node.auto_topics.create(cx.node, [GROUP_METADATA_TOPIC]);
        return failed(key, ErrorCode::COORDINATOR_NOT_AVAILABLE);
    };
    let shard = cx.node.groups.shard_of(&cx.image, &key);
    let leader = topic
        .partitions
        .get(shard)
        .and_then(|partition| cx.image.cluster().broker(partition.leader));
    let endpoint = leader
        .filter(|broker| !broker.fenced)
        .and_then(|broker| broker.listener(&cx.listener.name));
    match (leader, endpoint) {
        (Some(broker), Some(endpoint)) => Coordinator {
            key,
            node_id: broker.id,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            ..Default::default()
        },
        _ => failed(key, ErrorCode::COORDINATOR_NOT_AVAILABLE),
    }
}

fn failed(key: String, error_code: ErrorCode) -> Coordinator {
    Coordinator {
        key,
        node_id: -1,
        port: -1,
        error_code,
        error_message: Some(error_code.message().to_owned()),
        ..Default::default()
    }
}
