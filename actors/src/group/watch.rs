//! Follows Raft's standing and the disk's health, and tells who has to know.

use std::time::Duration;

use quorumlb_raft_store::group::{Participant, Role};
use quorumlb_raft_store::log::{HealthWatch, StorageHealth};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::GroupMessage;
use crate::leader::LeaderMessage;
use crate::node::Shared;
use crate::ports::{Wires, World};
use crate::session::SessionMessage;
use crate::status::Phase;
use crate::tree::Line;

/// Raft's standing changes with each entry: nobody is woken for that. For people this is often enough.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);

/// Watches until it is aborted.
pub(super) fn spawn<W: World>(
    shared: Shared<W>,
    me: Line<GroupMessage>,
    part: Participant<<W as Wires>::Wire>,
    health: HealthWatch,
) -> AbortHandle {
    tokio::spawn(watch(shared, me, part, health)).abort_handle()
}

async fn watch<W: World>(
    shared: Shared<W>,
    me: Line<GroupMessage>,
    part: Participant<<W as Wires>::Wire>,
    mut health: HealthWatch,
) {
    let mut leader = (0, None);
    let mut standing = part.watch();
    let mut publish_at = Instant::now();
    loop {
        let now = part.leader();
        if now != leader {
            tracing::info!(
                term = now.0,
                leader = now.1.as_ref().map(|(_, member)| member.name.0.clone()),
                "leadership"
            );
            leader = now;
            shared.lines.session.send(SessionMessage::LeaderMoved).or_lost();
            shared.lines.leader.send(LeaderMessage::Overdue).or_lost();
        }
        tokio::select! {
            biased;
            changed = health.changed() => {
                let Some(health) = changed else { return };
                if health != StorageHealth::Ok {
                    shared.board.update(|status| status.disk = health.clone());
                    me.send(GroupMessage::Failed(health.to_string())).or_lost();
                    return;
                }
            }
            () = sleep_until(publish_at) => {
                publish_at = Instant::now() + PUBLISH_EVERY;
                let standing = part.standing();
                if let Role::Failed(reason) = &standing.role {
                    me.send(GroupMessage::Failed(format!("Raft has failed: {reason}"))).or_lost();
                    return;
                }
                part.follow_addresses();
                if let Err(error) = part.tend_log().await {
                    tracing::warn!(%error, "the log is not kept short");
                }
                let phase = match part.is_caught_up() {
                    true => Phase::Running,
                    false => Phase::Bootstrapping("it waits for a leader, and for what it missed".to_owned()),
                };
                shared.board.update(|status| {
                    status.raft = Some(standing);
                    if status.phase != Phase::Stopping {
                        status.phase = phase;
                    }
                });
            }
            changed = standing.changed() => {
                if changed.is_none() {
                    me.send(GroupMessage::Failed("Raft has ended".to_owned())).or_lost();
                    return;
                }
            }
        }
    }
}
