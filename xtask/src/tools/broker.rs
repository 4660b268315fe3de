//! A broker of either kind on a directory and ports of its own, from the same `server.properties`.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::apache::Apache;
use super::cell::Side;

/// The most that a broker may take to start.
const START_LIMIT: Duration = Duration::from_secs(90);
/// One for all, so that it need not be replaced.
const CLUSTER_ID: &str = "4L6g3nShT-eMCtK--X86sw";

/// A running broker. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Broker {
    process: Child,
    pub(super) port: u16,
    pub(super) log_dir: PathBuf,
}

impl Broker {
    /// Formats an empty directory and starts a broker on it.
    pub(super) fn start(side: Side, dir: &Path, klamm: &Path, apache: &Apache) -> Result<Broker, String> {
        match std::fs::remove_dir_all(dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("{}: {error}", dir.display()));
            }
            _ => {}
        }
        let io = |error: std::io::Error| format!("{}: {error}", dir.display());
        std::fs::create_dir_all(dir.join("work")).map_err(io)?;
        let port = ports()?;
        let log_dir = dir.join("data");
        let config = dir.join("server.properties");
        std::fs::write(&config, properties(port, &log_dir)).map_err(io)?;
        let log = || std::fs::File::create(dir.join("broker.log")).map_err(io);
        let command = |apache_class: &str, ours: &str| match side {
            Side::Klamm => {
                let mut command = Command::new(klamm);
                command.arg(ours);
                command
            }
            Side::Apache => {
                let mut command = Command::new("java");
                command.args(["-Xmx512M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
                command.arg(format!("{}/*", apache.broker.display())).arg(apache_class);
                command
            }
        };
        let mut format = command("kafka.tools.StorageTool", "storage");
        format
            .args(["format", "--standalone", "-t", CLUSTER_ID, "-c"])
            .arg(&config);
        crate::succeed(format.stdout(Stdio::null()))?;
        let mut start = command("kafka.Kafka", "start");
        if let Side::Klamm = side {
            start.arg("--config");
        }
        let process = start
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log()?)
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{start:?}: {error}"))?;
        let mut broker = Broker { process, port, log_dir };
        broker.wait_until_it_serves()?;
        Ok(broker)
    }

    /// A broker opens the port for clients when it is registered.
    fn wait_until_it_serves(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if let Some(status) = self.process.try_wait().map_err(|error| error.to_string())? {
                return Err(format!("the broker ended with {status} instead of serving"));
            }
            if Instant::now() > deadline {
                return Err(format!("the broker does not serve after {} s", START_LIMIT.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Ends it; how it ends is tested elsewhere.
    pub(super) fn stop(self) {}
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill(); // gone already
        let _ = self.process.wait();
    }
}

fn properties(port: u16, log_dir: &Path) -> String {
    let controller = port + 1;
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\n\
         controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
         log.dirs={}\n\
         offsets.topic.num.partitions=2\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n",
        log_dir.display()
    )
}

/// Two neighbouring ports of five digits each, below the range from which the system takes ports for connections.
fn ports() -> Result<u16, String> {
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    let start = (std::process::id() % 400) as u16 * 40;
    for _ in 0..10_000 {
        let step = NEXT.fetch_add(2, std::sync::atomic::Ordering::Relaxed);
        let port = 12_000 + start.wrapping_add(step) % 20_000;
        let free = |port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && free(port + 1) {
            return Ok(port);
        }
    }
    Err("no two neighbouring ports are free".to_owned())
}
