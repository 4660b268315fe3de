//! ApiVersions (key 18), v0-5, flexible from v3, response header always v0. KIP-35, KIP-511, KIP-584.
//! Tells what the listener offers, and the features of node and cluster. A version that is too new is answered in version 0.
//! Errors: UNSUPPORTED_VERSION, INVALID_REQUEST for a client name or version of other than letters, digits, `-` and `.`,
//! REBOOTSTRAP_REQUIRED when the client meant another cluster or node (v5).

use klamm_metadata::{KRAFT_VERSION, MetadataVersion, supported_features};
use klamm_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use klamm_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use klamm_protocol::{ErrorCode, Listener};

use crate::apis::offered;
use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: ApiVersionsRequest) -> ApiVersionsResponse {
    let names_its_software = cx.api_version >= 3;
    // Old clients can't read a feature whose lowest level is 0 (KAFKA-17492).
    let reads_level_0 = cx.api_version >= 4;

    if names_its_software && !(is_valid(&request.client_software_name) && is_valid(&request.client_software_version)) {
        return ApiVersionsResponse {
            error_code: ErrorCode::INVALID_REQUEST,
            ..Default::default()
        };
    }
    // A cluster and a node are named together or not at all.
    if request.cluster_id.is_some() != (request.node_id >= 0) {
        return ApiVersionsResponse {
            error_code: ErrorCode::INVALID_REQUEST,
            ..Default::default()
        };
    }
    // Controllers are found by other ways than brokers.
    if cx.listener.kind == Listener::Broker && means_another_node(cx, &request) {
        return ApiVersionsResponse {
            error_code: ErrorCode::REBOOTSTRAP_REQUIRED,
            ..Default::default()
        };
    }
    let features = cx.image.features();
    let quorum = [
        (
            MetadataVersion::FEATURE_NAME,
            features.metadata_version().map_or(0, MetadataVersion::level),
        ),
        (KRAFT_VERSION, cx.node.controller.kraft_version()),
    ];
    let finalized = features.finalized().iter().map(|(name, level)| (name.as_str(), *level));
    let finalized = finalized.chain(quorum).filter(|(_, level)| *level != 0);
    ApiVersionsResponse {
        api_keys: api_keys(cx.listener.kind, cx.node.unstable_api_versions()),
        supported_features: supported_features(false)
            .into_iter()
            .filter(|(_, range)| reads_level_0 || range.min > 0)
            .map(|(name, range)| SupportedFeatureKey {
                name: name.to_owned(),
                min_version: range.min,
                max_version: range.max,
                ..Default::default()
            })
            .collect(),
        finalized_features_epoch: cx.image.offset(),
        finalized_features: finalized
            .map(|(name, level)| FinalizedFeatureKey {
                name: name.to_owned(),
                max_version_level: level,
                min_version_level: level,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}

/// The answer to a version that we don't know, to be written in version 0 (KIP-511).
pub(crate) fn unsupported_version(listener: Listener, unstable: bool) -> ApiVersionsResponse {
    ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        api_keys: api_keys(listener, unstable),
        ..Default::default()
    }
}

fn api_keys(listener: Listener, unstable: bool) -> Vec<ApiVersion> {
    let row = |(key, range): (klamm_protocol::ApiKey, klamm_protocol::VersionRange)| ApiVersion {
        api_key: key.id(),
        min_version: range.min,
        max_version: range.max,
        ..Default::default()
    };
    offered(listener, unstable).map(row).collect()
}

/// Letters, digits, `-` and `.`, of which the last two may not come first or last.
fn is_valid(name: &str) -> bool {
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let outer = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    outer(bytes.first()) && outer(bytes.last()) && bytes.iter().all(inner)
}

/// Whether the client was told of a cluster or node at this address that is no longer here.
fn means_another_node(cx: &RequestContext<'_>, request: &ApiVersionsRequest) -> bool {
    let other_cluster = request.cluster_id.as_ref().is_some_and(|id| *id != cx.node.cluster_id);
    other_cluster || (request.node_id >= 0 && request.node_id != cx.node.id)
}
