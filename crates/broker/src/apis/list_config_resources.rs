//! ListConfigResources (key 74), v0-1, flexible. v0 is KIP-714's ListClientMetricsResources; KIP-1142 added the other kinds.
//! Errors: UNSUPPORTED_VERSION (a kind that can't be listed).

use std::collections::BTreeSet;

use klamm_metadata::{ConfigResourceType, MetadataImage};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::list_config_resources_response::ConfigResource;
use klamm_protocol::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};

use crate::request::RequestContext;

/// In the order of the reply.
const KINDS: [ConfigResourceType; 5] = [
    ConfigResourceType::GROUP,
    ConfigResourceType::CLIENT_METRICS,
    ConfigResourceType::BROKER_LOGGER,
    ConfigResourceType::BROKER,
    ConfigResourceType::TOPIC,
];

pub(crate) async fn handle(
    cx: &RequestContext<'_>,
    request: ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    let only_client_metrics = cx.api_version == 0;
    let can_be_listed = |kind: &ConfigResourceType| !only_client_metrics || *kind == ConfigResourceType::CLIENT_METRICS;
    let listable: BTreeSet<_> = KINDS.into_iter().filter(can_be_listed).collect();
    let asked: BTreeSet<_> = match request.resource_types.is_empty() {
        true => listable.clone(),
        false => request.resource_types.into_iter().map(ConfigResourceType).collect(),
    };
    if !asked.is_subset(&listable) {
        return ListConfigResourcesResponse {
            error_code: ErrorCode::UNSUPPORTED_VERSION,
            ..Default::default()
        };
    }
    let mut config_resources = Vec::new();
    for kind in KINDS.into_iter().filter(|kind| asked.contains(kind)) {
        let resource = |resource_name| ConfigResource {
            resource_name,
            resource_type: kind.0,
            ..Default::default()
        };
        config_resources.extend(names(&cx.image, &cx.listener.name, kind).into_iter().map(resource));
    }
    ListConfigResourcesResponse {
        config_resources,
        ..Default::default()
    }
}

fn names(image: &MetadataImage, listener: &str, kind: ConfigResourceType) -> Vec<String> {
    match kind {
        ConfigResourceType::TOPIC => image.topics().iter().map(|topic| topic.name.to_string()).collect(),
        ConfigResourceType::BROKER | ConfigResourceType::BROKER_LOGGER => {
            let brokers = image.cluster().brokers().values();
            let reachable = brokers.filter(|broker| broker.listener(listener).is_some());
            reachable.map(|broker| broker.id.to_string()).collect()
        }
        kind => {
            let configured = image.configs().resources().keys();
            configured
                .filter(|resource| resource.resource_type == kind)
                .map(|resource| resource.name.clone())
                .collect()
        }
    }
}
