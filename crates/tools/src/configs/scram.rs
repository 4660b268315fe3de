//! SCRAM credentials of users.

use klamm_client::Client;
use klamm_protocol::messages::alter_user_scram_credentials_request::ScramCredentialDeletion;
use klamm_protocol::messages::describe_user_scram_credentials_request::UserName;
use klamm_protocol::messages::{AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest};
use serde_json::{Value, json};

use super::alter::Changes;
use super::quotas::check;
use super::{failed, wrong};
use crate::call::{Call, Outcome};
use crate::connect::words;
use crate::output::exception_of;

/// Names and numbers in the protocol.
const MECHANISMS: [(&str, i8); 2] = [("SCRAM-SHA-256", 1), ("SCRAM-SHA-512", 2)];

/// The least that Kafka allows.
const MIN_ITERATIONS: i64 = 4096;

/// Whether a setting of this name is a credential.
pub(super) fn is_mechanism(name: &str) -> bool {
    MECHANISMS.iter().any(|(known, _)| *known == name)
}

pub(super) async fn describe(call: &mut Call, client: &Client, users: &[String]) -> Outcome {
    let names = users.iter().map(|name| UserName {
        name: name.clone(),
        ..Default::default()
    });
    let request = DescribeUserScramCredentialsRequest {
        users: Some(names.collect()).filter(|names: &Vec<_>| !names.is_empty()),
        ..Default::default()
    };
    let response = client
        .call_any(&request)
        .await
        .map_err(failed(call, "describeUserScramCredentials"))?;
    check(response.error_code, response.error_message).map_err(failed(call, "describeUserScramCredentials"))?;
    for result in response.results {
        let name = &result.user;
        if let Err(error) = check(result.error_code, result.error_message) {
            // A user without credentials is none that was asked for by name.
            if result.error_code == klamm_client::ErrorCode::RESOURCE_NOT_FOUND {
                continue;
            }
            let (class, words) = (
                exception_of(result.error_code),
                words(&error, "describeUserScramCredentials"),
            );
            call.out.line(format_args!(
                "Error retrieving SCRAM credential configs for user-principal '{name}': {class}: {words}"
            ))?;
            continue;
        }
        let infos = result.credential_infos.iter().map(|info| {
            let mechanism = MECHANISMS
                .iter()
                .find(|(_, id)| *id == info.mechanism)
                .map_or("UNKNOWN", |(name, _)| name);
            (mechanism, info.iterations)
        });
        let infos: Vec<(&str, i32)> = infos.collect();
        if call.out.is_json() {
            let infos = infos
                .iter()
                .map(|(mechanism, iterations)| json!({"mechanism": mechanism, "iterations": iterations}));
            call.out
                .json(&json!({"user": name, "credentials": infos.collect::<Vec<Value>>()}))?;
            continue;
        }
        let infos: Vec<String> = infos
            .iter()
            .map(|(mechanism, iterations)| format!("{mechanism}=iterations={iterations}"))
            .collect();
        let infos = infos.join(", ");
        call.out.line(format_args!(
            "SCRAM credential configs for user-principal '{name}' are {infos}"
        ))?;
    }
    Ok(())
}

/// Takes credentials back. New ones need the hashes of SASL, which this version does not have.
pub(super) async fn alter(call: &Call, client: &Client, user: &str, changes: &Changes) -> Outcome {
    for (mechanism, credential) in &changes.add {
        check_credential(mechanism, credential).map_err(wrong)?;
    }
    let failed = failed(call, "alterUserScramCredentials");
    if !changes.add.is_empty() {
        // A broker without the API says so first, as to Kafka's tool.
        let nothing = AlterUserScramCredentialsRequest::default();
        client.call_any(&nothing).await.map_err(&failed)?;
        return Err(wrong("This version can't make SCRAM credentials")
            .hint("it has no SASL yet; use Kafka's own tool with a broker that has"));
    }
    let deletions = changes.delete.iter().map(|name| ScramCredentialDeletion {
        name: user.to_owned(),
        mechanism: MECHANISMS
            .iter()
            .find(|(known, _)| known == name)
            .map_or(0, |(_, id)| *id),
        ..Default::default()
    });
    let request = AlterUserScramCredentialsRequest {
        deletions: deletions.collect(),
        ..Default::default()
    };
    let response = client.call_any(&request).await.map_err(&failed)?;
    for result in response.results {
        check(result.error_code, result.error_message).map_err(&failed)?;
    }
    Ok(())
}

/// `password=…` or `iterations=N,password=…`.
fn check_credential(mechanism: &str, credential: &str) -> Result<(), String> {
    let invalid = || {
        format!(
            "Invalid credential property {}={credential}",
            mechanism.replace('-', "_")
        )
    };
    let (iterations, rest) = match credential.strip_prefix("iterations=") {
        None => (MIN_ITERATIONS, credential),
        Some(rest) => {
            let (number, rest) = rest.split_once(',').ok_or_else(invalid)?;
            (number.parse().map_err(|_| invalid())?, rest)
        }
    };
    if !rest.starts_with("password=") {
        return Err(invalid());
    }
    if iterations != -1 && iterations < MIN_ITERATIONS {
        return Err(format!(
            "Iterations {iterations} is less than the minimum {MIN_ITERATIONS} required for {mechanism}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_checked() {
        let refused = |credential| check_credential("SCRAM-SHA-256", credential).unwrap_err();
        assert_eq!(check_credential("SCRAM-SHA-256", "iterations=8192,password=x"), Ok(()));
        assert_eq!(check_credential("SCRAM-SHA-256", "password=x"), Ok(()));
        assert_eq!(refused("x"), "Invalid credential property SCRAM_SHA_256=x");
        assert_eq!(
            refused("iterations=1,password=x"),
            "Iterations 1 is less than the minimum 4096 required for SCRAM-SHA-256"
        );
    }
}
