//! `klamm cluster`: the id of a cluster and its nodes, as Kafka's `kafka-cluster`.

use std::collections::BTreeMap;

use klamm_client::{Error, NodeDescription};
use serde_json::json;

use crate::call::{Call, Outcome};
use crate::connect::{self, exception_failure as failed};
use crate::output::Failure;
use crate::spec::{
    BOOTSTRAP_CONTROLLER, COMMAND_CONFIG, Command, Example, Exclusive, Flag, Group, OPTIONAL_BOOTSTRAP_SERVER, Run,
    Tool,
};

const SERVER: Flag = OPTIONAL_BOOTSTRAP_SERVER.short('b');
const CONTROLLER: Flag = BOOTSTRAP_CONTROLLER.short('C');
const CONFIG: Flag = Flag::file("config", "FILE", "The older name of `--command-config`")
    .short('c')
    .deprecated("`--command-config`");
const EXCLUSIVE: &[Exclusive] = &[Exclusive {
    flags: &["bootstrap-server", "bootstrap-controller"],
    required: true,
}];

pub(crate) const TOOL: Tool = Tool {
    name: "cluster",
    script: Some("kafka-cluster"),
    group: Group::Cluster,
    about: "Show the id of a cluster and its nodes, or take a broker out of its books",
    long: "",
    help_exit: 1,
    commands: &[
        Command {
            name: "cluster-id",
            about: "Show the id of the cluster",
            flags: &[SERVER, CONTROLLER, CONFIG, COMMAND_CONFIG],
            exclusive: EXCLUSIVE,
        },
        Command {
            name: "unregister",
            about: "Take a broker that was shut down for good out of the cluster's books",
            flags: &[
                Flag::int("id", "ID", "The broker").short('i').required(),
                SERVER,
                CONTROLLER,
                CONFIG,
                COMMAND_CONFIG,
            ],
            exclusive: EXCLUSIVE,
        },
        Command {
            name: "list-endpoints",
            about: "Show where the nodes listen: brokers, or controllers when asked of one",
            flags: &[
                Flag::switch(
                    "include-fenced-brokers",
                    "Brokers too that are registered and not in service",
                ),
                SERVER,
                CONTROLLER,
                CONFIG,
                COMMAND_CONFIG,
            ],
            exclusive: EXCLUSIVE,
        },
    ],
    changes: &["unregister"],
    examples: &[
        Example {
            does: "The id of a cluster",
            line: "cluster cluster-id --bootstrap-server localhost:9092",
        },
        Example {
            does: "The brokers, those out of service too",
            line: "cluster list-endpoints --bootstrap-server localhost:9092 --include-fenced-brokers",
        },
    ],
    run: Run::Async(|call| Box::pin(run(call))),
    ..Tool::argparse()
};

async fn run(call: &mut Call) -> Outcome {
    if call.args.has("config") && call.args.has("command-config") {
        return Err(Failure::kafka(
            "--config and --command-config cannot be specified together.",
        ));
    }
    let mut properties = connect::file(&call.args, "config")?;
    if call.args.has("config") {
        let words = "Option --config has been deprecated and will be removed in a future version. Use --command-config instead.";
        match call.out.is_json() {
            true => call.err.line(words),
            false => call.out.line(words)?,
        }
    }
    for (key, value) in connect::properties(&call.args)?.iter() {
        properties.set(key, value);
    }
    let client = connect::client_of(properties)?;
    let admin = client.admin();
    match call.args.command() {
        Some("cluster-id") => {
            let cluster = admin.describe_cluster(false).await;
            let id = cluster.map_err(|error| failed(&error, "listNodes"))?.cluster_id;
            match call.out.is_json() {
                true => call.out.json(&json!({"clusterId": id})),
                false => call.out.line(format_args!("Cluster ID: {id}")),
            }
        }
        Some("unregister") => {
            let id = call.args.int("id").unwrap_or_default();
            let outcome = admin.unregister_broker(id).await;
            if matches!(outcome, Err(Error::Unsupported { .. })) && !call.out.is_json() {
                return call
                    .out
                    .line("The target cluster does not support the broker unregistration API.");
            }
            outcome.map_err(|error| failed(&error, "unregisterBroker"))?;
            match call.out.is_json() {
                true => call.out.json(&json!({"unregistered": id})),
                false => call.out.line(format_args!("Broker {id} is no longer registered.")),
            }
        }
        _ => endpoints(call, &admin).await,
    }
}

async fn endpoints(call: &mut Call, admin: &klamm_client::Admin) -> Outcome {
    let with_fenced = call.args.has("include-fenced-brokers");
    let of_controllers = call.args.has("bootstrap-controller");
    if with_fenced && of_controllers {
        return Err(Failure::kafka(
            "The option --include-fenced-brokers is only supported with --bootstrap-server option",
        ));
    }
    let cluster = admin.describe_cluster(with_fenced).await;
    let nodes = cluster.map_err(|error| failed(&error, "listNodes"))?.nodes;
    match call.out.is_json() {
        true => print_json(call, &nodes, of_controllers),
        false => print(call, &nodes, of_controllers),
    }
}

fn kind(of_controllers: bool) -> &'static str {
    match of_controllers {
        true => "controller",
        false => "broker",
    }
}

fn state(node: &NodeDescription) -> &'static str {
    match node.is_fenced {
        true => "fenced",
        false => "unfenced",
    }
}

fn print_json(call: &mut Call, nodes: &BTreeMap<i32, NodeDescription>, of_controllers: bool) -> Outcome {
    let nodes = nodes.values().map(|node| {
        let mut object = json!({
            "id": node.id,
            "host": node.host,
            "port": node.port,
            "rack": node.rack,
            "endpointType": kind(of_controllers),
        });
        if !of_controllers {
            object["state"] = state(node).into();
        }
        object
    });
    call.out.json_lines(nodes)
}

fn print(call: &mut Call, nodes: &BTreeMap<i32, NodeDescription>, of_controllers: bool) -> Outcome {
    let rack = |node: &NodeDescription| node.rack.clone().unwrap_or("null".to_owned());
    let longest = |lengths: Box<dyn Iterator<Item = usize> + '_>| lengths.max().unwrap_or(0);
    let host_width = longest(Box::new(nodes.values().map(|node| node.host.chars().count())));
    let rack_width = longest(Box::new(nodes.values().map(|node| rack(node).chars().count()))).max(10);
    let mut row = |id: &str, host: &str, port: &str, rack: &str, state: &str, kind: &str| {
        let state = match of_controllers {
            true => String::new(),
            false => format!("{state:<10} "),
        };
        call.out.line(format_args!(
            "{id:<10} {host:<host_width$} {port:<10} {rack:<rack_width$} {state}{kind:<15}"
        ))
    };
    row("ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE")?;
    nodes.values().try_for_each(|node| {
        let (id, port) = (node.id.to_string(), node.port.to_string());
        row(&id, &node.host, &port, &rack(node), state(node), kind(of_controllers))
    })
}
