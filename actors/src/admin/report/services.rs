//! The services: which addresses they have, why they wait, and who answers or why nobody does.

use std::net::IpAddr;

use quorumlb_raft_store::ipam::Grant;
use quorumlb_raft_store::machine::State;
use quorumlb_raft_store::model::{Service, ServiceKind};
use quorumlb_raft_store::placement::Eligibility;
use serde::Serialize;

use super::owners::answering;
use super::{confirmed, is_named};
use crate::status::NodeStatus;

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceRow {
    /// `namespace/name`.
    pub service: String,
    /// Where it came from: `files` or `api`.
    pub source: &'static str,
    /// Its addresses from pools, and its external IPs.
    pub addresses: Vec<IpAddr>,
    /// The pools that they are from, each once.
    pub pools: Vec<String>,
    /// Its ports, as `80/TCP`.
    pub ports: Vec<String>,
    /// What it still waits for, or `None`.
    pub pending: Option<PendingRow>,
    /// Who answers, for each address.
    pub answers: Vec<AnswerRow>,
    /// Its backends.
    pub backends: BackendCount,
    /// A quorum confirms what is told here; otherwise it is what the node that was asked last knew.
    pub confirmed: bool,
}

/// Why a service waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PendingRow {
    /// One of the reasons of `plan`.
    pub reason: String,
    /// In words, with what would help.
    pub message: String,
}

/// Who answers for an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnswerRow {
    /// The address.
    pub address: IpAddr,
    /// The pool it is from; `None` for an external IP.
    pub pool: Option<String>,
    /// The node that owns it.
    pub owner: Option<String>,
    /// On which interfaces.
    pub interfaces: Vec<String>,
    /// Whether the owner answers now; known on the owner alone.
    pub answering: Option<bool>,
    /// Why it does not answer, or why nobody owns it; empty when all is well.
    pub why_not: String,
    /// Why each node does not announce it. Filled in when nobody owns it, or when one service was asked for.
    pub nodes: Vec<NodeWhy>,
}

/// Why a node does not announce an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeWhy {
    /// The node.
    pub node: String,
    /// It might, as things stand.
    pub eligible: bool,
    /// Why it does not.
    pub why: String,
}

/// How many backends a service has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BackendCount {
    /// Those that take connections.
    pub ready: usize,
    /// All.
    pub total: usize,
    /// False when nothing tells of backends: they are taken to exist.
    pub known: bool,
}

/// All services that get addresses or have external IPs, by name; only the one called `name`, if there is one.
pub fn services(state: &State, status: &NodeStatus, name: Option<&str>) -> Vec<ServiceRow> {
    let views = state.views();
    let mut eligibility = Eligibility::new(&state.wanted, &views);
    let told = |service: &&Service| match name {
        Some(name) => is_named(&service.key, name),
        None => is_told(service),
    };
    let services = state.wanted.services.values().map(Box::as_ref).filter(told);
    services.map(|service| row(state, status, service, name.is_some(), &mut eligibility)).collect()
}

/// Whether it can have an address that someone answers for.
pub(super) fn is_told(service: &Service) -> bool {
    service.kind == ServiceKind::LoadBalancer || !service.external_ips.is_empty()
}

fn row(
    state: &State,
    status: &NodeStatus,
    service: &Service,
    detailed: bool,
    eligibility: &mut Eligibility,
) -> ServiceRow {
    let grants = state.book.grants_of(&service.key);
    let mut pools: Vec<_> = grants.iter().map(|grant| grant.pool.1.clone()).collect();
    pools.sort();
    pools.dedup();
    let external = service.external_ips.iter().filter(|address| !grants.iter().any(|grant| grant.address == **address));
    let addresses: Vec<IpAddr> = grants.iter().map(|grant| grant.address).chain(external.copied()).collect();
    let pending = state.book.pending().get(&service.key);
    ServiceRow {
        service: service.key.to_string(),
        source: if state.from_api().contains(&service.key) { "api" } else { "files" },
        pools,
        ports: service.ports.iter().map(|port| format!("{}/{}", port.number, protocol(port.protocol))).collect(),
        pending: pending
            .map(|pending| PendingRow { reason: pending.reason.to_string(), message: pending.message.clone() }),
        answers: addresses
            .iter()
            .map(|address| answer(state, status, *address, grants, detailed, eligibility))
            .collect(),
        addresses,
        backends: count(state, service),
        confirmed: confirmed(status),
    }
}

fn protocol(protocol: quorumlb_raft_store::model::Protocol) -> &'static str {
    match protocol {
        quorumlb_raft_store::model::Protocol::Tcp => "TCP",
        quorumlb_raft_store::model::Protocol::Udp => "UDP",
        quorumlb_raft_store::model::Protocol::Sctp => "SCTP",
    }
}

fn answer(
    state: &State,
    status: &NodeStatus,
    address: IpAddr,
    grants: &[Grant],
    detailed: bool,
    eligibility: &mut Eligibility,
) -> AnswerRow {
    let owned = state.owners.get(&address);
    let (answers, mut why_not) = owned.map_or((None, String::new()), |owned| answering(state, status, address, owned));
    let mut nodes = Vec::new();
    if detailed || owned.is_none() {
        let verdict = state.verdict(eligibility, address);
        if owned.is_none() {
            let nobody = verdict.nobody().map(|why| why.to_string());
            why_not = nobody.unwrap_or_else(|| "it is about to get an owner".to_owned());
        }
        let others = state.wanted.nodes.keys().filter(|node| owned.is_none_or(|owned| owned.node != **node));
        nodes.extend(others.map(|node| {
            let why = eligibility.index(node).and_then(|index| verdict.why(index));
            let text = why.map(|why| why.to_string());
            let elsewhere = || owned.map_or_else(String::new, |owned| format!("{} owns it", owned.node));
            NodeWhy { node: node.to_string(), eligible: why.is_none(), why: text.unwrap_or_else(elsewhere) }
        }));
    }
    AnswerRow {
        address,
        pool: grants.iter().find(|grant| grant.address == address).map(|grant| grant.pool.1.clone()),
        owner: owned.map(|owned| owned.node.to_string()),
        interfaces: owned.map(|owned| owned.interfaces.to_vec()).unwrap_or_default(),
        answering: answers,
        why_not,
        nodes,
    }
}

fn count(state: &State, service: &Service) -> BackendCount {
    if let Some(inline) = &service.backends {
        let ready = inline.iter().filter(|backend| backend.weight > 0).count();
        return BackendCount { ready, total: inline.len(), known: true };
    }
    let endpoints = state.wanted.endpoints.get(&service.key);
    let ready = endpoints.into_iter().flatten().filter(|endpoint| endpoint.ready).count();
    BackendCount { ready, total: endpoints.map_or(0, |all| all.len()), known: state.wanted.endpoints_known }
}
