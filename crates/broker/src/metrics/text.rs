//! Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write as _};

/// Whether a metric may fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It may.
    Gauge,
    /// Only when the node starts.
    Counter,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        }
    }
}

/// A reply that is being written.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    /// Begins with a metric. One without values is left out.
    pub(super) fn metric<'a>(
        &'a mut self,
        name: &'static str,
        kind: Kind,
        help: &str,
        labels: &'static [&'static str],
    ) -> Samples<'a> {
        let begun = self.0.len();
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {}\n", kind.name());
        let header = self.0.len();
        Samples {
            text: self,
            begun,
            header,
            name,
            labels,
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

/// The values of one metric.
#[derive(Debug)]
pub(super) struct Samples<'a> {
    text: &'a mut Text,
    begun: usize,
    header: usize,
    name: &'static str,
    labels: &'static [&'static str],
}

impl Samples<'_> {
    /// A value, with as many values of labels as the metric has labels. Numbers only, and finite ones.
    pub(super) fn add(&mut self, labels: &[&dyn Display], value: impl Display) {
        assert_eq!(labels.len(), self.labels.len(), "{}", self.name);
        let out = &mut self.text.0;
        out.push_str(self.name);
        for (at, (label, value)) in self.labels.iter().zip(labels).enumerate() {
            let _ = write!(out, "{}{label}=\"", if at == 0 { '{' } else { ',' });
            let _ = write!(Escaping(out), "{value}");
            out.push('"');
        }
        let _ = writeln!(out, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

impl Drop for Samples<'_> {
    fn drop(&mut self) {
        if self.text.0.len() == self.header {
            self.text.0.truncate(self.begun);
        }
    }
}

/// Writes the value of a label.
struct Escaping<'a>(&'a mut String);

impl std::fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for c in text.chars() {
            match c {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}
