//! What `storage info` tells of log directories.

use std::path::Path;

use klamm_config::ServerConfig;
use klamm_log::{MetaProperties, StorageError};

/// What is in a node's log directories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Directories that exist, sorted.
    pub directories: Vec<String>,
    /// What the first formatted one says.
    pub metadata: Option<MetaProperties>,
    /// What is wrong, in Kafka's words.
    pub problems: Vec<String>,
}

impl Info {
    /// Looks at all directories of a node.
    pub fn of(server: &ServerConfig) -> Self {
        let mut directories = server.log_dirs.clone();
        directories.push(server.metadata_log_dir.clone());
        directories.sort();
        directories.dedup();
        let mut info = Info::default();
        for dir in directories {
            info.look_at(dir);
        }
        info
    }

    fn look_at(&mut self, dir: String) {
        let path = Path::new(&dir);
        if !path.exists() {
            return self.problems.push(format!("{dir} does not exist"));
        }
        if !path.is_dir() {
            return self.problems.push(format!("{dir} is not a directory"));
        }
        self.directories.push(dir.clone());
        match (MetaProperties::read(path), &self.metadata) {
            (Ok(None), _) => self.problems.push(format!("{dir} is not formatted.")),
            (Ok(Some(meta)), None) => self.metadata = Some(meta),
            (Ok(Some(meta)), Some(first)) if meta.cluster_id != first.cluster_id => {
                self.problems
                    .push("Mismatched cluster IDs between storage directories.".to_owned());
            }
            (Ok(Some(meta)), Some(first)) if meta.node_id != first.node_id => {
                self.problems
                    .push("Mismatched node IDs between storage directories.".to_owned());
            }
            (Ok(Some(_)), Some(_)) => {}
            (Err(StorageError::Malformed { path, problem }), _) => {
                self.problems
                    .push(format!("Error loading {}: {problem}", path.display()));
            }
            (Err(error), _) => self
                .problems
                .push(format!("Error loading {}/meta.properties: {error}", path.display())),
        }
    }

    /// The lines that the tool prints.
    pub fn lines(&self) -> Vec<String> {
        let metadata: Vec<String> = self.metadata.iter().map(describe).collect();
        let mut lines = section(["Found log directory:", "Found log directories:"], &self.directories);
        lines.extend(metadata.into_iter().flat_map(|line| [line, String::new()]));
        lines.extend(section(["Found problem:", "Found problems:"], &self.problems));
        lines
    }
}

/// A heading for one or for many, the lines below it, and an empty line; nothing without lines.
fn section([one, many]: [&str; 2], content: &[String]) -> Vec<String> {
    let heading = match content.len() {
        0 => return Vec::new(),
        1 => one,
        _ => many,
    };
    let content = content.iter().map(|line| format!("  {line}"));
    [heading.to_owned()]
        .into_iter()
        .chain(content)
        .chain([String::new()])
        .collect()
}

fn describe(meta: &MetaProperties) -> String {
    let directory = meta
        .directory_id
        .map(|id| format!("directory.id={id}, "))
        .unwrap_or_default();
    format!(
        "Found metadata: {{cluster.id={}, {directory}node.id={}, version=1}}",
        meta.cluster_id, meta.node_id
    )
}
