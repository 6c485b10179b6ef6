//! The leader's side of all sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Answer, BootTime, Ping, Pong};
use crate::machine::{Incarnation, SessionId};
use crate::model::{Liveness, NodeName};

/// A session as the applied state has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// Which session.
    pub session: SessionId,
    /// Which run of the node it belongs to.
    pub incarnation: Incarnation,
}

/// What the leader knows of its own standing when it answers.
#[derive(Clone, Debug)]
pub struct Leadership {
    /// Its term.
    pub term: u64,
    /// It has applied an entry of its own term, so it knows every session that earlier leaders ended.
    pub ready: bool,
    /// Send time of the newest heartbeat that a quorum acknowledged. `None` when there is none that may be counted.
    pub acknowledged: Option<BootTime>,
}

/// Timing, from the applied state.
#[derive(Clone, Copy, Debug)]
pub struct LedgerSettings {
    /// The settings that are in force.
    pub liveness: Liveness,
    /// The longest `hold` under which a promise may still be running; at least `liveness.hold`.
    pub longest_hold: Duration,
}

/// From a node's sending to its hearing the answer, on a network that works.
const ANSWERING: Duration = Duration::from_millis(5);

/// What the leader promised, and whom it has not heard. Made new with each leadership; lost with it.
#[derive(Debug)]
pub struct Ledger {
    term: u64,
    /// When each session's promise has surely run out, by this clock, margin included.
    promised: BTreeMap<SessionId, BootTime>,
    /// Sessions whose end was proposed: they get no more promises, since the proposal may be committed even when it
    /// seemed to fail.
    ending: BTreeSet<SessionId>,
    /// Those among `ending` whose proposal failed and has to be made again.
    to_retry: BTreeSet<SessionId>,
    /// Sessions that stood when this leadership began; `None` until it was ready.
    inherited: Option<BTreeSet<SessionId>>,
    /// When every promise of earlier leaders has surely run out.
    inherited_until: BootTime,
    /// When every node that lives has had the time to ask this leader; `None` while it could not have answered.
    introduced: Option<BootTime>,
    /// When each voter last heard an older leader, by this clock. `None`: it is not asked for, since an earlier ledger of
    /// the same term made promises that no voter can tell from this one's.
    testimony: Option<BTreeMap<NodeName, BootTime>>,
}

impl Ledger {
    /// A leader of `term` begins. Until voters have testified, it assumes that the last leader made a promise just now.
    pub fn new(term: u64, settings: LedgerSettings, now: BootTime) -> Self {
        Self {
            term,
            promised: BTreeMap::new(),
            ending: BTreeSet::new(),
            to_retry: BTreeSet::new(),
            inherited: None,
            inherited_until: now + settings.longest_hold + settings.margin(),
            introduced: None,
            testimony: Some(BTreeMap::new()),
        }
    }

    /// A ledger for a term that had one already, which was lost.
    pub fn again(term: u64, settings: LedgerSettings, now: BootTime) -> Self {
        Self { testimony: None, ..Self::new(term, settings, now) }
    }

    /// The term it was made for.
    pub fn term(&self) -> u64 {
        self.term
    }

    /// Answers a ping. `known` is the sender's session in the applied state.
    pub fn answer(
        &mut self,
        ping: &Ping,
        known: Option<SessionView>,
        leadership: &Leadership,
        settings: LedgerSettings,
        now: BootTime,
    ) -> Pong {
        let answer = self.decide(ping, known, leadership, settings, now);
        Pong { sequence: ping.sequence, answer }
    }

    fn decide(
        &mut self,
        ping: &Ping,
        known: Option<SessionView>,
        leadership: &Leadership,
        settings: LedgerSettings,
        now: BootTime,
    ) -> Answer {
        if leadership.term != self.term || !leadership.ready {
            return Answer::NotLeader;
        }
        let age = leadership.acknowledged.map(|acknowledged| now.since(acknowledged));
        let Some(age) = age.filter(|age| *age <= settings.fresh()) else { return Answer::NotFresh };
        let asked = ping.session.map(|session| SessionView { session, incarnation: ping.incarnation });
        let Some(view) = known.filter(|view| Some(*view) == asked && !self.ending.contains(&view.session)) else {
            return Answer::NoSession;
        };
        let hold = settings.liveness.hold.saturating_sub(age);
        let until = now + hold + settings.margin();
        let promised = self.promised.entry(view.session).or_insert(until);
        *promised = until.max(*promised);
        Answer::Valid { session: view.session, hold }
    }

    /// A voter tells when it last heard a leader older than this one. `voters` are those of a membership that has
    /// stood for longer than any promise; give none while it has not. True when this brings [`Ledger::next_deadline`] closer.
    pub fn testify(
        &mut self,
        voter: &NodeName,
        term: u64,
        older_leader_heard: Duration,
        voters: &BTreeSet<NodeName>,
        settings: LedgerSettings,
        now: BootTime,
    ) -> bool {
        let Some(testimony) = self.testimony.as_mut().filter(|_| term == self.term && voters.contains(voter)) else {
            return false;
        };
        testimony.entry(voter.clone()).or_insert(now - older_leader_heard);
        let heard: Vec<_> = testimony.iter().filter(|(voter, _)| voters.contains(*voter)).collect();
        if heard.len() * 2 <= voters.len() {
            return false;
        }
        let Some(latest) = heard.into_iter().map(|(_, heard)| *heard).max() else { return false };
        let until = latest + settings.longest_hold + settings.margin();
        let shortened = until < self.inherited_until;
        self.inherited_until = self.inherited_until.min(until);
        shortened
    }

    /// Sessions to be expired now, out of all that the applied state has. Each is named once, and again after
    /// [`Ledger::retry`].
    pub fn overdue(
        &mut self,
        sessions: &BTreeMap<NodeName, SessionView>,
        leadership: &Leadership,
        settings: LedgerSettings,
        now: BootTime,
    ) -> Vec<(NodeName, SessionId)> {
        if leadership.term != self.term || !leadership.ready {
            return Vec::new();
        }
        self.introduced.get_or_insert(now + settings.liveness.ping + ANSWERING);
        self.follow(sessions, settings, now);
        let overdue: Vec<_> = sessions
            .iter()
            .filter(|(_, view)| self.runs_out(view.session) <= now && self.may_propose(view.session))
            .map(|(node, view)| (node.clone(), view.session))
            .collect();
        for (_, session) in &overdue {
            self.ending.insert(*session);
            self.to_retry.remove(session);
        }
        overdue
    }

    /// When a session will be overdue if nothing more is heard.
    pub fn next_deadline(&self, sessions: &BTreeMap<NodeName, SessionView>) -> Option<BootTime> {
        sessions.values().filter(|view| self.may_propose(view.session)).map(|view| self.runs_out(view.session)).min()
    }

    /// The end of this session could not be proposed: name it again.
    pub fn retry(&mut self, session: SessionId) {
        if self.ending.contains(&session) {
            self.to_retry.insert(session);
        }
    }

    /// Forgets sessions that are gone, and gives those that were opened under this leadership the time that a promise
    /// at their opening would have.
    fn follow(&mut self, sessions: &BTreeMap<NodeName, SessionView>, settings: LedgerSettings, now: BootTime) {
        let standing: BTreeSet<_> = sessions.values().map(|view| view.session).collect();
        let inherited = self.inherited.get_or_insert_with(|| standing.clone());
        inherited.retain(|session| standing.contains(session));
        self.promised.retain(|session, _| standing.contains(session));
        self.ending.retain(|session| standing.contains(session));
        self.to_retry.retain(|session| standing.contains(session));
        for session in standing.difference(inherited) {
            self.promised.entry(*session).or_insert(now + settings.liveness.hold + settings.margin());
        }
    }

    fn may_propose(&self, session: SessionId) -> bool {
        !self.ending.contains(&session) || self.to_retry.contains(&session)
    }

    fn runs_out(&self, session: SessionId) -> BootTime {
        self.promised.get(&session).copied().unwrap_or(self.inherited_until.max(self.introduced.unwrap_or_default()))
    }
}

impl LedgerSettings {
    /// How old a quorum's acknowledgement may be for the leader to answer.
    fn fresh(&self) -> Duration {
        self.liveness.hold / 2
    }

    fn margin(&self) -> Duration {
        Liveness { hold: self.longest_hold, ..self.liveness }.margin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId(7);
    const RUN: Incarnation = Incarnation(1);

    fn at(ms: u64) -> BootTime {
        BootTime(Duration::from_millis(ms))
    }

    fn settings() -> LedgerSettings {
        LedgerSettings { liveness: Liveness::default(), longest_hold: Liveness::default().hold }
    }

    fn leadership(acknowledged: u64) -> Leadership {
        Leadership { term: 4, ready: true, acknowledged: Some(at(acknowledged)) }
    }

    fn sessions() -> BTreeMap<NodeName, SessionView> {
        BTreeMap::from([("a".into(), SessionView { session: SESSION, incarnation: RUN })])
    }

    fn ping(session: u64) -> Ping {
        let older_leader_heard = Duration::ZERO;
        Ping { sequence: 1, incarnation: RUN, session: Some(SessionId(session)), older_leader_heard, term: 4 }
    }

    fn ask(ledger: &mut Ledger, acknowledged: u64, now: u64) -> Answer {
        let known = sessions().get(&NodeName::from("a")).copied();
        ledger.answer(&ping(7), known, &leadership(acknowledged), settings(), at(now)).answer
    }

    fn overdue(ledger: &mut Ledger, now: u64) -> usize {
        ledger.overdue(&sessions(), &leadership(now), settings(), at(now)).len()
    }

    /// hold 500 ms, margin 2 % + 2 ms.
    const MARGIN: u64 = 12;

    #[test]
    fn a_promise_is_shortened_by_the_age_of_the_quorums_word() {
        let mut ledger = Ledger::new(4, settings(), at(0));
        let hold = Duration::from_millis(470);
        assert_eq!(ask(&mut ledger, 970, 1000), Answer::Valid { session: SESSION, hold });
        assert_eq!(overdue(&mut ledger, 1000 + 470 + MARGIN - 1), 0);
        assert_eq!(overdue(&mut ledger, 1000 + 470 + MARGIN), 1);
    }

    #[test]
    fn without_a_fresh_word_of_a_quorum_nothing_is_promised() {
        let mut ledger = Ledger::new(4, settings(), at(0));
        assert_eq!(ask(&mut ledger, 1000, 1251), Answer::NotFresh);
        let mut none = leadership(0);
        none.acknowledged = None;
        assert_eq!(ledger.answer(&ping(7), None, &none, settings(), at(0)).answer, Answer::NotFresh);
    }

    #[test]
    fn no_promise_once_the_end_was_proposed_even_if_it_seemed_to_fail() {
        let mut ledger = Ledger::new(4, settings(), at(0));
        assert_eq!(overdue(&mut ledger, 0), 0);
        assert_eq!(overdue(&mut ledger, 600), 1);
        assert_eq!(overdue(&mut ledger, 601), 0, "named once");
        assert_eq!(ask(&mut ledger, 600, 602), Answer::NoSession);
        ledger.retry(SESSION);
        assert_eq!(ask(&mut ledger, 600, 603), Answer::NoSession);
        assert_eq!(overdue(&mut ledger, 604), 1, "and again after a failure");
    }

    #[test]
    fn other_sessions_other_runs_and_leaders_that_are_not_ready_get_no_promise() {
        let mut ledger = Ledger::new(4, settings(), at(0));
        let known = sessions().get(&NodeName::from("a")).copied();
        let answer = |ledger: &mut Ledger, ping: &Ping, leadership: &Leadership| {
            ledger.answer(ping, known, leadership, settings(), at(10)).answer
        };
        assert_eq!(answer(&mut ledger, &ping(8), &leadership(10)), Answer::NoSession);
        let other_run = Ping { incarnation: Incarnation(2), ..ping(7) };
        assert_eq!(answer(&mut ledger, &other_run, &leadership(10)), Answer::NoSession);
        let not_ready = Leadership { ready: false, ..leadership(10) };
        assert_eq!(answer(&mut ledger, &ping(7), &not_ready), Answer::NotLeader);
        let other_term = Leadership { term: 5, ..leadership(10) };
        assert_eq!(answer(&mut ledger, &ping(7), &other_term), Answer::NotLeader);
    }

    #[test]
    fn a_new_leader_waits_for_promises_it_did_not_hear() {
        let mut ledger = Ledger::new(4, settings(), at(1000));
        assert_eq!(overdue(&mut ledger, 1000), 0);
        assert_eq!(overdue(&mut ledger, 1000 + 500 + MARGIN - 1), 0);
        assert_eq!(overdue(&mut ledger, 1000 + 500 + MARGIN), 1);
    }

    #[test]
    fn a_majority_of_voters_shortens_the_wait() {
        let voters: BTreeSet<NodeName> = ["a", "b", "c"].map(NodeName::from).into();
        let mut ledger = Ledger::new(4, settings(), at(1000));
        let testify = |ledger: &mut Ledger, voter: &str, ago| {
            ledger.testify(&voter.into(), 4, Duration::from_millis(ago), &voters, settings(), at(1000))
        };
        assert_eq!(overdue(&mut ledger, 1000), 0);
        assert!(!testify(&mut ledger, "b", 400));
        assert!(!testify(&mut ledger, "stranger", 400));
        assert_eq!(overdue(&mut ledger, 1000 + 500 + MARGIN - 1), 0, "one of three is no majority");
        assert!(testify(&mut ledger, "c", 300), "the deadline is closer now");
        assert_eq!(overdue(&mut ledger, 700 + 500 + MARGIN - 1), 0, "the latest word of the majority counts");
        assert_eq!(overdue(&mut ledger, 700 + 500 + MARGIN), 1);
    }

    #[test]
    fn a_living_node_has_the_time_to_ask_a_new_leader() {
        let voters: BTreeSet<NodeName> = ["a", "b", "c"].map(NodeName::from).into();
        let mut ledger = Ledger::new(4, settings(), at(1000));
        for voter in ["b", "c"] {
            ledger.testify(&voter.into(), 4, Duration::from_millis(600), &voters, settings(), at(1000));
        }
        let not_ready = Leadership { ready: false, ..leadership(1040) };
        assert!(ledger.overdue(&sessions(), &not_ready, settings(), at(1040)).is_empty());
        assert_eq!(overdue(&mut ledger, 1050), 0, "every promise has run out, but nobody could ask until now");
        assert_eq!(overdue(&mut ledger, 1154), 0);
        assert_eq!(overdue(&mut ledger, 1155), 1);
    }

    #[test]
    fn a_session_opened_under_this_leader_gets_its_full_time() {
        let mut ledger = Ledger::new(4, settings(), at(0));
        let none = BTreeMap::new();
        assert!(ledger.overdue(&none, &leadership(5000), settings(), at(5000)).is_empty());
        assert_eq!(overdue(&mut ledger, 6000), 0);
        assert_eq!(overdue(&mut ledger, 6000 + 500 + MARGIN), 1);
    }
}
