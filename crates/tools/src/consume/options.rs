//! What the command line of `klamm consume` asks for.

use std::collections::BTreeSet;
use std::time::Duration;

use klamm_client::Properties;
use regex_lite::Regex;

use super::filter::{Filter, Pattern};
use super::offset::{FORMS, Point, Range};
use crate::call::Call;
use crate::format::{Format, TOKENS, delimiter};
use crate::output::Failure;
use crate::settings::{self, mistake};
use crate::spec::Matches;
use crate::time::now_ms;

pub(super) struct Options {
    pub(super) properties: Properties,
    pub(super) topics: Topics,
    /// Only these partitions.
    pub(super) partitions: Option<BTreeSet<i32>>,
    pub(super) range: Range,
    /// Be a member of this group.
    pub(super) group: Option<String>,
    /// End where the logs end.
    pub(super) exit: bool,
    pub(super) count: Option<u64>,
    /// None for JSON.
    pub(super) format: Option<Format>,
    /// What stands for null.
    pub(super) null: &'static [u8],
    pub(super) filter: Filter,
    pub(super) unbuffered: bool,
    /// Whether progress is told.
    pub(super) tells: bool,
    pub(super) patience: Duration,
    pub(super) now_ms: i64,
}

/// Topics by name and by pattern.
pub(super) struct Topics {
    pub(super) names: Vec<String>,
    /// Regular expressions for whole names.
    pub(super) patterns: Vec<String>,
}

impl Options {
    pub(super) fn read(call: &Call) -> Result<Options, Failure> {
        let args = &call.args;
        let mut properties = settings::properties(args)?;
        let now_ms = now_ms();
        let range = range(args, now_ms)?;
        let group = args.get("group").map(str::to_owned);
        if group.is_some() {
            check_group(args, range)?;
        } else if range.from == Some(Point::Stored) && properties.get("group.id").is_none() {
            return Err(mistake("`-o stored`: no group is named").hint("`-G GROUP` or `-X group.id=GROUP` names one"));
        }
        let reset = if range.from == Some(Point::End) {
            "latest"
        } else {
            "earliest"
        };
        match range.from {
            Some(Point::Start | Point::End) => properties.set("auto.offset.reset", reset),
            _ => properties.set_default("auto.offset.reset", reset),
        }
        properties.set_default("client.id", "klamm-consume");
        Ok(Options {
            properties,
            topics: topics(args)?,
            partitions: partitions(args)?,
            range,
            group,
            exit: args.has("exit"),
            count: count(args)?,
            format: format(args, call.out.is_json())?,
            null: if args.has("null") { b"NULL" } else { b"" },
            filter: filter(args)?,
            unbuffered: args.has("unbuffered"),
            tells: call.progress() && !args.has(settings::QUIET.name),
            patience: settings::patience(args),
            now_ms,
        })
    }
}

/// The number of `--count`.
pub(crate) fn count(args: &Matches) -> Result<Option<u64>, Failure> {
    match args.long("count").map(u64::try_from) {
        None => Ok(None),
        Some(Ok(count)) => Ok(Some(count)),
        Some(Err(_)) => Err(mistake("`--count` can't be negative")),
    }
}

fn range(args: &Matches, now_ms: i64) -> Result<Range, Failure> {
    let mut range = Range::default();
    for given in args.all("offset") {
        let parsed = Range::parse(given, now_ms).and_then(|parsed| range.and(parsed));
        range = parsed.map_err(|why| mistake(format!("`--offset {given}`: {why}")).hint(FORMS))?;
    }
    Ok(range)
}

fn check_group(args: &Matches, range: Range) -> Result<(), Failure> {
    let begins = matches!(range.from, None | Some(Point::Start | Point::End | Point::Stored));
    let hint = "a group begins where it is, or with `-o start` or `-o end` where it has no offsets yet; \
                `klamm consumer-groups --reset-offsets` moves it";
    if !begins || range.to.is_some() {
        return Err(mistake("`--offset` with `--group` can only be `start`, `end` or `stored`").hint(hint));
    }
    match args.has("partition") {
        true => Err(mistake(
            "`--partition` can't be used with `--group`, which shares the partitions out itself",
        )),
        false => Ok(()),
    }
}

fn topics(args: &Matches) -> Result<Topics, Failure> {
    let given = args
        .all("topic")
        .into_iter()
        .chain(args.rest().iter().map(String::as_str));
    let mut topics = Topics {
        names: Vec::new(),
        patterns: Vec::new(),
    };
    for topic in given {
        let Some(pattern) = topic.strip_prefix('^') else {
            if !topics.names.iter().any(|name| name == topic) {
                topics.names.push(topic.to_owned());
            }
            continue;
        };
        // As librdkafka has it, the end is open.
        let whole = match pattern.strip_suffix('$') {
            Some(pattern) => format!("(?:{pattern})"),
            None => format!("(?:{pattern}).*"),
        };
        if let Err(error) = Regex::new(&whole) {
            return Err(mistake(format!("`{topic}` is no regular expression: {error}")));
        }
        topics.patterns.push(whole);
    }
    match topics.names.is_empty() && topics.patterns.is_empty() {
        true => Err(mistake("no topic is named").hint("`klamm consume orders`, or `'^orders-'` for all that begin so")),
        false => Ok(topics),
    }
}

fn partitions(args: &Matches) -> Result<Option<BTreeSet<i32>>, Failure> {
    let given = args.all("partition");
    let read = given.iter().map(|text| match text.parse() {
        Ok(partition) if partition >= 0 => Ok(partition),
        _ => Err(mistake(format!("`--partition`: `{text}` is no partition"))),
    });
    let partitions: BTreeSet<i32> = read.collect::<Result<_, _>>()?;
    Ok((!given.is_empty()).then_some(partitions))
}

fn format(args: &Matches, json: bool) -> Result<Option<Format>, Failure> {
    if json || args.has("json-lines") {
        return Ok(None);
    }
    if let Some(text) = args.get("format") {
        let wrong = |why| mistake(format!("`--format {text}`: {why}")).hint(TOKENS);
        return Format::parse(text).map(Some).map_err(wrong);
    }
    let between = bytes_of(args, "key-delimiter")?;
    let delimiter = bytes_of(args, "delimiter")?.unwrap_or_default();
    Ok(Some(Format::fields(
        between.as_deref(),
        args.has("print-offset"),
        &delimiter,
    )))
}

/// The bytes of a flag for a delimiter.
pub(crate) fn bytes_of(args: &Matches, name: &str) -> Result<Option<Vec<u8>>, Failure> {
    let Some(text) = args.get(name) else { return Ok(None) };
    let wrong = |why| {
        mistake(format!("`--{name} {text}`: {why}"))
            .hint("escapes are \\n \\r \\t \\0 \\\\ and \\xNN; `\\0` suits `xargs -0`")
    };
    delimiter(text).map(Some).map_err(wrong)
}

fn filter(args: &Matches) -> Result<Filter, Failure> {
    let pattern =
        |flag: &str, text: &str| Pattern::parse(text).map_err(|why| mistake(format!("`--{flag} {text}`: {why}")));
    let one = |flag: &str| args.get(flag).map(|text| pattern(flag, text)).transpose();
    let mut headers = Vec::new();
    for given in args.all("header") {
        headers.push(match given.split_once('=') {
            Some((name, text)) => (name.to_owned(), Some(pattern("header", text)?)),
            None => (given.to_owned(), None),
        });
    }
    Ok(Filter {
        key: one("key")?,
        value: one("value")?,
        headers,
    })
}
