//! SCRAM credentials of users (KIP-554): what a server has to know of a password to check it, never the password.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use klamm_metadata::MetadataRecord;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use klamm_protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use klamm_protocol::messages::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};
use klamm_protocol::metadata::{RemoveUserScramCredentialRecord, UserScramCredentialRecord};
use sha2::{Digest, Sha256, Sha512};

use crate::controller::Controller;
use crate::result::{ControllerError, ControllerResult, MAX_RECORDS_PER_USER_OP};

const SCRAM_SHA_256: i8 = 1;
const SCRAM_SHA_512: i8 = 2;
const LEAST_ITERATIONS: i32 = 4096;
const MOST_ITERATIONS: i32 = 16_384;

/// What is to be done for a user; a user is named once.
type Outcome<'a> = Result<Change<'a>, ControllerError>;

#[derive(Clone, Copy)]
enum Change<'a> {
    Delete(&'a ScramCredentialDeletion),
    Upsert(&'a ScramCredentialUpsertion),
}

impl Controller {
    /// Deletes, makes and replaces credentials, each user's on its own.
    ///
    /// Fails as a whole with POLICY_VIOLATION when the request brings about more records than one batch can hold.
    pub fn alter_user_scram_credentials(
        &self,
        request: &AlterUserScramCredentialsRequest,
    ) -> Result<ControllerResult<AlterUserScramCredentialsResponse>, ControllerError> {
        let mut outcomes: BTreeMap<&str, Outcome<'_>> = BTreeMap::new();
        let mut named = BTreeSet::new();
        let deletions = request.deletions.iter().map(Change::Delete);
        let upsertions = request.upsertions.iter().map(Change::Upsert);
        for change in deletions.chain(upsertions) {
            let name = change.user();
            let first = named.insert(name);
            if matches!(outcomes.get(name), Some(Err(_))) {
                continue; // the first error stays
            }
            let outcome = match first {
                true => self.check_credential(change).map(|()| change),
                false => Err(ControllerError::new(
                    ErrorCode::DUPLICATE_RESOURCE,
                    "A user credential cannot be altered twice in the same request",
                )),
            };
            outcomes.insert(name, outcome);
        }
        let mut records = Vec::new();
        let mut results = Vec::new();
        for (user, outcome) in outcomes {
            let error = outcome.map(|change| records.push(change.into_record())).err();
            results.push(AlterUserScramCredentialsResult {
                user: user.to_owned(),
                error_code: error.as_ref().map(|error| error.code).unwrap_or_default(),
                error_message: error.and_then(|error| error.message),
                ..Default::default()
            });
        }
        if records.len() > MAX_RECORDS_PER_USER_OP {
            let message = "Excessively large number of credentials per request.";
            return Err(ControllerError::new(ErrorCode::POLICY_VIOLATION, message));
        }
        let reply = AlterUserScramCredentialsResponse {
            results,
            ..AlterUserScramCredentialsResponse::default()
        };
        Ok(ControllerResult::atomic_of(records, reply))
    }

    fn check_credential(&self, change: Change<'_>) -> Result<(), ControllerError> {
        let refuse = |code, message: &str| Err(ControllerError::new(code, message));
        if !self.metadata_version().is_scram_supported() {
            let message = "The current metadata.version does not support SCRAM";
            return refuse(ErrorCode::UNSUPPORTED_VERSION, message);
        }
        if change.user().is_empty() {
            return refuse(ErrorCode::UNACCEPTABLE_CREDENTIAL, "Username must not be empty");
        }
        if ![SCRAM_SHA_256, SCRAM_SHA_512].contains(&change.mechanism()) {
            return refuse(ErrorCode::UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism");
        }
        match change {
            Change::Delete(deletion) => {
                let key = (deletion.mechanism, deletion.name.clone());
                match self.image().scram().credentials().contains_key(&key) {
                    true => Ok(()),
                    false => refuse(
                        ErrorCode::RESOURCE_NOT_FOUND,
                        "Attempt to delete a user credential that does not exist",
                    ),
                }
            }
            Change::Upsert(upsertion) if upsertion.iterations < LEAST_ITERATIONS => {
                refuse(ErrorCode::UNACCEPTABLE_CREDENTIAL, "Too few iterations")
            }
            Change::Upsert(upsertion) if upsertion.iterations > MOST_ITERATIONS => {
                refuse(ErrorCode::UNACCEPTABLE_CREDENTIAL, "Too many iterations")
            }
            Change::Upsert(upsertion) if upsertion.salted_password.is_empty() => refuse(
                ErrorCode::UNACCEPTABLE_CREDENTIAL,
                "The salted password must not be empty",
            ),
            Change::Upsert(_) => Ok(()),
        }
    }
}

impl<'a> Change<'a> {
    fn user(self) -> &'a str {
        match self {
            Change::Delete(deletion) => &deletion.name,
            Change::Upsert(upsertion) => &upsertion.name,
        }
    }

    fn mechanism(self) -> i8 {
        match self {
            Change::Delete(deletion) => deletion.mechanism,
            Change::Upsert(upsertion) => upsertion.mechanism,
        }
    }

    fn into_record(self) -> MetadataRecord {
        match self {
            Change::Delete(deletion) => RemoveUserScramCredentialRecord {
                name: deletion.name.clone(),
                mechanism: deletion.mechanism,
                ..Default::default()
            }
            .into(),
            Change::Upsert(upsertion) => {
                let (stored_key, server_key) = match upsertion.mechanism {
                    SCRAM_SHA_256 => keys_sha_256(&upsertion.salted_password),
                    _ => keys_sha_512(&upsertion.salted_password),
                };
                UserScramCredentialRecord {
                    name: upsertion.name.clone(),
                    mechanism: upsertion.mechanism,
                    salt: upsertion.salt.clone(),
                    stored_key,
                    server_key,
                    iterations: upsertion.iterations,
                    ..Default::default()
                }
                .into()
            }
        }
    }
}

/// What RFC 5802 derives from a salted password: the stored key, which is the hash of the client's key, and the server key.
macro_rules! keys {
    ($name:ident, $hash:ty) => {
        fn $name(salted_password: &[u8]) -> (Bytes, Bytes) {
            let hmac = |text: &[u8]| {
                let mut mac = Hmac::<$hash>::new_from_slice(salted_password).expect("HMAC takes keys of any length");
                mac.update(text);
                mac.finalize().into_bytes()
            };
            let stored_key = <$hash>::digest(hmac(b"Client Key"));
            let server_key = hmac(b"Server Key");
            (
                Bytes::copy_from_slice(&stored_key),
                Bytes::copy_from_slice(&server_key),
            )
        }
    };
}

keys!(keys_sha_256, Sha256);
keys!(keys_sha_512, Sha512);

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Computed with Python's hmac and hashlib from the same salted password.
    #[test]
    fn keys_are_those_of_the_rfc() {
        let (stored, server) = keys_sha_256(b"salted password");
        assert_eq!(
            hex(&stored),
            "59b30843506b70039a83d3593802b4046be6b7282275bef78e3b6cb2dd100b66"
        );
        assert_eq!(
            hex(&server),
            "3dcb6924f9a929cf4aef2f120fe7f2a5ed33c8c17c0bc9fc34ab8bd4e4f1d14d"
        );
        let (stored, server) = keys_sha_512(b"salted password");
        assert_eq!(
            hex(&stored),
            "4dae3c2e13c5df6f48206cabafffbc140beb5728cfb3848d2894ec6a08ec5a899eb04d9604ceabf5874a7fa0a539bbe6f89b762d32b358b46de1afc927155a11"
        );
        assert_eq!(
            hex(&server),
            "d0edec9a3230460058f108a03ce5ea489f2d539d1ca6183c5c15e6a93569cd3fadb9e86e65bd3605045133c3cef2c0c6b53922d766ad0e4ec8812ee1e5ae7526"
        );
    }
}
