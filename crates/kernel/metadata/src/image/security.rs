//! Access control entries, SCRAM credentials and delegation tokens, kept as their records say them.

use std::sync::Arc;

use klamm_protocol::Uuid;
use klamm_protocol::metadata::{AccessControlEntryRecord, DelegationTokenRecord, UserScramCredentialRecord};
use klamm_timeline::OrdMap;

/// Access control entries by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AclsImage {
    pub(crate) entries: OrdMap<Uuid, Arc<AccessControlEntryRecord>>,
}

impl AclsImage {
    /// All entries by id.
    pub fn entries(&self) -> &OrdMap<Uuid, Arc<AccessControlEntryRecord>> {
        &self.entries
    }
}

/// A mechanism's id and a user's name.
pub type ScramKey = (i8, String);

/// SCRAM credentials by mechanism and user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScramImage {
    pub(crate) credentials: OrdMap<ScramKey, Arc<UserScramCredentialRecord>>,
}

impl ScramImage {
    /// All credentials by mechanism and user.
    pub fn credentials(&self) -> &OrdMap<ScramKey, Arc<UserScramCredentialRecord>> {
        &self.credentials
    }
}

/// Delegation tokens by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DelegationTokensImage {
    pub(crate) tokens: OrdMap<String, Arc<DelegationTokenRecord>>,
}

impl DelegationTokensImage {
    /// All tokens by id.
    pub fn tokens(&self) -> &OrdMap<String, Arc<DelegationTokenRecord>> {
        &self.tokens
    }
}
