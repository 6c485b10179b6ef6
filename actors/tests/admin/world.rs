//! A small group without Raft: three nodes, of which two live; one service that is answered, one that waits, one that
//! nobody answers for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorumlb_actors::admin::Desk;
use quorumlb_actors::bgp::{BgpStatus, PeerStatus};
use quorumlb_actors::ports::Credentials;
use quorumlb_actors::source::{self, SourceFile};
use quorumlb_actors::status::{
    ConfigStatus, InterfaceStatus, NodeStatus, OwnedStatus, Phase, PingCounters, SegmentCounters, SessionStatus,
    StatusBoard,
};
use quorumlb_raft_store::group::{MemberStanding, Role, Standing};
use quorumlb_raft_store::log::StorageHealth;
use quorumlb_raft_store::machine::{Command, Epoch, Incarnation, NodeReport, Outcome, SessionId, State};
use quorumlb_raft_store::model::{Dialect, Family, Interface, NodeName};
use quorumlb_raft_store::net::ProposeError;
use quorumlb_raft_store::net::quic::WireCounters;
use quorumlb_raft_store::replica::{Rehearsal, View};
use quorumlb_raft_store::types::Member;
use tokio::time::Instant;

pub const MANIFESTS: &str = "
apiVersion: quorumlb.io/v1alpha1
kind: Cluster
metadata: {name: lab}
spec:
  nodes:
  - {name: node1, address: 10.0.5.11, labels: {rack: rack0}, interfaces: [{name: net0, addresses: [10.0.5.11/24]}]}
  - {name: node2, address: 10.0.5.12, labels: {rack: rack0}, interfaces: [{name: net0, addresses: [10.0.5.12/24]}]}
  - {name: node3, address: 10.0.5.13, labels: {rack: rack1}, interfaces: [{name: net0, addresses: [10.0.5.13/24]}]}
---
apiVersion: quorumlb.io/v1alpha1
kind: IPPool
metadata: {name: public}
spec: {addresses: [10.0.5.100-10.0.5.109]}
---
apiVersion: quorumlb.io/v1alpha1
kind: L2Policy
metadata: {name: rack0}
spec:
  serviceSelectors: [{matchLabels: {tier: front}}]
  nodeSelectors: [{matchLabels: {rack: rack0}}]
---
apiVersion: quorumlb.io/v1alpha1
kind: Service
metadata: {name: web, labels: {tier: front}}
spec:
  ports: [{port: 80, protocol: TCP}]
  backends: [{address: 10.0.5.12, port: 8080}, {address: 10.0.5.99, weight: 0}]
---
apiVersion: quorumlb.io/v1alpha1
kind: Service
metadata: {name: db, labels: {tier: front}}
spec:
  addresses: [192.0.2.1]
  ports: [{port: 5432, protocol: TCP}]
  backends: [{address: 10.0.5.11}]
---
apiVersion: quorumlb.io/v1alpha1
kind: Service
metadata: {name: silent}
spec:
  ports: [{port: 80, protocol: TCP}]
  backends: [{address: 10.0.5.11}]
";

/// A node that has no group behind it.
#[derive(Clone)]
pub struct FakeDesk {
    pub board: StatusBoard,
    pub group: Rehearsal,
    pub in_group: Arc<AtomicBool>,
    pub index: Arc<AtomicU64>,
    /// What the next proposal meets.
    pub obstacle: Arc<Mutex<Option<ProposeError>>>,
    pub leaving: Arc<Mutex<Result<(), String>>>,
}

impl Desk for FakeDesk {
    fn status(&self) -> StatusBoard {
        self.board.clone()
    }

    fn view(&self) -> Option<View> {
        self.in_group.load(Ordering::Relaxed).then(|| self.group.view())
    }

    async fn propose(&self, command: Command, _patience: Duration) -> Result<Outcome, ProposeError> {
        match self.obstacle.lock().unwrap().take() {
            Some(error) => Err(error),
            None => Ok(self.apply(command)),
        }
    }

    async fn leave(&self) -> Result<(), String> {
        self.leaving.lock().unwrap().clone()
    }

    fn wall_ms(&self) -> u64 {
        0
    }
}

impl FakeDesk {
    pub fn apply(&self, command: Command) -> Outcome {
        let index = self.index.fetch_add(1, Ordering::Relaxed) + 1;
        self.group.apply(index, 1_700_000_000_000 + index, &"node1".into(), command)
    }
}

pub fn report(address: &str, config_error: &str) -> NodeReport {
    NodeReport {
        version: "0.1.0".into(),
        wire_version: 2,
        interfaces: vec![Interface { name: "net0".into(), addresses: vec![address.parse().unwrap()], up: true }],
        config_error: config_error.into(),
        ..NodeReport::default()
    }
}

pub fn desk() -> FakeDesk {
    let loaded = source::read(vec![SourceFile { path: "lab.yaml".into(), text: MANIFESTS.into() }]);
    assert!(!loaded.has_errors(), "{}", source::render(&loaded.diagnostics));
    let desk = FakeDesk {
        board: StatusBoard::new(status()),
        group: Rehearsal::new(State::default()),
        in_group: Arc::new(AtomicBool::new(true)),
        index: Arc::default(),
        obstacle: Arc::default(),
        leaving: Arc::new(Mutex::new(Ok(()))),
    };
    let delta = State::default().delta_to_files(&loaded.wanted).unwrap();
    desk.apply(Command::Configure(delta));
    let wrong = "lab.yaml:7:3: unknown field `interface`";
    for (node, address, error) in [("node1", "10.0.5.11/24", ""), ("node2", "10.0.5.12/24", wrong)] {
        let (node, incarnation) = (NodeName::from(node), Incarnation(1));
        desk.apply(Command::OpenSession { node: node.clone(), incarnation });
        desk.apply(Command::Report { node, incarnation, report: report(address, error) });
    }
    desk
}

fn standing() -> Standing {
    let member = |id, name: &str, address: &str, silent| MemberStanding {
        id,
        member: Member { name: name.into(), address: address.parse().unwrap() },
        voter: true,
        silent,
        lag: Some(0),
    };
    let leader = member(0xa1, "node1", "10.0.5.11:7473", None);
    Standing {
        id: 0xa1,
        term: 3,
        role: Role::Leader,
        leader: Some((leader.id, leader.member.clone())),
        last_log: Some(12),
        committed: Some(12),
        applied: Some(12),
        snapshot: None,
        purged: None,
        members: vec![leader, member(0xb2, "node2", "10.0.5.12:7473", Some(Duration::from_millis(40)))],
    }
}

pub fn status() -> NodeStatus {
    let counters = SegmentCounters { requests: 7, answered: 5, ..SegmentCounters::default() };
    let owned =
        OwnedStatus { epoch: Epoch(1), interfaces: vec!["net0".into()], answering: true, why_not: String::new() };
    NodeStatus {
        node: "node1".into(),
        cluster: "lab".into(),
        version: "0.1.0",
        started_ms: 1_700_000_000_000,
        now_ms: 1_700_000_001_000,
        phase: Phase::Running,
        raft: Some(standing()),
        session: SessionStatus {
            id: Some(SessionId(2)),
            valid_for: Some(Duration::from_millis(450)),
            why_not: String::new(),
            confirmed_ms: Some(1_700_000_000_500),
            leader_silent: None,
        },
        disk: StorageHealth::Ok,
        config: ConfigStatus { path: "/etc/quorumlb".into(), reloads: 1, ..ConfigStatus::default() },
        interfaces: BTreeMap::from([(
            "net0".into(),
            InterfaceStatus { mac: "02:00:00:00:00:01".into(), up: true, error: String::new(), counters },
        )]),
        owned: BTreeMap::from([("10.0.5.101".parse().unwrap(), owned)]),
        bgp: bgp(),
        wire: WireCounters { open: 2, wrong_name: 1, ..WireCounters::default() },
        refusals: Vec::new(),
        credentials: Credentials { authorities: vec!["AB:CD".into()], until_ms: Some(1_900_000_000_000) },
        restarts: BTreeMap::from([("raft", 0)]),
        pings: PingCounters { sent: 10, answered: 9, ..PingCounters::default() },
    }
}

pub fn no_leader() -> ProposeError {
    ProposeError::NoLeader { since: Instant::now() }
}

/// One session that is up, and one that cannot be.
fn bgp() -> BgpStatus {
    let leaf = PeerStatus {
        peer: (Dialect::Native, "leaf".to_owned()),
        router: "10.0.5.1".to_owned(),
        local_asn: 65005,
        remote_asn: Some(65005),
        state: "Established".to_owned(),
        up_for: Some(Duration::from_secs(75)),
        timers: Some((90, 30)),
        families: [Family::V4].into(),
        graceful_restart: true,
        routes: 2,
        told: true,
        established: 3,
        messages: (7, 9),
        received_routes: 4,
        flawed: 0,
        last_error: "the peer closed the connection".to_owned(),
        last_error_ago: Some(Duration::from_secs(80)),
        bfd: "Up, 150 ms".to_owned(),
    };
    let refused = ((Dialect::Cilium, "rack0".to_owned()), "the node follows the older policy".to_owned());
    BgpStatus { sessions: vec![leaf], refused: vec![refused], ..BgpStatus::default() }
}
