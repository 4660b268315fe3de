//! DescribeCluster (key 60), v0-2, flexible. KIP-700, KIP-919 (controllers, from v1), KIP-1073 (fenced brokers, v2).
//! On a broker's listener it tells the brokers, on a controller's listener the controllers.
//! Errors: UNSUPPORTED_ENDPOINT_TYPE and MISMATCHED_ENDPOINT_TYPE (INVALID_REQUEST in v0), UNSUPPORTED_VERSION (the
//! metadata version has no controllers' registrations).

use klamm_metadata::Endpoint;
use klamm_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use klamm_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse};
use klamm_protocol::{ErrorCode, Listener};

use crate::authorized_operations::CLUSTER_OPERATIONS;
use crate::request::RequestContext;

/// `endpoint_type` of requests and responses.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: DescribeClusterRequest) -> DescribeClusterResponse {
    let knows_endpoint_types = cx.api_version >= 1;
    let (here, name) = match cx.listener.kind {
        Listener::Broker => (BROKERS, "BROKER"),
        Listener::Controller => (CONTROLLERS, "CONTROLLER"),
    };
    let failed = |error_code, message: String| DescribeClusterResponse {
        error_code: if knows_endpoint_types {
            error_code
        } else {
            ErrorCode::INVALID_REQUEST
        },
        error_message: Some(message),
        ..Default::default()
    };
    match request.endpoint_type {
        asked if asked == here => {}
        BROKERS | CONTROLLERS => {
            let asked = if here == BROKERS { "CONTROLLER" } else { "BROKER" };
            return failed(
                ErrorCode::MISMATCHED_ENDPOINT_TYPE,
                format!(
                    "The request was sent to an endpoint of type {name}, but we wanted an endpoint of type {asked}"
                ),
            );
        }
        other => {
            return failed(
                ErrorCode::UNSUPPORTED_ENDPOINT_TYPE,
                format!("Unsupported endpoint type {other}"),
            );
        }
    }
    let version = cx.image.features().metadata_version_or_minimum();
    if here == CONTROLLERS && !version.is_controller_registration_supported() {
        return DescribeClusterResponse {
            error_code: ErrorCode::UNSUPPORTED_VERSION,
            error_message: Some(
                "Direct-to-controller communication is not supported with the current MetadataVersion.".to_owned(),
            ),
            ..Default::default()
        };
    }
    let (nodes, controller) = match cx.listener.kind {
        Listener::Broker => {
            let brokers = brokers(cx, request.include_fenced_brokers);
            // Any live broker forwards what is meant for the controller.
            let any = brokers
                .iter()
                .find(|broker| !broker.is_fenced)
                .map(|broker| broker.broker_id);
            (brokers, any)
        }
        Listener::Controller => {
            let leader = cx
                .node
                .controller
                .describe_quorum()
                .await
                .and_then(|quorum| quorum.leader.leader_id);
            (controllers(cx), leader)
        }
    };
    let known = controller.filter(|id| nodes.iter().any(|node| node.broker_id == *id));
    DescribeClusterResponse {
        error_message: None,
        endpoint_type: here,
        cluster_id: cx.node.cluster_id.clone(),
        controller_id: known.unwrap_or(-1),
        brokers: nodes,
        cluster_authorized_operations: match request.include_cluster_authorized_operations {
            true => CLUSTER_OPERATIONS,
            false => i32::MIN,
        },
        ..Default::default()
    }
}

fn brokers(cx: &RequestContext<'_>, fenced_too: bool) -> Vec<DescribeClusterBroker> {
    let brokers = cx
        .image
        .cluster()
        .brokers()
        .values()
        .filter(|broker| fenced_too || !broker.fenced);
    let reachable = brokers.filter_map(|broker| {
        let endpoint = broker.listener(&cx.listener.name)?;
        Some(DescribeClusterBroker {
            rack: broker.rack.clone(),
            is_fenced: broker.fenced,
            ..node(broker.id, endpoint)
        })
    });
    reachable.collect()
}

fn controllers(cx: &RequestContext<'_>) -> Vec<DescribeClusterBroker> {
    let controllers = cx.image.cluster().controllers().values();
    let reachable = controllers.filter_map(|controller| {
        let endpoint = controller
            .listeners
            .iter()
            .find(|endpoint| endpoint.name == cx.listener.name)?;
        Some(node(controller.id, endpoint))
    });
    reachable.collect()
}

fn node(broker_id: i32, endpoint: &Endpoint) -> DescribeClusterBroker {
    DescribeClusterBroker {
        broker_id,
        host: endpoint.host.clone(),
        port: i32::from(endpoint.port),
        rack: None,
        ..Default::default()
    }
}
