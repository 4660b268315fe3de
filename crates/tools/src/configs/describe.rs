//! `--describe`.

use std::collections::BTreeSet;

use klamm_client::{Client, ConfigEntry, ConfigResourceKind, ConfigSource, DescribeConfigs, ListGroups};
use serde_json::{Value, json};

use super::entities::{Entities, Kind};
use super::{failed, quotas, scram, wrong};
use crate::call::{Call, Outcome};
use crate::output::Failure;
use crate::topics::{listing, valid_name};

pub(super) async fn run(call: &mut Call, client: &Client, entities: &Entities) -> Outcome {
    match entities.kinds[0] {
        Kind::User | Kind::Client => {
            quotas::describe(call, client, entities).await?;
            let clients = entities.kinds.contains(&Kind::Client);
            match clients || entities.names.iter().any(String::is_empty) {
                true => Ok(()),
                false => scram::describe(call, client, &entities.names).await,
            }
        }
        Kind::Ip => quotas::describe(call, client, entities).await,
        kind => resources(call, client, kind, entities.names.first()).await,
    }
}

/// The settings of one, or of all of a type.
async fn resources(call: &mut Call, client: &Client, kind: Kind, name: Option<&String>) -> Outcome {
    let names = match name {
        Some(name) => vec![name.clone()],
        None => all_names(call, client, kind).await?,
    };
    let all = call.args.has("all");
    if let Some(name) = name.filter(|_| !all)
        && !exists(call, client, kind, name).await?
    {
        let words = format!(
            "The {} '{name}' doesn't exist and doesn't have dynamic config.",
            kind.singular()
        );
        if call.out.is_json() {
            call.err.line(words);
            return Ok(());
        }
        return call.out.line(words);
    }
    for name in names {
        if !call.out.is_json() {
            let whose = match (name.is_empty(), all) {
                (true, _) => format!("Default configs for {} in the cluster are:", kind.plural()),
                (false, true) => format!("All configs for {} {name} are:", kind.singular()),
                (false, false) => format!("Dynamic configs for {} {name} are:", kind.singular()),
            };
            call.out.line(whose)?;
        }
        let entries = entries(call, client, kind, &name, all).await?;
        match call.out.is_json() {
            true => {
                let configs: Vec<Value> = entries.iter().map(entry_json).collect();
                call.out
                    .json(&json!({"type": kind.plural(), "name": name, "configs": configs}))?;
            }
            false => entries.iter().try_for_each(|entry| call.out.line(entry_line(entry)))?,
        }
    }
    Ok(())
}

async fn all_names(call: &Call, client: &Client, kind: Kind) -> Result<Vec<String>, Failure> {
    let admin = client.admin();
    match kind {
        Kind::Topic => listing(&admin, true).await.map_err(failed(call, "listTopics")),
        Kind::Broker | Kind::BrokerLogger => {
            let cluster = admin.describe_cluster(false).await.map_err(failed(call, "listNodes"))?;
            // After the brokers, what holds for all of them.
            Ok(cluster
                .nodes
                .keys()
                .map(i32::to_string)
                .chain([String::new()])
                .collect())
        }
        Kind::ClientMetrics => with_settings(call, client, kind).await,
        _ => {
            let groups = admin
                .list_groups(&ListGroups::default())
                .await
                .map_err(failed(call, "listGroups"))?;
            let mut names: BTreeSet<String> = groups.groups.into_iter().map(|group| group.group_id).collect();
            names.extend(with_settings(call, client, kind).await?);
            Ok(names.into_iter().collect())
        }
    }
}

/// Those that exist by having settings.
async fn with_settings(call: &Call, client: &Client, kind: Kind) -> Result<Vec<String>, Failure> {
    let kinds: Vec<ConfigResourceKind> = kind.resource("").map(|resource| resource.kind).into_iter().collect();
    let failed = failed(call, "listConfigResources");
    let found = client.admin().list_config_resources(&kinds).await.map_err(failed)?;
    Ok(found.into_iter().map(|resource| resource.name).collect())
}

/// Whether there is such a thing, or settings for it.
async fn exists(call: &Call, client: &Client, kind: Kind, name: &str) -> Result<bool, Failure> {
    if kind == Kind::Topic {
        valid_name(name).map_err(wrong)?;
    }
    let names = all_names(call, client, kind).await?;
    Ok(names.iter().any(|known| known == name))
}

/// The settings of one thing by rising name: all of them, or those that were changed while the cluster ran.
pub(super) async fn entries(
    call: &Call,
    client: &Client,
    kind: Kind,
    name: &str,
    all: bool,
) -> Result<Vec<ConfigEntry>, Failure> {
    if kind == Kind::Topic {
        valid_name(name).map_err(wrong)?;
    }
    let resource = kind
        .resource(name)
        .ok_or_else(|| wrong(format!("Invalid entity type: {}", kind.plural())))?;
    let failed = failed(call, "describeConfigs");
    let options = DescribeConfigs::default().with_synonyms();
    let answers = client
        .admin()
        .describe_configs(&[resource], options)
        .await
        .map_err(&failed)?;
    let source = kind.dynamic_source(name).filter(|_| !all);
    let mut entries = Vec::new();
    for (_, answer) in answers {
        entries.extend(answer.map_err(&failed)?);
    }
    entries.retain(|entry| source.is_none_or(|source| entry.source == source));
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

fn entry_line(entry: &ConfigEntry) -> String {
    let synonyms = entry
        .synonyms
        .iter()
        .map(|synonym| format!("{}:{}={}", source(synonym.source), synonym.name, value(&synonym.value)));
    let synonyms: Vec<String> = synonyms.collect();
    format!(
        "  {}={} sensitive={} synonyms={{{}}}",
        entry.name,
        value(&entry.value),
        entry.is_sensitive,
        synonyms.join(", ")
    )
}

fn entry_json(entry: &ConfigEntry) -> Value {
    let synonyms = entry
        .synonyms
        .iter()
        .map(|synonym| json!({"source": source(synonym.source), "name": synonym.name, "value": synonym.value}));
    json!({
        "name": entry.name,
        "value": entry.value,
        "source": source(entry.source),
        "sensitive": entry.is_sensitive,
        "readOnly": entry.is_read_only,
        "synonyms": synonyms.collect::<Vec<_>>(),
    })
}

fn value(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("null")
}

/// Java's name of where a setting comes from.
fn source(source: ConfigSource) -> &'static str {
    match source {
        ConfigSource::DynamicTopic => "DYNAMIC_TOPIC_CONFIG",
        ConfigSource::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
        ConfigSource::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        ConfigSource::StaticBroker => "STATIC_BROKER_CONFIG",
        ConfigSource::Default => "DEFAULT_CONFIG",
        ConfigSource::DynamicBrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
        ConfigSource::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
        ConfigSource::Group => "DYNAMIC_GROUP_CONFIG",
        _ => "UNKNOWN",
    }
}
