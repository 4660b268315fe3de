//! The node's configuration: its own, and over it what the cluster says (KIP-226).

use std::collections::HashMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use klamm_config::{BrokerLayers, Config, Overrides, ServerConfig};
use klamm_metadata::{ConfigResource, MetadataImage};
use klamm_net::{ConnectionLimits, ConnectionOptions, MemoryPool, SocketOptions};

/// Send buffers where nobody chose their size: enough for the network, and what lies in them is still in the processor's cache
/// when a consumer on the same machine reads it.
const SEND_BUFFER_BYTES: u32 = 256 * 1024;

/// What a node is configured with.
#[derive(Debug)]
pub struct NodeConfig {
    /// Its own configuration, which never changes while it runs.
    pub server: ServerConfig,
    effective: ArcSwap<Config>,
}

impl NodeConfig {
    /// Starts with the node's own configuration.
    pub fn new(server: ServerConfig) -> Self {
        let effective = ArcSwap::from_pointee(server.config.clone());
        NodeConfig { server, effective }
    }

    /// The values in force now, dynamic ones included.
    pub fn effective(&self) -> Arc<Config> {
        self.effective.load_full()
    }

    /// Takes over what the cluster's configuration says of this broker and of all.
    pub fn update(&self, image: &MetadataImage) {
        let set = |resource| image.configs().resource(&resource).cloned().unwrap_or_default();
        let all_brokers: Overrides = set(ConfigResource::default_broker());
        let this_broker: Overrides = set(ConfigResource::broker(self.server.node_id));
        let own = &self.server.config;
        let effective = match all_brokers.is_empty() && this_broker.is_empty() {
            true => own.clone(),
            false => BrokerLayers {
                own,
                all_brokers: &all_brokers,
                this_broker: &this_broker,
            }
            .effective(),
        };
        self.effective.store(Arc::new(effective));
    }

    /// Buffers and backlog of the node's sockets. Where nobody chose the buffers' sizes they are not Kafka's 100 KiB, which cost
    /// a third more processor time: decision 0010.
    pub(crate) fn socket_options(&self) -> SocketOptions {
        let config = &self.server.config;
        let chosen = |key| u32::try_from(config.int(key)).ok();
        SocketOptions {
            backlog: config.int("socket.listen.backlog.size").unsigned_abs(),
            send_buffer_bytes: match config.is_set("socket.send.buffer.bytes") {
                true => chosen("socket.send.buffer.bytes"),
                false => Some(SEND_BUFFER_BYTES),
            },
            receive_buffer_bytes: match config.is_set("socket.receive.buffer.bytes") {
                true => chosen("socket.receive.buffer.bytes"),
                false => None,
            },
        }
    }

    /// Bounds of each connection.
    pub(crate) fn connection_options(&self) -> ConnectionOptions {
        let config = &self.server.config;
        ConnectionOptions {
            max_request_bytes: config.int("socket.request.max.bytes").unsigned_abs(),
            max_idle: u64::try_from(config.long("connections.max.idle.ms"))
                .ok()
                .map(Duration::from_millis),
            memory: match u64::try_from(config.long("queued.max.request.bytes")) {
                Ok(bytes) if bytes > 0 => MemoryPool::bounded(bytes),
                _ => MemoryPool::unbounded(),
            },
        }
    }

    /// How many connections there may be now. Names of hosts are looked up here, as Kafka does at start and at each change.
    pub(crate) fn connection_limits(&self) -> ConnectionLimits {
        let config = self.effective();
        let limit = |key| config.int(key).unsigned_abs();
        let unlimited = |value: u32| {
            if value == i32::MAX.unsigned_abs() {
                u32::MAX
            } else {
                value
            }
        };
        ConnectionLimits {
            max_connections: limit("max.connections"),
            max_connections_per_ip: limit("max.connections.per.ip"),
            max_connections_per_ip_overrides: per_ip_overrides(config.string("max.connections.per.ip.overrides")),
            max_connection_creation_rate: unlimited(limit("max.connection.creation.rate")),
        }
    }
}

/// `HOST:COUNT` pairs by the addresses of the hosts; their form was checked when they were set.
fn per_ip_overrides(text: &str) -> HashMap<IpAddr, u32> {
    let mut overrides = HashMap::new();
    let pairs = text.split(',').filter_map(|pair| pair.trim().rsplit_once(':'));
    for (host, count) in pairs {
        let host = host.trim().trim_start_matches('[').trim_end_matches(']');
        let Ok(count) = count.trim().parse() else { continue };
        for address in (host, 0).to_socket_addrs().into_iter().flatten() {
            overrides.insert(address.ip().to_canonical(), count);
        }
    }
    overrides
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use klamm_config::Properties;

    use super::*;
    use crate::standalone::Standalone;

    fn sockets(overrides: &[&str]) -> SocketOptions {
        let standalone = Standalone {
            host: "localhost",
            port: 0,
            data_dir: Path::new("data"),
        };
        let mut properties: Properties = standalone.properties();
        for text in overrides {
            properties.set_override(text).unwrap();
        }
        let (config, _) = ServerConfig::load(&properties).unwrap();
        NodeConfig::new(config).socket_options()
    }

    #[test]
    fn buffers_have_the_size_that_somebody_chose_and_else_ours() {
        let unset = sockets(&[]);
        assert_eq!(
            (unset.send_buffer_bytes, unset.receive_buffer_bytes),
            (Some(256 * 1024), None)
        );
        let chosen = sockets(&["socket.send.buffer.bytes=102400", "socket.receive.buffer.bytes=102400"]);
        assert_eq!(
            (chosen.send_buffer_bytes, chosen.receive_buffer_bytes),
            (Some(102_400), Some(102_400))
        );
        let systems = sockets(&["socket.send.buffer.bytes=-1", "socket.receive.buffer.bytes=-1"]);
        assert_eq!((systems.send_buffer_bytes, systems.receive_buffer_bytes), (None, None));
    }
}
