//! Where a value came from.

use std::fmt;
use std::sync::Arc;

/// The place a setting was made, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of a file.
    File {
        /// Name of the file as the user gave it.
        file: Arc<str>,
        /// Line its key begins in, counted from 1.
        line: u32,
    },
    /// `--override KEY=VALUE`.
    Override,
    /// Another option of the command line, such as `--listen`.
    Option(&'static str),
    /// The program itself: a test, or a start without a file.
    Program,
    /// The cluster's dynamic configuration for this broker.
    DynamicBroker,
    /// The cluster's dynamic configuration for all brokers.
    DynamicDefaultBroker,
    /// The topic or group's own configuration.
    Resource,
    /// Nowhere: the built-in default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { file, line } => write!(f, "`{file}`, line {line}"),
            Origin::Override => f.write_str("`--override` on the command line"),
            Origin::Option(option) => write!(f, "`{option}` on the command line"),
            Origin::Program => f.write_str("the program"),
            Origin::DynamicBroker => f.write_str("the dynamic configuration of this broker"),
            Origin::DynamicDefaultBroker => f.write_str("the dynamic configuration of all brokers"),
            Origin::Resource => f.write_str("its own configuration"),
            Origin::Default => f.write_str("the default"),
        }
    }
}
