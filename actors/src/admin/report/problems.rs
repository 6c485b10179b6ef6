//! What is wrong, in sentences that say what helps.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use quorumlb_raft_store::advertise::Announcer;
use quorumlb_raft_store::group::Role;
use quorumlb_raft_store::log::StorageHealth;
use quorumlb_raft_store::machine::State;
use quorumlb_raft_store::model::NodeName;
use quorumlb_raft_store::placement::Eligibility;

use crate::status::{NodeStatus, Phase};

/// Pending services and unanswered addresses that are named one by one; of the rest the number is told.
const NAMED: usize = 20;

/// A certificate that ends within this is worth a word.
const ENDS_SOON: Duration = Duration::from_secs(30 * 86_400);

/// Whether a node takes part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Why it does not; empty when it does.
    pub reasons: Vec<String>,
    /// What an operator should look at, though it takes part.
    pub warnings: Vec<String>,
}

/// Why the process should be started anew; `None` when it should not. A full disk or a lost quorum is no reason: a new
/// start would not help.
pub fn health(status: &NodeStatus) -> Option<String> {
    match (&status.phase, status.raft.as_ref().map(|raft| &raft.role)) {
        (Phase::Running, Some(Role::Failed(why))) => Some(format!("Raft has stopped: {why}")),
        _ => None,
    }
}

/// Whether the node is part of the group and may answer. Wrong files do not make it unready: the last good state stands.
pub fn readiness(status: &NodeStatus, in_group: bool) -> Readiness {
    let mut ready = Readiness::default();
    ready.reasons.extend(outside(status));
    if ready.reasons.is_empty() && !in_group {
        ready.reasons.push("not part of the group".to_owned());
    }
    ready.reasons.extend(health(status));
    if status.session.valid_for.is_none() {
        let why = &status.session.why_not;
        let why = if why.is_empty() { "no answer from the quorum yet" } else { why };
        ready.reasons.push(format!("the session is not valid: {why}"));
    }
    if status.disk != StorageHealth::Ok {
        ready.reasons.push(status.disk.to_string());
    }
    if !status.config.error.is_empty() {
        ready.warnings.push(format!("the files are wrong, the last good state stands: {}", status.config.error));
    }
    ready
}

/// Why the node does not take part by its own account.
fn outside(status: &NodeStatus) -> Option<String> {
    match &status.phase {
        Phase::Running => None,
        Phase::Bootstrapping(why) => Some(format!("not part of the group yet: {why}")),
        Phase::Aside(why) => Some(format!("standing aside: {why}")),
        Phase::Stopping => Some("stopping".to_owned()),
    }
}

/// All that an operator should look at, the worst first.
pub fn problems(state: Option<&State>, status: &NodeStatus) -> Vec<String> {
    let ready = readiness(status, state.is_some());
    let mut found: Vec<String> = ready.reasons.into_iter().chain(ready.warnings).collect();
    if status.raft.as_ref().is_some_and(|raft| raft.leader.is_none()) {
        found.push("the group has no leader: a majority of the voters must be alive and connected".to_owned());
    }
    let leader = status.raft.as_ref().and_then(|raft| raft.leader.as_ref());
    if let (Some((_, leader)), Some(silent)) = (leader, status.session.leader_silent) {
        let seconds = silent.as_secs();
        found.push(format!("{} is taken for the leader, and has not answered for {seconds} s", leader.name));
    }
    let refusals = status.refusals.iter().map(|refusal| super::status::refusal_row(state, refusal));
    limited(
        &mut found,
        refusals.map(|refusal| {
            let at = match refusal.name {
                Some(name) => format!("{name} ({})", refusal.address),
                None => refusal.address,
            };
            format!("no connection with {at}: {}", refusal.reason)
        }),
    );
    found.extend(certificate_ends(status));
    let broken = status.interfaces.iter().filter(|(_, interface)| !interface.error.is_empty());
    found.extend(broken.map(|(name, interface)| format!("interface {name}: {}", interface.error)));
    let silent = status.owned.iter().filter(|(_, owned)| !owned.answering);
    limited(&mut found, silent.map(|(address, owned)| format!("{address} is not answered: {}", owned.why_not)));
    of_bgp(status, &mut found);
    if let Some(state) = state {
        of_the_group(state, status, &mut found);
    }
    found
}

/// Sessions that are not up, and addresses that routers are not told of.
fn of_bgp(status: &NodeStatus, found: &mut Vec<String>) {
    let down = status.bgp.sessions.iter().filter(|session| !session.is_up());
    let down = down.map(|session| {
        let (peer, router, state) = (&session.peer.1, &session.router, &session.state);
        let why = if session.last_error.is_empty() { "no attempt has failed yet" } else { &session.last_error };
        format!("no BGP session with {router} (peer {peer}, {state}): {why}")
    });
    limited(found, down);
    let refused = status.bgp.refused.iter();
    limited(found, refused.map(|((_, peer), why)| format!("no BGP session with peer {peer}: {why}")));
    let unprogrammed = status.bgp.unprogrammed.iter();
    let why = "packets for it cannot be taken; the log says why";
    limited(found, unprogrammed.map(|address| format!("routers are not told of {address}: {why}")));
}

/// That the node's certificate ends soon, or has ended.
fn certificate_ends(status: &NodeStatus) -> Option<String> {
    let until = status.credentials.until_ms?;
    let help = "`quorumlb pki issue` makes a new one, and a restart takes it";
    match until.checked_sub(status.now_ms).map(Duration::from_millis) {
        None | Some(Duration::ZERO) => Some(format!("this node's certificate has ended, and others refuse it: {help}")),
        Some(left) if left < ENDS_SOON => {
            Some(format!("this node's certificate ends in {} days: {help}", left.as_secs() / 86_400))
        }
        Some(_) => None,
    }
}

fn of_the_group(state: &State, status: &NodeStatus, found: &mut Vec<String>) {
    for node in super::nodes(state, status) {
        let name = &node.name;
        if !node.config_error.is_empty() && *name != status.node.0 {
            found.push(format!("node {name}: its files are wrong: {}", node.config_error));
        }
        if node.config.is_some() && !node.config_current && node.config_error.is_empty() && node.session == "live" {
            found.push(format!(
                "node {name}: its files differ from those in force, which `quorumlb get config` shows; files that are edited \
                 later replace them"
            ));
        }
        if node.configured && node.session == "none" {
            found.push(format!("node {name} has no session"));
        } else if node.draining {
            found.push(format!("node {name} is draining"));
        }
    }
    let taken = state.book.taken_from_nodes().map(|(address, node, users)| {
        let services: Vec<_> = users.into_iter().map(ToString::to_string).collect();
        format!(
            "{address} is the address of {node}, and service {} has it: take it out of the pool and ask for another address",
            services.join(", ")
        )
    });
    limited(found, taken);
    let conflicts = super::pools(state).into_iter().filter_map(|pool| Some((pool.name, pool.conflict?)));
    limited(found, conflicts.map(|(name, conflict)| format!("pool {name}: {conflict}")));
    let pending = state.book.pending().iter();
    limited(found, pending.map(|(key, why)| format!("service {key} is pending: {}: {}", why.reason, why.message)));
    limited(found, unowned(state, &status.node).into_iter());
}

/// Addresses that nobody answers for. Looks at those alone, since there may be very many others. What routers are told of
/// needs nobody who answers.
fn unowned(state: &State, me: &NodeName) -> Vec<String> {
    let mut addresses: Vec<_> = state.addresses().into_iter().filter(|of| !state.owners.contains_key(of)).collect();
    if addresses.is_empty() {
        return Vec::new();
    }
    if !state.wanted.bgp.peers.is_empty() {
        let mut announcer = Announcer::new(me.clone());
        announcer.follow(state);
        let told: BTreeSet<IpAddr> = announcer.addresses().collect();
        addresses.retain(|address| !told.contains(address));
    }
    let views = state.views();
    let mut eligibility = Eligibility::new(&state.wanted, &views);
    let tell = |address| {
        let why = state.verdict(&mut eligibility, address).nobody();
        let why = why.map_or_else(|| "it is about to get an owner".to_owned(), |why| why.to_string());
        let services: Vec<_> = state.users_of(address).into_iter().map(ToString::to_string).collect();
        format!("nobody answers for {address} of {}: {why}", services.join(", "))
    };
    addresses.into_iter().map(tell).collect()
}

fn limited(found: &mut Vec<String>, mut texts: impl Iterator<Item = String>) {
    found.extend(texts.by_ref().take(NAMED));
    let more = texts.count();
    if more > 0 {
        found.push(format!("and {more} more of these"));
    }
}
