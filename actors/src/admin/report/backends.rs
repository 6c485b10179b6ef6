//! The services' backends.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use quorumlb_raft_store::machine::State;
use quorumlb_raft_store::model::{NodeName, Service};
use serde::Serialize;

use super::is_named;

/// A backend of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackendRow {
    /// The service, as `namespace/name`.
    pub service: String,
    /// Where it is.
    pub address: IpAddr,
    /// Its port; `None` for the service's own.
    pub port: Option<u16>,
    /// Its share; `None` for endpoints, which all weigh the same.
    pub weight: Option<u16>,
    /// It takes new connections.
    pub ready: bool,
    /// The node it is on, as far as is known.
    pub node: Option<String>,
}

/// All backends, by service and address; only those of the service called `name`, if there is one.
pub fn backends(state: &State, name: Option<&str>) -> Vec<BackendRow> {
    let places = Places::new(state);
    let services = state.wanted.services.values();
    let meant = services.filter(|service| name.is_none_or(|name| is_named(&service.key, name)));
    meant.flat_map(|service| of_service(state, service, &places)).collect()
}

fn of_service(state: &State, service: &Service, places: &Places) -> Vec<BackendRow> {
    let name = service.key.to_string();
    let mut rows: Vec<BackendRow> = match &service.backends {
        Some(inline) => inline
            .iter()
            .map(|backend| BackendRow {
                service: name.clone(),
                address: backend.address,
                port: backend.port,
                weight: Some(backend.weight),
                ready: backend.weight > 0,
                node: places.of(backend.address).map(ToString::to_string),
            })
            .collect(),
        None => {
            let endpoints = state.wanted.endpoints.get(&service.key).into_iter().flatten();
            endpoints
                .map(|endpoint| BackendRow {
                    service: name.clone(),
                    address: endpoint.address,
                    port: None,
                    weight: None,
                    ready: endpoint.ready,
                    node: endpoint.node.as_ref().map(ToString::to_string),
                })
                .collect()
        }
    };
    rows.sort_by_key(|row| (row.address, row.port));
    rows
}

/// Which node has an address itself or in a pod network.
struct Places<'a> {
    own: BTreeMap<IpAddr, &'a NodeName>,
    pods: Vec<(IpNetwork, &'a NodeName)>,
}

impl<'a> Places<'a> {
    fn new(state: &'a State) -> Self {
        let (mut own, mut pods) = (BTreeMap::new(), Vec::new());
        for (name, node) in &state.wanted.nodes {
            let reported = state.members.get(name).and_then(|member| member.report.as_ref());
            let interfaces = reported.map(|report| &report.interfaces).or(node.interfaces.as_ref());
            let of_interfaces = interfaces.into_iter().flatten().flat_map(|interface| &interface.addresses);
            let addresses = of_interfaces.map(IpNetwork::ip).chain(node.address.map(|address| address.ip()));
            own.extend(addresses.chain(node.addresses.iter().copied()).map(|address| (address, name)));
            pods.extend(node.pod_cidrs.iter().map(|network| (*network, name)));
        }
        Self { own, pods }
    }

    fn of(&self, address: IpAddr) -> Option<&'a NodeName> {
        let pod = || self.pods.iter().find(|(network, _)| network.contains(address)).map(|(_, name)| *name);
        self.own.get(&address).copied().or_else(pod)
    }
}
