//! All that a node knows of itself.

use std::collections::BTreeMap;
use std::net::IpAddr;

use quorumlb_raft_store::machine::State;
use quorumlb_raft_store::net::quic::Refusal;
use serde::Serialize;

use super::problems;
use super::raft::{RaftReport, raft};
use super::services::is_told;
use crate::status::{NodeStatus, OwnedStatus};

/// A node at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusReport {
    /// Its name.
    pub node: String,
    /// The cluster's name.
    pub cluster: String,
    /// The program's version.
    pub version: &'static str,
    /// When it started, milliseconds since 1970.
    pub started_ms: u64,
    /// Its place in the group, its disk and its session.
    pub raft: RaftReport,
    /// What an operator should look at; empty when all is well.
    pub problems: Vec<String>,
    /// The files it watches.
    pub config: ConfigRow,
    /// Its interfaces, by name.
    pub interfaces: BTreeMap<String, InterfaceState>,
    /// What it owns, by address.
    pub owned: BTreeMap<IpAddr, OwnedRow>,
    /// How many services, addresses and owners the group has; `None` while the node is not part of it.
    pub group: Option<GroupCount>,
    /// Nodes that it has no connection with because of a certificate.
    pub refusals: Vec<RefusalRow>,
    /// The fingerprints (SHA-256) of the authorities that it trusts.
    pub authorities: Vec<String>,
    /// When its certificate ends, milliseconds since 1970.
    pub certificate_until_ms: Option<u64>,
    /// How often each of its actors was started anew.
    pub restarts: BTreeMap<&'static str, u64>,
}

/// A node that there is no connection with because of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusalRow {
    /// Its name, where one is known.
    pub name: Option<String>,
    /// Where it is.
    pub address: String,
    /// Why, in words.
    pub reason: &'static str,
    /// How often, since it began.
    pub count: u64,
}

/// The files that a node watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigRow {
    /// The folder or file.
    pub path: String,
    /// The digest of what was last read without errors.
    pub digest: Option<String>,
    /// The first problem of what is there now; empty when there is none.
    pub error: String,
    /// All problems, as `check` prints them.
    pub report: String,
    /// How often it was read anew.
    pub reloads: u64,
    /// How often that gave errors.
    pub failures: u64,
}

/// An interface on a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InterfaceState {
    /// Its MAC.
    pub mac: String,
    /// Up, with carrier, and its responder works.
    pub up: bool,
    /// Why its responder does not work.
    pub error: String,
}

/// An address that the node owns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnedRow {
    /// The ownership's epoch.
    pub epoch: u64,
    /// The interfaces it answers on.
    pub interfaces: Vec<String>,
    /// It answers now.
    pub answering: bool,
    /// Why it does not.
    pub why_not: String,
}

/// What the group has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GroupCount {
    /// Services that get addresses or have external IPs.
    pub services: usize,
    /// Services that wait.
    pub pending: usize,
    /// Addresses with an owner.
    pub owners: usize,
    /// Nodes in the configuration.
    pub nodes: usize,
    /// Nodes with a session.
    pub live: usize,
}

/// The report.
pub fn status(state: Option<&State>, status: &NodeStatus) -> StatusReport {
    StatusReport {
        node: status.node.to_string(),
        cluster: status.cluster.clone(),
        version: status.version,
        started_ms: status.started_ms,
        raft: raft(status),
        problems: problems(state, status),
        config: config(status),
        interfaces: interfaces(status),
        owned: status.owned.iter().map(|(address, owned)| (*address, owned_row(owned))).collect(),
        group: state.map(count),
        refusals: status.refusals.iter().map(|refusal| refusal_row(state, refusal)).collect(),
        authorities: status.credentials.authorities.clone(),
        certificate_until_ms: status.credentials.until_ms,
        restarts: status.restarts.clone(),
    }
}

/// Where the wire knows no name, the configuration may.
pub(super) fn refusal_row(state: Option<&State>, refusal: &Refusal) -> RefusalRow {
    let address = refusal.address;
    let mut there = state.into_iter().flat_map(|state| state.wanted.nodes.values()).filter(|node| {
        let ip = address.ip().to_canonical();
        node.address.is_some_and(|own| own.ip().to_canonical() == ip)
    });
    let configured = there.next().map(|node| node.name.to_string()).filter(|_| there.next().is_none());
    RefusalRow {
        name: refusal.name.clone().or(configured),
        address: address.to_string(),
        reason: refusal.reason,
        count: refusal.count,
    }
}

fn config(status: &NodeStatus) -> ConfigRow {
    let config = &status.config;
    ConfigRow {
        path: config.path.clone(),
        digest: config.digest.map(|digest| digest.to_string()),
        error: config.error.clone(),
        report: config.report.clone(),
        reloads: config.reloads,
        failures: config.failures,
    }
}

fn interfaces(status: &NodeStatus) -> BTreeMap<String, InterfaceState> {
    let interfaces = status.interfaces.iter();
    interfaces
        .map(|(name, of)| (name.clone(), InterfaceState { mac: of.mac.clone(), up: of.up, error: of.error.clone() }))
        .collect()
}

fn owned_row(owned: &OwnedStatus) -> OwnedRow {
    OwnedRow {
        epoch: owned.epoch.0,
        interfaces: owned.interfaces.clone(),
        answering: owned.answering,
        why_not: owned.why_not.clone(),
    }
}

fn count(state: &State) -> GroupCount {
    GroupCount {
        services: state.wanted.services.values().filter(|service| is_told(service)).count(),
        pending: state.book.pending().len(),
        owners: state.owners.len(),
        nodes: state.wanted.nodes.len(),
        live: state.members.values().filter(|member| member.session.is_some()).count(),
    }
}
