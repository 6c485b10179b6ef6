//! What services offer to be told, the same for every node.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::reason::Untold;
use super::stance::{Held, covers, selects};
use crate::ipam::{AddressBook, Grant};
use crate::model::{Advertised, Bgp, BgpAdvertisement, Dialect, Family, NodeName, Service, ServiceAddressKind, Wanted};
use crate::placement::{Backends, NodeView, Whereabouts};

/// Names an advertisement: its place in the order of dialect and name.
pub(super) type AdvertisementId = u32;

/// Names a set of advertisements.
pub(super) type SetId = u32;

/// Tells what each service offers, for one state of advertisements and nodes, of which it keeps what it needs.
#[derive(Clone, Debug)]
pub(crate) struct Offering {
    advertisements: Vec<BgpAdvertisement>,
    whereabouts: Whereabouts,
    sets: Vec<Arc<[AdvertisementId]>>,
    set_ids: BTreeMap<Arc<[AdvertisementId]>, SetId>,
    exact_all_the_same: BTreeSet<AdvertisementId>,
}

/// An address that a service offers under some advertisements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(super) address: IpAddr,
    /// Only by an exact route: the traffic policy is Local.
    pub(super) exact: bool,
    pub(super) set: SetId,
    /// The nodes that may tell it, by index; `None` for all.
    pub(super) nodes: Option<Arc<[u32]>>,
}

impl Offering {
    /// Takes in advertisements and nodes. `nodes` are all nodes there are.
    pub(crate) fn new(bgp: &Bgp, nodes: &BTreeMap<NodeName, NodeView<'_>>) -> Self {
        let mut whereabouts = Whereabouts::default();
        for (index, view) in (0_u32..).zip(nodes.values()) {
            whereabouts.add(index, view.node, view.interfaces);
        }
        let advertisements = bgp.advertisements.values().cloned().collect();
        Self {
            advertisements,
            whereabouts,
            sets: Vec::new(),
            set_ids: BTreeMap::new(),
            exact_all_the_same: BTreeSet::new(),
        }
    }

    /// The index of a node.
    pub(super) fn index(&self, node: &NodeName) -> Option<u32> {
        self.whereabouts.index(node)
    }

    pub(super) fn advertisements(&self) -> impl Iterator<Item = (AdvertisementId, &BgpAdvertisement)> {
        (0_u32..).zip(&self.advertisements)
    }

    pub(super) fn advertisement(&self, id: AdvertisementId) -> &BgpAdvertisement {
        &self.advertisements[id as usize]
    }

    pub(super) fn set(&self, id: SetId) -> &Arc<[AdvertisementId]> {
        &self.sets[id as usize]
    }

    /// Every set of advertisements that has been met: those that speak for one address together.
    pub(super) fn sets(&self) -> impl Iterator<Item = &[AdvertisementId]> {
        self.sets.iter().map(AsRef::as_ref)
    }

    /// MetalLB's advertisements that aggregate, but not the services that have been met with traffic policy Local.
    pub(super) fn exact_all_the_same(&self) -> &BTreeSet<AdvertisementId> {
        &self.exact_all_the_same
    }

    fn note_exact(&mut self, set: &[AdvertisementId], family: Family) {
        for id in set {
            let told = self.advertisement(*id);
            if told.dialect == Dialect::MetalLb && length(told, family) < family.bits() {
                self.exact_all_the_same.insert(*id);
            }
        }
    }

    /// What a service with these grants offers.
    pub(crate) fn offers(&mut self, wanted: &Wanted, grants: &[Grant], service: &Service) -> Vec<Offer> {
        let selecting: Vec<AdvertisementId> =
            self.advertisements().filter(|(_, told)| selects(told, service).is_ok()).map(|(id, _)| id).collect();
        let mut offers = Vec::new();
        if selecting.is_empty() {
            return offers;
        }
        let (mut backends, mut set) = (None, Vec::with_capacity(selecting.len()));
        for held in held_by(wanted, grants, service) {
            set.clear();
            set.extend(selecting.iter().filter(|id| covers(self.advertisement(**id), service, held).is_ok()));
            let exact = held.is_local(service);
            let mut nodes = None;
            if exact || set.iter().any(|id| self.advertisement(*id).dialect == Dialect::MetalLb) {
                let backends = backends.get_or_insert_with(|| self.whereabouts.backends(wanted, service));
                set.retain(|id| is_backed(self.advertisement(*id), exact, backends).is_ok());
                nodes = local_nodes(exact, backends);
            }
            if exact {
                self.note_exact(&set, Family::of(held.address));
            }
            if !set.is_empty() {
                offers.push(Offer { address: held.address, exact, set: self.set_id(&set), nodes });
            }
        }
        offers
    }

    /// Why an advertisement that selects the service does not have this node tell the address.
    pub(super) fn check_backends(
        &self,
        wanted: &Wanted,
        told: &BgpAdvertisement,
        service: &Service,
        held: Held,
        node: u32,
    ) -> Result<(), Untold> {
        let exact = held.is_local(service);
        let backends = self.whereabouts.backends(wanted, service);
        is_backed(told, exact, &backends)?;
        match local_nodes(exact, &backends) {
            Some(nodes) if !nodes.contains(&node) => Err(Untold::NoLocalBackend),
            _ => Ok(()),
        }
    }

    fn set_id(&mut self, set: &[AdvertisementId]) -> SetId {
        if let Some(known) = self.set_ids.get(set) {
            return *known;
        }
        let (set, id): (Arc<[_]>, _) = (set.into(), u32::try_from(self.sets.len()).unwrap_or(u32::MAX));
        self.sets.push(Arc::clone(&set));
        self.set_ids.insert(set, id);
        id
    }
}

/// Every service with its grants, found by going through both in their common order.
pub(crate) fn with_grants<'a>(
    wanted: &'a Wanted,
    book: &'a AddressBook,
) -> impl Iterator<Item = (&'a Service, &'a [Grant])> {
    let mut grants = book.grants().peekable();
    wanted.services.iter().map(move |(key, service)| {
        while grants.next_if(|(known, _)| *known < key).is_some() {}
        let own = grants.next_if(|(known, _)| *known == key).map_or(&[][..], |(_, grants)| grants);
        (service.as_ref(), own)
    })
}

/// Every address of a service with these grants, with what it has it as.
pub(super) fn held_by<'a>(
    wanted: &'a Wanted,
    grants: &'a [Grant],
    service: &'a Service,
) -> impl Iterator<Item = Held<'a>> {
    let granted = grants.iter().map(|grant| Held {
        address: grant.address,
        kind: ServiceAddressKind::LoadBalancer,
        pool: wanted.pools.get(&grant.pool),
    });
    let plain = |kind| move |address: &IpAddr| Held { address: *address, kind, pool: None };
    let external = service.external_ips.iter().map(plain(ServiceAddressKind::External));
    let cluster = service.cluster_ips.iter().map(plain(ServiceAddressKind::Cluster));
    granted.chain(external).chain(cluster)
}

/// Whether a service's backends let an advertisement speak. MetalLB announces nothing that has no ready endpoint; the
/// others do, unless the traffic policy is Local.
fn is_backed(told: &BgpAdvertisement, local: bool, backends: &Backends) -> Result<(), Untold> {
    match backends {
        Backends::Unknown | Backends::Some(_) => Ok(()),
        Backends::None if local => Err(Untold::NoLocalBackend),
        Backends::None if told.dialect == Dialect::MetalLb => Err(Untold::NoBackend),
        Backends::None => Ok(()),
    }
}

fn local_nodes(local: bool, backends: &Backends) -> Option<Arc<[u32]>> {
    match backends {
        Backends::Some(nodes) if local => Some(nodes.as_slice().into()),
        Backends::None if local => Some(Arc::default()),
        Backends::Unknown | Backends::Some(_) | Backends::None => None,
    }
}

/// The prefix length that an advertisement gives to addresses of a family.
pub(super) fn length(told: &BgpAdvertisement, family: Family) -> u8 {
    match (&told.what, family) {
        (Advertised::Services { .. }, Family::V4) => told.aggregation_v4,
        (Advertised::Services { .. }, Family::V6) => told.aggregation_v6,
        (Advertised::PodCidrs | Advertised::Interface(_), _) => family.bits(),
    }
}
