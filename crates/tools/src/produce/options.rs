//! What the command line of `klamm produce` asks for.

use std::time::Duration;

use klamm_client::Properties;

use crate::call::Call;
use crate::consume::{bytes_of, count};
use crate::output::Failure;
use crate::settings::{self, mistake};
use crate::spec::Matches;

pub(super) struct Options {
    pub(super) properties: Properties,
    /// None if each line of JSON names its own.
    pub(super) topic: Option<String>,
    pub(super) partition: Target,
    /// Standard input if there are none.
    pub(super) files: Vec<String>,
    pub(super) cut: Cut,
    pub(super) key_delimiter: Option<Vec<u8>>,
    pub(super) key: Option<String>,
    pub(super) headers: Vec<(String, Option<String>)>,
    /// Whether what is empty is null.
    pub(super) null: bool,
    pub(super) count: Option<u64>,
    pub(super) tee: bool,
    /// The `max.request.size`.
    pub(super) max_bytes: u64,
    /// Whether progress is told.
    pub(super) tells: bool,
    pub(super) patience: Duration,
}

/// The default of `max.request.size`.
const MAX_REQUEST_SIZE: u64 = 1 << 20;

/// Which partition records go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// That of the line of JSON, if it names one.
    AsRead,
    /// Whatever the partitioner says.
    Chosen,
    This(i32),
}

/// What of the input is a record.
pub(super) enum Cut {
    /// What stands before each of these.
    At(Vec<u8>),
    /// A line of JSON.
    Json,
    /// A whole file.
    Whole,
}

impl Options {
    pub(super) fn read(call: &Call) -> Result<Options, Failure> {
        let args = &call.args;
        let mut properties = settings::properties(args)?;
        properties.set_default("client.id", "klamm-produce");
        for (flag, name) in [
            ("compression", "compression.type"),
            ("partitioner", "partitioner.class"),
        ] {
            if let Some(value) = args.get(flag) {
                properties.set(name, value);
            }
        }
        let json = args.has("json-lines");
        let mut files = args.rest().to_vec();
        let topic = match args.get("topic") {
            Some(topic) => Some(topic.to_owned()),
            None if !files.is_empty() => Some(files.remove(0)),
            None => None,
        };
        if topic.is_none() && !json {
            return Err(
                mistake("no topic is named").hint("`klamm produce orders`; with `-J` each line may name its own")
            );
        }
        check(args, json)?;
        let max_bytes = properties
            .get("max.request.size")
            .and_then(|size| size.trim().parse().ok());
        Ok(Options {
            max_bytes: max_bytes.unwrap_or(MAX_REQUEST_SIZE),
            properties,
            topic,
            partition: partition(args)?,
            cut: match (json, args.has("lines") || files.is_empty()) {
                (true, _) => Cut::Json,
                (false, true) => Cut::At(bytes_of(args, "delimiter")?.unwrap_or_default()),
                (false, false) => Cut::Whole,
            },
            files,
            key_delimiter: bytes_of(args, "key-delimiter")?,
            key: args.get("key").map(str::to_owned),
            headers: args.all("header").into_iter().map(header).collect(),
            null: args.has("null"),
            count: count(args)?,
            tee: args.has("tee"),
            tells: call.progress() && !args.has(settings::QUIET.name),
            patience: settings::patience(args),
        })
    }
}

fn check(args: &Matches, json: bool) -> Result<(), Failure> {
    for flag in ["key-delimiter", "delimiter", "lines"] {
        if json && args.has(flag) {
            return Err(mistake(format!("`--{flag}` can't be used with `--json-lines`")));
        }
    }
    match args.has("tee") && args.has(crate::spec::JSON.name) {
        true => Err(mistake(
            "`--tee` can't be used with `--json`, which prints what was delivered",
        )),
        false => Ok(()),
    }
}

fn partition(args: &Matches) -> Result<Target, Failure> {
    match args.int("partition") {
        None => Ok(Target::AsRead),
        Some(-1) => Ok(Target::Chosen),
        Some(partition) if partition >= 0 => Ok(Target::This(partition)),
        Some(partition) => Err(mistake(format!("`--partition {partition}` is no partition"))
            .hint("-1 leaves the choice to the partitioner")),
    }
}

fn header(given: &str) -> (String, Option<String>) {
    match given.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (given.to_owned(), None),
    }
}
