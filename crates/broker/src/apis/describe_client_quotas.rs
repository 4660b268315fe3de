//! DescribeClientQuotas (key 48), v0-1, flexible from v1. KIP-546.
//! Lists the quotas of users, client ids and addresses that are set and that a filter lets through. They are kept and shown;
//! nothing is slowed down by them yet.
//! Errors: INVALID_REQUEST, UNSUPPORTED_VERSION (an unknown type of entity).

use std::collections::BTreeMap;

use klamm_controller::ControllerError;
use klamm_metadata::QuotaEntity;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::describe_client_quotas_request::ComponentData;
use klamm_protocol::messages::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use klamm_protocol::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};

use super::dynamic_configs::invalid_request;
use crate::request::RequestContext;

const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

pub(crate) async fn handle(
    cx: &RequestContext<'_>,
    request: DescribeClientQuotasRequest,
) -> DescribeClientQuotasResponse {
    let filter = match Filter::of(&request) {
        Ok(filter) => filter,
        Err(error) => {
            return DescribeClientQuotasResponse {
                error_code: error.code,
                error_message: error.message,
                entries: None,
                ..Default::default()
            };
        }
    };
    let all = cx.image.client_quotas().entities().iter();
    let entries = all.filter(|(entity, _)| filter.lets_through(entity));
    DescribeClientQuotasResponse {
        entries: Some(entries.map(|(entity, quotas)| entry(entity, quotas)).collect()),
        ..Default::default()
    }
}

/// Which name an entity of a type has to have.
#[derive(Debug, PartialEq, Eq)]
enum Match<'a> {
    /// This one; `None` is the default entity.
    Name(Option<&'a str>),
    /// Any, the default entity included.
    Any,
}

#[derive(Debug)]
struct Filter<'a> {
    parts: BTreeMap<&'a str, Match<'a>>,
    /// Whether entities of further types are left out.
    strict: bool,
}

impl<'a> Filter<'a> {
    fn of(request: &'a DescribeClientQuotasRequest) -> Result<Self, ControllerError> {
        let mut parts = BTreeMap::new();
        for component in &request.components {
            let kind = component.entity_type.as_str();
            if kind.is_empty() {
                return Err(invalid_request("Invalid empty entity type."));
            }
            if parts.contains_key(kind) {
                let message = format!("Entity type {kind} cannot appear more than once in the filter.");
                return Err(invalid_request(message));
            }
            if ![USER, CLIENT_ID, IP].contains(&kind) {
                let message = format!("Unsupported entity type {kind}");
                return Err(ControllerError::new(ErrorCode::UNSUPPORTED_VERSION, message));
            }
            parts.insert(kind, match_of(component)?);
        }
        if parts.contains_key(IP) && parts.len() > 1 {
            return Err(invalid_request(
                "Invalid entity filter component combination. IP filter component should not be used with \
                 user or clientId filter component.",
            ));
        }
        Ok(Filter {
            parts,
            strict: request.strict,
        })
    }

    fn lets_through(&self, entity: &QuotaEntity) -> bool {
        let fits = |(kind, wanted): (&&str, &Match<'_>)| {
            let name = entity.get(*kind);
            name.is_some_and(|name| *wanted == Match::Any || *wanted == Match::Name(name.as_deref()))
        };
        (!self.strict || entity.len() == self.parts.len()) && self.parts.iter().all(fits)
    }
}

fn match_of(component: &ComponentData) -> Result<Match<'_>, ControllerError> {
    match (component.match_type, component.match_.as_deref()) {
        (0, Some(name)) => Ok(Match::Name(Some(name))),
        (1, None) => Ok(Match::Name(None)),
        (2, None) => Ok(Match::Any),
        (0, None) => Err(invalid_request(
            "Request specified MATCH_TYPE_EXACT, but set match string to null.",
        )),
        (1, Some(_)) => Err(invalid_request(
            "Request specified MATCH_TYPE_DEFAULT, but also specified a match string.",
        )),
        (2, Some(_)) => Err(invalid_request(
            "Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.",
        )),
        (other, _) => Err(invalid_request(format!("Unknown match type {other}"))),
    }
}

fn entry(entity: &QuotaEntity, quotas: &BTreeMap<String, f64>) -> EntryData {
    let part = |(kind, name): (&String, &Option<String>)| EntityData {
        entity_type: kind.clone(),
        entity_name: name.clone(),
        ..Default::default()
    };
    let value = |(key, value): (&String, &f64)| ValueData {
        key: key.clone(),
        value: *value,
        ..Default::default()
    };
    EntryData {
        entity: entity.iter().map(part).collect(),
        values: quotas.iter().map(value).collect(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(strict: bool, parts: &[(&str, i8, Option<&str>)]) -> DescribeClientQuotasRequest {
        let component = |(kind, match_type, name): &(&str, i8, Option<&str>)| ComponentData {
            entity_type: (*kind).to_owned(),
            match_type: *match_type,
            match_: name.map(str::to_owned),
            ..Default::default()
        };
        DescribeClientQuotasRequest {
            components: parts.iter().map(component).collect(),
            strict,
            ..Default::default()
        }
    }

    fn entity(parts: &[(&str, Option<&str>)]) -> QuotaEntity {
        let part = |(kind, name): &(&str, Option<&str>)| ((*kind).to_owned(), name.map(str::to_owned));
        parts.iter().map(part).collect()
    }

    #[test]
    fn a_filter_goes_by_type_and_name() {
        let alice = entity(&[(USER, Some("alice"))]);
        let default = entity(&[(USER, None)]);
        let both = entity(&[(USER, Some("alice")), (CLIENT_ID, Some("a"))]);
        let through = |request: &DescribeClientQuotasRequest| {
            let filter = Filter::of(request).expect("it is a good one");
            [&alice, &default, &both].map(|entity| filter.lets_through(entity))
        };
        assert_eq!(through(&request(false, &[])), [true, true, true]);
        assert_eq!(through(&request(true, &[])), [false, false, false]);
        assert_eq!(through(&request(false, &[(USER, 2, None)])), [true, true, true]);
        assert_eq!(through(&request(true, &[(USER, 2, None)])), [true, true, false]);
        assert_eq!(
            through(&request(false, &[(USER, 0, Some("alice"))])),
            [true, false, true]
        );
        assert_eq!(through(&request(false, &[(USER, 1, None)])), [false, true, false]);
        assert_eq!(through(&request(false, &[(IP, 2, None)])), [false, false, false]);
    }

    #[test]
    fn filters_that_mean_nothing_are_refused() {
        let code = |parts: &[_]| {
            Filter::of(&request(false, parts))
                .map(|_| ())
                .map_err(|error| error.code)
        };
        let invalid = Err(ErrorCode::INVALID_REQUEST);
        assert_eq!(code(&[("", 2, None)]), invalid);
        assert_eq!(code(&[("group", 2, None)]), Err(ErrorCode::UNSUPPORTED_VERSION));
        assert_eq!(code(&[(USER, 2, None), (USER, 2, None)]), invalid);
        assert_eq!(code(&[(USER, 0, None)]), invalid);
        assert_eq!(code(&[(USER, 1, Some("x"))]), invalid);
        assert_eq!(code(&[(USER, 2, Some("x"))]), invalid);
        assert_eq!(code(&[(USER, 3, None)]), invalid);
        assert_eq!(code(&[(USER, 2, None), (IP, 2, None)]), invalid);
    }
}
