//! What `klamm` lends the tools: the node's own code, which no tool may see.

use std::time::{SystemTime, UNIX_EPOCH};

use klamm_broker::entropy::{random, random_uuid};
use klamm_broker::storage::{Formatter, Info, parse_voters};
use klamm_config::ServerConfig;
use klamm_tools::{Call, Formatting, Node, Outcome, StorageInfo};

use crate::start;

/// The node of this binary.
#[derive(Debug)]
pub(crate) struct Broker;

impl Node for Broker {
    fn start(&self, call: &mut Call) -> Outcome {
        start::run(&call.args)
    }

    fn storage_info(&self, server: &ServerConfig) -> StorageInfo {
        let info = Info::of(server);
        StorageInfo {
            lines: info.lines(),
            has_problems: !info.problems.is_empty(),
        }
    }

    fn format(&self, server: &ServerConfig, formatting: Formatting, say: &mut dyn FnMut(&str)) -> Result<(), String> {
        let mut formatter = Formatter::of(server, formatting.cluster_id);
        formatter.ignore_formatted = formatting.ignore_formatted;
        formatter.release_version = formatting.release_version;
        formatter.feature_levels = formatting.feature_levels;
        if let Some(list) = &formatting.initial_controllers {
            formatter.initial_controllers = parse_voters(list).map_err(|error| error.to_string())?;
        }
        if formatting.standalone {
            formatter = formatter
                .standalone(server, random_uuid())
                .map_err(|error| error.to_string())?;
        }
        formatter
            .run(&mut random, now_ms(), say)
            .map_err(|error| error.to_string())
    }

    fn random_uuid(&self) -> String {
        random_uuid().to_string()
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
