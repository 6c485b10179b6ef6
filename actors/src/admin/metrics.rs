//! Everything worth a graph or an alert, collected when it is asked for.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;
use quorumlb_raft_store::group::{Role, Standing};
use quorumlb_raft_store::ipam::Reason;
use quorumlb_raft_store::log::StorageHealth;
use quorumlb_raft_store::machine::{MoveReason, State};
use quorumlb_raft_store::net::quic::WireCounters;

use super::http::RequestCounts;
use crate::status::{InterfaceStatus, NodeStatus, Phase, SegmentCounters};

/// What a scrape's answer is, for `Content-Type`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics as text.
///
/// # Errors
/// Never, since a string takes all that is written.
pub(super) fn encode(
    state: Option<&State>,
    status: &NodeStatus,
    moves: &BTreeMap<MoveReason, u64>,
    requests: &RequestCounts,
) -> Result<String, fmt::Error> {
    let mut scrape = Scrape::default();
    of_the_node(&mut scrape, status);
    if let Some(raft) = &status.raft {
        of_raft(&mut scrape, raft);
    }
    of_segments(&mut scrape, status);
    super::bgp_metrics::of_bgp(&mut scrape, &status.bgp);
    of_the_certificate(&mut scrape, status);
    of_the_wire(&mut scrape, &status.wire);
    scrape.counter(
        "quorumlb_moves",
        "Addresses that moved to another node, in the whole group, since this node joined",
        moves.iter().map(|(why, count)| ([("reason", format!("{why:?}"))], *count)),
    );
    if let Some(state) = state {
        of_the_group(&mut scrape, state);
    }
    scrape.counter(
        "quorumlb_admin_requests",
        "Requests to the admin side",
        requests.read().map(|(route, code, count)| ([("route", route.to_owned()), ("code", code.to_string())], count)),
    );
    let mut registry = Registry::default();
    registry.register_collector(Box::new(scrape));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

type Labels = Vec<(&'static str, String)>;

/// One metric with all its samples.
#[derive(Debug)]
struct Metric {
    name: &'static str,
    help: &'static str,
    samples: Samples,
}

#[derive(Debug)]
enum Samples {
    Counter(Vec<(Labels, u64)>),
    Gauge(Vec<(Labels, f64)>),
}

/// What one scrape found.
#[derive(Debug, Default)]
pub(super) struct Scrape(Vec<Metric>);

impl Scrape {
    /// A counter; `_total` is added to its name.
    pub(super) fn counter<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = ([(&'static str, String); N], u64)>,
    ) {
        let samples = samples.into_iter().map(|(labels, value)| (labels.into(), value)).collect();
        self.0.push(Metric { name, help, samples: Samples::Counter(samples) });
    }

    pub(super) fn gauge<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = ([(&'static str, String); N], f64)>,
    ) {
        let samples = samples.into_iter().map(|(labels, value)| (labels.into(), value)).collect();
        self.0.push(Metric { name, help, samples: Samples::Gauge(samples) });
    }

    fn count(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.counter(name, help, [([], value)]);
    }

    fn value(&mut self, name: &'static str, help: &'static str, value: f64) {
        self.gauge(name, help, [([], value)]);
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for metric in &self.0 {
            let kind = match &metric.samples {
                Samples::Counter(_) => MetricType::Counter,
                Samples::Gauge(_) => MetricType::Gauge,
            };
            let mut family = encoder.encode_descriptor(metric.name, metric.help, None, kind)?;
            match &metric.samples {
                Samples::Counter(samples) => {
                    for (labels, value) in samples {
                        let none: Option<&Exemplar<NoLabelSet, u64>> = None;
                        match labels.is_empty() {
                            true => family.encode_counter(value, none)?,
                            false => family.encode_family(labels)?.encode_counter(value, none)?,
                        }
                    }
                }
                Samples::Gauge(samples) => {
                    for (labels, value) in samples {
                        match labels.is_empty() {
                            true => family.encode_gauge(value)?,
                            false => family.encode_family(labels)?.encode_gauge(value)?,
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

fn flag(on: bool) -> f64 {
    f64::from(u8::from(on))
}

/// Counts are far below 2^53, where a float begins to leave numbers out.
fn float(count: impl TryInto<u64>) -> f64 {
    count.try_into().map_or(f64::INFINITY, |count: u64| count as f64)
}

fn of_the_node(scrape: &mut Scrape, status: &NodeStatus) {
    let info = [
        ("version", status.version.to_owned()),
        ("node", status.node.to_string()),
        ("cluster", status.cluster.clone()),
    ];
    scrape.gauge("quorumlb_build_info", "Which program runs where", [(info, 1.0)]);
    let started = status.started_ms as f64 / 1000.0;
    scrape.value("quorumlb_start_time_seconds", "When the node started, seconds since 1970", started);
    let phases = [
        ("bootstrapping", matches!(status.phase, Phase::Bootstrapping(_))),
        ("running", status.phase == Phase::Running),
        ("aside", matches!(status.phase, Phase::Aside(_))),
        ("stopping", status.phase == Phase::Stopping),
    ];
    scrape.gauge("quorumlb_phase", "What the node does in the group", states("phase", phases));
    let valid = status.session.valid_for.map_or(0.0, |valid| valid.as_secs_f64());
    scrape.value(
        "quorumlb_session_valid_seconds",
        "For how long the node may go on answering; 0 when it may not",
        valid,
    );
    let pings = &status.pings;
    scrape.count("quorumlb_pings_sent", "Pings to the leader", pings.sent);
    scrape.count("quorumlb_pings_answered", "Answers that extended the session", pings.answered);
    scrape.count("quorumlb_fence_closed", "Times that the node had to stop answering", pings.fence_closed);
    scrape.count("quorumlb_stalls", "Times that the process stood still for too long", pings.stalls);
    scrape.value("quorumlb_owned_addresses", "Addresses that the node owns", float(status.owned.len()));
    let answering = status.owned.values().filter(|owned| owned.answering).count();
    scrape.value("quorumlb_answering_addresses", "Addresses that the node answers for now", float(answering));
    let disk = [
        ("ok", status.disk == StorageHealth::Ok),
        ("full", status.disk == StorageHealth::Full),
        ("read-only", status.disk == StorageHealth::ReadOnly),
        ("failed", matches!(status.disk, StorageHealth::Failed(_))),
    ];
    scrape.gauge("quorumlb_disk_state", "How the disk under the data directory does", states("state", disk));
    let config = &status.config;
    scrape.count("quorumlb_config_reloads", "Times that the files were read anew", config.reloads);
    scrape.count("quorumlb_config_reload_failures", "Times that they had errors", config.failures);
    scrape.value("quorumlb_config_error", "1 while the files have errors", flag(!config.error.is_empty()));
    let restarts = status.restarts.iter().map(|(actor, count)| ([("actor", (*actor).to_owned())], *count));
    scrape.counter("quorumlb_actor_restarts", "Actors started anew after a failure", restarts);
}

/// A metric that is 1 for the state that holds and 0 for the others.
fn states<const N: usize>(
    label: &'static str,
    states: [(&'static str, bool); N],
) -> impl Iterator<Item = ([(&'static str, String); 1], f64)> {
    states.into_iter().map(move |(name, holds)| ([(label, name.to_owned())], flag(holds)))
}

fn of_raft(scrape: &mut Scrape, raft: &Standing) {
    scrape.value("quorumlb_raft_term", "The Raft term", float(raft.term));
    let roles = [
        ("learner", raft.role == Role::Learner),
        ("follower", raft.role == Role::Follower),
        ("candidate", raft.role == Role::Candidate),
        ("leader", raft.role == Role::Leader),
        ("failed", matches!(raft.role, Role::Failed(_))),
    ];
    scrape.gauge("quorumlb_raft_role", "What the node is in the Raft group", states("role", roles));
    scrape.value("quorumlb_raft_leader_known", "1 while the node knows a leader", flag(raft.leader.is_some()));
    let leader = raft.leader.iter().map(|(_, leader)| ([("leader", leader.name.to_string())], 1.0));
    scrape.gauge("quorumlb_raft_leader_info", "Who leads", leader);
    for (name, help, index) in [
        ("quorumlb_raft_last_log_index", "Index of the last entry in the log", raft.last_log),
        ("quorumlb_raft_committed_index", "Index of the last entry known to be committed", raft.committed),
        ("quorumlb_raft_applied_index", "Index of the last applied entry", raft.applied),
        ("quorumlb_raft_snapshot_index", "Index of the last entry in the snapshot", raft.snapshot),
    ] {
        scrape.value(name, help, float(index.unwrap_or(0)));
    }
    let part = |voter| float(raft.members.iter().filter(|member| member.voter == voter).count());
    let parts = [([("part", "voter".to_owned())], part(true)), ([("part", "learner".to_owned())], part(false))];
    scrape.gauge("quorumlb_raft_members", "Members of the Raft group", parts);
    let name = |member: &quorumlb_raft_store::group::MemberStanding| [("member", member.member.name.to_string())];
    let lag = raft.members.iter().filter_map(|member| Some((name(member), float(member.lag?))));
    scrape.gauge("quorumlb_raft_member_lag_entries", "Entries that a member does not hold yet; on the leader", lag);
    let silent = raft.members.iter().filter_map(|member| Some((name(member), member.silent?.as_secs_f64())));
    scrape.gauge("quorumlb_raft_member_silent_seconds", "How long a member has been silent; on the leader", silent);
}

/// When the node's certificate ends, in seconds since 1970; nothing where there is none.
fn of_the_certificate(scrape: &mut Scrape, status: &NodeStatus) {
    let until = status.credentials.until_ms.map(|until| ([], until as f64 / 1000.0));
    scrape.gauge(
        "quorumlb_certificate_end_timestamp_seconds",
        "When the node's certificate ends, in seconds since 1970",
        until,
    );
}

fn of_segments(scrape: &mut Scrape, status: &NodeStatus) {
    let up = status.interfaces.iter().map(|(name, of)| ([("interface", name.clone())], flag(of.up)));
    scrape.gauge("quorumlb_interface_up", "1 while the interface is up and its responder works", up);
    type Read = fn(&SegmentCounters) -> u64;
    let counters: [(&str, &str, Read); 9] = [
        ("quorumlb_segment_requests", "ARP and NDP questions seen", |of| of.requests),
        ("quorumlb_segment_answered", "Questions for owned addresses that were answered", |of| of.answered),
        ("quorumlb_segment_fenced", "Questions not answered because the fence was closed", |of| of.fenced),
        ("quorumlb_segment_rate_dropped", "Questions not answered because of the bound on answers", |of| {
            of.rate_dropped
        }),
        ("quorumlb_segment_held_back", "Frames held back at the moment of sending", |of| of.held_back),
        ("quorumlb_segment_announced", "Announcements made", |of| of.announced),
        ("quorumlb_segment_conflicts", "Claims of owned addresses by other stations", |of| of.conflicts),
        ("quorumlb_segment_malformed", "Frames that are not valid", |of| of.malformed),
        ("quorumlb_segment_kernel_dropped", "Frames that the kernel dropped", |of| of.kernel_dropped),
    ];
    for (name, help, read) in counters {
        let sample =
            |(interface, of): (&String, &InterfaceStatus)| ([("interface", interface.clone())], read(&of.counters));
        scrape.counter(name, help, status.interfaces.iter().map(sample));
    }
}

fn of_the_wire(scrape: &mut Scrape, wire: &WireCounters) {
    scrape.value("quorumlb_wire_connections", "QUIC connections that are open now", float(wire.open));
    scrape.count("quorumlb_wire_accepted", "Incoming connections taken", wire.accepted);
    let refused = [
        ("no_certificate", wire.no_certificate),
        ("other_authority", wire.other_authority),
        ("wrong_name", wire.wrong_name),
        ("bad_certificate", wire.bad_certificate),
        ("no_common_version", wire.no_common_version),
        ("too_many", wire.too_many),
        ("handshake_timeout", wire.handshake_timeout),
        ("handshake_failed", wire.handshake_failed),
    ];
    let by_cause = |causes: &[(&'static str, u64)]| -> Vec<_> {
        causes.iter().map(|(cause, count)| ([("cause", (*cause).to_owned())], *count)).collect()
    };
    scrape.counter("quorumlb_wire_refused", "Connections that did not come up", by_cause(&refused));
    let dropped = [
        ("garbage_packet", wire.garbage_packets),
        ("oversize", wire.oversize),
        ("unknown_version", wire.unknown_version),
        ("too_slow", wire.too_slow),
    ];
    scrape.counter("quorumlb_wire_dropped", "Packets and requests not taken", by_cause(&dropped));
    scrape.count("quorumlb_wire_dialled", "Connections that were dialled and came up", wire.dialled);
    scrape.count("quorumlb_wire_dial_failed", "Dials that failed", wire.dial_failed);
    scrape.count("quorumlb_wire_refused_by_peer", "Peers that refused this node's certificate", wire.refused_by_peer);
    scrape.count("quorumlb_wire_lost", "Dialled connections that ended", wire.lost);
}

fn of_the_group(scrape: &mut Scrape, state: &State) {
    scrape.value("quorumlb_services", "Services", float(state.wanted.services.len()));
    let reasons = [
        Reason::NoMatchingPool,
        Reason::OutOfAddresses,
        Reason::AddressInUse,
        Reason::AddressNotInPool,
        Reason::FamilyUnavailable,
        Reason::PoolConflict,
        Reason::SharingRefused,
        Reason::InvalidRequest,
    ];
    let mut pending: BTreeMap<Reason, u64> = reasons.into_iter().map(|reason| (reason, 0)).collect();
    state.book.pending().values().for_each(|of| *pending.entry(of.reason).or_default() += 1);
    let pending = pending.into_iter().map(|(reason, count)| ([("reason", reason.to_string())], float(count)));
    scrape.gauge("quorumlb_services_pending", "Services that did not get all they ask for", pending);
    let pools = super::report::pools(state);
    let labels = |pool: &super::report::PoolRow| [("pool", pool.name.clone()), ("dialect", pool.dialect.to_owned())];
    let used = pools.iter().map(|pool| (labels(pool), float(pool.used)));
    scrape.gauge("quorumlb_pool_used_addresses", "Addresses of the pool in use", used);
    let total = pools.iter().map(|pool| (labels(pool), float(pool.total)));
    scrape.gauge("quorumlb_pool_addresses", "Addresses that the pool can give", total);
    let conflict = pools.iter().map(|pool| (labels(pool), flag(pool.conflict.is_some())));
    scrape.gauge("quorumlb_pool_conflict", "1 while the pool is switched off by an overlap", conflict);
    let mut loads: BTreeMap<&str, u64> = state.wanted.nodes.keys().map(|node| (node.as_str(), 0)).collect();
    state.owners.values().for_each(|owned| *loads.entry(owned.node.as_str()).or_default() += 1);
    let loads = loads.into_iter().map(|(node, count)| ([("node", node.to_owned())], float(count)));
    scrape.gauge("quorumlb_node_addresses", "Addresses by owner", loads);
    let live = |node: &quorumlb_raft_store::model::NodeName| {
        state.members.get(node).is_some_and(|member| member.session.is_some())
    };
    let sessions = state.wanted.nodes.keys().map(|node| ([("node", node.to_string())], flag(live(node))));
    scrape.gauge("quorumlb_node_session", "1 while the node has a session", sessions);
    let unowned = state.addresses().into_iter().filter(|address| !state.owners.contains_key(address)).count();
    scrape.value("quorumlb_unowned_addresses", "Addresses that no node owns", float(unowned));
}
