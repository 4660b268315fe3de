//! `quorum-state`: the election state as a line of JSON. Version 0 with kraft.version 0, version 1 (KIP-853) with 1.

use std::path::Path;

use klamm_protocol::Uuid;
use klamm_raft::{ElectionState, ReplicaKey};
use serde::{Deserialize, Serialize};

use super::{QuorumError, files};

/// Kafka's number for "nobody".
const NOBODY: i32 = -1;

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Voter {
    voter_id: i32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version0 {
    cluster_id: &'static str,
    leader_id: i32,
    leader_epoch: i32,
    voted_id: i32,
    applied_offset: i64,
    current_voters: Vec<Voter>,
    #[serde(rename = "data_version")]
    data_version: i16,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version1 {
    leader_id: i32,
    leader_epoch: i32,
    voted_id: i32,
    voted_directory_id: String,
    #[serde(rename = "data_version")]
    data_version: i16,
}

/// Either version, for reading.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Any {
    leader_id: i32,
    leader_epoch: i32,
    voted_id: i32,
    voted_directory_id: Option<String>,
    #[serde(rename = "data_version")]
    data_version: i16,
}

/// Reads the file; none, if there is none.
pub(super) fn read(path: &Path) -> Result<Option<ElectionState>, QuorumError> {
    let Some(bytes) = files::read(path)? else {
        return Ok(None);
    };
    let malformed = |problem: String| QuorumError::Malformed {
        path: path.to_owned(),
        problem,
    };
    let any: Any = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
    if !(0..=1).contains(&any.data_version) {
        return Err(malformed(format!(
            "data_version {} is not known, only 0 and 1 are",
            any.data_version
        )));
    }
    let directory_id = match any.voted_directory_id {
        Some(text) => text.parse::<Uuid>().map_err(|error| malformed(error.to_string()))?,
        None => Uuid::ZERO,
    };
    let somebody = |id: i32| (id != NOBODY).then_some(id);
    Ok(Some(ElectionState {
        leader_epoch: any.leader_epoch,
        leader_id: somebody(any.leader_id),
        voted: somebody(any.voted_id).map(|id| ReplicaKey::of(id, directory_id)),
    }))
}

/// Writes the file, durably.
pub(super) fn write(path: &Path, state: &ElectionState, kraft_version: i16, voters: &[i32]) -> Result<(), QuorumError> {
    let leader_id = state.leader_id.unwrap_or(NOBODY);
    let voted_id = state.voted.map_or(NOBODY, |voted| voted.id);
    let leader_epoch = state.leader_epoch;
    let text = if kraft_version == 0 {
        let current_voters = voters.iter().map(|id| Voter { voter_id: *id }).collect();
        let cluster_id = "";
        let file = Version0 {
            cluster_id,
            leader_id,
            leader_epoch,
            voted_id,
            applied_offset: 0,
            current_voters,
            data_version: 0,
        };
        serde_json::to_vec(&file)
    } else {
        let voted_directory_id = state
            .voted
            .map_or(Uuid::ZERO, |voted| voted.directory_id_or_zero())
            .to_string();
        serde_json::to_vec(&Version1 {
            leader_id,
            leader_epoch,
            voted_id,
            voted_directory_id,
            data_version: 1,
        })
    };
    files::replace(path, ".tmp", &text.expect("plain numbers and text become JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_written_as_kafka_writes_them_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("quorum-state");
        assert_eq!(read(&path).unwrap(), None);
        let state = ElectionState {
            leader_epoch: 3,
            leader_id: None,
            voted: Some(ReplicaKey::of(1, Uuid::from_u128(1))),
        };
        write(&path, &state, 1, &[1]).unwrap();
        let text = r#"{"leaderId":-1,"leaderEpoch":3,"votedId":1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAQ","data_version":1}"#;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert_eq!(read(&path).unwrap(), Some(state));

        let state = ElectionState {
            leader_epoch: 4,
            leader_id: Some(1),
            voted: None,
        };
        write(&path, &state, 0, &[1, 2]).unwrap();
        let text = r#"{"clusterId":"","leaderId":1,"leaderEpoch":4,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1},{"voterId":2}],"data_version":0}"#;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert_eq!(read(&path).unwrap(), Some(state));
    }

    #[test]
    fn nonsense_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("quorum-state");
        for text in [
            "",
            "[]",
            "{}",
            r#"{"leaderId":1,"leaderEpoch":3,"votedId":-1,"data_version":2}"#,
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(read(&path), Err(QuorumError::Malformed { .. })), "{text:?}");
        }
    }
}
