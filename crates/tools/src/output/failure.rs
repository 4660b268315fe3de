//! Why a tool ends without having done what it was asked for.

use std::io;

use serde_json::{Map, Value};

use super::{Messages, Out};

/// What is told and the code to end with.
#[derive(Debug)]
#[must_use]
pub struct Failure(Box<Kind>);

#[derive(Debug)]
enum Kind {
    /// Nobody reads any more: done.
    ClosedPipe,
    /// All has been said.
    Told(u8),
    Report(Report),
}

/// An error for people: what and where, where the value came from, what to do about it.
#[derive(Debug)]
struct Report {
    error: String,
    from: Option<String>,
    hint: Option<String>,
    code: u8,
    /// Kafka's words as they are, not behind `error: `.
    verbatim: bool,
    /// Where Kafka's tool says it.
    on_stdout: bool,
}

impl Failure {
    /// In the words of Kafka's tool, on stderr; exit code 1.
    pub fn kafka(message: impl Into<String>) -> Failure {
        Failure::report(message.into(), true)
    }

    /// In our own form, `error: …`, for what Kafka's tools tell by a stack trace and for Klamm's own commands; exit code 1.
    pub fn own(message: impl Into<String>) -> Failure {
        Failure::report(message.into(), false)
    }

    /// Ends with this code; all has been said.
    pub fn told(code: u8) -> Failure {
        Failure(Box::new(Kind::Told(code)))
    }

    fn report(error: String, verbatim: bool) -> Failure {
        Failure(Box::new(Kind::Report(Report {
            error,
            from: None,
            hint: None,
            code: 1,
            verbatim,
            on_stdout: false,
        })))
    }

    fn with(mut self, change: impl FnOnce(&mut Report)) -> Failure {
        if let Kind::Report(report) = &mut *self.0 {
            change(report);
        }
        self
    }

    /// Where the value that is wrong came from.
    pub fn origin(self, origin: impl Into<String>) -> Failure {
        self.with(|report| report.from = Some(origin.into()))
    }

    /// What to do.
    pub fn hint(self, hint: impl Into<String>) -> Failure {
        self.with(|report| report.hint = Some(hint.into()))
    }

    /// Another exit code than 1.
    pub fn code(self, code: u8) -> Failure {
        self.with(|report| report.code = code)
    }

    /// The message goes to stdout, as that of some of Kafka's tools; the hint stays on stderr.
    pub fn on_stdout(self) -> Failure {
        self.with(|report| {
            report.on_stdout = true;
            report.verbatim = true;
        })
    }

    /// Other words for the same failure.
    pub fn reworded(self, words: impl FnOnce(&str) -> String) -> Failure {
        self.with(|report| report.error = words(&report.error))
    }

    /// Something to know besides what is to be done.
    pub fn also_hint(self, more: &str) -> Failure {
        self.with(|report| {
            report.hint = Some(match report.hint.take() {
                Some(hint) => format!("{hint}; {more}"),
                None => more.to_owned(),
            });
        })
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        match &*self.0 {
            Kind::Report(report) => &report.error,
            _ => "",
        }
    }

    /// Whether the reader of stdout has gone.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(*self.0, Kind::ClosedPipe)
    }

    /// Says it and returns the exit code.
    pub(crate) fn tell(self, out: &mut Out, err: &mut Messages) -> u8 {
        let report = match *self.0 {
            Kind::ClosedPipe => return 0,
            Kind::Told(code) => return code,
            Kind::Report(report) => report,
        };
        if out.is_json() {
            err.line(report.json());
            return report.code;
        }
        let prefix = if report.verbatim { "" } else { "error: " };
        let message = format!("{prefix}{}", report.error);
        match report.on_stdout {
            true => drop(out.line(message).and_then(|()| out.flush())),
            false => err.line(message),
        }
        if let Some(from) = &report.from {
            err.line(format_args!("  from: {from}"));
        }
        if let Some(hint) = &report.hint {
            err.line(format_args!("  hint: {hint}"));
        }
        report.code
    }
}

impl Report {
    fn json(&self) -> Value {
        let mut object = Map::new();
        object.insert("error".to_owned(), self.error.clone().into());
        for (key, value) in [("from", &self.from), ("hint", &self.hint)] {
            if let Some(value) = value {
                object.insert(key.to_owned(), value.clone().into());
            }
        }
        Value::Object(object)
    }
}

/// Of writing to stdout.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure(Box::new(Kind::ClosedPipe)),
            _ => Failure::own(format!("can't write to stdout: {error}")),
        }
    }
}
