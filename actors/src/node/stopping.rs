//! A planned stop: first everything that the node owns goes to others, and its leadership, then its session ends.

use std::time::Duration;

use quorumlb_raft_store::machine::{Command, Outcome, SessionId};
use quorumlb_raft_store::session::Fence;
use tokio::time::{Instant, sleep, timeout};

use super::Shared;
use crate::links::segment_rank;
use crate::ports::World;
use crate::status::Phase;

/// How long a stop waits for others to take over.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long one proposal may take.
const PROPOSING: Duration = Duration::from_secs(2);

/// How often it looks whether all is gone.
const LOOK: Duration = Duration::from_millis(10);

/// Hands over, as far as there is a group to hand over to.
pub(super) async fn hand_over<W: World>(shared: &Shared<W>) {
    shared.board.update(|status| status.phase = Phase::Stopping);
    let Some(session) = session(shared) else { return };
    let deadline = Instant::now() + PATIENCE;
    let asked = shared.propose(Command::HandOver { node: shared.me.clone(), session }, PROPOSING).await;
    match asked {
        Ok(Outcome::Done) => {}
        Ok(refused) => tracing::warn!(%refused, "the group does not take over; this node stops all the same"),
        Err(error) => {
            tracing::warn!(%error, "the group cannot take over; this node stops all the same");
            return;
        }
    }
    while owns(shared) && Instant::now() < deadline {
        sleep(LOOK).await;
    }
    if let Some(part) = shared.part()
        && let Err(error) = part.hand_over().await
    {
        tracing::warn!(%error, "leadership was not handed over");
    }
    // The new leader is there when it has shown itself.
    let moved = async {
        while shared.part().is_some_and(|part| part.leader().1.is_none_or(|(id, _)| id == part.id())) {
            sleep(LOOK).await;
        }
    };
    if others(shared) {
        let _ = timeout(PROPOSING, moved).await;
    }
    fall_silent(shared).await;
    let closed = shared.propose(Command::CloseSession { node: shared.me.clone(), session }, PROPOSING).await;
    if let Err(error) = closed {
        tracing::warn!(%error, "the session was not closed; it runs out");
    }
}

/// Ends whatever speaks for this node: with its session closed, others may answer for what it still owns at once (P3), and
/// a ping that finds no session would open another one.
async fn fall_silent<W: World>(shared: &Shared<W>) {
    if owns(shared) {
        tracing::warn!("others have not taken over everything in time");
    }
    shared.family.dismiss(super::rank("links")).await;
    shared.family.dismiss(super::rank("session")).await;
    shared.set_fence(Fence::Closed);
    for interface in shared.lines.interfaces() {
        shared.family.dismiss(segment_rank(&interface)).await;
    }
}

fn session<W: World>(shared: &Shared<W>) -> Option<SessionId> {
    let part = shared.part()?;
    part.view().read(|state| {
        let session = state.members.get(&shared.me)?.session?;
        (session.incarnation == shared.incarnation).then_some(session.id)
    })
}

fn owns<W: World>(shared: &Shared<W>) -> bool {
    shared.part().is_some_and(|part| part.view().read(|state| state.owned_by(&shared.me).next().is_some()))
}

/// Whether another voter could lead.
fn others<W: World>(shared: &Shared<W>) -> bool {
    let Some(part) = shared.part() else { return false };
    let standing = part.standing();
    standing.members.iter().any(|member| member.voter && member.id != standing.id)
}
