//! Emits the tables of error codes and APIs.

use super::schema::{Kind, Message};

/// The cells of each row.
fn rows<const N: usize>(table: &str) -> Result<Vec<[&str; N]>, String> {
    let lines = table
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            cells.try_into().map_err(|_| format!("not {N} cells: {line}"))
        })
        .collect()
}

/// The module of error codes.
pub(crate) fn errors(table: &str) -> Result<String, String> {
    let rows = rows::<4>(table)?;
    let first = rows.first().map_or("0", |row| row[0]);
    let mut consts = String::new();
    let mut infos = String::new();
    for [code, name, retriable, message] in &rows {
        let retry = match *retriable {
            "no" => "No",
            "yes" => "Yes",
            "refresh" => "Refresh",
            other => return Err(format!("{name}: {other} is neither yes nor no nor refresh")),
        };
        let doc = if message.is_empty() { "No error." } else { message };
        consts += &format!("    /// {doc}\n    pub const {name}: Self = Self({code});\n");
        infos += &format!("    ErrorInfo {{ name: \"{name}\", retry: Retry::{retry}, message: \"{message}\" }},\n");
    }
    Ok(format!(
        "//! Kafka's error codes.\n\nuse crate::ErrorCode;\nuse crate::error_code::{{ErrorInfo, Retry}};\n\n\
         /// The code of the first row of [`ERRORS`].\npub(crate) const FIRST_ERROR_CODE: i16 = {first};\n\n\
         impl ErrorCode {{\n{consts}}}\n\n/// Every code, without gaps.\npub(crate) static ERRORS: &[ErrorInfo] = &[\n{infos}];\n"
    ))
}

/// The module of API keys.
pub(crate) fn apis(table: &str, messages: &[Message]) -> Result<String, String> {
    let mut keys = String::new();
    let mut infos = String::new();
    for [key, name, broker, controller, flags] in rows::<5>(table)? {
        let request = messages.iter().find(|message| {
            message.kind == Kind::Request && message.key.map(|key| key.to_string()).as_deref() == Some(key)
        });
        if let Some(request) = request.filter(|request| request.name != format!("{name}Request")) {
            return Err(format!(
                "api {key}: is {name} in the table and {} in requests/",
                request.name
            ));
        }
        let flexible = request
            .filter(|request| request.is_flexible())
            .map_or("i16::MAX".into(), |request| request.flexible.min.to_string());
        let versions = request.map_or("-".into(), |request| request.versions.to_string());
        let doc = request.map_or("Reserved: this API is gone.".into(), |_| {
            format!("Versions {versions}.")
        });
        keys += &format!("    /// {doc}\n    {name} = {key},\n");
        infos += &format!(
            "    ApiInfo {{ key: ApiKey::{name}, name: \"{name}\", versions: {}, latest_version_unstable: {}, broker: {}, controller: {}, \
             flexible_from: {}, cluster_action: {}, forwardable: {}, delayed_allocation: {}, client: {} }},\n",
            range(&versions),
            request.is_some_and(|request| request.latest_unstable),
            range(broker),
            range(controller),
            flexible,
            has(flags, "cluster-action"),
            has(flags, "forwardable"),
            has(flags, "delayed-allocation"),
            has(flags, "client"),
        );
    }
    Ok(format!(
        "//! Kafka's APIs.\n\nuse crate::api::{{ApiInfo, VersionRange}};\n\n/// An API by its key.\n\
         #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]\n#[repr(i16)]\npub enum ApiKey {{\n{keys}}}\n\n\
         /// Every API, by key, without gaps.\npub(crate) static APIS: &[ApiInfo] = &[\n{infos}];\n"
    ))
}

/// `-`, `0` or `0-3` as `Option<VersionRange>`.
fn range(text: &str) -> String {
    match text.split_once('-').unwrap_or((text, text)) {
        ("", "") => "None".into(),
        (min, max) => format!("Some(VersionRange {{ min: {min}, max: {max} }})"),
    }
}

fn has(flags: &str, flag: &str) -> bool {
    flags.split(' ').any(|candidate| candidate == flag)
}
