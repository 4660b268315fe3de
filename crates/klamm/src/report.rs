//! How an error reads: what and where, where the value came from, what to do about it.

use std::fmt;

use klamm_tools::output::Failure;

/// An error for people, printed to stderr.
#[derive(Debug)]
pub(crate) struct Report {
    /// What is wrong, and with what. May bring its own lines for source and hint.
    pub(crate) error: String,
    /// Where the value that is wrong came from.
    pub(crate) from: Option<String>,
    /// What to do.
    pub(crate) hint: Option<String>,
}

impl Report {
    pub(crate) fn new(error: impl fmt::Display) -> Self {
        Report {
            error: error.to_string(),
            from: None,
            hint: None,
        }
    }

    pub(crate) fn from(self, from: impl fmt::Display) -> Self {
        Report {
            from: Some(from.to_string()),
            ..self
        }
    }

    pub(crate) fn hint(self, hint: impl fmt::Display) -> Self {
        Report {
            hint: Some(hint.to_string()),
            ..self
        }
    }
}

impl From<Report> for Failure {
    fn from(report: Report) -> Failure {
        let mut failure = Failure::own(report.error);
        if let Some(from) = report.from {
            failure = failure.origin(from);
        }
        match report.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
