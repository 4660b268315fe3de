//! Which client is tested with which feature: the page of it, and what a run has to show.
//!
//! `tests/compat/features.txt` has the features, `NAME: what it is`, in the order of the page; a line `later NAME: what`
//! is what Klamm has for no client yet. `tests/compat/missing.txt` has what a suite does not see to,
//! `CLIENT FEATURE: reason`, and remarks, `CLIENT note: remark`. Everything else passes, or a run fails.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::suite::Row;
use super::{CLIENTS, read, suites_dir};

const PAGE: &str = "docs/reference/clients.md";

/// What the suites have to show.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Name and meaning, in the order of the page.
    features: Vec<(String, String)>,
    /// The same of what is still to come for every client.
    later: Vec<(String, String)>,
    /// Why a client's suite does not see to a feature.
    missing: BTreeMap<(String, String), String>,
    /// What else is to be known of a client.
    notes: Vec<(String, String)>,
}

impl Plan {
    /// Reads both files.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let dir = suites_dir(root);
        Self::parse(&read(&dir.join("features.txt"))?, &read(&dir.join("missing.txt"))?)
    }

    fn parse(features: &str, missing: &str) -> Result<Self, String> {
        let mut plan = Plan {
            features: Vec::new(),
            later: Vec::new(),
            missing: BTreeMap::new(),
            notes: Vec::new(),
        };
        for (name, text) in rows(features)? {
            match name.strip_prefix("later ") {
                Some(name) => plan.later.push((name.to_owned(), text)),
                None => plan.features.push((name, text)),
            }
        }
        for (name, text) in rows(missing)? {
            let (client, feature) = name.split_once(' ').ok_or_else(|| format!("missing.txt: `{name}`"))?;
            if CLIENTS.iter().all(|known| known.name != client) {
                return Err(format!("missing.txt: `{client}` is no client"));
            }
            if feature == "note" {
                plan.notes.push((client.to_owned(), text));
            } else if plan.features.iter().any(|(known, _)| known == feature) {
                plan.missing.insert((client.to_owned(), feature.to_owned()), text);
            } else {
                return Err(format!("missing.txt: `{feature}` is no feature"));
            }
        }
        Ok(plan)
    }

    fn why_missing(&self, client: &str, feature: &str) -> Option<&str> {
        self.missing
            .get(&(client.to_owned(), feature.to_owned()))
            .map(String::as_str)
    }

    /// What is wrong with a suite's rows: features that failed, were not printed, or were not to be.
    pub(super) fn compare(&self, client: &str, rows: &[Row]) -> Vec<String> {
        let mut wrong = Vec::new();
        for row in rows {
            let feature = &row.feature;
            if let Some(reason) = &row.failure {
                wrong.push(format!("{feature} fails: {reason}"));
            } else if self.why_missing(client, feature).is_some() {
                wrong.push(format!(
                    "{feature} passes, but tests/compat/missing.txt says that it is not tested"
                ));
            } else if self.features.iter().all(|(known, _)| known != feature) {
                wrong.push(format!("{feature} is not in tests/compat/features.txt"));
            }
        }
        for (feature, _) in &self.features {
            let expected = self.why_missing(client, feature).is_none();
            if expected && rows.iter().all(|row| row.feature != *feature) {
                wrong.push(format!(
                    "{feature} is not tested, and tests/compat/missing.txt does not say why"
                ));
            }
        }
        wrong
    }
}

/// The rows `NAME: text` of a file, without comments and empty lines.
fn rows(text: &str) -> Result<Vec<(String, String)>, String> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            line.split_once(": ")
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .ok_or_else(|| format!("`{line}` is not `NAME: text`"))
        })
        .collect()
}

/// Says when the page is not what the files and versions make of it.
pub(super) fn stale(root: &Path) -> Result<Option<String>, String> {
    let stale = read(&root.join(PAGE)).ok() != Some(page(root)?);
    Ok(stale.then(|| format!("{PAGE} is stale, run `cargo xtask docs`")))
}

/// The page `docs/reference/clients.md`.
pub(crate) fn page(root: &Path) -> Result<String, String> {
    let plan = Plan::read(root)?;
    let mut versions = Vec::new();
    for client in CLIENTS {
        versions.push((client.version)(root)?);
    }
    Ok(render(&plan, &versions))
}

fn render(plan: &Plan, versions: &[String]) -> String {
    let mut page = String::from(
        "<!-- Rendered by `cargo xtask docs` from tests/compat/ (features.txt, missing.txt and the pinned versions). -->\n\
         # Clients\n\n\
         Each client's suite (`tests/compat/`) runs against a node of Klamm before every change lands, and was run against Apache\n\
         Kafka 4.4 when it was written. A run fails when a feature marked ✓ does not pass, and when one is marked otherwise and does.\n\
         Run them yourself with `cargo xtask compat` or `cargo xtask compat CLIENT…`.\n\n\
         | Client | Language | Version |\n|---|---|---|\n",
    );
    for (client, version) in CLIENTS.iter().zip(versions) {
        let _ = writeln!(page, "| {} | {} | {version} |", client.name, client.language); // a String takes all
    }
    page.push_str("\n✓ tested; a number: not tested, see below; ✗: not in Klamm yet.\n\n| Feature |");
    for client in CLIENTS {
        let _ = write!(page, " {} |", client.name);
    }
    page.push_str("\n|---|");
    page.push_str(&"---|".repeat(CLIENTS.len()));
    page.push('\n');
    let mut reasons: Vec<&str> = Vec::new();
    for (feature, meaning) in &plan.features {
        let _ = write!(page, "| {}: {meaning} |", feature.replace('_', " "));
        for client in CLIENTS {
            match plan.why_missing(client.name, feature) {
                None => page.push_str(" ✓ |"),
                Some(reason) => {
                    let at = reasons.iter().position(|known| *known == reason).unwrap_or_else(|| {
                        reasons.push(reason);
                        reasons.len() - 1
                    });
                    let _ = write!(page, " {} |", at + 1);
                }
            }
        }
        page.push('\n');
    }
    for (feature, meaning) in &plan.later {
        let _ = write!(page, "| {}: {meaning} |", feature.replace('_', " "));
        page.push_str(&" ✗ |".repeat(CLIENTS.len()));
        page.push('\n');
    }
    page.push_str("\n## Why not\n\n");
    for (at, reason) in reasons.iter().enumerate() {
        let _ = writeln!(page, "{}. {reason}", at + 1);
    }
    page.push_str(
        "\nrust-rdkafka has no suite of its own: it is librdkafka, which is tested here already, and would be compiled from C anew\n\
         for every run. `klamm-client` is tested beside its code, against Klamm and Apache Kafka.\n\
         \n## To be known\n\nThese hold with Apache Kafka as they do with Klamm.\n\n",
    );
    for (client, note) in &plan.notes {
        let _ = writeln!(page, "- {client}: {note}");
    }
    page
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn row(line: &str) -> Row {
        Row::parse(line).unwrap()
    }

    fn plan() -> Plan {
        let features = "# comment\nseek: jumps\nlist_offsets: offsets\n\nlater share_groups: shares\n";
        Plan::parse(features, "sarama seek: one way\nsarama note: asks\n").unwrap()
    }

    #[test]
    fn the_page_is_current() {
        let root = crate::root();
        assert_eq!(stale(&root).unwrap(), None);
    }

    #[test]
    fn a_run_has_to_show_what_is_declared() {
        let plan = plan();
        let none: Vec<String> = Vec::new();
        assert_eq!(plan.compare("sarama", &[row("ok list_offsets")]), none);
        assert_eq!(plan.compare("java", &[row("ok seek"), row("ok list_offsets")]), none);
        assert_eq!(
            plan.compare("java", &[row("ok list_offsets")]).len(),
            1,
            "seek is not shown"
        );
        assert_eq!(
            plan.compare("sarama", &[row("ok list_offsets"), row("ok seek")]).len(),
            1,
            "seek is declared missing"
        );
        assert_eq!(
            plan.compare("sarama", &[row("FAIL list_offsets: no: offsets")]),
            ["list_offsets fails: no: offsets"]
        );
        assert_eq!(
            plan.compare("sarama", &[row("ok list_offsets"), row("ok more")]).len(),
            1,
            "more is not known"
        );
    }

    #[test]
    fn the_files_name_what_there_is() {
        assert!(Plan::parse("seek: jumps", "nobody seek: x").is_err());
        assert!(Plan::parse("seek: jumps", "sarama more: x").is_err());
        assert!(Plan::parse("seek", "").is_err());
    }

    #[test]
    fn reasons_are_numbered_once() {
        let page = render(&plan(), &vec!["1".to_owned(); CLIENTS.len()]);
        assert!(page.contains("1. one way\n"), "{page}");
        assert!(page.contains("- sarama: asks\n"), "{page}");
        assert!(page.contains("| share groups: shares | ✗ |"), "{page}");
        assert_eq!(
            page.matches(" 1 |").count(),
            1 + CLIENTS.len(),
            "versions, and one reason: {page}"
        );
    }
}
