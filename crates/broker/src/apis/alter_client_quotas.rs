//! AlterClientQuotas (key 49), v0-1, flexible from v1. KIP-546.
//! Sets and takes away quotas of users, client ids and addresses.
//! Errors per entity: INVALID_REQUEST, POLICY_VIOLATION, NOT_CONTROLLER, REQUEST_TIMED_OUT.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use klamm_controller::{Controller, ControllerError};
use klamm_protocol::messages::alter_client_quotas_request::EntityData as AskedEntity;
use klamm_protocol::messages::alter_client_quotas_response::{EntityData, EntryData};
use klamm_protocol::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};

use crate::request::RequestContext;

/// How long the names of hosts of one request are looked up. What is not found by then is taken for no host.
const LOOK_UP_LIMIT: Duration = Duration::from_secs(5);

pub(crate) async fn handle(cx: &RequestContext<'_>, request: AlterClientQuotasRequest) -> AlterClientQuotasResponse {
    let hosts = hosts_of(&request).await;
    let asked = request.clone();
    let deadline_ms = cx.node.request_deadline_ms();
    let alter = move |controller: &Controller, _now_ms: i64| {
        let is_host = |name: &str| name.parse::<IpAddr>().is_ok() || hosts.contains(name);
        controller.alter_client_quotas(&request, &is_host)
    };
    let written = cx
        .node
        .controller
        .write("alter client quotas", deadline_ms, alter)
        .await;
    written.unwrap_or_else(|error| failed(asked, &error))
}

/// The names of `ip` entities that are no addresses but have one.
async fn hosts_of(request: &AlterClientQuotasRequest) -> BTreeSet<String> {
    let entities = request.entries.iter().flat_map(|entry| &entry.entity);
    let of_addresses = entities.filter(|entity| entity.entity_type == "ip");
    let names: BTreeSet<&String> = of_addresses.filter_map(|entity| entity.entity_name.as_ref()).collect();
    let mut found = BTreeSet::new();
    let look_up = async {
        for name in names {
            let is_name = !name.is_empty() && name.parse::<IpAddr>().is_err();
            if is_name && tokio::net::lookup_host((name.as_str(), 0)).await.is_ok() {
                found.insert(name.clone());
            }
        }
    };
    let _ = tokio::time::timeout(LOOK_UP_LIMIT, look_up).await; // what was found until then counts
    found
}

fn failed(asked: AlterClientQuotasRequest, error: &ControllerError) -> AlterClientQuotasResponse {
    let entity = |entity: AskedEntity| EntityData {
        entity_type: entity.entity_type,
        entity_name: entity.entity_name,
        ..Default::default()
    };
    let entries = asked.entries.into_iter().map(|entry| EntryData {
        error_code: error.code,
        error_message: error.message.clone(),
        entity: entry.entity.into_iter().map(entity).collect(),
        ..Default::default()
    });
    AlterClientQuotasResponse {
        entries: entries.collect(),
        ..Default::default()
    }
}
