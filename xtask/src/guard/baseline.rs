//! What was counted, as a file that people can read and compare.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What is counted, each of something by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Of a function that is called by itself.
    Instructions,
    /// Of a request, in all threads, the client's few included.
    RequestInstructions,
    /// Of a request, and reallocations.
    Allocations,
    /// Of a request, at the node.
    SystemCalls,
}

const KINDS: [Kind; 4] = [
    Kind::Instructions,
    Kind::RequestInstructions,
    Kind::Allocations,
    Kind::SystemCalls,
];

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Instructions => "instructions",
            Kind::RequestInstructions => "request-instructions",
            Kind::Allocations => "allocations",
            Kind::SystemCalls => "system-calls",
        }
    }

    /// Whether another machine may count otherwise.
    pub(super) fn is_of_machine(self) -> bool {
        matches!(self, Kind::Instructions | Kind::RequestInstructions)
    }

    /// The most that passes for as much as `count`. The instructions of an append differed by up to 16 % between builds of
    /// sources that differ elsewhere, for reasons not found out; a node does a little by itself between requests.
    pub(super) fn most(self, count: f64) -> f64 {
        match self {
            Kind::Instructions | Kind::RequestInstructions => count * 1.25,
            Kind::Allocations | Kind::SystemCalls => count + 0.5,
        }
    }
}

/// All that was counted on one machine.
#[derive(Debug)]
pub(super) struct Baseline {
    /// What counts of instructions depend on.
    pub(super) machine: String,
    counts: BTreeMap<(Kind, String), f64>,
}

impl Baseline {
    pub(super) fn new(machine: String) -> Self {
        Self {
            machine,
            counts: BTreeMap::new(),
        }
    }

    pub(super) fn set(&mut self, kind: Kind, name: &str, count: f64) {
        self.counts.insert((kind, name.to_owned()), count);
    }

    pub(super) fn get(&self, kind: Kind, name: &str) -> Option<f64> {
        self.counts.get(&(kind, name.to_owned())).copied()
    }

    /// Whether anything of that kind was counted.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.counts.keys().any(|(other, _)| *other == kind)
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = (Kind, &str, f64)> {
        self.counts
            .iter()
            .map(|((kind, name), count)| (*kind, name.as_str(), *count))
    }

    pub(super) fn render(&self) -> String {
        let mut out =
            String::from("# Written by `cargo xtask guard --write`. Each count is of one call, or of one request.\n");
        let _ = writeln!(out, "machine = \"{}\"", self.machine.replace('"', "'"));
        for kind in KINDS.into_iter().filter(|kind| self.has(*kind)) {
            let _ = writeln!(out, "\n[{}]", kind.name());
            for (_, name, count) in self.counts().filter(|(other, ..)| *other == kind) {
                let _ = writeln!(out, "\"{name}\" = {count:.1}");
            }
        }
        out
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut baseline = Self::new(String::new());
        let mut kind = None;
        for (number, line) in (1..).zip(text.lines()) {
            let malformed = || format!("line {number} is not understood");
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[') {
                let known = KINDS
                    .into_iter()
                    .find(|kind| Some(kind.name()) == name.strip_suffix(']'));
                kind = Some(known.ok_or_else(malformed)?);
                continue;
            }
            let (name, value) = line.split_once(" = ").ok_or_else(malformed)?;
            let unquoted = |text: &str| Some(text.strip_prefix('"')?.strip_suffix('"')?.to_owned());
            match (name, kind) {
                ("machine", None) => baseline.machine = unquoted(value).ok_or_else(malformed)?,
                (name, Some(kind)) => {
                    let name = unquoted(name).ok_or_else(malformed)?;
                    baseline.set(kind, &name, value.parse().map_err(|_| malformed())?);
                }
                _ => return Err(malformed()),
            }
        }
        Ok(baseline)
    }
}
