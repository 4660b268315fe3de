//! AlterUserScramCredentials (key 51), v0, flexible. KIP-554.
//! Deletes, makes and replaces users' SCRAM credentials. The client salts the password; the node never sees it.
//! Errors per user: RESOURCE_NOT_FOUND, DUPLICATE_RESOURCE, UNACCEPTABLE_CREDENTIAL, UNSUPPORTED_SASL_MECHANISM,
//! UNSUPPORTED_VERSION (of the metadata), POLICY_VIOLATION, NOT_CONTROLLER, REQUEST_TIMED_OUT.

use std::collections::BTreeSet;

use klamm_controller::{Controller, ControllerError};
use klamm_protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use klamm_protocol::messages::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};

use crate::request::RequestContext;

pub(crate) async fn handle(
    cx: &RequestContext<'_>,
    request: AlterUserScramCredentialsRequest,
) -> AlterUserScramCredentialsResponse {
    let deleted = request.deletions.iter().map(|deletion| deletion.name.clone());
    let upserted = request.upsertions.iter().map(|upsertion| upsertion.name.clone());
    let users: BTreeSet<String> = deleted.chain(upserted).collect();
    let deadline_ms = cx.node.request_deadline_ms();
    let alter = move |controller: &Controller, _now_ms: i64| controller.alter_user_scram_credentials(&request);
    let written = cx
        .node
        .controller
        .write("alter SCRAM credentials", deadline_ms, alter)
        .await;
    written.unwrap_or_else(|error| failed(users, &error))
}

fn failed(users: BTreeSet<String>, error: &ControllerError) -> AlterUserScramCredentialsResponse {
    let result = |user| AlterUserScramCredentialsResult {
        user,
        error_code: error.code,
        error_message: error.message.clone(),
        ..Default::default()
    };
    AlterUserScramCredentialsResponse {
        results: users.into_iter().map(result).collect(),
        ..Default::default()
    }
}
