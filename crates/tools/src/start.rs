//! `klamm start`, as the table has it: the node itself is the binary's.

use crate::spec::{Example, Flag, Group, Hint, Kind, Run, Tool, Value};

pub(crate) const TOOL: Tool = Tool {
    name: "start",
    group: Group::Node,
    about: "Start a node",
    long: "Without `--config` the node is broker and controller of a cluster of its own. It formats its data directory when it \
           starts for the first time. With `--config` it does as the file says, and the directories have to be formatted before.",
    flags: &[
        Flag::file("config", "FILE", "Kafka's `server.properties`").short('c'),
        Flag::directory("data-dir", "DIR", "Where data lies [default: ~/.local/share/klamm]").short('d'),
        Flag {
            value: Value::One(Kind::Text(Hint::Host), "HOST:PORT"),
            ..Flag::text(
                "listen",
                "HOST:PORT",
                "Where clients connect; the controller takes the next port. Not together with `--config` [default: 127.0.0.1:9092]",
            )
        }
        .short('l'),
        Flag::text("override", "KEY=VALUE", "Sets one key of the configuration, over the file")
            .short('o')
            .repeated(),
        Flag::text(
            "log-level",
            "LEVEL",
            "What to log: a level, or levels by module such as `info,klamm_net=debug`",
        )
        .default("info"),
    ],
    exclusive: &[crate::spec::Exclusive {
        flags: &["config", "listen"],
        required: false,
    }],
    examples: &[
        Example {
            does: "A node for yourself on port 9092",
            line: "start",
        },
        Example {
            does: "For a network, with data where it belongs",
            line: "start --listen 0.0.0.0:9092 --data-dir /var/lib/klamm",
        },
        Example {
            does: "As Kafka's configuration says",
            line: "start --config server.properties --override num.partitions=3",
        },
    ],
    run: Run::Blocking(|call| call.node.start(call)),
    ..Tool::own()
};
