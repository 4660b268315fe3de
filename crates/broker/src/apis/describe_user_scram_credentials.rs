//! DescribeUserScramCredentials (key 50), v0, flexible. KIP-554.
//! Lists users' SCRAM credentials: mechanisms and iterations, never what a password could be guessed from. They are kept and
//! shown; nobody authenticates with them yet.
//! Errors per user: RESOURCE_NOT_FOUND, DUPLICATE_RESOURCE (a user named twice).

use std::collections::BTreeMap;

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResult,
};
use klamm_protocol::messages::{DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse};

use crate::request::RequestContext;

pub(crate) async fn handle(
    cx: &RequestContext<'_>,
    request: DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    let credentials = cx.image.scram().credentials();
    let mut known: BTreeMap<&str, Vec<CredentialInfo>> = BTreeMap::new();
    for ((mechanism, user), credential) in credentials {
        known.entry(user).or_default().push(CredentialInfo {
            mechanism: *mechanism,
            iterations: credential.iterations,
            ..Default::default()
        });
    }
    let asked = request.users.unwrap_or_default();
    let mut times_named: BTreeMap<&str, usize> = BTreeMap::new();
    for user in &asked {
        *times_named.entry(&user.name).or_default() += 1;
    }
    if asked.is_empty() {
        times_named = known.keys().map(|user| (*user, 1)).collect();
    }
    let results = times_named.into_iter().map(|(user, times)| match known.remove(user) {
        _ if times > 1 => failed(
            user,
            ErrorCode::DUPLICATE_RESOURCE,
            format!("Cannot describe SCRAM credentials for the same user twice in a single request: {user}"),
        ),
        None => failed(
            user,
            ErrorCode::RESOURCE_NOT_FOUND,
            format!("Attempt to describe a user credential that does not exist: {user}"),
        ),
        Some(credential_infos) => DescribeUserScramCredentialsResult {
            user: user.to_owned(),
            credential_infos,
            ..Default::default()
        },
    });
    DescribeUserScramCredentialsResponse {
        results: results.collect(),
        ..Default::default()
    }
}

fn failed(user: &str, error_code: ErrorCode, message: String) -> DescribeUserScramCredentialsResult {
    DescribeUserScramCredentialsResult {
        user: user.to_owned(),
        error_code,
        error_message: Some(message),
        ..Default::default()
    }
}
