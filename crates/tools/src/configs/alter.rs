//! `--alter`.

use std::collections::BTreeMap;

use klamm_client::{AlterConfig, Client, Properties};
use serde_json::json;

use super::entities::{Entities, Kind};
use super::{describe, failed, quotas, scram, wrong};
use crate::call::{Call, Outcome};
use crate::output::Failure;
use crate::spec::Matches;

/// What is to be made and what is to be taken back.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) add: BTreeMap<String, String>,
    pub(super) delete: Vec<String>,
}

pub(super) async fn run(call: &mut Call, client: &Client, entities: &Entities) -> Outcome {
    let changes = Changes {
        add: added(&call.args)?,
        delete: call
            .args
            .all("delete-config")
            .into_iter()
            .map(|name| name.trim().to_owned())
            .collect(),
    };
    let (kind, name) = (entities.kinds[0], entities.names[0].as_str());
    match kind {
        Kind::User | Kind::Client => users_and_clients(call, client, entities, &changes).await?,
        Kind::Ip => {
            let names = changes.add.keys().chain(&changes.delete);
            let unknown: Vec<&str> = names
                .map(String::as_str)
                .filter(|name| *name != "connection_creation_rate")
                .collect();
            if !unknown.is_empty() {
                return Err(wrong(format!(
                    "Only connection quota configs can be added for 'ips' using --bootstrap-server. Unexpected config names: {}",
                    unknown.join(",")
                )));
            }
            quotas::alter(call, client, entities, &changes).await?;
        }
        kind => resource(call, client, kind, name, &changes).await?,
    }
    if call.out.is_json() {
        return call
            .out
            .json(&json!({"altered": {"type": kind.plural(), "name": name}}));
    }
    match name.is_empty() {
        true => call.out.line(format_args!(
            "Completed updating default config for {} in the cluster.",
            kind.plural()
        )),
        false => call.out.line(format_args!(
            "Completed updating config for {} {name}.",
            kind.singular()
        )),
    }
}

async fn resource(call: &Call, client: &Client, kind: Kind, name: &str, changes: &Changes) -> Outcome {
    if kind == Kind::BrokerLogger {
        let known = describe::entries(call, client, kind, name, true).await?;
        let unknown = changes.delete.iter().chain(changes.add.keys());
        let unknown: Vec<&str> = unknown
            .map(String::as_str)
            .filter(|name| !known.iter().any(|entry| entry.name == *name))
            .collect();
        if !unknown.is_empty() {
            return Err(wrong(format!("Invalid broker logger(s): {}", unknown.join(","))));
        }
    }
    let resource = kind
        .resource(name)
        .ok_or_else(|| wrong(format!("Unsupported entity type: {}", kind.plural())))?;
    let set = changes.add.iter().map(|(name, value)| AlterConfig::set(name, value));
    let delete = changes.delete.iter().map(AlterConfig::delete);
    let change = (resource, set.chain(delete).collect());
    let failed = failed(call, "incrementalAlterConfigs");
    for (_, outcome) in client
        .admin()
        .incremental_alter_configs(&[change], false)
        .await
        .map_err(&failed)?
    {
        outcome.map_err(&failed)?;
    }
    Ok(())
}

/// Users have quotas or credentials, clients quotas only.
async fn users_and_clients(call: &Call, client: &Client, entities: &Entities, changes: &Changes) -> Outcome {
    let is_client = entities.kinds.contains(&Kind::Client);
    let known = |name: &str| quotas::is_quota(name) || (!is_client && scram::is_mechanism(name));
    let (what, whom) = match is_client {
        true => ("quota", "clients"),
        false => ("quota and SCRAM credential", "users"),
    };
    let refuse = |verb: &str, collection: &str, names: Vec<&str>| {
        wrong(format!(
            "Only {what} configs can be {verb} for '{whom}' using --bootstrap-server. Unexpected config names: {collection}({})",
            names.join(", ")
        ))
    };
    // Scala's names of collections are part of the message.
    let unknown: Vec<&str> = changes
        .add
        .keys()
        .map(String::as_str)
        .filter(|name| !known(name))
        .collect();
    if !unknown.is_empty() {
        return Err(refuse("added", "Set", unknown));
    }
    let unknown: Vec<&str> = changes
        .delete
        .iter()
        .map(String::as_str)
        .filter(|name| !known(name))
        .collect();
    if !unknown.is_empty() {
        return Err(refuse("deleted", "ArrayBuffer", unknown));
    }
    let mut names = changes.add.keys().chain(&changes.delete);
    let has_quotas = names.clone().any(|name| quotas::is_quota(name));
    let has_credentials = names.any(|name| scram::is_mechanism(name));
    if has_credentials && entities.names.iter().any(String::is_empty) {
        return Err(wrong(
            "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using --bootstrap-server.",
        ));
    }
    if has_credentials && has_quotas {
        return Err(wrong(
            "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using --bootstrap-server.",
        ));
    }
    match has_credentials {
        true => scram::alter(call, client, &entities.names[0], changes).await,
        false => quotas::alter(call, client, entities, changes).await,
    }
}

/// `--add-config` or `--add-config-file`.
fn added(args: &Matches) -> Result<BTreeMap<String, String>, Failure> {
    let mut added = BTreeMap::new();
    if let Some(path) = args.get("add-config-file") {
        let properties = Properties::load(path)
            .map_err(|error| Failure::own(error.to_string()).origin("`--add-config-file` on the command line"))?;
        added.extend(
            properties
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
    }
    if let Some(list) = args.get("add-config") {
        added.extend(parse_added(list).map_err(wrong)?);
    }
    let is_clean = |name: &str| {
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    match added.keys().find(|name| !is_clean(name)) {
        Some(name) => Err(wrong(format!("Invalid character found for config key: {name}"))),
        None => Ok(added),
    }
}

/// `k1=v1,k2=[v2,v3]`: brackets keep commas and equals signs together.
fn parse_added(list: &str) -> Result<Vec<(String, String)>, String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_u32;
    for letter in list.chars() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    // Java's split forgets empty parts at the end.
    while parts.len() > 1 && parts.last().is_some_and(String::is_empty) {
        parts.pop();
    }
    let pairs = parts.iter().map(|part| {
        let (name, value) = part.split_once('=')?;
        // Another equals sign is fine only between brackets.
        let is_one = value.contains('[') || !value.contains('=');
        let value = value.replace(['[', ']'], "");
        is_one.then(|| (name.trim().to_owned(), value.trim().to_owned()))
    });
    pairs.collect::<Option<Vec<_>>>().ok_or_else(|| {
        "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\" or  \
         \"key=[val1,val2]\" to group values which contain commas."
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_with_their_brackets() {
        let pairs =
            parse_added("a=1,cleanup.policy=[compact,delete], b =  x ,c=,SCRAM=[iterations=4096,password=p]").unwrap();
        let expected = [
            ("a", "1"),
            ("cleanup.policy", "compact,delete"),
            ("b", "x"),
            ("c", ""),
            ("SCRAM", "iterations=4096,password=p"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(pairs, expected);
        for wrong in ["a", "a=1,b", "a=b=c"] {
            assert!(
                parse_added(wrong)
                    .unwrap_err()
                    .contains("all configs to be added must be in the format"),
                "{wrong}"
            );
        }
    }
}
