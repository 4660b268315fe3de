//! Who coordinates which group and transactional id.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use klamm_protocol::ApiKey;
use klamm_protocol::messages::find_coordinator_response::Coordinator;
use klamm_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};

use crate::Error;
use crate::client::{Client, Lane, RequestOptions, Target};

/// What a coordinator coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CoordinatorKind {
    /// Groups, by group id.
    Group = 0,
    /// Transactions, by transactional id.
    Transaction = 1,
    /// Share partitions, by `group:topic id:partition` (KIP-932).
    Share = 2,
}

/// The first version that asks for many keys at once (KIP-699).
const MANY: i16 = 4;

#[derive(Default)]
pub(crate) struct Coordinators {
    known: Mutex<BTreeMap<(CoordinatorKind, String), i32>>,
}

impl Coordinators {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(CoordinatorKind, String), i32>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn forget(&self, kind: CoordinatorKind, key: &str) {
        self.lock().remove(&(kind, key.to_owned()));
    }

    pub(crate) fn get(&self, kind: CoordinatorKind, key: &str) -> Option<i32> {
        self.lock().get(&(kind, key.to_owned())).copied()
    }

    fn learn(&self, kind: CoordinatorKind, key: &str, node: i32) {
        self.lock().insert((kind, key.to_owned()), node);
    }
}

impl Client {
    pub(crate) async fn find_coordinator(&self, kind: CoordinatorKind, key: &str) -> Result<i32, Error> {
        let keys = [key.to_owned()];
        let mut retry = self.retry(ApiKey::FindCoordinator.name());
        loop {
            let attempt = async {
                let mut found = self.find_coordinators(kind, &keys).await?;
                found.pop().map_or_else(|| Err(unanswered(key)), |(_, found)| found)
            };
            if let Some(node) = retry.step(Error::is_retriable, attempt).await? {
                return Ok(node);
            }
        }
    }

    /// Who coordinates each of the keys, from the cache or asked for once; a coordinator that is not available is an
    /// error, to be tried again later.
    pub(crate) async fn find_coordinators(
        &self,
        kind: CoordinatorKind,
        keys: &[String],
    ) -> Result<Vec<(String, Result<i32, Error>)>, Error> {
        let cache = &self.core.coordinators;
        let missing: Vec<_> = keys
            .iter()
            .filter(|key| cache.get(kind, key).is_none())
            .cloned()
            .collect();
        let mut failed = BTreeMap::new();
        if !missing.is_empty() {
            for (key, found) in Box::pin(self.ask_coordinators(kind, &missing)).await? {
                match found {
                    Ok(node) => cache.learn(kind, &key, node),
                    Err(error) => drop(failed.insert(key, error)),
                }
            }
        }
        let found = keys.iter().map(|key| {
            let known = cache
                .get(kind, key)
                .ok_or_else(|| failed.get(key).cloned().unwrap_or_else(|| unanswered(key)));
            (key.clone(), known)
        });
        Ok(found.collect())
    }

    async fn ask_coordinators(
        &self,
        kind: CoordinatorKind,
        keys: &[String],
    ) -> Result<Vec<(String, Result<i32, Error>)>, Error> {
        let make = |version: i16| FindCoordinatorRequest {
            key: if version < MANY { keys[0].clone() } else { String::new() },
            key_type: kind as i8,
            coordinator_keys: if version < MANY { Vec::new() } else { keys.to_vec() },
            ..Default::default()
        };
        let (version, response) = self.call_with(Target::Any, Lane::General, make).await?;
        if version >= MANY {
            return Ok(response.coordinators.into_iter().map(located).collect());
        }
        let mut found = vec![(keys[0].clone(), located_one(response))];
        for key in &keys[1..] {
            let make = |_: i16| FindCoordinatorRequest {
                key: key.clone(),
                key_type: kind as i8,
                ..Default::default()
            };
            let options = RequestOptions {
                newest: MANY - 1,
                ..RequestOptions::new(Lane::General)
            };
            let (_, response) = self.exchange(Target::Any, &options, make).await?;
            found.push((key.clone(), located_one(response)));
        }
        Ok(found)
    }
}

fn located(coordinator: Coordinator) -> (String, Result<i32, Error>) {
    let checked = Error::check_with(coordinator.error_code, coordinator.error_message);
    (coordinator.key, checked.map(|()| coordinator.node_id))
}

fn located_one(response: FindCoordinatorResponse) -> Result<i32, Error> {
    Error::check_with(response.error_code, response.error_message).map(|()| response.node_id)
}

fn unanswered(key: &str) -> Error {
    Error::Protocol {
        address: "the cluster".to_owned(),
        reason: format!("a reply to FindCoordinator without {key}"),
    }
}
