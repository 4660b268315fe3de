//! One run of one tool.

use std::io::Read;

use crate::node::Node;
use crate::output::{Failure, Messages, Out, Streams};
use crate::spec::Matches;

/// How a tool ends.
pub type Outcome = Result<(), Failure>;

/// What a tool works with.
pub struct Call {
    /// What was typed.
    pub args: Matches,
    /// Standard output, for data.
    pub out: Out,
    /// Standard error, for everything else.
    pub err: Messages,
    pub(crate) input: Option<Box<dyn Read + Send>>,
    pub(crate) words: Vec<String>,
    pub(crate) node: &'static dyn Node,
    pub(crate) colour: bool,
    pub(crate) progress: bool,
}

impl Call {
    pub(crate) fn new(args: Matches, words: Vec<String>, node: &'static dyn Node, streams: Streams) -> Call {
        let mut out = Out::new(streams.output);
        out.set_json(args.has("json"));
        Call {
            args,
            out,
            err: Messages::new(streams.error),
            input: Some(streams.input),
            words,
            node,
            colour: streams.colour,
            progress: streams.progress,
        }
    }

    /// Standard input, for the first who asks.
    pub fn take_input(&mut self) -> Box<dyn Read + Send> {
        self.input.take().unwrap_or_else(|| Box::new(std::io::empty()))
    }

    /// What was typed after the tool's name, as it was typed.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Whether standard output understands colours.
    pub fn colour(&self) -> bool {
        self.colour
    }
    /// Whether somebody watches standard error, who wants to hear of progress.
    pub fn progress(&self) -> bool {
        self.progress
    }
}
