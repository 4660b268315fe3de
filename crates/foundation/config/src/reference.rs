//! The configuration reference, rendered from the tables.

use std::fmt::Write;

use crate::key::{ConfigKey, DefaultValue, Effect, Scope};
use crate::keys::{Table, broker_keys, client_metrics_keys, dynamic_only_broker_keys, group_keys, topic_keys};

/// `docs/reference/configuration.md`.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Configuration reference\n\n\
         <!-- Generated from the tables of crates/foundation/config: `cargo xtask docs` writes this file. -->\n\n\
         Names, types, defaults and allowed values are those of Apache Kafka 4.4. The last column says what setting a\n\
         key does in Klamm today:\n\n\
         - **works**: it does what it says.\n\
         - **not yet**: it is taken, checked, described to clients, and does nothing; the node warns where it is set.\n\
         - **refused**: it asks for protection, or for a part of Kafka, that is not there yet; the node does not start with it.\n\n",
    );
    let tables = [
        (
            "Brokers and controllers",
            broker_keys(),
            "Keys of `server.properties`. *Update* says where a key may change while the node runs.",
        ),
        (
            "Brokers, dynamic only",
            dynamic_only_broker_keys(),
            "Keys that only the cluster's dynamic configuration takes.",
        ),
        (
            "Topics",
            topic_keys(),
            "Keys of single topics; the key of the broker that gives the default stands beside.",
        ),
        (
            "Groups",
            group_keys(),
            "Keys of single groups; the key of the broker that gives the default stands beside.",
        ),
        (
            "Client metrics subscriptions",
            client_metrics_keys(),
            "Keys of subscriptions to clients' metrics (KIP-714).",
        ),
    ];
    summary(&mut out, &tables);
    for (title, table, about) in tables {
        let _ = write!(out, "\n## {title}\n\n{about}\n");
        let of_broker = title.starts_with("Brokers");
        for area in table.areas {
            if table.areas.len() > 1 {
                let _ = write!(out, "\n### {}\n\n{}\n", area.title, area.about);
            }
            rows(&mut out, area.keys, of_broker);
        }
    }
    out
}

fn summary(out: &mut String, tables: &[(&str, &'static Table, &str)]) {
    out.push_str("| | works | not yet | refused |\n|---|---:|---:|---:|\n");
    for (title, table, _) in tables {
        let count = |effect: Effect| table.iter().filter(|key| key.effect == effect).count();
        let (works, not_yet, refused) = (count(Effect::Effective), count(Effect::NotYet), count(Effect::Refused));
        let _ = writeln!(out, "| {title} | {works} | {not_yet} | {refused} |");
    }
}

fn rows(out: &mut String, keys: &[ConfigKey], of_broker: bool) {
    let column = if of_broker { "Update" } else { "Broker key" };
    let _ = write!(
        out,
        "\n| Key | Type | Default | Allowed | {column} | What it is for | Klamm |\n|---|---|---|---|---|---|---|\n"
    );
    for key in keys {
        let from = if of_broker {
            match key.scope {
                Scope::ReadOnly => "at start".to_string(),
                Scope::PerBroker => "per broker".to_string(),
                Scope::ClusterWide => "cluster-wide".to_string(),
            }
        } else {
            let names: Vec<String> = key
                .server_synonyms
                .iter()
                .map(|synonym| format!("`{}`", synonym.name))
                .collect();
            names.join(", ")
        };
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {from} | {} | {} |",
            key.name,
            key.config_type.name().to_lowercase(),
            default(key),
            allowed(key),
            doc(key),
            match key.effect {
                Effect::Effective => "works",
                Effect::NotYet => "not yet",
                Effect::Refused => "refused",
            },
        );
    }
}

fn default(key: &ConfigKey) -> String {
    match key.default {
        DefaultValue::Required => "*none, must be set*".to_string(),
        DefaultValue::Null => "*unset*".to_string(),
        DefaultValue::Text("") => "*empty*".to_string(),
        DefaultValue::Text(text) => format!("`{text}`"),
    }
}

fn allowed(key: &ConfigKey) -> String {
    key.validator.in_words().unwrap_or_default()
}

fn doc(key: &ConfigKey) -> String {
    let mut doc = key.doc.to_string();
    if key.internal && !key.is_ours() {
        doc.push_str(" *Internal.*");
    }
    if key.deprecated {
        doc.push_str(" *Deprecated.*");
    }
    doc.replace('|', "\\|")
}
