//! Building snapshots, and speaking of them to an older node.

use std::io;

use openraft::alias::{SnapshotMetaOf, SnapshotOf};
use openraft::storage::RaftSnapshotBuilder;

use super::{Replica, archive};
use crate::codec::{self, CodecError, Kind, WIRE_VERSION};
use crate::types::TypeConfig;

/// Builds one snapshot beside the running state machine.
pub struct Builder {
    pub(super) replica: Replica,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = Vec<u8>;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<TypeConfig, Vec<u8>>> {
        // Apply waits meanwhile. To copy the state first would take it twice as long, and twice the memory.
        let (meta, snapshot) = {
            let applied = self.replica.shared.read();
            let last_membership = applied.membership.clone();
            let meta = SnapshotMetaOf::<TypeConfig> { last_log_id: applied.last, last_membership };
            (meta, codec::encode(WIRE_VERSION, &applied.state)?)
        };
        self.replica.snapshots.save(&meta, &snapshot).await?;
        Ok(SnapshotOf::<TypeConfig, Vec<u8>> { meta, snapshot })
    }
}

/// Makes a snapshot's bytes readable for a node that speaks `version`: whoever sends a snapshot calls this first.
/// Bytes that are old enough already stay as they are.
///
/// # Errors
/// When they are no snapshot, or `version` is not known here.
pub fn translate(snapshot: Vec<u8>, version: u8) -> Result<Vec<u8>, CodecError> {
    if codec::version_of(Kind::State, &snapshot)? <= version {
        return Ok(snapshot);
    }
    codec::encode(version, &archive::decode_state(&snapshot)?)
}
