//! When brokers were last heard of.

use std::collections::BTreeMap;

use klamm_metadata::ClusterImage;

use crate::result::BrokerContact;

/// Signs of life, by broker. Not part of the replicated state: a new controller starts without any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heartbeats {
    contacts: BTreeMap<i32, BrokerContact>,
}

impl Heartbeats {
    pub(crate) fn touch(&mut self, contact: BrokerContact) {
        self.contacts.insert(contact.broker_id, contact);
    }

    /// Whether the broker was heard of, with that epoch, within the session timeout.
    pub(crate) fn has_valid_session(&self, id: i32, epoch: i64, timeout_ms: i64, now_ms: i64) -> bool {
        self.contacts
            .get(&id)
            .is_some_and(|contact| contact.broker_epoch == epoch && !is_expired(contact, timeout_ms, now_ms))
    }

    /// An unfenced broker, heard of too long ago.
    pub(crate) fn stale_broker(&self, cluster: &ClusterImage, timeout_ms: i64, now_ms: i64) -> Option<i32> {
        self.live(cluster)
            .find(|contact| is_expired(contact, timeout_ms, now_ms))
            .map(|contact| contact.broker_id)
    }

    /// When the next session ends, unless its broker is heard of.
    pub(crate) fn next_deadline(&self, cluster: &ClusterImage, timeout_ms: i64) -> Option<i64> {
        self.live(cluster)
            .map(|contact| contact.now_ms.saturating_add(timeout_ms).saturating_add(1))
            .min()
    }

    /// The last metadata offset that the broker is known to have applied, or -1.
    pub(crate) fn metadata_offset(&self, id: i32, epoch: i64) -> i64 {
        match self.contacts.get(&id) {
            Some(contact) if contact.broker_epoch == epoch => contact.metadata_offset,
            _ => -1,
        }
    }

    /// Those that matter: of brokers that are registered with the same epoch and not fenced.
    fn live<'a>(&'a self, cluster: &'a ClusterImage) -> impl Iterator<Item = &'a BrokerContact> {
        self.contacts.values().filter(|contact| {
            cluster
                .broker(contact.broker_id)
                .is_some_and(|broker| broker.epoch == contact.broker_epoch && !broker.fenced)
        })
    }
}

fn is_expired(contact: &BrokerContact, timeout_ms: i64, now_ms: i64) -> bool {
    contact.now_ms.saturating_add(timeout_ms) < now_ms
}
