//! Quotas of clients (KIP-546): what users, client ids and addresses may use at most.

use std::collections::BTreeMap;

use klamm_metadata::{MetadataRecord, QuotaEntity};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::alter_client_quotas_request::{EntryData, OpData};
use klamm_protocol::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse, alter_client_quotas_response};
use klamm_protocol::metadata::{ClientQuotaRecord, client_quota_record};

use crate::controller::Controller;
use crate::result::{ControllerError, ControllerResult, MAX_RECORDS_PER_USER_OP};

const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

/// What a limit may be.
#[derive(Clone, Copy)]
enum Kind {
    /// Any positive number.
    Double,
    /// A whole one up to 2^31 - 1.
    Int,
    /// A whole one up to 2^63 - 1.
    Long,
}

/// The limits of users and client ids.
const OF_CLIENTS: &[(&str, Kind)] = &[
    ("consumer_byte_rate", Kind::Long),
    ("controller_mutation_rate", Kind::Double),
    ("producer_byte_rate", Kind::Long),
    ("request_percentage", Kind::Double),
];

/// The limits of addresses.
const OF_ADDRESSES: &[(&str, Kind)] = &[("connection_creation_rate", Kind::Int)];

impl Controller {
    /// Sets and takes away quotas, each entity as a whole. An entity that is named again is refused, after what was done
    /// for its first mention. `is_host` says whether a text is an IP address or the name of a host that has one.
    ///
    /// Fails as a whole with POLICY_VIOLATION when the request brings about more records than one batch can hold.
    pub fn alter_client_quotas(
        &self,
        request: &AlterClientQuotasRequest,
        is_host: &dyn Fn(&str) -> bool,
    ) -> Result<ControllerResult<AlterClientQuotasResponse>, ControllerError> {
        let mut records = Vec::new();
        let mut results: BTreeMap<QuotaEntity, Option<ControllerError>> = BTreeMap::new();
        for entry in &request.entries {
            let entity = entity_of(entry);
            let altered = match results.contains_key(&entity) || has_repeated_key(entry) {
                true => Err(invalid(format!("Ignoring duplicate entity {}", in_words(&entity)))),
                false => self.alter_quotas_of(&entity, &entry.ops, is_host),
            };
            let error = match altered {
                Ok(changes) => {
                    records.extend(changes);
                    None
                }
                Err(error) => Some(error),
            };
            results.insert(entity, error);
            if records.len() > MAX_RECORDS_PER_USER_OP {
                let message = "Excessively large number of changes of quotas per request.";
                return Err(ControllerError::new(ErrorCode::POLICY_VIOLATION, message));
            }
        }
        if request.validate_only {
            records.clear();
        }
        let reply = AlterClientQuotasResponse {
            entries: results.into_iter().map(response_entry).collect(),
            ..AlterClientQuotasResponse::default()
        };
        Ok(ControllerResult::atomic_of(records, reply))
    }

    fn alter_quotas_of(
        &self,
        entity: &QuotaEntity,
        ops: &[OpData],
        is_host: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<MetadataRecord>, ControllerError> {
        let limits = limits_of(entity, is_host)?;
        let current = self.image().client_quotas().entities().get(entity);
        let mut records = Vec::new();
        for op in ops {
            let value = current.and_then(|quotas| quotas.get(&op.key));
            let changes = match op.remove {
                true => value.is_some(),
                false => {
                    check_limit(limits, &op.key, op.value)?;
                    value != Some(&op.value)
                }
            };
            if changes {
                records.push(record(entity, op));
            }
        }
        Ok(records)
    }
}

fn invalid(message: impl Into<String>) -> ControllerError {
    ControllerError::new(ErrorCode::INVALID_REQUEST, message)
}

/// Of a type that is named twice the last name counts.
fn entity_of(entry: &EntryData) -> QuotaEntity {
    let parts = entry.entity.iter();
    parts
        .map(|part| (part.entity_type.clone(), part.entity_name.clone()))
        .collect()
}

fn has_repeated_key(entry: &EntryData) -> bool {
    let mut keys: Vec<&str> = entry.ops.iter().map(|op| op.key.as_str()).collect();
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair[0] == pair[1])
}

/// As Kafka prints an entity.
fn in_words(entity: &QuotaEntity) -> String {
    let part = |(kind, name): (&String, &Option<String>)| format!("{kind}={}", name.as_deref().unwrap_or("null"));
    let parts: Vec<_> = entity.iter().map(part).collect();
    format!("ClientQuotaEntity(entries={{{}}})", parts.join(", "))
}

/// The limits that an entity can have, if it is one.
fn limits_of(
    entity: &QuotaEntity,
    is_host: &dyn Fn(&str) -> bool,
) -> Result<&'static [(&'static str, Kind)], ControllerError> {
    if entity.is_empty() {
        return Err(invalid("Invalid empty client quota entity"));
    }
    for (kind, name) in entity {
        if ![USER, CLIENT_ID, IP].contains(&kind.as_str()) {
            return Err(invalid(format!("Unhandled client quota entity type: {kind}")));
        }
        if name.as_ref().is_some_and(String::is_empty) {
            return Err(invalid(format!("Empty {kind} not supported")));
        }
    }
    match entity.get(IP) {
        None => Ok(OF_CLIENTS),
        Some(_) if entity.len() > 1 => Err(invalid(
            "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId",
        )),
        Some(Some(name)) if !is_host(name) => Err(invalid(format!("{name} is not a valid IP or resolvable host."))),
        Some(_) => Ok(OF_ADDRESSES),
    }
}

fn check_limit(limits: &[(&str, Kind)], key: &str, value: f64) -> Result<(), ControllerError> {
    const LEAST_FRACTION: f64 = 1e-6;
    let known = limits.iter().find(|(name, _)| *name == key);
    let Some((_, kind)) = known else {
        return Err(invalid(format!("Invalid configuration key {key}")));
    };
    if !value.is_finite() {
        return Err(invalid(format!("Quota {key} must be a finite number")));
    }
    if value <= 0.0 {
        return Err(invalid(format!("Quota {key} must be greater than 0")));
    }
    let (most, name) = match kind {
        Kind::Double => return Ok(()),
        Kind::Int => (f64::from(i32::MAX), "an INT"),
        Kind::Long => (i64::MAX as f64, "a LONG"),
    };
    if value > most {
        return Err(invalid(format!("Proposed value for {key} is too large for {name}.")));
    }
    if value.fract() > LEAST_FRACTION {
        return Err(invalid(format!("{key} cannot be a fractional value.")));
    }
    Ok(())
}

fn record(entity: &QuotaEntity, op: &OpData) -> MetadataRecord {
    let part = |(kind, name): (&String, &Option<String>)| client_quota_record::EntityData {
        entity_type: kind.clone(),
        entity_name: name.clone(),
        ..Default::default()
    };
    ClientQuotaRecord {
        entity: entity.iter().map(part).collect(),
        key: op.key.clone(),
        value: if op.remove { 0.0 } else { op.value },
        remove: op.remove,
        ..ClientQuotaRecord::default()
    }
    .into()
}

fn response_entry((entity, error): (QuotaEntity, Option<ControllerError>)) -> alter_client_quotas_response::EntryData {
    let part = |(entity_type, entity_name)| alter_client_quotas_response::EntityData {
        entity_type,
        entity_name,
        ..Default::default()
    };
    alter_client_quotas_response::EntryData {
        error_code: error.as_ref().map(|error| error.code).unwrap_or_default(),
        error_message: error.and_then(|error| error.message),
        entity: entity.into_iter().map(part).collect(),
        ..Default::default()
    }
}
