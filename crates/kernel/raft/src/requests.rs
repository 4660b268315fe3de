//! At most one request in flight to each node, and a pause after a failure.

use std::collections::BTreeMap;

use crate::{Endpoint, Node};

#[derive(Clone, Copy, Debug)]
enum Connection {
    Awaiting { correlation_id: u64, until_ms: i64 },
    BackingOff { until_ms: i64 },
}

/// The connections that are not simply ready.
#[derive(Debug)]
pub(crate) struct RequestManager {
    connections: BTreeMap<i32, Connection>,
    bootstrap: Vec<Node>,
    request_timeout_ms: i64,
    retry_backoff_ms: i64,
    next_correlation_id: u64,
}

impl RequestManager {
    pub(crate) fn new(bootstrap: &[Endpoint], request_timeout_ms: i64, retry_backoff_ms: i64) -> Self {
        let bootstrap = (2..).zip(bootstrap).map(|(id, endpoint): (i32, _)| Node {
            id: -id,
            endpoint: endpoint.clone(),
        });
        RequestManager {
            connections: BTreeMap::new(),
            bootstrap: bootstrap.collect(),
            request_timeout_ms,
            retry_backoff_ms,
            next_correlation_id: 0,
        }
    }

    /// When a request may be sent to this node: none for now.
    pub(crate) fn ready_at(&self, id: i32, now_ms: i64) -> Option<i64> {
        match self.connections.get(&id)? {
            Connection::Awaiting { until_ms, .. } | Connection::BackingOff { until_ms } => {
                (*until_ms > now_ms).then_some(*until_ms)
            }
        }
    }

    pub(crate) fn is_backing_off(&self, id: i32, now_ms: i64) -> bool {
        matches!(self.connections.get(&id), Some(Connection::BackingOff { until_ms }) if *until_ms > now_ms)
    }

    pub(crate) fn has_timed_out(&self, id: i32, now_ms: i64) -> bool {
        matches!(self.connections.get(&id), Some(Connection::Awaiting { until_ms, .. }) if *until_ms <= now_ms)
    }

    /// When the request that is in flight, to whomever, is given up: none when there is none.
    pub(crate) fn in_flight_until(&self, now_ms: i64) -> Option<i64> {
        let in_flight = self.connections.values().filter_map(|connection| match connection {
            Connection::Awaiting { until_ms, .. } if *until_ms > now_ms => Some(*until_ms),
            Connection::Awaiting { .. } | Connection::BackingOff { .. } => None,
        });
        in_flight.max()
    }

    /// A bootstrap server that can be asked, beginning with a random one.
    pub(crate) fn ready_bootstrap_server(&self, now_ms: i64, random: u64) -> Option<Node> {
        let count = self.bootstrap.len();
        let start = usize::try_from(random.checked_rem(count as u64)?).expect("less than a length");
        let in_turn = self.bootstrap.iter().cycle().skip(start).take(count);
        in_turn
            .clone()
            .find(|node| self.ready_at(node.id, now_ms).is_none())
            .cloned()
    }

    /// When the first bootstrap server can be asked again.
    pub(crate) fn bootstrap_ready_at(&self, now_ms: i64) -> Option<i64> {
        self.bootstrap
            .iter()
            .map(|node| self.ready_at(node.id, now_ms).unwrap_or(now_ms))
            .min()
    }

    /// Notes a request and names it.
    pub(crate) fn sent(&mut self, id: i32, now_ms: i64) -> u64 {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id += 1;
        let until_ms = now_ms + self.request_timeout_ms;
        self.connections.insert(
            id,
            Connection::Awaiting {
                correlation_id,
                until_ms,
            },
        );
        correlation_id
    }

    /// Whether this answer belongs to the request that is in flight.
    pub(crate) fn is_expected(&self, id: i32, correlation_id: u64) -> bool {
        matches!(self.connections.get(&id), Some(Connection::Awaiting { correlation_id: awaited, .. }) if *awaited == correlation_id)
    }

    /// The answer was handled, or could not be.
    pub(crate) fn answered(&mut self, id: i32, correlation_id: u64, success: bool, now_ms: i64) {
        if !self.is_expected(id, correlation_id) {
            return;
        }
        if success {
            self.connections.remove(&id);
        } else {
            self.connections.insert(
                id,
                Connection::BackingOff {
                    until_ms: now_ms + self.retry_backoff_ms,
                },
            );
        }
    }

    pub(crate) fn reset(&mut self, id: i32) {
        self.connections.remove(&id);
    }

    pub(crate) fn reset_all(&mut self) {
        self.connections.clear();
    }
}
