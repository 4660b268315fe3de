//! `meta.properties` (version 1): which cluster, node and directory a log directory belongs to (KIP-631, KIP-858).
use std::path::Path;

use klamm_protocol::Uuid;

use crate::disk::{self, Disk, OsDisk};
use crate::error::{Result, StorageError};

const FILE: &str = "meta.properties";

/// The identity of a log directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// The cluster.
    pub cluster_id: String,
    /// The node that owns the directory.
    pub node_id: i32,
    /// The directory itself; directories formatted before Kafka 3.7 have none until their broker starts.
    pub directory_id: Option<Uuid>,
}

impl MetaProperties {
    /// Reads the file in `log_dir`; `None` when the directory is not formatted.
    pub fn read(log_dir: &Path) -> Result<Option<Self>> {
        Self::read_on(&OsDisk, log_dir)
    }

    pub(crate) fn read_on(disk: &dyn Disk, log_dir: &Path) -> Result<Option<Self>> {
        let path = log_dir.join(FILE);
        let Some(bytes) = disk::read_file(disk, &path)? else {
            return Ok(None);
        };
        let malformed = |problem: String| StorageError::malformed(&path, problem);
        let text = String::from_utf8_lossy(&bytes);
        let (mut version, mut cluster_id, mut node_id, mut directory_id) = (None, None, None, None);
        for line in text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with(['#', '!']))
        {
            let (key, value) = line
                .split_once(['=', ':'])
                .ok_or_else(|| malformed(format!("line `{line}`")))?;
            let (key, value) = (key.trim(), value.trim());
            match key {
                "version" => version = Some(value.to_owned()),
                "cluster.id" => cluster_id = Some(value.to_owned()),
                "node.id" => {
                    node_id = Some(value.parse().map_err(|_| malformed(format!("node.id `{value}`")))?);
                }
                "directory.id" => {
                    directory_id = Some(
                        value
                            .parse()
                            .map_err(|_| malformed(format!("directory.id `{value}`")))?,
                    );
                }
                _ => {} // what later versions add
            }
        }
        match version.as_deref() {
            Some("1") => {}
            Some(other) => return Err(malformed(format!("version `{other}`, expected 1"))),
            None => return Err(malformed("no version".into())),
        }
        Ok(Some(Self {
            cluster_id: cluster_id.ok_or_else(|| malformed("no cluster.id".into()))?,
            node_id: node_id.ok_or_else(|| malformed("no node.id".into()))?,
            directory_id,
        }))
    }

    /// Writes the file into `log_dir`, crash-safe.
    pub fn write(&self, log_dir: &Path) -> Result<()> {
        self.write_on(&OsDisk, log_dir)
    }

    /// Writes the file into a directory of `disk`, crash-safe.
    pub fn write_on(&self, disk: &dyn Disk, log_dir: &Path) -> Result<()> {
        let Self {
            cluster_id,
            node_id,
            directory_id,
        } = self;
        let mut text = format!("#\ncluster.id={cluster_id}\n");
        if let Some(directory_id) = directory_id {
            text.push_str(&format!("directory.id={directory_id}\n"));
        }
        text.push_str(&format!("node.id={node_id}\nversion=1\n"));
        disk::replace_file(disk, &log_dir.join(FILE), text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_kafka_wrote_and_what_it_wrote_itself() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(MetaProperties::read(dir.path()).unwrap(), None);
        let kafkas = "#\n#Fri Nov 20 10:00:00 UTC 2026\ncluster.id=4L6g3nShT-eMCtK--X86sw\n\
                      directory.id=h1hDyK1MQxGq9zs1eTcJ3g\nnode.id=1\nversion=1\n";
        std::fs::write(dir.path().join(FILE), kafkas).unwrap();
        let read = MetaProperties::read(dir.path()).unwrap().unwrap();
        let expected = MetaProperties {
            cluster_id: "4L6g3nShT-eMCtK--X86sw".into(),
            node_id: 1,
            directory_id: Some("h1hDyK1MQxGq9zs1eTcJ3g".parse().unwrap()),
        };
        assert_eq!(read, expected);
        read.write(dir.path()).unwrap();
        assert_eq!(MetaProperties::read(dir.path()).unwrap(), Some(expected));
    }

    #[test]
    fn refuses_other_versions_and_missing_ids() {
        let dir = tempfile::tempdir().unwrap();
        for text in [
            "version=0\nbroker.id=1\n",
            "cluster.id=a\nnode.id=1\n",
            "version=1\nnode.id=1\n",
            "version=1\ncluster.id=a\nnode.id=x\n",
        ] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            assert!(
                matches!(MetaProperties::read(dir.path()), Err(StorageError::Malformed { .. })),
                "{text:?}"
            );
        }
    }
}
