//! Kafka's command line tools, as commands of `klamm` and by Kafka's names.
//!
//! Owns the command line: one table of tools and flags ([`spec`]), what they print ([`output`]) and how they connect.
//! Knows the client, the protocol and files; never the broker's code, which the binary lends as a [`Node`].
//! Entry: [`run()`], with argv. Driven by `klamm`'s `main`. Tests: `tests/it/`, in-process against an embedded node; those of
//! `storage`, `start`, links and pipes run the binary in `crates/klamm/tests/it/command/`.
//!
//! # How to add a tool
//!
//! 1. `src/NAME.rs` (or `src/NAME/mod.rs`) with `pub(crate) const TOOL: Tool = Tool { name: "topics", script:
//!    Some("kafka-topics"), group, about, long, flags: &[BOOTSTRAP_SERVER, COMMAND_CONFIG, Flag::text(…).repeated(), …],
//!    examples: &[two or more], run: Run::Async(|call| Box::pin(run(call))), ..Tool::joptsimple() }` (or `argparse()`, or `own()`
//!    for what Kafka does not have). Sub-commands go into `commands`. Sentences are ours, never Kafka's.
//! 2. `async fn run(call: &mut Call) -> Outcome`. First the checks that need no network: [`spec::check`] has those of Kafka's
//!    tools in their words. Then `connect::client(&call.args)?`. Print with `call.out.line(…)?` (or `.json(&value)?` if
//!    `call.out.is_json()`; `Out` is `io::Write` too), say the rest with `call.err.line(…)`. A closed pipe ends the tool by `?`.
//! 3. Fail with [`Failure::kafka`] (Kafka's words, exit code 1; `.on_stdout()` where Kafka's tool says it there), or
//!    `Failure::own`; add `.hint(…)`. [`output::exception`] writes an error as a Java exception's name and message.
//! 4. `mod NAME;` below, `NAME::TOOL` in `TOOLS`, and in `tests/it/` the tests with the flags of Kafka's tool as data
//!    (`tests/it/table.rs`). Then `cargo xtask docs`.
mod base64;
mod broker_api_versions;
mod call;
mod cluster;
mod completions;
mod configs;
pub mod connect;
mod console_consumer;
mod console_producer;
mod consume;
mod consumer_groups;
mod consumer_perf_test;
mod delete_records;
mod dump_log;
mod e2e_latency;
mod envelope;
mod features;
mod feed;
mod format;
mod get_offsets;
mod groups;
mod install;
mod log_dirs;
mod log_verify;
mod metadata_quorum;
mod node;
pub mod output;
mod patterns;
mod produce;
mod producer_perf_test;
mod record_schemas;
mod run;
mod settings;
mod signals;
pub mod spec;
mod start;
mod storage;
mod time;
mod topics;
mod trouble;
mod verifiable;
mod verifiable_consumer;
mod verifiable_producer;

pub use call::{Call, Outcome};
pub use node::{Formatting, Node, StorageInfo};
pub use run::{run, run_in};
use spec::Tool;

#[cfg(doc)]
use output::Failure;

/// Every tool there is; `klamm --help` shows them by their groups, in this order within each.
const TOOLS: &[Tool] = &[
    start::TOOL,
    storage::TOOL,
    log_verify::TOOL,
    topics::TOOL,
    configs::TOOL,
    get_offsets::TOOL,
    delete_records::TOOL,
    broker_api_versions::TOOL,
    dump_log::TOOL,
    produce::TOOL,
    consume::TOOL,
    console_producer::TOOL,
    producer_perf_test::TOOL,
    verifiable_producer::TOOL,
    console_consumer::TOOL,
    consumer_groups::TOOL,
    consumer_perf_test::TOOL,
    e2e_latency::TOOL,
    verifiable_consumer::TOOL,
    groups::TOOL,
    log_dirs::TOOL,
    cluster::TOOL,
    features::TOOL,
    metadata_quorum::TOOL,
    install::TOOL,
    completions::COMPLETIONS,
    completions::MAN,
];

/// Every tool there is.
pub fn tools() -> &'static [Tool] {
    TOOLS
}

/// The tool of this name.
pub fn tool(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name)
}
