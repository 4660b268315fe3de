//! Quotas of users, clients and addresses.

use std::collections::BTreeMap;

use klamm_client::{Client, Error};
use klamm_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use klamm_protocol::messages::describe_client_quotas_request::ComponentData;
use klamm_protocol::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest};
use serde_json::json;

use super::alter::Changes;
use super::entities::{Entities, Kind};
use super::{failed, wrong};
use crate::call::{Call, Outcome};
use crate::output::{Failure, Number};

const QUOTAS: [&str; 5] = [
    "producer_byte_rate",
    "consumer_byte_rate",
    "request_percentage",
    "controller_mutation_rate",
    "connection_creation_rate",
];

/// Whether a user or client can have a setting of this name.
pub(super) fn is_quota(name: &str) -> bool {
    QUOTAS[..4].contains(&name)
}

/// Whose quotas: types with their names, where the default has none.
type Owner = BTreeMap<String, Option<String>>;

/// The name of the type in the protocol.
fn wire_type(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "user",
        Kind::Ip => "ip",
        _ => "client-id",
    }
}

async fn found(
    call: &Call,
    client: &Client,
    entities: &Entities,
) -> Result<Vec<(Owner, BTreeMap<String, f64>)>, Failure> {
    if entities.names.len() > entities.kinds.len() {
        return Err(wrong("More entity names specified than entity types"));
    }
    let components = entities.kinds.iter().enumerate().map(|(at, kind)| {
        let (match_type, name) = match entities.names.get(at) {
            Some(name) if name.is_empty() => (1, None),
            Some(name) => (0, Some(name.clone())),
            None => (2, None),
        };
        ComponentData {
            entity_type: wire_type(*kind).to_owned(),
            match_type,
            match_: name,
            ..Default::default()
        }
    });
    let request = DescribeClientQuotasRequest {
        components: components.collect(),
        strict: true,
        ..Default::default()
    };
    let failed = failed(call, "describeClientQuotas");
    let response = client.call_any(&request).await.map_err(&failed)?;
    check(response.error_code, response.error_message).map_err(&failed)?;
    let entries = response.entries.unwrap_or_default().into_iter().map(|entry| {
        let owner = entry
            .entity
            .into_iter()
            .map(|part| (part.entity_type, part.entity_name));
        (
            owner.collect(),
            entry.values.into_iter().map(|value| (value.key, value.value)).collect(),
        )
    });
    Ok(entries.collect())
}

pub(super) fn check(code: klamm_client::ErrorCode, message: Option<String>) -> Result<(), Error> {
    match code.is_none() {
        true => Ok(()),
        false => Err(Error::Broker { code, message }),
    }
}

pub(super) async fn describe(call: &mut Call, client: &Client, entities: &Entities) -> Outcome {
    for (owner, quotas) in found(call, client, entities).await? {
        if call.out.is_json() {
            call.out.json(&json!({"entity": owner, "quotas": quotas}))?;
            continue;
        }
        let parts = [("user", "user-principal"), ("client-id", "client-id"), ("ip", "ip")].into_iter();
        let parts = parts.filter_map(|(kind, words)| {
            Some(match owner.get(kind)? {
                Some(name) => format!("{words} '{name}'"),
                None => format!("the default {words}"),
            })
        });
        let whose = parts.collect::<Vec<_>>().join(", ");
        let quotas: Vec<String> = quotas
            .iter()
            .map(|(name, value)| format!("{name}={}", Number::from(*value)))
            .collect();
        call.out
            .line(format_args!("Quota configs for {whose} are {}", quotas.join(", ")))?;
    }
    Ok(())
}

pub(super) async fn alter(call: &Call, client: &Client, entities: &Entities, changes: &Changes) -> Outcome {
    let old = found(call, client, entities).await?;
    let old = old.into_iter().next().map(|(_, quotas)| quotas).unwrap_or_default();
    let unknown: Vec<&str> = changes
        .delete
        .iter()
        .map(String::as_str)
        .filter(|name| !old.contains_key(*name))
        .collect();
    if !unknown.is_empty() {
        return Err(wrong(format!("Invalid config(s): {}", unknown.join(","))));
    }
    let mut ops = Vec::new();
    for (key, value) in &changes.add {
        let value = value
            .trim()
            .parse()
            .map_err(|_| wrong(format!("Cannot parse quota configuration value for {key}: {value}")))?;
        ops.push(op(key, value, false));
    }
    ops.extend(changes.delete.iter().map(|key| op(key, 0.0, true)));
    let entity = entities
        .kinds
        .iter()
        .zip(&entities.names)
        .map(|(kind, name)| EntityData {
            entity_type: wire_type(*kind).to_owned(),
            entity_name: Some(name.clone()).filter(|name| !name.is_empty()),
            ..Default::default()
        });
    let request = AlterClientQuotasRequest {
        entries: vec![EntryData {
            entity: entity.collect(),
            ops,
            ..Default::default()
        }],
        validate_only: false,
        ..Default::default()
    };
    let failed = failed(call, "alterClientQuotas");
    let response = client.call_any(&request).await.map_err(&failed)?;
    for entry in response.entries {
        check(entry.error_code, entry.error_message).map_err(&failed)?;
    }
    Ok(())
}

fn op(key: &str, value: f64, remove: bool) -> OpData {
    OpData {
        key: key.to_owned(),
        value,
        remove,
        ..Default::default()
    }
}
