//! Listeners and connections: where the node listens and what one client may take of it.

use crate::key::Importance::{High, Low, Medium};
use crate::key::{ConfigKey, int, list, long, string};

pub(super) const KEYS: &[ConfigKey] = &[
    list("listeners", High)
        .default("PLAINTEXT://:9092")
        .distinct()
        .not_empty()
        .per_broker()
        .effective()
        .doc(
            "Addresses to listen on, each `NAME://host:port`; an empty host means every interface, `[::1]` an \
             IPv6 address.",
        ),
    list("advertised.listeners", High)
        .distinct()
        .not_empty()
        .effective()
        .doc("Addresses that clients are told to use, where they differ from `listeners`; never `0.0.0.0`."),
    string("listener.security.protocol.map", Low)
        .default("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT")
        .per_broker()
        .effective()
        .doc("Security protocol of each listener name, as `NAME:PROTOCOL` pairs."),
    int("socket.send.buffer.bytes", High)
        .default("102400")
        .effective()
        .doc("Send buffer of a connection's socket, 256 KiB if it is not set; -1 leaves it to the system."),
    int("socket.receive.buffer.bytes", High)
        .default("102400")
        .effective()
        .doc("Receive buffer of a connection's socket; -1, or not setting it, leaves it to the system."),
    int("socket.request.max.bytes", High)
        .default("104857600")
        .at_least(1)
        .effective()
        .doc("Largest request a connection may send; a larger one closes the connection."),
    int("socket.listen.backlog.size", Medium)
        .default("50")
        .at_least(1)
        .effective()
        .doc("Connections the system holds ready until the node accepts them."),
    int("max.connections", Medium)
        .default("2147483647")
        .at_least(0)
        .cluster_wide()
        .effective()
        .doc("Most connections at a time over all listeners of this node."),
    int("max.connections.per.ip", Medium)
        .default("2147483647")
        .at_least(0)
        .cluster_wide()
        .effective()
        .doc("Most connections at a time from one address."),
    string("max.connections.per.ip.overrides", Medium)
        .default("")
        .cluster_wide()
        .effective()
        .doc("Limits of single hosts against the one above, as `host:limit` pairs."),
    int("max.connection.creation.rate", Medium)
        .default("2147483647")
        .at_least(0)
        .cluster_wide()
        .effective()
        .doc("Most new connections a second."),
    long("connections.max.idle.ms", Medium)
        .default("600000")
        .effective()
        .doc("Milliseconds without traffic after which a connection is closed."),
    int("connection.failed.authentication.delay.ms", Low)
        .default("100")
        .at_least(0)
        .doc("Milliseconds a failed authentication waits for its answer; slows down guessing."),
    int("queued.max.requests", High).default("500").at_least(1).doc(
        "Requests that may wait for a free thread. Klamm bounds waiting requests by bytes, see \
             `queued.max.request.bytes`.",
    ),
    long("queued.max.request.bytes", Medium).default("-1").effective().doc(
        "Bytes of requests the node holds at a time before it stops reading; -1 leaves the choice to the \
             node.",
    ),
    int("num.network.threads", High)
        .default("3")
        .at_least(1)
        .cluster_wide()
        .doc("Threads that read and write connections. Klamm runs as many worker threads as the machine has cores."),
];
