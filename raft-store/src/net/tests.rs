//! A group of three over real QUIC.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::{ChangeMembers, Config, Raft, SnapshotPolicy};
use rand::SeedableRng;
use tokio::time::Instant;

use super::quic::{QuicConfig, QuicWire};
use super::testing::{Lab, MemoryLog, MemoryMachine, NoHooks, until};
use super::*;
use crate::bootstrap::{Answer, Disk, founding_id, joining_id};
use crate::codec::{OLDEST_WIRE_VERSION as OLDEST, Versions, WIRE_VERSION as NEWEST};
use crate::machine::{Command, Epoch, Outcome, Proposal};
use crate::types::{Member, RaftId, TypeConfig};

type TestRaft = Raft<TypeConfig, MemoryMachine>;

/// A node's wire, before and after it has an identity.
struct Node {
    wire: QuicWire,
    member: Member,
    dispatcher: Arc<Dispatcher<MemoryMachine>>,
}

struct Running {
    node: Node,
    id: RaftId,
    raft: TestRaft,
    machine: MemoryMachine,
    networks: RaftNetworks<QuicWire>,
    forwarder: Forwarder<RaftGroup<QuicWire, MemoryMachine>>,
}

fn raft_config() -> Arc<Config> {
    let config = Config {
        heartbeat_interval: 100,
        election_timeout_min: 600,
        election_timeout_max: 1200,
        install_snapshot_timeout: 5000,
        enable_pre_vote: Some(true),
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: 0,
        ..Config::default()
    };
    Arc::new(config.validate().unwrap())
}

impl Node {
    fn start(config: QuicConfig) -> Self {
        let dispatcher = Dispatcher::new("lab", BTreeSet::new(), NoHooks);
        let name = config.identity.name().clone();
        let wire = QuicWire::bind(config, dispatcher.clone()).unwrap();
        let member = Member { name, address: wire.local_addr().unwrap() };
        Self { wire, member, dispatcher }
    }

    async fn run(self, id: RaftId) -> Running {
        let machine = MemoryMachine::default();
        let networks = RaftNetworks::new(self.wire.clone(), id);
        let raft = Raft::new(id, raft_config(), networks.clone(), MemoryLog::default(), machine.clone()).await.unwrap();
        self.dispatcher.serve(Some(raft.clone()));
        let forwarder = Forwarder::new(RaftGroup::new(raft.clone(), self.wire.clone()));
        Running { node: self, id, raft, machine, networks, forwarder }
    }

    async fn ask(&self, to: &Member, request: &Request) -> Response {
        call(&self.wire, to, Lane::Client, request, Duration::from_secs(10)).await.unwrap()
    }
}

impl Running {
    fn leader(&self) -> Option<RaftId> {
        self.raft.server_metrics().borrow_watched().current_leader
    }

    async fn propose(&self, number: usize) -> Result<Outcome, ProposeError> {
        let by = self.node.member.name.clone();
        let command = Command::Drain { node: format!("n{number}").as_str().into(), on: true };
        let deadline = Instant::now() + Duration::from_secs(20);
        self.forwarder.propose(Proposal { at_ms: 0, by, command }, deadline).await
    }
}

/// Founders that have elected a leader; the first of the second part of the pair leads.
async fn found(nodes: Vec<Node>) -> Vec<Running> {
    let members: BTreeMap<RaftId, Member> =
        nodes.iter().map(|node| (founding_id("lab", &node.member.name), node.member.clone())).collect();
    let mut running = Vec::new();
    for node in nodes {
        let id = founding_id("lab", &node.member.name);
        running.push(node.run(id).await);
    }
    for node in &running {
        // All founders initialise with equal members; a late one finds the group founded.
        let _ = node.raft.initialize(members.clone()).await;
    }
    until("a leader", || {
        running[0].leader().is_some() && running.iter().all(|node| node.leader() == running[0].leader())
    })
    .await;
    running
}

fn leader_index(running: &[Running]) -> usize {
    running.iter().position(|node| Some(node.id) == running[0].leader()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_elects_replicates_and_hands_over() {
    let lab = Lab::new();
    let running = found(["node1", "node2", "node3"].map(|name| Node::start(lab.config(name))).into()).await;
    for (index, node) in running.iter().enumerate() {
        assert_eq!(node.propose(index).await, Ok(Outcome::Done), "from {}", node.node.member);
    }
    until("replication", || running.iter().all(|node| node.machine.proposals().len() == 3)).await;
    let (from, to) = (leader_index(&running), (leader_index(&running) + 1) % 3);
    running[from].raft.trigger().transfer_leader(running[to].id).await.unwrap();
    until("the handover", || running.iter().all(|node| node.leader() == Some(running[to].id))).await;
    assert_eq!(running[from].propose(9).await, Ok(Outcome::Done));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_is_held_until_there_is_a_leader_again() {
    let lab = Lab::new();
    let running = found(["node1", "node2", "node3"].map(|name| Node::start(lab.config(name))).into()).await;
    let dead = leader_index(&running);
    running[dead].node.dispatcher.serve(None);
    running[dead].raft.shutdown().await.unwrap();
    running[dead].node.wire.close().await;
    let alive = &running[(dead + 1) % 3];
    assert_eq!(alive.propose(1).await, Ok(Outcome::Done));
    assert_ne!(alive.leader(), Some(running[dead].id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_node_joins_as_a_learner_and_gets_a_snapshot_in_parts() {
    let lab = Lab::new();
    let mut running = found(["node1", "node2", "node3"].map(|name| Node::start(lab.config(name))).into()).await;
    let leader = leader_index(&running);
    // Large enough for three parts; the log before it is given up.
    let message = "7".repeat(5 << 19);
    let (node, address) = ("node1".into(), "10.0.5.100".parse().unwrap());
    let command = Command::Refuse { node, address, epoch: Epoch(1), message };
    let by = running[leader].node.member.name.clone();
    let deadline = Instant::now() + Duration::from_secs(30);
    running[leader].forwarder.propose(Proposal { at_ms: 0, by, command }, deadline).await.unwrap();
    running[leader].raft.trigger().snapshot().await.unwrap();
    let raft = running[leader].raft.clone();
    until("the purge", || raft.metrics().borrow_watched().purged.is_some()).await;
    let wiped = running.remove((leader + 1) % 3);
    let (at, old_id) = (wiped.node.member.clone(), wiped.id);
    wiped.raft.shutdown().await.unwrap();
    wiped.node.dispatcher.serve(None);
    wiped.node.wire.close().await;
    drop(wiped);
    until("the port is free", || std::net::UdpSocket::bind(at.address).is_ok()).await;
    let node = Node::start(QuicConfig { listen: at.address, ..lab.config(at.name.as_str()) });
    // As bootstrap does: ask, then join under a new identity.
    let leader = running.iter().find(|node| Some(node.id) == node.leader()).unwrap();
    let exists = Answer::Exists { cluster: "lab".into() };
    assert_eq!(node.ask(&leader.node.member, &Request::Hello).await, Response::Hello(exists));
    let id = joining_id("lab", &at.name, &mut rand::rngs::SmallRng::seed_from_u64(7));
    let (join, to) = (Request::Join { id, member: at.clone() }, leader.node.member.clone());
    let node = node.run(id).await;
    assert_eq!(node.node.ask(&to, &join).await, Response::Join(JoinAnswer::Joined));
    until("the snapshot", || node.machine.proposals().len() == 1).await;
    assert_eq!(node.machine.installed(), 1);
    assert_eq!(node.machine.proposals(), leader.machine.proposals());
    // What its old identity is asked, it does not answer.
    let old = Request::Raft { from: leader.id, to: old_id, call: RaftCall::Vote(vote(leader.id)) };
    let refusal = leader.node.ask(&at, &old).await;
    assert_eq!(refusal, Response::Refused(Refusal::OtherIdentity { asked: old_id, found: id }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_reached_at_its_new_address_under_the_same_leader() {
    let lab = Lab::new();
    let mut running = found(["node1", "node2", "node3"].map(|name| Node::start(lab.config(name))).into()).await;
    let leader = running.swap_remove(leader_index(&running));
    let moving = running.remove(0);
    // The same Raft answers at another port from now on.
    let wire = QuicWire::bind(lab.config(moving.node.member.name.as_str()), moving.node.dispatcher.clone()).unwrap();
    let member = Member { address: wire.local_addr().unwrap(), ..moving.node.member.clone() };
    moving.node.wire.close().await;
    let change = ChangeMembers::SetNodes(BTreeMap::from([(moving.id, member.clone())]));
    leader.raft.change_membership(change, true).await.unwrap();
    let membership = leader.raft.metrics().borrow_watched().membership_config.clone();
    leader.networks.follow(membership.nodes());
    assert_eq!(leader.propose(1).await, Ok(Outcome::Done));
    until("replication to the new address", || moving.machine.proposals().len() == 1).await;
    assert_eq!(leader.leader(), Some(leader.id));
}

fn vote(id: RaftId) -> openraft::raft::VoteRequest<TypeConfig> {
    openraft::raft::VoteRequest::new(openraft::Vote::new(1000, id), None)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_speaks_for_another() {
    let lab = Lab::new();
    let mut running = found(vec![Node::start(lab.config("node1"))]).await;
    let one = running.remove(0);
    let thief = Node::start(lab.config("node2"));
    let (own, others) = (founding_id("lab", &"node2".into()), founding_id("lab", &"node3".into()));
    let asked = |from, vote_of| Request::Raft { from, to: one.id, call: RaftCall::PreVote(vote(vote_of)) };
    let proposal = Proposal { at_ms: 0, by: "node3".into(), command: Command::Drain { node: "x".into(), on: true } };
    let member = Member { name: "node3".into(), address: thief.member.address };
    for request in [
        asked(others, others),
        asked(own, others),
        Request::Propose(proposal),
        Request::Join { id: own, member: member.clone() },
        Request::Join { id: others, member: Member { name: "node2".into(), ..member } },
    ] {
        let response = thief.ask(&one.node.member, &request).await;
        assert!(matches!(response, Response::Refused(Refusal::NotYou(_))), "{request:?}: {response:?}");
    }
    let response = thief.ask(&one.node.member, &asked(own, own)).await;
    assert!(matches!(response, Response::Raft { answer: RaftAnswer::Vote(_), .. }), "{response:?}");
    assert!(one.machine.proposals().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_an_identity_says_so_and_takes_no_part() {
    let lab = Lab::new();
    let (one, two) = (Node::start(lab.config("node1")), Node::start(lab.config("node2")));
    let empty = Answer::NoGroup { cluster: "lab".into(), founders: BTreeSet::new() };
    let silent = Response::Refused(Refusal::NoIdentity);
    assert_eq!(one.ask(&two.member, &Request::Hello).await, silent, "its disk has not been read");
    two.dispatcher.know_disk(Disk::Empty);
    assert_eq!(one.ask(&two.member, &Request::Hello).await, Response::Hello(empty));
    two.dispatcher.know_disk(Disk::Holds(7));
    assert_eq!(one.ask(&two.member, &Request::Hello).await, silent, "it may be part of a group");
    let (from, to) = (founding_id("lab", &"node1".into()), founding_id("lab", &"node2".into()));
    let response = one.ask(&two.member, &Request::Raft { from, to, call: RaftCall::Vote(vote(from)) }).await;
    assert_eq!(response, Response::Refused(Refusal::NoIdentity));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_one_release_older_and_newer_work_in_the_group() {
    let lab = Lab::new();
    let versions = [(OLDEST, OLDEST), (OLDEST, NEWEST), (OLDEST, NEWEST + 1)];
    let nodes = ["node1", "node2", "node3"].iter().zip(versions).map(|(name, (oldest, newest))| {
        Node::start(QuicConfig { versions: Versions { oldest, newest }, ..lab.config(name) })
    });
    let running = found(nodes.collect()).await;
    for (index, node) in running.iter().enumerate() {
        assert_eq!(node.propose(index).await, Ok(Outcome::Done), "from {}", node.node.member);
    }
    until("replication", || running.iter().all(|node| node.machine.proposals().len() == 3)).await;
}
