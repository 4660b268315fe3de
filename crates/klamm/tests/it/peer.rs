//! The API differential test: the same requests to two brokers, whose answers have to be the same field by field.
//!
//! In `cargo test` both are nodes of ours: what one answers may not hang on chance or time. `cargo xtask peer` puts Apache
//! Kafka beside one, as `KLAMM_TEST_PEER=HOST:PORT` does with a broker that has nothing to lose. Every version of every API
//! that is offered is asked the systematic cases, then come random requests: `KLAMM_PEER_REQUESTS` says how many,
//! `KLAMM_TEST_SEED` which. What differs is told in rows; `allowed` has the differences that stay.

mod allowed;
mod broken;
mod clients;
mod cluster;
mod configs;
mod fetch;
mod groups;
mod meeting;
mod offsets;
mod pair;
mod produce;
mod random;
mod topics;
mod value;
mod versions;

use klamm_protocol::Listener;

use crate::node::Node;
use crate::random::seed;
use pair::Pair;

#[tokio::test]
async fn the_same_requests_get_the_same_answers() {
    let count = std::env::var("KLAMM_PEER_REQUESTS").map_or(100, |text| text.parse().unwrap());
    let seed = seed();
    // What is asked for is older than records are kept by default.
    let overrides = ["group.initial.rebalance.delay.ms=0", "log.retention.ms=-1"];
    let node = Node::start_with(&overrides).await;
    let (second, peer) = match std::env::var("KLAMM_TEST_PEER") {
        Ok(peer) => (None, peer.parse().expect("KLAMM_TEST_PEER is HOST:PORT")),
        Err(_) => {
            let second = Node::start_with(&overrides).await;
            let address = second.address();
            (Some(second), address)
        }
    };
    let mut pair = Pair::of(node.address(), peer, seed).await;
    versions::ask(&mut pair).await;
    for listener in [Listener::Broker, Listener::Controller] {
        pair.listener = listener;
        topics::ask(&mut pair).await;
        pair.tell_time("topics");
        configs::ask(&mut pair).await;
        pair.tell_time("configs");
        cluster::ask(&mut pair).await;
        pair.tell_time("cluster");
        clients::ask(&mut pair).await;
        pair.tell_time("clients");
    }
    pair.listener = Listener::Broker;
    produce::ask(&mut pair).await;
    pair.tell_time("produce");
    fetch::ask(&mut pair).await;
    pair.tell_time("fetch");
    offsets::ask(&mut pair).await;
    pair.tell_time("offsets");
    groups::ask(&mut pair).await;
    pair.tell_time("groups");
    meeting::ask(&mut pair).await;
    pair.tell_time("meeting");
    random::ask(&mut pair, seed, count).await;
    pair.tell_time("random");
    pair.done(second.is_none());
}
