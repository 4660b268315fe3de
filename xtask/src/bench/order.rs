//! What is to be measured, as the command line says it.

use std::path::PathBuf;

pub(super) const USAGE: &str = "usage: cargo xtask bench [SCENARIO]... [--rounds N] [--peer BINARY] [--quick]

Klamm and Apache Kafka in turns on fresh directories with the same properties, under the load of `klamm-load`, a process of its
own; beside them bare loops that do the least a broker must. Each scenario writes its section of bench/RESULTS.md. Without a
scenario, all of the first list.

  produce    batches: sizes, codecs, partitions and connections; CPU per GB, GB/s
  consume    readers of what is in memory and of what is on the disk only; CPU per GB, GB/s
  requests   records of 100 bytes one by one over 32 connections; CPU per request, requests/s
  latency    from producer to consumer at 5,000 records/s, corrected for coordinated omission; memory
  start      empty, after a clean stop, after a crash
  idle       CPU and memory with 10,000 partitions and no clients
  topics     1,000 topics created one after the other
  mixed      producers and consumers at once, and a backlog read from the disk beside a producer
  cleaner    compaction of a dirty log by codec; bytes per CPU second of the cleaner's thread

  others     produce and consume by Java's performance tools and by librdkafka; CPU per GB, GB/s

  console    console tools, ours and Apache Kafka's, against Klamm
  clients    our client, franz-go and librdkafka against Klamm

  --rounds N     as many turns of each; the median counts (3)
  --peer BINARY  one more broker that takes the same command lines as `klamm`, such as an older build of it
  --quick        a tenth of the load, one turn, no warm JVM: to see that it works; writes no results

KLAMM_BINARY and KLAMM_LOAD_BINARY name release builds that are there already; without them they are made.
The scenarios need about 20 GB of disk and root, to drop what the system has cached. A round of one takes two to four minutes
on two quiet cores; a busy machine spoils GB/s and latencies first, and the section says how busy it was.";

/// Scenarios that compare brokers, in their order of importance.
pub(super) const BROKERS: &[&str] = &[
    "produce", "consume", "requests", "latency", "start", "idle", "topics", "mixed", "cleaner", "others",
];
/// Scenarios that compare clients.
const CLIENTS: &[&str] = &["console", "clients"];

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) scenarios: Vec<String>,
    pub(super) rounds: usize,
    pub(super) peer: Option<PathBuf>,
    pub(super) quick: bool,
}

impl Order {
    pub(super) fn parse(args: &[&str]) -> Result<Order, String> {
        let mut order = Order {
            scenarios: Vec::new(),
            rounds: 0,
            peer: None,
            quick: false,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match *arg {
                "--quick" => order.quick = true,
                "--rounds" => {
                    let rounds = args.next().and_then(|rounds| rounds.parse().ok());
                    order.rounds = rounds.filter(|rounds| *rounds > 0).ok_or("--rounds: how many?")?;
                }
                "--peer" => order.peer = Some(args.next().ok_or("--peer: which binary?")?.into()),
                name if BROKERS.contains(&name) || CLIENTS.contains(&name) => order.scenarios.push(name.to_owned()),
                "help" | "--help" => return Err(USAGE.to_owned()),
                other => return Err(format!("`{other}`?\n{USAGE}")),
            }
        }
        if order.scenarios.is_empty() {
            order.scenarios = BROKERS.iter().map(|name| (*name).to_owned()).collect();
        }
        if order.rounds == 0 {
            order.rounds = if order.quick { 1 } else { 3 };
        }
        Ok(order)
    }

    /// The command that repeats one scenario of this order.
    pub(super) fn command(&self, scenario: &str) -> String {
        let peer = self
            .peer
            .as_ref()
            .map_or(String::new(), |peer| format!(" --peer {}", peer.display()));
        format!("cargo xtask bench {scenario} --rounds {}{peer}", self.rounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_names_scenarios() {
        let order = Order::parse(&["produce", "--rounds", "5", "start", "--peer", "/bin/old"]).unwrap();
        assert_eq!(order.scenarios, ["produce", "start"]);
        assert_eq!(
            order.command("start"),
            "cargo xtask bench start --rounds 5 --peer /bin/old"
        );
        let order = Order::parse(&["--quick"]).unwrap();
        assert_eq!((order.scenarios.len(), order.rounds), (BROKERS.len(), 1));
        assert!(Order::parse(&["--rounds", "0"]).is_err());
        assert!(Order::parse(&["--peer"]).is_err());
        assert!(Order::parse(&["nothing"]).unwrap_err().contains("usage"));
    }
}
