//! `klamm features`: the features of a cluster and their levels, as Kafka's `kafka-features`.

use std::collections::BTreeMap;

use klamm_client::{Admin, Error, FeatureUpdate, FeatureUpgrade};
use klamm_metadata::{FEATURES, MetadataVersion};
use serde_json::json;

use crate::call::{Call, Outcome};
use crate::connect::{self, exception_failure as failed};
use crate::output::Failure;
use crate::spec::{
    BOOTSTRAP_CONTROLLER, COMMAND_CONFIG, Command, Example, Exclusive, Flag, Group, OPTIONAL_BOOTSTRAP_SERVER, Run,
    Tool,
};
use crate::storage;

const METADATA: Flag = Flag::text("metadata", "VERSION", "The level of `metadata.version`, by its name")
    .deprecated("`--feature metadata.version=LEVEL`");
const RELEASE: Flag = Flag::text(
    "release-version",
    "RELEASE",
    "The release whose levels all features shall have, such as `4.2`",
);
const FEATURE: Flag = Flag::text(
    "feature",
    "NAME=LEVEL",
    "A feature and its new level, such as `group.version=1`",
)
.repeated();
const UNSAFE: Flag = Flag::switch("unsafe", "Also if metadata is lost that only the higher level can hold");
const DRY_RUN: Flag = Flag::switch("dry-run", "Only ask whether it could be done");

pub(crate) const TOOL: Tool = Tool {
    name: "features",
    script: Some("kafka-features"),
    group: Group::Cluster,
    about: "Show the features of a cluster, or change their levels",
    long: "A feature has levels; all nodes have to support the level that the cluster uses.",
    flags: &[OPTIONAL_BOOTSTRAP_SERVER, BOOTSTRAP_CONTROLLER, COMMAND_CONFIG],
    exclusive: &[Exclusive {
        flags: &["bootstrap-server", "bootstrap-controller"],
        required: false,
    }],
    commands: &[
        Command {
            name: "describe",
            about: "Show the features, what the node supports and what the cluster uses",
            flags: &[Flag::int("node-id", "ID", "The node to ask; any if left out")],
            exclusive: &[],
        },
        Command {
            name: "upgrade",
            about: "Raise levels",
            flags: &[METADATA, RELEASE, FEATURE, DRY_RUN],
            exclusive: &[],
        },
        Command {
            name: "downgrade",
            about: "Lower levels",
            flags: &[METADATA, RELEASE, FEATURE, UNSAFE, DRY_RUN],
            exclusive: &[],
        },
        Command {
            name: "disable",
            about: "Switch features off: level 0",
            flags: &[Flag::text("feature", "NAME", "A feature").repeated(), UNSAFE, DRY_RUN],
            exclusive: &[],
        },
        Command {
            name: "version-mapping",
            about: "Show which levels go with a release",
            flags: &[RELEASE],
            exclusive: &[],
        },
        Command {
            name: "feature-dependencies",
            about: "Show what levels depend on",
            flags: &[FEATURE.required()],
            exclusive: &[],
        },
    ],
    changes: &["upgrade", "downgrade", "disable"],
    examples: &[
        Example {
            does: "What the cluster uses",
            line: "features --bootstrap-server localhost:9092 describe",
        },
        Example {
            does: "Whether all could be raised to a release",
            line: "features --bootstrap-server localhost:9092 upgrade --release-version 4.2 --dry-run",
        },
    ],
    mistake_prefix: MISTAKE,
    mistake_suffix: MORE,
    run: Run::Async(|call| Box::pin(run(call))),
    ..Tool::argparse()
};

/// What stands before and behind what is wrong with a command line.
const MISTAKE: &str = "Command line error: ";
const MORE: &str = ". Type --help for help.";

async fn run(call: &mut Call) -> Outcome {
    let command = call.args.command().unwrap_or_default();
    match command {
        "version-mapping" => return storage::version_mapping(call),
        "feature-dependencies" => return storage::feature_dependencies(call),
        _ => {}
    }
    if !call.args.has("bootstrap-server") && !call.args.has("bootstrap-controller") {
        let missing = "You must specify either --bootstrap-controller or --bootstrap-server.";
        return Err(Failure::kafka(format!("{MISTAKE}{missing}{MORE}")));
    }
    let updates = match command {
        "describe" => Vec::new(),
        _ => updates(call, command)?,
    };
    let client = connect::client(&call.args)?;
    match command {
        "describe" => describe(call, &client.admin()).await,
        _ => update(call, &client.admin(), command, updates).await,
    }
}

/// A level as people know it: that of `metadata.version` by its name.
fn level(feature: &str, level: i16) -> String {
    if feature != MetadataVersion::FEATURE_NAME {
        return level.to_string();
    }
    MetadataVersion::from_level(level).map_or(format!("UNKNOWN {level}"), |version| version.name().to_owned())
}

async fn describe(call: &mut Call, admin: &Admin) -> Outcome {
    let node = call.args.int("node-id");
    if let Some(node) = node.filter(|node| *node < 0) {
        return Err(Failure::kafka(format!("Invalid node id {node}: must be non-negative.")));
    }
    let features = admin.describe_features(node).await;
    let features = features.map_err(|error| failed(&error, "describeFeatures"))?;
    let finalized = |name: &str| features.finalized.get(name).map_or(0, |levels| levels.max);
    if call.out.is_json() {
        let rows = features.supported.iter().map(|(name, supported)| {
            json!({
                "feature": name,
                "supportedMinVersion": supported.min,
                "supportedMaxVersion": supported.max,
                "finalizedVersionLevel": finalized(name),
                "epoch": features.finalized_epoch,
            })
        });
        return call.out.json_lines(rows);
    }
    let epoch = features
        .finalized_epoch
        .map_or("-".to_owned(), |epoch| epoch.to_string());
    features.supported.iter().try_for_each(|(name, supported)| {
        call.out.line(format_args!(
            "Feature: {name:<40}  SupportedMinVersion: {:<15}  SupportedMaxVersion: {:<15}  FinalizedVersionLevel: {:<15}  Epoch: \
             {epoch}",
            level(name, supported.min),
            level(name, supported.max),
            level(name, finalized(name)),
        ))
    })
}

/// What the command line asks to change, by name.
fn updates(call: &mut Call, command: &str) -> Result<Vec<FeatureUpdate>, Failure> {
    let args = &call.args;
    let upgrade = match command {
        "upgrade" => FeatureUpgrade::Upgrade,
        _ if args.has("unsafe") => FeatureUpgrade::UnsafeDowngrade,
        _ => FeatureUpgrade::SafeDowngrade,
    };
    let mut levels: BTreeMap<String, i16> = BTreeMap::new();
    let release = match command {
        "disable" => None,
        _ => args.get("release-version"),
    };
    let metadata = match command {
        "disable" => None,
        _ => args.get("metadata").map(str::to_owned),
    };
    if let Some(release) = release {
        if args.has("metadata") || args.has("feature") {
            return Err(Failure::kafka(
                "Can not specify `release-version` with other feature flags.",
            ));
        }
        let version = storage::version(release, true)?;
        levels.insert(MetadataVersion::FEATURE_NAME.to_owned(), version.level());
        for feature in FEATURES {
            let level = feature.default_level(version);
            // Nothing is upgraded to 0.
            if command != "upgrade" || level > 0 {
                levels.insert(feature.name.to_owned(), level);
            }
        }
    }
    for feature in args.all("feature") {
        let (name, level) = match command {
            "disable" => (feature, 0),
            _ => name_and_level(feature)?,
        };
        if levels.insert(name.to_owned(), level).is_some() {
            return Err(Failure::kafka(format!("Feature {name} was specified more than once.")));
        }
    }
    if let Some(metadata) = metadata {
        let words = " `metadata` flag is deprecated and may be removed in a future release.";
        match call.out.is_json() {
            true => call.err.line(words),
            false => call.out.line(words)?,
        }
        let version = storage::version(&metadata, true)?;
        levels.insert(MetadataVersion::FEATURE_NAME.to_owned(), version.level());
    }
    if levels.is_empty() {
        return Err(Failure::kafka(format!(
            "You must specify at least one feature to {command}"
        )));
    }
    let updates = levels.into_iter();
    Ok(updates
        .map(|(name, max_version_level)| FeatureUpdate {
            name,
            max_version_level,
            upgrade,
        })
        .collect())
}

fn name_and_level(text: &str) -> Result<(&str, i16), Failure> {
    let (name, level) = text.split_once('=').ok_or_else(|| {
        Failure::kafka(format!(
            "Can't parse feature=level string {text}: equals sign not found."
        ))
    })?;
    let (name, level) = (name.trim(), level.trim());
    let level = level.parse().map_err(|_| {
        Failure::kafka(format!(
            "Can't parse feature=level string {text}: unable to parse {level} as a short."
        ))
    })?;
    Ok((name, level))
}

async fn update(call: &mut Call, admin: &Admin, command: &str, updates: Vec<FeatureUpdate>) -> Outcome {
    let dry_run = call.args.has("dry-run");
    let answers = match admin.update_features(&updates, dry_run).await {
        Ok(answers) => answers,
        // One answer for all, as brokers since 4.0 give it.
        Err(error @ Error::Broker { .. }) => {
            let names = updates.iter().map(|update| update.name.clone());
            names.map(|name| (name, Err(error.clone()))).collect()
        }
        Err(error) => return Err(failed(&error, "updateFeatures")),
    };
    let failures = answers.iter().filter(|(_, answer)| answer.is_err()).count();
    if call.out.is_json() {
        let rows = updates.iter().zip(&answers).map(|(update, (name, answer))| {
            let error = answer.as_ref().err().map(ToString::to_string);
            json!({"feature": name, "level": update.max_version_level, "dryRun": dry_run, "error": error})
        });
        call.out.json_lines(rows)?;
    } else {
        for (update, (name, answer)) in updates.iter().zip(&answers) {
            let level = update.max_version_level;
            let to = match command {
                "disable" => String::new(),
                _ => format!(" to {level}"),
            };
            match answer {
                Ok(()) => {
                    let done = match dry_run {
                        true => "can be",
                        false => "was",
                    };
                    call.out.line(format_args!("{name} {done} {command}d{to}."))?;
                }
                Err(error) => {
                    let not = match dry_run {
                        true => "Can not",
                        false => "Could not",
                    };
                    call.out.line(format_args!("{not} {command} {name}{to}. {error}"))?;
                }
            }
        }
    }
    if failures == 0 {
        return Ok(());
    }
    call.out.flush()?;
    Err(Failure::kafka(format!(
        "{failures} out of {} operation(s) failed.",
        answers.len()
    )))
}
