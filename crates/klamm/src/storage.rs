//! `klamm storage`: formats the log directories of a node and tells what is in them, with the flags, words and exit codes of
//! Kafka's `kafka-storage`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use klamm_broker::entropy::{random, random_uuid};
use klamm_broker::storage::{Formatter, Info, parse_voters};
use klamm_config::{Properties, ServerConfig};
use klamm_metadata::{FEATURES, Feature, KRAFT_VERSION, MetadataVersion};

/// Formats log directories and tells what is in them.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  klamm storage format --standalone -t \"$(klamm storage random-uuid)\" -c server.properties\n  klamm storage info -c server.properties"
)]
pub(crate) struct StorageArguments {
    #[command(subcommand)]
    command: StorageCommand,
}

#[derive(Debug, Subcommand)]
enum StorageCommand {
    /// Get information about the log directories of this node
    Info(ConfigArgument),
    /// Format the log directories of this node
    Format(Box<FormatArguments>),
    /// Look up the features that go with a metadata version
    VersionMapping {
        /// The release version; the default is the newest
        #[arg(short, long)]
        release_version: Option<String>,
    },
    /// Look up what levels of features depend on
    FeatureDependencies {
        /// A feature and its level, such as `metadata.version=5`; can be repeated
        #[arg(short, long = "feature", required = true)]
        features: Vec<String>,
    },
    /// Print a random id
    RandomUuid,
}

#[derive(Args, Debug)]
struct ConfigArgument {
    /// Kafka's `server.properties`
    #[arg(short, long)]
    config: PathBuf,
}

#[derive(Args, Debug)]
struct FormatArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// The id of the cluster
    #[arg(short = 't', long)]
    cluster_id: String,
    /// A SCRAM credential for the cluster to begin with
    #[arg(short = 'S', long)]
    add_scram: Vec<String>,
    /// Skip directories that are formatted already instead of failing
    #[arg(short = 'g', long)]
    ignore_formatted: bool,
    /// The release whose features the cluster begins with; the default is the newest
    #[arg(short, long)]
    release_version: Option<String>,
    /// The level of one feature, such as `group.version=1`; can be repeated
    #[arg(short, long = "feature")]
    features: Vec<String>,
    /// Make this controller the only voter of a dynamic quorum
    #[arg(short, long, group = "quorum")]
    standalone: bool,
    /// Begin without voters: this node joins a quorum that exists
    #[arg(short = 'N', long, group = "quorum")]
    no_initial_controllers: bool,
    /// The voters of a dynamic quorum, as comma-separated id@host:port:directory; the same list on all of them
    #[arg(short = 'I', long, group = "quorum")]
    initial_controllers: Option<String>,
}

/// Runs the command. Failures go to stderr; the exit code is then 1, as that of Kafka's tool.
pub(crate) fn run(arguments: StorageArguments) -> ExitCode {
    let outcome = match arguments.command {
        StorageCommand::Info(config) => info(&config.config),
        StorageCommand::Format(arguments) => format(&arguments).map(|()| ExitCode::SUCCESS),
        StorageCommand::VersionMapping { release_version } => version_mapping(release_version.as_deref()),
        StorageCommand::FeatureDependencies { features } => feature_dependencies(&features),
        StorageCommand::RandomUuid => {
            print(&random_uuid().to_string());
            Ok(ExitCode::SUCCESS)
        }
    };
    outcome.unwrap_or_else(|problem| {
        eprintln!("{problem}");
        ExitCode::FAILURE
    })
}

/// A closed pipe is no error.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn load(path: &Path) -> Result<ServerConfig, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("error: cannot read `{}`: {error}", path.display()))?;
    let properties =
        Properties::parse(&bytes, &path.display().to_string()).map_err(|error| format!("error: {error}"))?;
    ServerConfig::load(&properties)
        .map(|(server, _)| server)
        .map_err(|error| format!("error: {error}"))
}

fn info(config: &Path) -> Result<ExitCode, String> {
    let info = Info::of(&load(config)?);
    info.lines().iter().for_each(|line| print(line));
    Ok(if info.problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn format(arguments: &FormatArguments) -> Result<(), String> {
    if !arguments.add_scram.is_empty() {
        return Err(
            "error: `--add-scram`: this version has no SASL yet, so credentials would protect nothing".to_owned(),
        );
    }
    let server = load(&arguments.config.config)?;
    let mut formatter = Formatter::of(&server, arguments.cluster_id.clone());
    formatter.ignore_formatted = arguments.ignore_formatted;
    if let Some(release) = &arguments.release_version {
        formatter.release_version = Some(version(release, formatter.unstable)?);
    }
    for feature in &arguments.features {
        let (name, level) = name_and_level(feature)?;
        formatter.feature_levels.insert(name.to_owned(), level);
    }
    let has_static_voters = !server.quorum_voters.is_empty();
    if has_static_voters && (arguments.standalone || arguments.initial_controllers.is_some()) {
        return Err("You cannot specify controller.quorum.voters and format the node with --initial-controllers or \
                    --standalone. If you want to use dynamic quorum, please remove controller.quorum.voters and specify \
                    controller.quorum.bootstrap.servers instead."
            .to_owned());
    }
    if let Some(list) = &arguments.initial_controllers {
        formatter.initial_controllers = parse_voters(list).map_err(|error| error.to_string())?;
    }
    if arguments.standalone {
        formatter = formatter
            .standalone(&server, random_uuid())
            .map_err(|error| error.to_string())?;
    }
    let has_chosen = arguments.no_initial_controllers || !formatter.initial_controllers.is_empty();
    if server.is_controller() && !has_static_voters && !has_chosen {
        return Err(
            "Because controller.quorum.voters is not set on this controller, you must specify one of the following: \
                    --standalone, --initial-controllers, or --no-initial-controllers."
                .to_owned(),
        );
    }
    formatter
        .run(&mut random, now_ms(), &mut print)
        .map_err(|error| error.to_string())
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn version(name: &str, unstable: bool) -> Result<MetadataVersion, String> {
    MetadataVersion::from_name(name).ok_or_else(|| {
        let supported: Vec<&str> = MetadataVersion::all()
            .filter(|version| unstable || version.is_production())
            .map(MetadataVersion::name)
            .collect();
        format!(
            "Unknown metadata.version '{name}'. Supported metadata.version are: {}",
            supported.join(", ")
        )
    })
}

fn name_and_level(text: &str) -> Result<(&str, i16), String> {
    let (name, level) = text
        .split_once('=')
        .ok_or_else(|| format!("Can't parse feature=level string {text}: equals sign not found."))?;
    let level = level
        .parse()
        .map_err(|_| format!("Invalid version format: {level} for feature {name}"))?;
    Ok((name, level))
}

/// All features but `metadata.version`, in the order in which Kafka's tool lists them.
fn features_in_kafkas_order() -> impl Iterator<Item = &'static Feature> {
    const ORDER: [&str; 3] = [KRAFT_VERSION, "transaction.version", "group.version"];
    let first = ORDER.iter().filter_map(|name| Feature::by_name(name));
    let names: Vec<&str> = FEATURES.iter().map(|feature| feature.name).collect();
    let rest = names
        .into_iter()
        .filter(|name| !ORDER.contains(name))
        .filter_map(Feature::by_name);
    first.chain(rest)
}

fn version_mapping(release_version: Option<&str>) -> Result<ExitCode, String> {
    let name = release_version.unwrap_or(MetadataVersion::LATEST_PRODUCTION.name());
    let version = version(name, true)?;
    print(&format!("metadata.version={} ({name})", version.level()));
    for feature in features_in_kafkas_order() {
        print(&format!("{}={}", feature.name, feature.default_level(version)));
    }
    Ok(ExitCode::SUCCESS)
}

fn feature_dependencies(features: &[String]) -> Result<ExitCode, String> {
    for feature in features {
        let (name, level) = name_and_level(feature)?;
        if name == MetadataVersion::FEATURE_NAME {
            let version = MetadataVersion::from_level(level).ok_or(format!("Unknown metadata.version {level}"))?;
            print(&format!("{name}={level} ({}) has no dependencies.", version.name()));
            continue;
        }
        let known = Feature::by_name(name).ok_or(format!("Unknown feature: {name}"))?;
        let known = known.levels.iter().find(|known| known.level == level);
        let known = known.ok_or(format!("Feature level {level} is not supported for feature {name}"))?;
        if known.dependencies.is_empty() {
            print(&format!("{name}={level} has no dependencies."));
            continue;
        }
        print(&format!("{name}={level} requires:"));
        for (dependency, level) in known.dependencies {
            match MetadataVersion::from_level(*level).filter(|_| *dependency == MetadataVersion::FEATURE_NAME) {
                Some(version) => print(&format!("    {dependency}={level} ({})", version.name())),
                None => print(&format!("    {dependency}={level}")),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
