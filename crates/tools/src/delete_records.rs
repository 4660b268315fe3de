//! `klamm delete-records`: moves the beginning of partitions forward, as a file says.

use std::collections::{BTreeMap, BTreeSet};

use klamm_client::TopicPartition;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::{Call, Outcome};
use crate::connect::{self, exception_words};
use crate::output::Failure;
use crate::spec::{COMMAND_CONFIG, Example, Flag, Group, OPTIONAL_BOOTSTRAP_SERVER, Run, Tool, check};

pub(crate) const TOOL: Tool = Tool {
    name: "delete-records",
    script: Some("kafka-delete-records"),
    group: Group::Topics,
    about: "Delete the records of partitions before given offsets",
    long: "The file is JSON: {\"partitions\": [{\"topic\": \"orders\", \"partition\": 0, \"offset\": 1000}], \"version\": 1}. Records \
           before the offset are gone for good; -1 stands for all that there are. The exit code is 0 even if a partition could \
           not be done: its line says why.",
    flags: &[
        OPTIONAL_BOOTSTRAP_SERVER.required_by_tool(),
        Flag::file("offset-json-file", "FILE", "Which partitions, and up to which offset").required_by_tool(),
        COMMAND_CONFIG,
    ],
    changes: &["offset-json-file"],
    examples: &[
        Example {
            does: "As the file says",
            line: "delete-records --bootstrap-server localhost:9092 --offset-json-file records.json",
        },
        Example {
            does: "What that has left",
            line: "get-offsets --bootstrap-server localhost:9092 --topic orders --time earliest",
        },
    ],
    run: Run::Async(|call| Box::pin(run(call))),
    ..Tool::joptsimple()
};

#[derive(Deserialize)]
struct Item {
    topic: String,
    partition: i32,
    offset: i64,
}

async fn run(call: &mut Call) -> Outcome {
    check::required(&call.args, &["bootstrap-server", "offset-json-file"])?;
    let path = call.args.get("offset-json-file").unwrap_or_default();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::kafka(format!("Unable to read file {path}")).hint(error.to_string()))?;
    let before = parse(&text)?;
    let client = connect::client(&call.args)?;
    if !call.out.is_json() {
        call.out.line("Executing records delete operation")?;
    }
    let answers = client.admin().delete_records(&before).await;
    let answers = match answers {
        Ok(answers) => answers,
        // Every partition shares the reason then.
        Err(error) => before
            .iter()
            .map(|(partition, _)| (partition.clone(), Err(error.clone())))
            .collect(),
    };
    if !call.out.is_json() {
        call.out.line("Records delete operation completed:")?;
    }
    let mut hint = None;
    for (partition, answer) in answers {
        hint = hint.or(answer.as_ref().err().and_then(connect::hint));
        let error = answer
            .as_ref()
            .err()
            .map(|error| exception_words(error, "deleteRecords"));
        if call.out.is_json() {
            let TopicPartition { topic, partition } = &partition;
            let low = answer.ok();
            call.out
                .json(&json!({"topic": &**topic, "partition": partition, "lowWatermark": low, "error": error}))?;
            continue;
        }
        match (answer, error) {
            (Ok(low), _) => call
                .out
                .line(format_args!("partition: {partition}\tlow_watermark: {low}"))?,
            (Err(_), error) => {
                let error = error.unwrap_or_default();
                call.out.line(format_args!("partition: {partition}\terror: {error}"))?;
            }
        }
    }
    if let Some(hint) = hint.filter(|_| !call.out.is_json()) {
        call.err.line(format_args!("  hint: {hint}"));
    }
    Ok(())
}

/// What the file says, by rising partition.
fn parse(text: &str) -> Result<Vec<(TopicPartition, i64)>, Failure> {
    let form = "{\"partitions\": [{\"topic\": \"orders\", \"partition\": 0, \"offset\": 1000}], \"version\": 1}";
    let wrong = |message: String| Failure::kafka(message).hint(format!("the file reads like {form}"));
    let value: Value = serde_json::from_str(text)
        .map_err(|error| wrong("The input string is not a valid JSON".to_owned()).origin(error.to_string()))?;
    let version = value.get("version").unwrap_or(&Value::from(1)).clone();
    if version != 1 {
        return Err(wrong(format!("Not supported version field value {version}")));
    }
    let partitions = value
        .get("partitions")
        .ok_or_else(|| wrong("Missing partitions field".to_owned()))?;
    for item in partitions.as_array().into_iter().flatten() {
        let missing = ["topic", "partition", "offset"]
            .into_iter()
            .find(|field| item.get(field).is_none());
        if let Some(field) = missing {
            return Err(wrong(format!("No such field exists: `{field}`")));
        }
    }
    let items: Vec<Item> = Vec::deserialize(partitions).map_err(|error| wrong(error.to_string()))?;
    let mut before = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for item in items {
        let partition = TopicPartition::new(&*item.topic, item.partition);
        if before.insert(partition.clone(), item.offset).is_some() {
            twice.insert(partition.to_string());
        }
    }
    if twice.is_empty() {
        return Ok(before.into_iter().collect());
    }
    let twice: Vec<String> = twice.into_iter().collect();
    let twice = twice.join(",");
    Err(Failure::kafka(format!(
        "Offset json file contains duplicate topic partitions: {twice}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_wrong_is_told() {
        let message = |text| parse(text).unwrap_err().message().to_owned();
        assert_eq!(message("{"), "The input string is not a valid JSON");
        assert_eq!(message("{}"), "Missing partitions field");
        assert_eq!(
            message(r#"{"version": 2, "partitions": []}"#),
            "Not supported version field value 2"
        );
        let twice = r#"{"partitions": [{"topic": "t", "partition": 0, "offset": 1}, {"topic": "t", "partition": 0, "offset": 2}]}"#;
        assert_eq!(
            message(twice),
            "Offset json file contains duplicate topic partitions: t-0"
        );
        assert_eq!(
            message(r#"{"partitions": [{"topic": "t"}]}"#),
            "No such field exists: `partition`"
        );
        assert!(parse(r#"{"partitions": []}"#).unwrap().is_empty());
    }
}
