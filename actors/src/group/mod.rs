//! The node's part in the group, from an empty disk to a failing one: opens the log, finds its place (resumes, founds or
//! joins), follows its standing, steps aside when the disk does not take writes, and comes back.

mod ask;
mod life;
mod watch;

use std::time::Duration;

use quorumlb_raft_store::bootstrap::Answer;
use quorumlb_raft_store::model::NodeName;

use crate::node::Shared;
use crate::ports::World;
use crate::status::Phase;
use crate::tree::{Alarm, Failure, Line, Role};

use life::Life;

/// How often a node that looks for its place, or stands aside, looks again.
const LOOK: Duration = Duration::from_millis(200);

/// What the keeper of the node's part is told.
#[derive(Clone, Debug)]
pub enum GroupMessage {
    /// It is time to look.
    Look,
    /// Another node answered whether there is a group.
    Heard {
        /// Who.
        from: NodeName,
        /// What.
        answer: Answer,
    },
    /// The log, or Raft itself, has failed.
    Failed(String),
    /// The node is to leave the group's log: it forgets its identity when it stops.
    ForgetIdentity,
}

/// The keeper of the node's part.
pub struct GroupKeeper<W: World> {
    shared: Shared<W>,
}

/// What it keeps.
pub struct Keeping<W: World> {
    life: Life<W>,
    look: Alarm,
    forget: bool,
}

impl<W: World> GroupKeeper<W> {
    /// A keeper for this node.
    pub fn new(shared: Shared<W>) -> Self {
        Self { shared }
    }
}

impl<W: World> Role for GroupKeeper<W> {
    type Message = GroupMessage;
    type State = Keeping<W>;

    async fn start(&self, me: &Line<GroupMessage>) -> Result<Keeping<W>, Failure> {
        // What an earlier life of this actor left is ended in order first: one log has one user.
        if let Some(part) = self.shared.part() {
            self.shared.set_part(None);
            part.shutdown(&self.shared.dispatcher).await;
        }
        let mut look = Alarm::default();
        look.set(me, Duration::ZERO, GroupMessage::Look);
        Ok(Keeping { life: Life::Closed, look, forget: false })
    }

    async fn handle(
        &self,
        me: &Line<GroupMessage>,
        message: GroupMessage,
        keeping: &mut Keeping<W>,
    ) -> Result<(), Failure> {
        match message {
            GroupMessage::Look => {}
            GroupMessage::Heard { from, answer } => {
                if let Life::Seeking(seeking) = &mut keeping.life {
                    seeking.heard(from, answer);
                }
            }
            GroupMessage::Failed(reason) => {
                tracing::error!(%reason, "this node steps aside");
                let life = std::mem::replace(&mut keeping.life, Life::Closed);
                life.end(&self.shared).await;
                self.shared.board.update(|status| status.phase = Phase::Aside(reason));
            }
            GroupMessage::ForgetIdentity => keeping.forget = true,
        }
        let life = std::mem::replace(&mut keeping.life, Life::Closed);
        keeping.life = life.go_on(&self.shared, me).await;
        keeping.look.set(me, LOOK, GroupMessage::Look);
        Ok(())
    }

    async fn stop(&self, keeping: &mut Keeping<W>) {
        let life = std::mem::replace(&mut keeping.life, Life::Closed);
        if keeping.forget {
            life.forget_identity().await;
        }
        life.end(&self.shared).await;
    }
}
