//! Our `Cluster`: the nodes and the tunables, for use without Kubernetes.

use std::time::Duration;

use quorumlb_raft_store::model::{
    ClusterSettings, Fencing, Interface, Liveness, Node as WantedNode, NodeName, Rebalance,
};

use super::decode::{
    Cx, Fields, choice, crop, duration_in, int, labels, mapping, network, socket, text, text_or_number,
};
use super::diagnostic::Place;
use super::objects::{Head, Objects};
use super::yaml::Node;

/// The UDP port of QUIC among the nodes.
const DEFAULT_PORT: u16 = 7473;
/// Linux' limit for names of interfaces.
const INTERFACE_NAME_MAX: usize = 15;

pub(super) fn read(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let first = objects.settings.is_none();
    let new = objects.claim(head.kind, &head.meta.name, head.meta.place, fields.cx);
    if new && !first {
        let hint = "one Cluster holds all the nodes; join them".to_owned();
        fields.cx.report.error(head.meta.place, "there is a second Cluster in the input", hint);
    }
    let spec = |node: &Node, cx: Cx| mapping(node, cx, |spec| Some((settings(spec), spec.list("nodes", wanted_node))));
    let (settings, nodes) = fields.need("spec", spec)?;
    for (node, place) in nodes {
        if objects.claim("Node", node.name.as_str(), place, fields.cx) {
            objects.nodes.push(node);
        }
    }
    if first {
        objects.settings = Some(settings);
        objects.cluster = Some(head.meta.name.clone());
    }
    Some(())
}

fn settings(spec: &Fields) -> ClusterSettings {
    let default = ClusterSettings::default();
    ClusterSettings {
        voters: spec.or("voters", default.voters, voters),
        liveness: spec.or("liveness", default.liveness, liveness),
        rebalance: spec.or("rebalance", default.rebalance, rebalance),
        fencing: spec.or("fencing", default.fencing, choice(&[("strict", Fencing::Strict), ("soft", Fencing::Soft)])),
    }
}

fn voters(node: &Node, cx: Cx) -> Option<u8> {
    let voters = int(1..=5)(node, cx)?;
    if matches!(voters, 1 | 3 | 5) {
        return Some(voters);
    }
    let hint = "write 1, 3 or 5: an even number survives no more failures than the odd one below it".to_owned();
    cx.report.error(node.place, format!("{voters} is not a number of voters"), hint);
    None
}

fn liveness(node: &Node, cx: Cx) -> Option<Liveness> {
    mapping(node, cx, |fields| {
        let default = Liveness::default();
        let (low, high) = (Duration::from_millis(10), Duration::from_secs(10));
        let ping = fields.or("ping", default.ping, duration_in(low..=high));
        let hold_bounds = Duration::from_millis(30)..=Duration::from_secs(60);
        let given = fields.get("hold", duration_in(hold_bounds));
        let hold = given.unwrap_or(if fields.node("hold").is_none() { default.hold.max(ping * 5) } else { ping * 5 });
        if hold < ping * 3 {
            let show = humantime::format_duration;
            let message = format!("`hold` is {}, less than three times `ping` ({})", show(hold), show(ping));
            let hint =
                format!("write at least `hold: {}ms`, so that a lost ping or two do no harm", (ping * 3).as_millis());
            cx.report.error(fields.key_place("hold"), message, hint);
        }
        Some(Liveness { ping, hold })
    })
}

fn rebalance(node: &Node, cx: Cx) -> Option<Rebalance> {
    mapping(node, cx, |fields| {
        let default = Rebalance::default();
        let after = fields.or("after", default.after, duration_in(Duration::ZERO..=Duration::from_secs(86_400)));
        let pace_per_second = fields.or("pace", default.pace_per_second, |node, cx| {
            let pace = text_or_number(node, cx)?;
            let number = pace.strip_suffix("/s").and_then(|number| number.parse().ok());
            if let Some(number @ 1..=1000) = number {
                return Some(number);
            }
            let hint = "write moves per second, 1 to 1000, as in `10/s`".to_owned();
            cx.report.error(node.place, format!("`{}` is not a pace", crop(&pace)), hint);
            None
        });
        Some(Rebalance { after, pace_per_second })
    })
}

fn wanted_node(node: &Node, cx: Cx) -> Option<(WantedNode, Place)> {
    mapping(node, cx, |fields| {
        let name = fields.need("name", text);
        let address = fields.need("address", socket(DEFAULT_PORT));
        let wanted = WantedNode {
            name: NodeName(name.clone().unwrap_or_default()),
            labels: fields.get("labels", labels).unwrap_or_default(),
            address,
            interfaces: fields.get("interfaces", |node, cx| super::decode::list(node, cx, interface)),
            pod_cidrs: fields.list("podCIDRs", network),
            addresses: Vec::new(),
            weight: fields.or("weight", 1, int(1..=1000)),
            network_unavailable: false,
            unschedulable: false,
        };
        name.map(|_| (wanted, fields.node("name").map_or(fields.place, |node| node.place)))
    })
}

fn interface(node: &Node, cx: Cx) -> Option<Interface> {
    mapping(node, cx, |fields| {
        let name = fields.need("name", interface_name);
        let addresses = fields.list("addresses", network);
        Some(Interface { name: name?, addresses, up: true })
    })
}

/// The name of a network interface.
pub(super) fn interface_name(node: &Node, cx: Cx) -> Option<String> {
    let name = text(node, cx)?;
    let odd = name.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control());
    if odd || name.is_empty() || name.len() > INTERFACE_NAME_MAX {
        let hint = format!("1 to {INTERFACE_NAME_MAX} bytes without spaces and slashes");
        cx.report.error(node.place, format!("`{}` is not the name of an interface", crop(&name)), hint);
        return None;
    }
    Some(name)
}
