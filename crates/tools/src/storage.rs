//! `klamm storage`: formats the log directories of a node and tells what is in them, in the words of Kafka's
//! `kafka-storage`. The writing itself is the node's ([`crate::Node`]).

use std::collections::BTreeMap;
use std::path::Path;

use klamm_config::{Properties, ServerConfig};
use klamm_metadata::{FEATURES, Feature, KRAFT_VERSION, MetadataVersion};
use serde_json::{Map, json};

use crate::call::{Call, Outcome};
use crate::node::Formatting;
use crate::output::Failure;
use crate::spec::{Command, Example, Exclusive, Flag, Group, Run, Tool};

const CONFIG: Flag = Flag::file("config", "FILE", "Kafka's `server.properties`")
    .short('c')
    .required();
const RELEASE: Flag = Flag::text(
    "release-version",
    "RELEASE",
    "The release whose features are meant, such as `4.2`; the newest if left out",
)
.short('r');

const FORMAT: &[Flag] = &[
    CONFIG,
    Flag::text(
        "cluster-id",
        "ID",
        "The id of the cluster, the same for all its nodes (`klamm storage random-uuid` makes one)",
    )
    .short('t')
    .required(),
    Flag::text(
        "add-scram",
        "CREDENTIAL",
        "A SCRAM credential for the cluster to begin with; this version refuses it, having no SASL",
    )
    .short('S')
    .repeated(),
    Flag::switch(
        "ignore-formatted",
        "Skip directories that are formatted already instead of failing",
    )
    .short('g'),
    RELEASE,
    Flag::text(
        "feature",
        "NAME=LEVEL",
        "The level of one feature, such as `group.version=1`",
    )
    .short('f')
    .repeated(),
    Flag::switch("standalone", "Make this controller the only voter of a dynamic quorum").short('s'),
    Flag::switch(
        "no-initial-controllers",
        "Begin without voters: this node joins a quorum that exists",
    )
    .short('N'),
    Flag::text(
        "initial-controllers",
        "VOTERS",
        "The voters of a dynamic quorum, as comma-separated id@host:port:directory; the same list on all of them",
    )
    .short('I'),
];

pub(crate) const TOOL: Tool = Tool {
    name: "storage",
    script: Some("kafka-storage"),
    group: Group::Node,
    about: "Format the log directories of a node, or tell what is in them",
    long: "A node that is started with a `server.properties` expects its directories formatted: each holds a `meta.properties` \
           with the id of the cluster then, so that no node writes into the data of another.",
    commands: &[
        Command {
            name: "info",
            about: "Tell what is in the log directories of this node",
            flags: &[CONFIG],
            exclusive: &[],
        },
        Command {
            name: "format",
            about: "Format the log directories of this node",
            flags: FORMAT,
            exclusive: &[Exclusive {
                flags: &["standalone", "no-initial-controllers", "initial-controllers"],
                required: false,
            }],
        },
        Command {
            name: "version-mapping",
            about: "Tell which levels of features go with a release",
            flags: &[RELEASE],
            exclusive: &[],
        },
        Command {
            name: "feature-dependencies",
            about: "Tell what levels of features depend on",
            flags: &[Flag::text(
                "feature",
                "NAME=LEVEL",
                "A feature and its level, such as `metadata.version=5`",
            )
            .short('f')
            .repeated()
            .required()],
            exclusive: &[],
        },
        Command {
            name: "random-uuid",
            about: "Print a random id",
            flags: &[],
            exclusive: &[],
        },
    ],
    examples: &[
        Example {
            does: "A cluster of one node",
            line: "storage format --standalone -t \"$(klamm storage random-uuid)\" -c server.properties",
        },
        Example {
            does: "What is there",
            line: "storage info -c server.properties",
        },
    ],
    run: Run::Blocking(run),
    ..Tool::argparse()
};

fn run(call: &mut Call) -> Outcome {
    match call.args.command() {
        Some("info") => info(call),
        Some("format") => format(call),
        Some("version-mapping") => version_mapping(call),
        Some("feature-dependencies") => feature_dependencies(call),
        _ => {
            let id = call.node.random_uuid();
            match call.out.is_json() {
                true => call.out.json(&json!({"uuid": id})),
                false => call.out.line(id),
            }
        }
    }
}

fn load(call: &Call) -> Result<ServerConfig, Failure> {
    let path = Path::new(call.args.get("config").unwrap_or_default());
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::own(format!("can't read `{}`: {error}", path.display())).origin("`--config` on the command line")
    })?;
    let wrong = |error: &dyn std::fmt::Display| Failure::own(error.to_string());
    let properties = Properties::parse(&bytes, &path.display().to_string()).map_err(|error| wrong(&error))?;
    let (server, _warnings) = ServerConfig::load(&properties).map_err(|error| wrong(&error))?;
    Ok(server)
}

fn info(call: &mut Call) -> Outcome {
    let info = call.node.storage_info(&load(call)?);
    if call.out.is_json() {
        call.out
            .json(&json!({"lines": info.lines, "problems": info.has_problems}))?;
    } else {
        info.lines.iter().try_for_each(|line| call.out.line(line))?;
    }
    match info.has_problems {
        true => Err(Failure::told(1)),
        false => Ok(()),
    }
}

fn format(call: &mut Call) -> Outcome {
    let args = &call.args;
    if args.has("add-scram") {
        return Err(Failure::own(
            "`--add-scram`: this version has no SASL yet, so credentials would protect nothing",
        ));
    }
    let server = load(call)?;
    let unstable = server.config.boolean("unstable.feature.versions.enable");
    let release = args.get("release-version");
    let mut feature_levels = BTreeMap::new();
    let release_version = release.map(|release| version(release, unstable)).transpose()?;
    for feature in args.all("feature") {
        let (name, level) = name_and_level(feature)?;
        feature_levels.insert(name.to_owned(), level);
    }
    check_voters(call, &server)?;
    let formatting = Formatting {
        cluster_id: args.get("cluster-id").unwrap_or_default().to_owned(),
        ignore_formatted: args.has("ignore-formatted"),
        release_version,
        feature_levels,
        initial_controllers: args.get("initial-controllers").map(str::to_owned),
        standalone: args.has("standalone"),
    };
    let mut said = Vec::new();
    // A reader who goes must not stop the formatting half-way.
    let out = &mut call.out;
    let is_json = out.is_json();
    let formatted = call.node.format(&server, formatting, &mut |line| match is_json {
        true => said.push(line.to_owned()),
        false => drop(out.line(line).and_then(|()| out.flush())),
    });
    // Also what was done before a failure.
    if is_json && (formatted.is_ok() || !said.is_empty()) {
        call.out.json(&json!({"lines": said}))?;
    }
    formatted.map_err(Failure::kafka)
}

/// That a controller learns who votes, from one side only.
fn check_voters(call: &Call, server: &ServerConfig) -> Outcome {
    let args = &call.args;
    let has_static_voters = !server.quorum_voters.is_empty();
    let names_voters = args.has("standalone") || args.has("initial-controllers");
    if has_static_voters && names_voters {
        return Err(Failure::kafka(
            "You cannot specify controller.quorum.voters and format the node with --initial-controllers or \
             --standalone. If you want to use dynamic quorum, please remove controller.quorum.voters and specify \
             controller.quorum.bootstrap.servers instead.",
        ));
    }
    if server.is_controller() && !has_static_voters && !names_voters && !args.has("no-initial-controllers") {
        return Err(Failure::kafka(
            "Because controller.quorum.voters is not set on this controller, you must specify one of the following: \
             --standalone, --initial-controllers, or --no-initial-controllers.",
        ));
    }
    Ok(())
}

/// The version of a release, if it may be used. Features of `klamm features` are told by the same words.
pub(crate) fn version(name: &str, unstable: bool) -> Result<MetadataVersion, Failure> {
    MetadataVersion::from_name(name).ok_or_else(|| {
        let supported: Vec<&str> = MetadataVersion::all()
            .filter(|version| unstable || version.is_production())
            .map(MetadataVersion::name)
            .collect();
        Failure::kafka(format!(
            "Unknown metadata.version '{name}'. Supported metadata.version are: {}",
            supported.join(", ")
        ))
    })
}

fn name_and_level(text: &str) -> Result<(&str, i16), Failure> {
    let (name, level) = text.split_once('=').ok_or_else(|| {
        Failure::kafka(format!(
            "Can't parse feature=level string {text}: equals sign not found."
        ))
    })?;
    let level = level
        .parse()
        .map_err(|_| Failure::kafka(format!("Invalid version format: {level} for feature {name}")))?;
    Ok((name, level))
}

/// All features but `metadata.version`, in the order in which Kafka's tool lists them.
fn features_in_kafkas_order() -> impl Iterator<Item = &'static Feature> {
    const ORDER: [&str; 3] = [KRAFT_VERSION, "transaction.version", "group.version"];
    let first = ORDER.iter().filter_map(|name| Feature::by_name(name));
    let rest = FEATURES.iter().map(|feature| feature.name);
    let rest = rest.filter(|name| !ORDER.contains(name)).filter_map(Feature::by_name);
    first.chain(rest)
}

/// `version-mapping`, also of `klamm features`.
pub(crate) fn version_mapping(call: &mut Call) -> Outcome {
    let newest = MetadataVersion::LATEST_PRODUCTION.name();
    let name = call.args.get("release-version").unwrap_or(newest).to_owned();
    let version = version(&name, true)?;
    let levels = features_in_kafkas_order().map(|feature| (feature.name, feature.default_level(version)));
    if call.out.is_json() {
        let mut object: Map<String, serde_json::Value> =
            levels.map(|(name, level)| (name.to_owned(), level.into())).collect();
        object.insert("metadata.version".to_owned(), version.level().into());
        return call.out.json(&object);
    }
    call.out
        .line(format_args!("metadata.version={} ({name})", version.level()))?;
    for (name, level) in levels {
        call.out.line(format_args!("{name}={level}"))?;
    }
    Ok(())
}

/// `feature-dependencies`, also of `klamm features`.
pub(crate) fn feature_dependencies(call: &mut Call) -> Outcome {
    let features: Vec<String> = call.args.all("feature").into_iter().map(str::to_owned).collect();
    let mut objects = Vec::new();
    for feature in &features {
        let (name, level, dependencies) = dependencies(feature)?;
        if call.out.is_json() {
            let needs: BTreeMap<&str, i16> = dependencies.iter().copied().collect();
            objects.push(json!({"feature": name, "level": level, "requires": needs}));
            continue;
        }
        let version = version_of(name, level).map_or(String::new(), |version| format!(" ({})", version.name()));
        if dependencies.is_empty() {
            call.out
                .line(format_args!("{name}={level}{version} has no dependencies."))?;
            continue;
        }
        call.out.line(format_args!("{name}={level}{version} requires:"))?;
        for (dependency, level) in dependencies {
            let version =
                version_of(dependency, *level).map_or(String::new(), |version| format!(" ({})", version.name()));
            call.out.line(format_args!("    {dependency}={level}{version}"))?;
        }
    }
    match call.out.is_json() {
        true => call.out.json_lines(objects),
        false => Ok(()),
    }
}

type Dependencies = &'static [(&'static str, i16)];

fn dependencies(text: &str) -> Result<(&str, i16, Dependencies), Failure> {
    if text.split('=').count() != 2 {
        return Err(Failure::kafka(format!(
            "Invalid feature format: {text}. Expected format: 'feature=version' (e.g. 'group.version=1')"
        )));
    }
    let (name, level) = name_and_level(text)?;
    if name == MetadataVersion::FEATURE_NAME {
        return match MetadataVersion::from_level(level) {
            Some(_) => Ok((name, level, &[])),
            None => Err(Failure::kafka(format!("Unknown metadata.version {level}"))),
        };
    }
    let known = Feature::by_name(name).ok_or_else(|| Failure::kafka(format!("Unknown feature: {name}")))?;
    let known = known.levels.iter().find(|known| known.level == level);
    let known =
        known.ok_or_else(|| Failure::kafka(format!("Feature level {level} is not supported for feature {name}")))?;
    Ok((name, level, known.dependencies))
}

fn version_of(name: &str, level: i16) -> Option<MetadataVersion> {
    MetadataVersion::from_level(level).filter(|_| name == MetadataVersion::FEATURE_NAME)
}
