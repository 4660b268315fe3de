//! Settings of a node that is a cluster of its own and needs no file: for `klamm start` without arguments and for tests.

use std::path::Path;

use klamm_config::{Origin, Properties};

/// Where a node without a file listens and keeps its data.
#[derive(Clone, Debug)]
pub struct Standalone<'a> {
    /// Host for clients; empty for every address of the machine.
    pub host: &'a str,
    /// Port for clients; 0 lets the system choose.
    pub port: u16,
    /// Where data goes.
    pub data_dir: &'a Path,
}

impl Standalone<'_> {
    /// The settings. The controller listens beside the broker, for this machine only: nobody else has to reach it.
    pub fn properties(&self) -> Properties {
        let controller_port = if self.port == 0 {
            0
        } else {
            self.port.checked_add(1).unwrap_or(0)
        };
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.to_owned()
        };
        let listeners = format!(
            "PLAINTEXT://{host}:{},CONTROLLER://127.0.0.1:{controller_port}",
            self.port
        );
        let data_dir = self.data_dir.to_string_lossy();
        let mut properties = Properties::new();
        for (key, value) in [
            ("process.roles", "broker,controller"),
            ("node.id", "1"),
            ("listeners", listeners.as_str()),
            ("controller.listener.names", "CONTROLLER"),
            (
                "controller.quorum.bootstrap.servers",
                &format!("127.0.0.1:{controller_port}"),
            ),
            ("log.dirs", &data_dir),
            // One node holds everything, also what a cluster would keep three times.
            ("offsets.topic.replication.factor", "1"),
            ("transaction.state.log.replication.factor", "1"),
            ("transaction.state.log.min.isr", "1"),
            ("share.coordinator.state.topic.replication.factor", "1"),
            ("share.coordinator.state.topic.min.isr", "1"),
            // A first member need not wait for others that are not there.
            ("group.initial.rebalance.delay.ms", "0"),
        ] {
            properties.set(key, value, Origin::Program);
        }
        properties
    }
}
