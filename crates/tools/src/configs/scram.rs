//! SCRAM credentials of users.

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use klamm_client::Client;
use klamm_protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use klamm_protocol::messages::describe_user_scram_credentials_request::UserName;
use klamm_protocol::messages::{AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest};
use serde_json::{Value, json};
use sha2::{Sha256, Sha512};

use super::alter::Changes;
use super::quotas::check;
use super::{failed, wrong};
use crate::call::{Call, Outcome};
use crate::connect::words;
use crate::output::exception_of;

/// Names and numbers in the protocol.
const MECHANISMS: [(&str, i8); 2] = [("SCRAM-SHA-256", 1), ("SCRAM-SHA-512", 2)];

/// The least that Kafka allows.
const MIN_ITERATIONS: i32 = 4096;

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
            if call.out.is_json() {
                call.out
                    .json(&json!({"user": name, "error": format!("{class}: {words}")}))?;
                continue;
            }
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

/// Makes credentials and takes them back. The password stays here: the broker gets its salted hash.
pub(super) async fn alter(call: &Call, client: &Client, user: &str, changes: &Changes) -> Outcome {
    let mut upsertions = Vec::new();
    for (mechanism, text) in &changes.add {
        let credential = Credential::parse(mechanism, text).map_err(wrong)?;
        let salt = call.node.random_uuid() + &call.node.random_uuid();
        upsertions.push(ScramCredentialUpsertion {
            name: user.to_owned(),
            mechanism: id(mechanism),
            iterations: credential.iterations,
            salted_password: credential.salted(mechanism, salt.as_bytes()),
            salt: Bytes::from(salt),
            ..Default::default()
        });
    }
    let deletions = changes.delete.iter().map(|name| ScramCredentialDeletion {
        name: user.to_owned(),
        mechanism: id(name),
        ..Default::default()
    });
    let request = AlterUserScramCredentialsRequest {
        deletions: deletions.collect(),
        upsertions,
        ..Default::default()
    };
    let failed = failed(call, "alterUserScramCredentials");
    let response = client.call_any(&request).await.map_err(&failed)?;
    for result in response.results {
        check(result.error_code, result.error_message).map_err(&failed)?;
    }
    Ok(())
}

/// The number of a mechanism in the protocol; 0 is none.
fn id(name: &str) -> i8 {
    MECHANISMS
        .iter()
        .find(|(known, _)| *known == name)
        .map_or(0, |(_, id)| *id)
}

/// What was typed: `password=…` or `iterations=N,password=…`.
#[derive(Debug, PartialEq, Eq)]
struct Credential<'a> {
    iterations: i32,
    password: &'a str,
}

impl Credential<'_> {
    fn parse<'a>(mechanism: &str, text: &'a str) -> Result<Credential<'a>, String> {
        // Kafka's tool shows what was typed, with the password.
        let invalid = || format!("Invalid credential property {}=…", mechanism.replace('-', "_"));
        let (iterations, rest) = match text.strip_prefix("iterations=") {
            None => (MIN_ITERATIONS, text),
            Some(rest) => {
                let (number, rest) = rest.split_once(',').ok_or_else(invalid)?;
                (number.parse().map_err(|_| invalid())?, rest)
            }
        };
        let password = rest.strip_prefix("password=").ok_or_else(invalid)?;
        match iterations {
            -1 => Ok(Credential {
                iterations: MIN_ITERATIONS,
                password,
            }),
            MIN_ITERATIONS.. => Ok(Credential { iterations, password }),
            _ => Err(format!(
                "Iterations {iterations} is less than the minimum {MIN_ITERATIONS} required for {mechanism}"
            )),
        }
    }

    /// The password as the server keeps it (RFC 5802, `Hi`).
    fn salted(&self, mechanism: &str, salt: &[u8]) -> Bytes {
        match mechanism {
            "SCRAM-SHA-512" => salted::<Hmac<Sha512>>(self.password, salt, self.iterations),
            _ => salted::<Hmac<Sha256>>(self.password, salt, self.iterations),
        }
    }
}

fn salted<M: Mac + KeyInit + Clone>(password: &str, salt: &[u8], iterations: i32) -> Bytes {
    let keyed = <M as KeyInit>::new_from_slice(password.as_bytes()).expect("HMAC takes keys of any length");
    let hash = |parts: &[&[u8]]| {
        let mut mac = keyed.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes()
    };
    let mut block = hash(&[salt, &1_u32.to_be_bytes()]);
    let mut sum = block.to_vec();
    for _ in 1..iterations {
        block = hash(&[&block]);
        sum.iter_mut().zip(&block).for_each(|(sum, byte)| *sum ^= byte);
    }
    sum.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read() {
        let read = |text| Credential::parse("SCRAM-SHA-256", text);
        let credential = |iterations, password| Ok(Credential { iterations, password });
        assert_eq!(read("iterations=8192,password=x"), credential(8192, "x"));
        assert_eq!(read("iterations=-1,password=x"), credential(4096, "x"));
        assert_eq!(read("password=x=y,z"), credential(4096, "x=y,z"));
        let refused = |text| read(text).unwrap_err();
        assert_eq!(refused("pasword=x"), "Invalid credential property SCRAM_SHA_256=…");
        assert_eq!(
            refused("iterations=1,password=x"),
            "Iterations 1 is less than the minimum 4096 required for SCRAM-SHA-256"
        );
    }

    #[test]
    fn passwords_are_salted_as_pbkdf2_does() {
        let hex = |bytes: Bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let once = salted::<Hmac<Sha256>>("password", b"salt", 1);
        assert_eq!(
            hex(once),
            "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b"
        );
        let twice = salted::<Hmac<Sha256>>("password", b"salt", 2);
        assert_eq!(
            hex(twice),
            "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43"
        );
        assert_eq!(salted::<Hmac<Sha512>>("password", b"salt", 1).len(), 64);
    }
}
