//! The connections of a client: one per broker and lane, made when first needed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::backoff::Backoff;
use super::{Address, Connection, ConnectionOptions, Expected};
use crate::Error;
use crate::client::Lane;

/// Whom a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Peer {
    /// A node that the cluster has told of.
    Node(i32),
    /// An address that the user has told, whoever is there.
    Address(Address),
}

/// What to do about a peer that has just refused a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Wait until it is due for another attempt.
    Wait,
    /// Take it as refused again: there are others to try.
    None,
}

pub(crate) struct Pool {
    options: ConnectionOptions,
    reconnect: Backoff,
    slots: Mutex<HashMap<(Peer, Lane), Arc<Slot>>>,
}

/// The place of one connection.
#[derive(Default)]
struct Slot {
    current: Mutex<Option<Connection>>,
    /// Held by whoever connects; the others wait for the outcome.
    dialing: tokio::sync::Mutex<Dialing>,
    /// Attempts so far.
    attempts: AtomicU64,
}

#[derive(Default)]
struct Dialing {
    failures: u32,
    refused: Option<Refused>,
}

struct Refused {
    error: Error,
    until: Instant,
}

impl Pool {
    pub(crate) fn new(options: ConnectionOptions, reconnect: Backoff) -> Pool {
        Pool {
            options,
            reconnect,
            slots: Mutex::default(),
        }
    }

    /// The connection to a peer, which is made if there is none, or if the peer has moved to another address. Callers
    /// that come while one is being made share its outcome.
    pub(crate) async fn get(
        &self,
        peer: &Peer,
        lane: Lane,
        address: &Address,
        expected: &Expected,
        patience: Patience,
    ) -> Result<Connection, Error> {
        let slot = self.slot(peer, lane);
        if let Some(connection) = slot.usable(address) {
            return Ok(connection);
        }
        let seen = slot.attempts.load(Ordering::Acquire);
        let mut dialing = slot.dialing.lock().await;
        if let Some(connection) = slot.usable(address) {
            return Ok(connection);
        }
        if let Some(refused) = &dialing.refused {
            let tried_meanwhile = slot.attempts.load(Ordering::Acquire) != seen;
            if tried_meanwhile || (patience == Patience::None && Instant::now() < refused.until) {
                return Err(refused.error.clone());
            }
            tokio::time::sleep_until(refused.until).await;
        }
        let outcome = Connection::open(address, expected, &self.options, dialing.failures).await;
        slot.attempts.fetch_add(1, Ordering::AcqRel);
        match outcome {
            Ok(connection) => {
                *dialing = Dialing::default();
                *lock(&slot.current) = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                let until = Instant::now() + self.reconnect.after(dialing.failures);
                dialing.failures = dialing.failures.saturating_add(1);
                dialing.refused = Some(Refused {
                    error: error.clone(),
                    until,
                });
                Err(error)
            }
        }
    }

    /// The connection that there is right now.
    pub(crate) fn ready(&self, peer: &Peer, lane: Lane) -> Option<Connection> {
        let slot = lock(&self.slots).get(&(peer.clone(), lane)).cloned()?;
        let current = lock(&slot.current);
        current.as_ref().filter(|connection| !connection.is_closed()).cloned()
    }

    /// Keeps the connections that were made by address for the nodes that turned out to be there.
    pub(crate) fn adopt<'a>(&self, nodes: impl Iterator<Item = (i32, &'a Address)>) {
        let mut slots = lock(&self.slots);
        for (node, address) in nodes {
            let by_address = (Peer::Address(address.clone()), Lane::General);
            let by_node = (Peer::Node(node), Lane::General);
            if !slots.contains_key(&by_node)
                && let Some(slot) = slots.remove(&by_address)
            {
                slots.insert(by_node, slot);
            }
        }
    }

    fn slot(&self, peer: &Peer, lane: Lane) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        slots.entry((peer.clone(), lane)).or_default().clone()
    }
}

impl Slot {
    fn usable(&self, address: &Address) -> Option<Connection> {
        let current = lock(&self.current);
        let usable = current
            .as_ref()
            .filter(|connection| !connection.is_closed() && connection.address() == address);
        usable.cloned()
    }
}

/// Nothing panics while it holds one of these locks, so a poisoned one still holds a whole value.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
