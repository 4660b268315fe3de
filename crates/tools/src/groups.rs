//! `klamm groups`: lists groups of every type, as Kafka's `kafka-groups`.

use klamm_client::{Admin, Error, GroupListing, GroupType, ListGroups};
use serde_json::json;

use crate::call::{Call, Outcome};
use crate::connect;
use crate::output::Failure;
use crate::spec::{BOOTSTRAP_SERVER, COMMAND_CONFIG, Example, Flag, Group, Matches, Run, Tool, check};

pub(crate) const TOOL: Tool = Tool {
    name: "groups",
    script: Some("kafka-groups"),
    group: Group::Groups,
    about: "List the groups of every type",
    long: "`klamm consumer-groups` says more of consumer groups, and changes them.",
    flags: &[
        BOOTSTRAP_SERVER,
        Flag::switch("list", "List the groups"),
        Flag::text(
            "group-type",
            "TYPE",
            "Only groups of this type: classic, consumer, share or streams",
        ),
        Flag::text(
            "protocol",
            "PROTOCOL",
            "Only groups of this protocol, such as `consumer` or `connect`",
        ),
        Flag::switch(
            "consumer",
            "Only groups of consumers: of type consumer, and of type classic with that protocol or none",
        ),
        Flag::switch("share", "Only groups of type share"),
        Flag::switch("streams", "Only groups of type streams"),
        COMMAND_CONFIG,
    ],
    examples: &[
        Example {
            does: "All groups",
            line: "groups --bootstrap-server localhost:9092 --list",
        },
        Example {
            does: "The groups of Connect's workers",
            line: "groups --bootstrap-server localhost:9092 --list --protocol connect",
        },
    ],
    run: Run::Async(|call| Box::pin(run(call))),
    ..Tool::joptsimple()
};

/// What the command line asks for.
struct Filter {
    kind: Option<GroupType>,
    protocol: Option<String>,
    consumers: bool,
}

async fn run(call: &mut Call) -> Outcome {
    let filter = filter(&call.args)?;
    let client = connect::client(&call.args).map_err(|failure| failure.reworded(wrapped).on_stdout())?;
    let listed = listed(&client.admin()).await.map_err(|error| {
        let words = match error {
            Error::TimedOut { .. } | Error::Unreachable { .. } => {
                "Failed to find brokers to send ListGroups".to_owned()
            }
            _ => connect::words(&error, "listGroups"),
        };
        let failure = Failure::kafka(wrapped(&words)).on_stdout();
        match connect::hint(&error) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    let groups: Vec<GroupListing> = listed.into_iter().filter(|group| filter.matches(group)).collect();
    print(call, &groups)
}

/// What stands before an error.
fn wrapped(words: &str) -> String {
    format!("Error while executing groups command : {words}")
}

async fn listed(admin: &Admin) -> Result<Vec<GroupListing>, Error> {
    let listed = admin.list_groups(&ListGroups::default()).await?;
    match listed.errors.into_iter().next() {
        Some((_, error)) => Err(error),
        None => Ok(listed.groups),
    }
}

fn filter(args: &Matches) -> Result<Filter, Failure> {
    if !args.has("list") {
        return Err(check::usage(args, "Command must include exactly one action: --list."));
    }
    check::invalid(args, "consumer", &["group-type", "protocol", "share", "streams"])?;
    check::invalid(args, "share", &["group-type", "protocol", "consumer", "streams"])?;
    check::invalid(args, "streams", &["group-type", "protocol", "consumer", "share"])?;
    let mut kind = None;
    if let Some(name) = args.get("group-type") {
        kind = Some(GroupType::from(name));
        if kind == Some(GroupType::Unknown) {
            let failure = Failure::kafka("--group-type must be a valid group type.");
            return Err(failure.hint("classic, consumer, share and streams are"));
        }
    }
    let only = |flag: &str, wanted| args.has(flag).then_some(wanted);
    Ok(Filter {
        kind: kind
            .or(only("share", GroupType::Share))
            .or(only("streams", GroupType::Streams)),
        protocol: args.get("protocol").map(str::to_owned),
        consumers: args.has("consumer"),
    })
}

impl Filter {
    fn matches(&self, group: &GroupListing) -> bool {
        let is_consumers = match group.group_type {
            Some(GroupType::Consumer) => true,
            Some(GroupType::Classic) | None => matches!(group.protocol_type.as_str(), "" | "consumer"),
            Some(_) => false,
        };
        self.kind.is_none_or(|kind| group.group_type == Some(kind))
            && self
                .protocol
                .as_ref()
                .is_none_or(|protocol| *protocol == group.protocol_type)
            && (!self.consumers || is_consumers)
    }
}

fn print(call: &mut Call, groups: &[GroupListing]) -> Outcome {
    let word = |group: &GroupListing| group.group_type.map_or("", GroupType::word);
    if call.out.is_json() {
        let groups = groups.iter().map(|group| {
            json!({
                "group": group.group_id,
                "type": group.group_type.map(GroupType::word),
                "protocol": group.protocol_type,
            })
        });
        return call.out.json_lines(groups);
    }
    let longest = groups.iter().map(|group| group.group_id.chars().count()).max();
    let width = longest.unwrap_or(0).max(20);
    call.out.line(format_args!(
        "{:<width$} {:<width$} {:<width$}",
        "GROUP", "TYPE", "PROTOCOL"
    ))?;
    groups.iter().try_for_each(|group| {
        call.out.line(format_args!(
            "{:<width$} {:<width$} {:<width$} ",
            group.group_id,
            word(group),
            group.protocol_type
        ))
    })
}
