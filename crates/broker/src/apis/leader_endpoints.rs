//! Where the leaders are that Produce and Fetch name beside NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH (KIP-951).

use std::collections::BTreeSet;

use crate::request::RequestContext;

/// A broker, as the clients of one listener reach it.
pub(super) struct LeaderEndpoint {
    pub(super) node_id: i32,
    pub(super) host: String,
    pub(super) port: i32,
    pub(super) rack: Option<String>,
}

/// Each of the brokers once, by rising id. Negative ids name none.
pub(super) fn leader_endpoints(cx: &RequestContext<'_>, named: impl Iterator<Item = i32>) -> Vec<LeaderEndpoint> {
    let leaders: BTreeSet<i32> = named.filter(|leader| *leader >= 0).collect();
    let endpoint = |node_id: i32| {
        let broker = cx.image.cluster().broker(node_id)?;
        let endpoint = broker.listener(&cx.listener.name)?;
        Some(LeaderEndpoint {
            node_id,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            rack: broker.rack.clone(),
        })
    };
    leaders.into_iter().filter_map(endpoint).collect()
}
