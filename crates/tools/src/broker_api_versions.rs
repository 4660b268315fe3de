//! `klamm broker-api-versions`: which versions of which APIs each broker speaks.

use std::collections::BTreeMap;

use klamm_client::{ApiKey, Error, MetadataTopics};
use klamm_protocol::messages::ApiVersionsResponse;
use serde_json::json;

use crate::call::{Call, Outcome};
use crate::connect;
use crate::output::Failure;
use crate::spec::{COMMAND_CONFIG, Example, Group, OPTIONAL_BOOTSTRAP_SERVER, Run, Tool, check};

pub(crate) const TOOL: Tool = Tool {
    name: "broker-api-versions",
    script: Some("kafka-broker-api-versions"),
    group: Group::Cluster,
    about: "Print the versions of the protocol that each broker speaks",
    long: "`usable` is the newest version that both the broker and this program speak. UNSUPPORTED are APIs that clients know and \
           the broker does not offer, UNKNOWN those that this program does not know.",
    flags: &[OPTIONAL_BOOTSTRAP_SERVER.required_by_tool(), COMMAND_CONFIG],
    examples: &[
        Example {
            does: "All brokers of a cluster",
            line: "broker-api-versions --bootstrap-server localhost:9092",
        },
        Example {
            does: "For a program: one JSON object a broker",
            line: "broker-api-versions --bootstrap-server localhost:9092 --json",
        },
    ],
    run: Run::Async(|call| Box::pin(run(call))),
    ..Tool::joptsimple()
};

async fn run(call: &mut Call) -> Outcome {
    check::required(&call.args, &["bootstrap-server"])?;
    let mut properties = connect::properties(&call.args)?;
    // Kafka's tool has its own defaults: it gives up sooner than the others.
    properties.set_default("request.timeout.ms", "5000");
    properties.set_default("default.api.timeout.ms", "5000");
    let addresses = properties.get("bootstrap.servers").unwrap_or_default().to_owned();
    let client = connect::client_of(properties).map_err(|failure| match check::addresses(&call.args) {
        // Kafka's tool has a client of its own, which is franker.
        Err(_) => Failure::kafka(format!("Invalid url in bootstrap.servers: {addresses}")),
        Ok(()) => failure,
    })?;
    let known = client
        .refresh_metadata(MetadataTopics::Brokers)
        .await
        .map_err(|error| unreachable(&error, &addresses))?;
    for broker in known.brokers().values() {
        let versions = client.versions(broker.id).await;
        let rack = broker.rack.as_deref().unwrap_or("null");
        let name = format!(
            "{}:{} (id: {} rack: {rack} isFenced: false)",
            broker.host, broker.port, broker.id
        );
        match versions {
            Ok(versions) if call.out.is_json() => {
                let apis = versions.api_keys.iter().map(|api| {
                    let name = ApiKey::try_from(api.api_key).map(ApiKey::name).ok();
                    json!({"key": api.api_key, "name": name, "min": api.min_version, "max": api.max_version})
                });
                let apis: Vec<_> = apis.collect();
                call.out
                    .json(&json!({"broker": broker.id, "host": &*broker.host, "port": broker.port, "apis": apis}))?;
            }
            Ok(versions) => {
                let apis = lines(&versions).join(",\n\t");
                call.out.line(format_args!("{name} -> (\n\t{apis}\n)"))?;
            }
            Err(error) if call.out.is_json() => {
                let error = connect::words(&error, "apiVersions");
                call.out.json(&json!({"broker": broker.id, "error": error}))?;
            }
            Err(error) => {
                let error = connect::words(&error, "apiVersions");
                call.out.line(format_args!("{name} -> ERROR: {error}"))?;
            }
        }
    }
    Ok(())
}

fn unreachable(error: &Error, addresses: &str) -> Failure {
    let brokers = (1..).zip(addresses.split(','));
    let brokers: Vec<String> = brokers
        .map(|(at, address)| format!("{address} (id: -{at} rack: null isFenced: false)"))
        .collect();
    let failure = Failure::kafka(format!("Request METADATA failed on brokers [{}]", brokers.join(", ")));
    match connect::hint(error) {
        Some(hint) => failure.hint(hint),
        None => failure.hint(error.to_string()),
    }
}

/// One line for each API that clients know or that the broker offers.
fn lines(versions: &ApiVersionsResponse) -> Vec<String> {
    let offered: BTreeMap<i16, (i16, i16)> = versions
        .api_keys
        .iter()
        .map(|api| (api.api_key, (api.min_version, api.max_version)))
        .collect();
    // Those that this program knows as a client of brokers.
    let known = ApiKey::all().filter(|api| api.info().client && api.info().versions.is_some());
    let mut keys: Vec<i16> = known.map(ApiKey::id).chain(offered.keys().copied()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
        .map(|key| line(key, offered.get(&key).copied()))
        .collect()
}

fn line(key: i16, offered: Option<(i16, i16)>) -> String {
    let api = ApiKey::try_from(key).ok();
    let name = api.map_or("UNKNOWN", ApiKey::name);
    let Some((min, max)) = offered else {
        return format!("{name}({key}): UNSUPPORTED");
    };
    let range = if min == max {
        min.to_string()
    } else {
        format!("{min} to {max}")
    };
    let usable = match api.and_then(|api| api.info().versions) {
        None => String::new(),
        Some(own) if own.max < min => " [unusable: node too new]".to_owned(),
        Some(own) if max < own.min => " [unusable: node too old]".to_owned(),
        Some(own) => format!(" [usable: {}]", own.max.min(max)),
    };
    format!("{name}({key}): {range}{usable}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_both_speak() {
        assert_eq!(
            line(0, Some((0, 99))),
            format!(
                "Produce(0): 0 to 99 [usable: {}]",
                ApiKey::Produce.info().versions.unwrap().max
            )
        );
        assert_eq!(line(46, Some((0, 0))), "ListPartitionReassignments(46): 0 [usable: 0]");
        assert_eq!(line(71, None), "GetTelemetrySubscriptions(71): UNSUPPORTED");
        assert_eq!(line(999, Some((2, 3))), "UNKNOWN(999): 2 to 3");
        assert_eq!(
            line(3, Some((100, 101))),
            "Metadata(3): 100 to 101 [unusable: node too new]"
        );
    }
}
