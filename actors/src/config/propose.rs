//! When a node's files are proposed, and how.

use std::time::Duration;

use quorumlb_raft_store::machine::{Command, Outcome};
use quorumlb_raft_store::model::{ConfigDigest, Delta, Wanted};
use tokio::time::Instant;

use super::ConfigMessage;
use crate::node::Shared;
use crate::ports::World;
use crate::tree::Line;

/// A node that does not lead gives the leader, whose files may have changed in the same moment, this much time to
/// propose them.
const AFTER_YOU: Duration = Duration::from_millis(1500);

/// How long one part of a configuration may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Objects and bytes of one proposal: small enough that applying it does not hold up a session.
const CHUNK: (usize, usize) = (500, 1 << 20);

/// What a look at the files' state calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// The files stand, or have no say: their wanted state need not be kept.
    Nothing,
    /// It may be proposed yet.
    Kept,
    /// It is to be proposed and was not kept: the files are to be read again.
    Files,
}

/// What a node has proposed, or seen stand.
#[derive(Debug, Default)]
pub(super) struct Proposer {
    /// What it last proposed or saw stand; `None` until it was read from the disk.
    last_seen: Option<Option<ConfigDigest>>,
    busy: bool,
    /// Since when its files differ from what stands.
    differs_since: Option<Instant>,
    not_before: Option<Instant>,
}

impl Proposer {
    /// A proposal is over.
    pub fn proposed(&mut self, result: Result<ConfigDigest, String>) {
        self.busy = false;
        match result {
            Ok(digest) => self.last_seen = Some(Some(digest)),
            Err(why) => {
                tracing::warn!(%why, "the files were not taken by the group; they are proposed again");
                self.not_before = Some(Instant::now() + Duration::from_secs(1));
            }
        }
    }

    /// Proposes the files, if they are new to this node. Says whether the wanted state is of use any more.
    pub async fn look<W: World>(
        &mut self,
        shared: &Shared<W>,
        me: &Line<ConfigMessage>,
        digest: ConfigDigest,
        wanted: Option<&Wanted>,
    ) -> Need {
        let Some(part) = shared.part().filter(|_| !self.busy) else { return Need::Kept };
        let last_seen = match self.last_seen {
            Some(last_seen) => last_seen,
            None => *self.last_seen.insert(shared.last_seen_config().await),
        };
        let stands = part.view().read(|state| state.config);
        if stands == Some(digest) {
            self.differs_since = None;
            if last_seen != Some(digest) {
                self.last_seen = Some(Some(digest));
                shared.remember_config(digest).await;
            }
            return Need::Nothing;
        }
        // Nothing of this node's is new: another one has newer files. A node that is new itself does not bring its own.
        if stands.is_some() && last_seen.is_none_or(|seen| seen == digest) {
            if last_seen.is_none() {
                tracing::warn!(files = %digest, "the files of this node differ from what stands; edit them to propose them");
                self.last_seen = Some(Some(digest));
                shared.remember_config(digest).await;
            }
            return Need::Nothing;
        }
        let Some((leader, _)) = part.leader().1 else { return Need::Kept };
        let since = *self.differs_since.get_or_insert_with(Instant::now);
        let wait = if leader == part.id() { Duration::ZERO } else { AFTER_YOU };
        if since.elapsed() < wait || self.not_before.is_some_and(|not_before| Instant::now() < not_before) {
            return Need::Kept;
        }
        let Some(wanted) = wanted else { return Need::Files };
        let delta = part.view().read(|state| state.delta_to_files(wanted)).unwrap_or_default();
        self.busy = true;
        tokio::spawn(propose(shared.clone(), me.clone(), Delta { complete: Some(digest), ..delta }, digest));
        Need::Kept
    }
}

async fn propose<W: World>(shared: Shared<W>, me: Line<ConfigMessage>, delta: Delta, digest: ConfigDigest) {
    let mut result = Ok(digest);
    for chunk in delta.chunks(CHUNK.0, CHUNK.1) {
        match shared.propose(Command::Configure(chunk), PATIENCE).await {
            Ok(Outcome::Refused(why)) => result = Err(why),
            Ok(_) => continue,
            Err(error) => result = Err(error.to_string()),
        }
        break;
    }
    if result.is_ok() {
        shared.remember_config(digest).await;
    }
    me.answer(ConfigMessage::Proposed(result));
}
