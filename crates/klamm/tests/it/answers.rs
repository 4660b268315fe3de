//! Collects answers that are not the expected ones, so that one run shows them all.

use std::fmt::Display;

/// A table of questions and answers.
pub(crate) struct Answers {
    what: &'static str,
    rows: usize,
    wrong: Vec<String>,
}

impl Answers {
    pub(crate) fn to(what: &'static str) -> Self {
        Answers {
            what,
            rows: 0,
            wrong: Vec::new(),
        }
    }

    /// A row: the question, the node's answer, Apache Kafka's answer.
    pub(crate) fn row(&mut self, question: &str, answer: impl Display, kafka: &str) {
        self.rows += 1;
        let answer = answer.to_string();
        if answer != kafka {
            self.wrong
                .push(format!("  {question}\n    kafka: {kafka}\n    here:  {answer}"));
        }
    }

    pub(crate) fn done(self) {
        let Answers { what, rows, wrong } = self;
        assert!(
            wrong.is_empty(),
            "{what}: {} of {rows} answers differ\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    }
}
