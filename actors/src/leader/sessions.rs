//! The leader's side of all sessions: an edge around [`Ledger`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quorumlb_raft_store::codec::encode;
use quorumlb_raft_store::group::Participant;
use quorumlb_raft_store::machine::{Command, SessionId, State};
use quorumlb_raft_store::model::NodeName;
use quorumlb_raft_store::net::Wire;
use quorumlb_raft_store::session::{
    Answer, BootTime, Leadership, Ledger, LedgerSettings, Notice, Ping, Pong, SessionView,
};
use tokio::time::timeout;

use super::LeaderMessage;
use crate::node::Shared;
use crate::ports::{Wires, World};
use crate::session::SessionMessage;
use crate::tree::Line;

/// How long the end of a session may take to be proposed before it is tried again.
const EXPIRING: Duration = Duration::from_secs(1);

/// After a failure to propose it, how long until the next try.
const AGAIN: Duration = Duration::from_millis(20);

/// What the leader promised, while this node leads.
#[derive(Default)]
pub(super) struct Sessions {
    ledger: Option<Ledger>,
    /// The term, and the overdue sessions in it that the log was told of.
    told: (u64, BTreeSet<SessionId>),
}

type Part<W> = Participant<<W as Wires>::Wire>;

impl Sessions {
    /// Answers a ping. True when a session may be overdue sooner than [`Sessions::next_deadline`] said before.
    pub fn answer<W: World>(
        &mut self,
        shared: &Shared<W>,
        from: NodeName,
        ping: &Ping,
        voters: &BTreeSet<NodeName>,
    ) -> bool {
        let (pong, sooner) = self.decide(shared, &from, ping, voters);
        if from == shared.me {
            shared.lines.session.send(SessionMessage::Pong { from, pong }).or_lost();
        } else {
            send(shared, &from, pong);
        }
        sooner
    }

    fn decide<W: World>(
        &mut self,
        shared: &Shared<W>,
        from: &NodeName,
        ping: &Ping,
        voters: &BTreeSet<NodeName>,
    ) -> (Pong, bool) {
        let now = shared.world.boot_now();
        let Some((part, leadership)) = leading(shared, now) else {
            return (Pong { sequence: ping.sequence, answer: Answer::NotLeader }, false);
        };
        let (settings, known) = part.view().read(|state| (ledger_settings(state), session_of(state, from)));
        let begins = self.ledger.is_none();
        let ledger = self.follow_term(shared, &leadership, settings, now);
        let sooner = ledger.testify(from, ping.term, ping.older_leader_heard, voters, settings, now);
        // The leader is a witness of itself, before it promises anything.
        shared.witness.lock().unwrap_or_else(std::sync::PoisonError::into_inner).heard(leadership.term, now);
        (ledger.answer(ping, known, &leadership, settings, now), begins || sooner)
    }

    /// Proposes the end of what is overdue.
    pub fn expire<W: World>(&mut self, shared: &Shared<W>, me: &Line<LeaderMessage>) {
        let now = shared.world.boot_now();
        let Some((part, leadership)) = leading(shared, now) else {
            self.ledger = None;
            return;
        };
        let (settings, sessions) = part.view().read(|state| (ledger_settings(state), sessions(state)));
        let overdue =
            self.follow_term(shared, &leadership, settings, now).overdue(&sessions, &leadership, settings, now);
        if !overdue.is_empty() {
            // What has ended is not told of again, and need not be remembered.
            self.told.1.retain(|told| sessions.values().any(|view| view.session == *told));
        }
        for (node, session) in overdue {
            // Without a majority it is tried again and again; that is no news.
            if self.told.0 != leadership.term {
                self.told = (leadership.term, BTreeSet::new());
            }
            if self.told.1.insert(session) {
                tracing::warn!("{}", overdue_in_words(&node, &shared.me, session));
            }
            let (me, part, term) = (me.clone(), part.clone(), leadership.term);
            // Never brought to another leader: that one may have promised something to the node meanwhile.
            let proposal = shared.proposal(Command::ExpireSession { node, session });
            tokio::spawn(async move {
                let proposed = timeout(EXPIRING, part.propose_in_term(term, proposal)).await;
                if !matches!(proposed, Ok(Ok(_))) {
                    me.answer(LeaderMessage::NotExpired(session));
                }
            });
        }
    }

    /// The end of this session could not be proposed.
    pub fn retry(&mut self, session: SessionId) {
        if let Some(ledger) = &mut self.ledger {
            ledger.retry(session);
        }
    }

    /// How long until a session may be overdue; `None` when this node does not lead.
    pub fn next_deadline<W: World>(&mut self, shared: &Shared<W>) -> Option<Duration> {
        let ledger = self.ledger.as_ref()?;
        let now = shared.world.boot_now();
        let part = shared.part()?;
        let next = ledger.next_deadline(&part.view().read(sessions))?;
        // What is overdue already but could not be ended (not ready yet, or a failure) is tried again soon.
        Some(next.since(now).max(if next <= now { AGAIN } else { Duration::ZERO }))
    }

    fn follow_term<W: World>(
        &mut self,
        shared: &Shared<W>,
        leadership: &Leadership,
        settings: LedgerSettings,
        now: BootTime,
    ) -> &mut Ledger {
        let term = leadership.term;
        match self.ledger.take().filter(|ledger| ledger.term() == term) {
            Some(ledger) => self.ledger.insert(ledger),
            None if shared.begins_ledger(term) => self.ledger.insert(Ledger::new(term, settings, now)),
            None => self.ledger.insert(Ledger::again(term, settings, now)),
        }
    }
}

fn overdue_in_words(node: &NodeName, me: &NodeName, session: SessionId) -> String {
    if node == me {
        // It leads, and was not confirmed by the others for as long as any node that is gone.
        return format!("no quorum confirmed this node itself for too long: its session {} ends", session.0);
    }
    format!("{node} was not heard from for too long: its session {} ends", session.0)
}

fn send<W: World>(shared: &Shared<W>, from: &NodeName, pong: Pong) {
    let Some(part) = shared.part() else { return };
    let members = part.standing().members;
    let Some(to) = members.into_iter().map(|member| member.member).find(|member| member.name == *from) else {
        return;
    };
    // A lost answer is asked for again with the next ping.
    let Some(version) = shared.wire.version_now(&to) else { return };
    if let Ok(datagram) = encode(version, &Notice::Pong(pong)) {
        let _ = shared.wire.notify(&to, datagram);
    }
}

fn leading<W: World>(shared: &Shared<W>, now: BootTime) -> Option<(Part<W>, Leadership)> {
    let part = shared.part()?;
    let leadership = part.leadership(now)?;
    Some((part, leadership))
}

fn ledger_settings(state: &State) -> LedgerSettings {
    LedgerSettings { liveness: state.wanted.settings.liveness, longest_hold: state.longest_hold() }
}

fn session_of(state: &State, node: &NodeName) -> Option<SessionView> {
    let session = state.members.get(node)?.session?;
    Some(SessionView { session: session.id, incarnation: session.incarnation })
}

fn sessions(state: &State) -> BTreeMap<NodeName, SessionView> {
    state.members.keys().filter_map(|node| Some((node.clone(), session_of(state, node)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_does_not_say_that_it_did_not_hear_from_itself() {
        let (one, two, session) = (NodeName::from("node1"), NodeName::from("node2"), SessionId(7));
        let other = overdue_in_words(&two, &one, session);
        assert_eq!(other, "node2 was not heard from for too long: its session 7 ends");
        assert!(!overdue_in_words(&one, &one, session).contains("heard from"));
    }
}
