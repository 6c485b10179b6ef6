//! A new group from a saved state, when the majority of the old one is lost for good.
//!
//! [`restore`] makes the data directory of one node, offline. Under a fresh Raft identity that node is the only member,
//! and its log begins where no number of the old group can come again: session ids are log indexes and must never be
//! used twice, and nothing tells how far the old log went after the state was saved. The other nodes join with empty
//! directories.
//!
//! The directory is made beside the old one's place and renamed into it when all of it is durable, so a restore that is
//! cut off leaves either the old file or none, and can be repeated.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use openraft::LogIdOptionExt;
use openraft::alias::{LeaderIdOf, LogIdOf, SnapshotMetaOf, StoredMembershipOf, VoteOf};
use openraft::storage::{RaftLogReader, RaftLogStorage};
use openraft::vote::RaftLeaderIdExt;
use rand::Rng;

use crate::bootstrap::joining_id;
use crate::codec::{self, CodecError, WIRE_VERSION};
use crate::log::{FILE_NAME, Local, LogStore, OpenError, make_directory};
use crate::machine::State;
use crate::types::{Member, RaftId, TypeConfig};

/// Added to the highest index that is known of. At 10,000 entries a second the old group would have needed more than
/// three years after its last known session to come this far.
const INDEX_GAP: u64 = 1 << 40;

/// Added to the highest term that is known of.
const TERM_GAP: u64 = 1_000_000;

/// The folder in which the new file is made.
const SCRATCH: &str = "restore.tmp";

/// A directory that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The node's new identity.
    pub identity: RaftId,
    /// The last index of its log; all that comes is above it.
    pub index: u64,
    /// Where the file went that was there before.
    pub set_aside: Option<PathBuf>,
}

/// Why a directory was not made.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is one already.
    #[error(
        "{} holds an identity of cluster {cluster} already ({identity:x}): is its group really lost? With --force the \
         file is renamed and a new one made",
        directory.display()
    )]
    Holds {
        /// The directory.
        directory: PathBuf,
        /// Whose it is.
        cluster: String,
        /// Which one.
        identity: RaftId,
    },
    /// What is there cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The state is too large.
    #[error("the state cannot be stored: {0}")]
    State(#[from] CodecError),
    /// The numbers of the state leave no room for the gap.
    #[error("the state's session ids go up to {0}: there is no room above them")]
    Exhausted(u64),
    /// The disk does not take it.
    #[error("{} cannot be made: {error}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
}

/// What the log must begin above.
#[derive(Clone, Copy, Debug, Default)]
struct Floor {
    index: u64,
    term: u64,
}

/// Makes the data directory from which `member` starts as the only voter of `cluster` with this state.
///
/// # Errors
/// See [`RestoreError`]. Without `force` a directory that holds an identity is left alone; with it the file that was
/// there is renamed, never deleted. A directory in use is always left alone.
pub async fn restore(
    state: &State,
    cluster: &str,
    member: &Member,
    directory: &Path,
    force: bool,
    randomness: &mut impl Rng,
) -> Result<Restored, RestoreError> {
    let file = directory.join(FILE_NAME);
    make_directory(directory).map_err(cannot(directory))?;
    let old = if file.exists() { old_floor(directory, force).await? } else { Floor::default() };
    let floor = Floor { index: old.index.max(highest_session(state)), ..old };
    let identity = joining_id(cluster, &member.name, randomness);
    let last = last_log_id(floor, identity)?;

    let scratch = directory.join(SCRATCH);
    if scratch.exists() {
        fs::remove_dir_all(&scratch).map_err(cannot(&scratch))?;
    }
    fs::create_dir(&scratch).map_err(cannot(&scratch))?;
    let local = Local {
        node: member.name.0.clone(),
        identity: Some(identity),
        cluster: cluster.to_owned(),
        last_seen_config: state.config,
        bootstrapped: true,
        ..Local::default()
    };
    write(&scratch, state, &local, member, last).await?;

    let set_aside = file.exists().then(|| set_aside(&file)).transpose()?;
    fs::rename(scratch.join(FILE_NAME), &file).map_err(cannot(&file))?;
    fs::remove_dir(&scratch).map_err(cannot(&scratch))?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(cannot(directory))?;
    Ok(Restored { identity, index: last.index, set_aside })
}

/// Looks at the file that is there: whether it may be set aside, and how far its log went.
async fn old_floor(directory: &Path, force: bool) -> Result<Floor, RestoreError> {
    let mut store = match LogStore::open(directory) {
        Ok(store) => store,
        // A damaged file tells nothing; it is set aside like any other.
        Err(OpenError::Damaged { .. }) if force => return Ok(Floor::default()),
        Err(error) => return Err(error.into()),
    };
    let read = cannot(directory);
    let local = store.local().node().map_err(&read)?;
    if let Some(identity) = local.identity.filter(|_| !force) {
        return Err(RestoreError::Holds { directory: directory.to_owned(), cluster: local.cluster, identity });
    }
    let last = store.get_log_state().await.map_err(&read)?.last_log_id;
    let vote = store.read_vote().await.map_err(&read)?;
    Ok(Floor { index: last.index().unwrap_or(0), term: vote.map_or(0, |vote| vote.leader_id.term) })
}

fn highest_session(state: &State) -> u64 {
    let sessions = state.members.values().filter_map(|member| member.session);
    sessions.map(|session| session.id.0).max().unwrap_or(0)
}

fn last_log_id(floor: Floor, identity: RaftId) -> Result<LogIdOf<TypeConfig>, RestoreError> {
    let index = floor.index.checked_add(INDEX_GAP).ok_or(RestoreError::Exhausted(floor.index))?;
    let term = floor.term.saturating_add(TERM_GAP);
    Ok(LogIdOf::<TypeConfig>::new(LeaderIdOf::<TypeConfig>::new_committed(term, identity), index))
}

/// Writes everything and closes the file. openraft installs the snapshot when it starts and takes the log to begin
/// after it. The vote is not a leader's, so that the node is elected, by itself, in a term of its own.
async fn write(
    scratch: &Path,
    state: &State,
    local: &Local,
    member: &Member,
    last: LogIdOf<TypeConfig>,
) -> Result<(), RestoreError> {
    let identity = last.leader_id.node_id;
    let bytes = codec::encode(WIRE_VERSION, state)?;
    let meta = SnapshotMetaOf::<TypeConfig> { last_log_id: Some(last), last_membership: alone(member, last) };
    let mut store = LogStore::open(scratch)?;
    let failed = cannot(scratch);
    store.snapshots().save(&meta, &bytes).await.map_err(&failed)?;
    store.purge(last).await.map_err(&failed)?;
    let vote = VoteOf::<TypeConfig>::new(last.leader_id.term, identity);
    store.save_vote(&vote).await.map_err(&failed)?;
    store.local().set_node(local).await.map_err(&failed)
}

fn alone(member: &Member, last: LogIdOf<TypeConfig>) -> StoredMembershipOf<TypeConfig> {
    let nodes = BTreeMap::from([(last.leader_id.node_id, member.clone())]);
    StoredMembershipOf::<TypeConfig>::new(Some(last), nodes.into())
}

/// Renames a file to a free name beside it.
fn set_aside(file: &Path) -> Result<PathBuf, RestoreError> {
    let name = |number: u32| file.with_file_name(format!("{FILE_NAME}.before-restore-{number}"));
    let free = (1..).map(name).find(|name| !name.exists()).unwrap_or_else(|| name(0));
    fs::rename(file, &free).map_err(cannot(&free))?;
    Ok(free)
}

fn cannot(path: &Path) -> impl Fn(io::Error) -> RestoreError {
    move |error| RestoreError::Io { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests;
