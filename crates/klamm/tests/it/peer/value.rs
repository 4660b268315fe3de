//! A reply as a table of paths and values: read from its `Debug` text, with what may not be compared taken out.

use std::collections::{BTreeMap, BTreeSet};

use klamm_records::crc32c;

/// Fields that name an element of a list, so that lists compare by name and not by place.
const KEYS: &[&str] = &[
    "name",
    "topic",
    "topic_name",
    "topic_id",
    "partition_index",
    "partition",
    "partition_id",
    "index",
    "group_id",
    "group",
    "key",
    "api_key",
    "resource_type",
    "resource_name",
    "node_id",
    "broker_id",
    "replica_id",
    "log_dir",
    "producer_id",
    "transactional_id",
    "member_id",
    "feature",
    "user",
    "mechanism",
    "entity_type",
    "entity_name",
];

/// What a broker calls things that are its own.
#[derive(Default)]
pub(super) struct Own {
    /// Of its listener; the controller's is the next one.
    pub(super) port: u16,
    /// Its cluster's id.
    pub(super) cluster_id: String,
    /// Topic ids with the names of their topics.
    pub(super) ids: BTreeMap<String, String>,
    /// Follows the stem of each name that a run makes up, before a number.
    pub(super) run: String,
    /// When the run began, ms since the epoch.
    pub(super) began_ms: i64,
    /// Its log directory.
    pub(super) log_dir: String,
    /// The fetch session that it made last.
    pub(super) session: i32,
    /// The id that it gave to a member last.
    pub(super) member: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Struct(Vec<(String, Value)>),
    List(Vec<Value>),
    Atom(String),
}

/// The paths of a reply with their values, and of each element of a list that it is there.
pub(super) fn flatten(debug: &str, own: &Own) -> BTreeMap<String, String> {
    let mut parser = Parser { rest: debug };
    let value = parser.value();
    assert_eq!(parser.rest, "", "the text of a reply is read to its end");
    let mut out = BTreeMap::new();
    walk("", "", &value, own, &mut out);
    out
}

/// A row for each path whose values differ: path, theirs, ours. Of an element that one side lacks there is only one row.
pub(super) fn differences(
    theirs: &BTreeMap<String, String>,
    ours: &BTreeMap<String, String>,
) -> Vec<(String, String, String)> {
    let mut rows = Vec::new();
    let mut lacking: Option<String> = None;
    for path in theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
        let (their, our) = (theirs.get(path), ours.get(path));
        if their == our || lacking.as_ref().is_some_and(|whole| path.starts_with(whole)) {
            continue;
        }
        if path.ends_with(']') && (their.is_none() || our.is_none()) {
            lacking = Some(path.clone());
        }
        let or_absent = |value: Option<&String>| value.map_or("(absent)", String::as_str).to_owned();
        rows.push((path.clone(), or_absent(their), or_absent(our)));
    }
    rows
}

fn walk(path: &str, field: &str, value: &Value, own: &Own, out: &mut BTreeMap<String, String>) {
    match value {
        Value::Atom(text) => {
            out.insert(path.to_owned(), normal(path, field, text, own));
        }
        Value::Struct(fields) => {
            for (name, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                walk(&format!("{path}{dot}{name}"), name, value, own, out);
            }
        }
        Value::List(values) if values.iter().all(|value| matches!(value, Value::Atom(_))) => {
            let mut texts = Vec::new();
            for value in values {
                let Value::Atom(text) = value else { continue };
                texts.push(normal(path, field, text, own));
            }
            out.insert(path.to_owned(), format!("[{}]", texts.join(", ")));
        }
        Value::List(values) => {
            let mut labelled: Vec<_> = values.iter().map(|value| (label(value, own), value)).collect();
            // The order of what goes by random ids, or has lost its own name here, is random.
            labelled.sort_by_key(|(name, value)| match name.contains("ID") {
                true => Some((name.clone(), content(value, own))),
                false => None,
            });
            for (name, value) in labelled {
                let mut element = format!("{path}[{name}]");
                let mut again = 2;
                while out.contains_key(&element) {
                    element = format!("{path}[{name}#{again}]");
                    again += 1;
                }
                out.insert(element.clone(), "there".to_owned());
                walk(&element, field, value, own, out);
            }
        }
    }
}

fn content(value: &Value, own: &Own) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    walk("", "", value, own, &mut out);
    out
}

fn label(value: &Value, own: &Own) -> String {
    let Value::Struct(fields) = value else {
        return String::new();
    };
    let named = fields.iter().filter(|(name, _)| KEYS.contains(&name.as_str()));
    let texts = named.filter_map(|(name, value)| match value {
        Value::Atom(text) => Some(normal("", name, text, own)),
        _ => None,
    });
    // Whom a quota is for is said in a list.
    let parts = fields.iter().filter(|(name, _)| name == "entity");
    let parts = parts.flat_map(|(_, value)| match value {
        Value::List(parts) => parts.iter().map(|part| label(part, own)).collect(),
        _ => Vec::new(),
    });
    let mut parts: Vec<_> = parts.collect();
    parts.sort_unstable();
    let texts = texts.chain(parts);
    texts.collect::<Vec<_>>().join(" ")
}

/// A value without what is the broker's own.
fn normal(path: &str, field: &str, text: &str, own: &Own) -> String {
    let number: Option<i64> = text.parse().ok();
    match (field, number) {
        ("port", Some(port)) if port == i64::from(own.port) => "PORT".to_owned(),
        ("port", Some(port)) if port == i64::from(own.port) + 1 => "CONTROLLER PORT".to_owned(),
        // How often the quorum has elected, and how long its log is.
        ("log_end_offset" | "high_watermark", Some(1..)) if path.contains("__cluster_metadata") => "OFFSET".to_owned(),
        ("leader_epoch", Some(1..)) if path.contains("__cluster_metadata") => "EPOCH".to_owned(),
        ("session_id" | "producer_id", Some(1..)) | ("producer_id", Some(0)) => "OWN".to_owned(),
        ("total_bytes" | "usable_bytes", Some(1..)) => "BYTES".to_owned(),
        // Offsets in the log of the cluster's metadata, and what is counted in them.
        ("broker_epoch" | "finalized_features_epoch", Some(0..)) => "EPOCH".to_owned(),
        (_, Some(time)) if (time - own.began_ms).abs() < 1_800_000 => "NOW".to_owned(),
        (_, Some(_)) => text.to_owned(),
        ("records", _) if text.starts_with("b\"") => batches(&unescaped(text)),
        ("topic_id" | "voter_directory_id" | "replica_directory_id", _) => id(text, own),
        _ => words(text, own),
    }
}

fn id(text: &str, own: &Own) -> String {
    match own.ids.get(text) {
        _ if text == "AAAAAAAAAAAAAAAAAAAAAA" => "NO ID".to_owned(),
        Some(name) => format!("ID OF {}", words(name, own)),
        None => "ID".to_owned(),
    }
}

/// Text without ids, ports and the endings of names.
fn words(text: &str, own: &Own) -> String {
    let mut text = text.replace(&own.cluster_id, "CLUSTER");
    if own.log_dir.len() > 1 {
        text = text.replace(&own.log_dir, "DIR");
    }
    for (id, name) in &own.ids {
        if text.contains(id.as_str()) {
            text = text.replace(id.as_str(), &format!("ID OF {name}"));
        }
    }
    text = text.replace(&format!(":{}", own.port), ":PORT");
    text = text.replace(&format!(":{}", own.port + 1), ":CONTROLLER PORT");
    while let Some(at) = text.find(&own.run) {
        let after = &text[at + own.run.len()..];
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        text.replace_range(at..at + own.run.len() + digits, "");
    }
    without_times(&without_uuids(&text))
}

/// Text with `TIME` for each number as long as a time in milliseconds is, but for those that the cases ask with.
fn without_times(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let length = rest[start..].bytes().take_while(u8::is_ascii_digit).count();
        let number = &rest[start..start + length];
        out += &rest[..start];
        out += if [13, 19].contains(&length) && number.parse() != Ok(i64::MAX) {
            "TIME"
        } else {
            number
        };
        rest = &rest[start + length..];
    }
    out + rest
}

/// Text with `UUID` for each 8-4-4-4-12 group of hexadecimal digits: the random ends of member ids.
fn without_uuids(text: &str) -> String {
    const DASHES: [usize; 4] = [8, 13, 18, 23];
    let bytes = text.as_bytes();
    let is_uuid = |window: &[u8]| {
        window.iter().enumerate().all(|(at, byte)| match DASHES.contains(&at) {
            true => *byte == b'-',
            false => byte.is_ascii_hexdigit(),
        })
    };
    match bytes.windows(36).position(is_uuid) {
        Some(at) => format!("{}UUID{}", &text[..at], without_uuids(&text[at + 36..])),
        None => text.to_owned(),
    }
}

/// The batches of fetched bytes, with the times that a broker has set itself left out.
fn batches(bytes: &[u8]) -> String {
    const ATTRIBUTES: usize = 21;
    let mut out = Vec::new();
    let mut rest = bytes;
    while rest.len() >= 61 {
        let length = 12 + u32::from_be_bytes([rest[8], rest[9], rest[10], rest[11]]) as usize;
        if rest.len() < length {
            break;
        }
        let mut batch = rest[..length].to_vec();
        rest = &rest[length..];
        let is_log_append_time = batch[ATTRIBUTES + 1] & 8 != 0;
        if is_log_append_time {
            batch[17..ATTRIBUTES].fill(0);
            batch[35..43].fill(0);
        }
        let base = i64::from_be_bytes(batch[..8].try_into().unwrap());
        out.push(format!("batch at {base} of {length} bytes {:08x}", crc32c(&batch)));
    }
    if !rest.is_empty() {
        out.push(format!("{} bytes {:08x}", rest.len(), crc32c(rest)));
    }
    format!("[{}]", out.join(", "))
}

/// The bytes of a `b"…"`.
fn unescaped(text: &str) -> Vec<u8> {
    let inner = text
        .trim_start_matches("b\"")
        .strip_suffix('"')
        .unwrap_or_default()
        .as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < inner.len() {
        if inner[at] != b'\\' {
            out.push(inner[at]);
            at += 1;
            continue;
        }
        at += 2;
        out.push(match inner[at - 1] {
            b'x' => {
                at += 2;
                u8::from_str_radix(std::str::from_utf8(&inner[at - 2..at]).unwrap(), 16).unwrap()
            }
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'0' => 0,
            other => other,
        });
    }
    out
}

/// Reads what `#[derive(Debug)]` writes.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn eat(&mut self, text: &str) -> bool {
        let found = self.rest.strip_prefix(text);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn value(&mut self) -> Value {
        if self.eat("[") {
            return Value::List(self.until("]"));
        }
        if self.rest.starts_with('"') || self.rest.starts_with("b\"") {
            return Value::Atom(self.quoted());
        }
        let length = self
            .rest
            .find([',', ' ', '(', ')', ']', '}'])
            .unwrap_or(self.rest.len());
        let word = self.take(length);
        if self.eat(" { ") {
            return Value::Struct(self.fields());
        }
        if self.eat("(") {
            let mut inner = self.until(")");
            // An error code is `NAME(number)`; all else that stands in brackets is what counts.
            return match word {
                "Some" | "Bytes" => inner.remove(0),
                _ => Value::Atom(word.to_owned()),
            };
        }
        Value::Atom(if word == "None" { "null" } else { word }.to_owned())
    }

    fn until(&mut self, end: &str) -> Vec<Value> {
        let mut values = Vec::new();
        while !self.eat(end) {
            values.push(self.value());
            self.eat(", ");
        }
        values
    }

    fn fields(&mut self) -> Vec<(String, Value)> {
        let mut fields = Vec::new();
        while !self.eat(" }") {
            let length = self.rest.find(": ").expect("a field has a value");
            let name = self.take(length).to_owned();
            self.eat(": ");
            fields.push((name, self.value()));
            self.eat(", ");
        }
        fields
    }

    fn quoted(&mut self) -> String {
        let from = self.rest.find('"').unwrap_or_default() + 1;
        let mut escaped = false;
        let end = self.rest.bytes().enumerate().skip(from).find(|(_, byte)| {
            let ends = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            ends
        });
        let (end, _) = end.expect("what is quoted ends");
        self.take(end + 1).to_owned()
    }
}

#[test]
fn replies_are_read_by_path() {
    let own = Own {
        port: 9092,
        cluster_id: "abc".to_owned(),
        run: "-r1-".to_owned(),
        began_ms: 1 << 40,
        ids: [("id1".to_owned(), "t-r1-3".to_owned())].into(),
        ..Default::default()
    };
    let text = r#"R { error_code: NONE(0), topics: [T { name: Some("t-r1-3"), topic_id: id1, isr: [1, 2], message: None, x: "a, \"b" }], brokers: [] }"#;
    let paths: Vec<_> = flatten(text, &own)
        .into_iter()
        .map(|(path, value)| format!("{path}={value}"))
        .collect();
    let expected = [
        "brokers=[]",
        "error_code=NONE",
        r#"topics["t" ID OF t]=there"#,
        r#"topics["t" ID OF t].isr=[1, 2]"#,
        r#"topics["t" ID OF t].message=null"#,
        r#"topics["t" ID OF t].name="t""#,
        r#"topics["t" ID OF t].topic_id=ID OF t"#,
        r#"topics["t" ID OF t].x="a, \"b""#,
    ];
    assert_eq!(paths, expected);
}
