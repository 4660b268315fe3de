//! The first start of a node that needs no `klamm storage format`.

use std::fs;
use std::io;
use std::path::Path;

use klamm_config::ServerConfig;
use klamm_log::{MetaProperties, OpenError};
use klamm_protocol::Listener;
use tracing::debug;

use super::StartError;
use crate::endpoints::{self, Endpoint};
use crate::entropy;
use crate::storage::Formatter;

/// Formats the node's directories for a new cluster of this node alone, unless one of them is formatted already.
///
/// # Errors
/// [`StartError::Foreign`] when a directory has something in it that is not ours; nothing is written then.
pub(super) fn format_if_new(server: &ServerConfig, endpoints: &[Endpoint], now_ms: i64) -> Result<(), StartError> {
    let formatter = Formatter::of(server, entropy::random_uuid().to_string());
    let mut unreadable = None;
    for dir in &formatter.directories {
        match MetaProperties::read(Path::new(dir)) {
            // Whether the others can be read is for those who open them to see: a failed disk stops no node that has another.
            Ok(Some(_)) => return Ok(()),
            Ok(None) => {}
            Err(error) => unreadable = Some(error),
        }
    }
    if let Some(error) = unreadable {
        return Err(OpenError::Storage(error).into());
    }
    for dir in &formatter.directories {
        if !is_vacant(Path::new(dir)).map_err(|source| StartError::Directory {
            dir: dir.clone(),
            source,
        })? {
            return Err(StartError::Foreign(dir.clone()));
        }
    }
    let mut formatter = formatter.standalone(server, entropy::random_uuid())?;
    if let Some(address) = endpoints::first(endpoints, Listener::Controller) {
        for voter in &mut formatter.initial_controllers {
            voter.endpoint.port = address.port();
        }
    }
    formatter.run(&mut entropy::random, now_ms, &mut |line| debug!("{line}"))?;
    Ok(())
}

/// Whether there is nothing in the directory, or only what a format leaves that did not come to its end.
fn is_vacant(dir: &Path) -> io::Result<bool> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let unfinished = match name.to_str() {
            Some(".lock" | "lost+found") => true,
            Some(name) if name.starts_with("bootstrap.checkpoint") || name.starts_with("meta.properties.") => true,
            Some("__cluster_metadata-0") => has_no_log(&entry.path())?,
            _ => false,
        };
        if !unfinished {
            return Ok(false);
        }
    }
    Ok(true)
}

fn has_no_log(metadata_dir: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(metadata_dir)? {
        if entry?.path().extension().is_some_and(|extension| extension == "log") {
            return Ok(false);
        }
    }
    Ok(true)
}
