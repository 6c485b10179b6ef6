//! The wanted state changes.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::derived::Derived;
use super::owners::Reconsider;
use super::{Event, Outcome, State};
use crate::ipam::Touched;
use crate::model::{Delta, NodeName, Object, ObjectKey, ServiceKey, Wanted};

impl State {
    pub(super) fn configure(&mut self, delta: Delta, by: &NodeName, events: &mut Vec<Event>) -> Outcome {
        let mut effect = Effect::default();
        let hold = self.wanted.settings.liveness.hold;
        for key in &delta.remove {
            self.before_change(key, &mut effect);
            self.wanted.remove(key);
        }
        for object in delta.put {
            self.before_change(&object.key(), &mut effect);
            if let Object::Service(service) = &object {
                self.derived.index(&service.key, &service.external_ips);
            }
            self.wanted.put(object);
        }
        self.keep_hold(hold);
        if effect.nodes {
            self.nodes_changed();
        }
        let mut addresses = effect.addresses_before(self);
        self.reconcile(&effect.touched, &mut addresses, events);
        let reconsider = if effect.everywhere { Reconsider::Everything } else { Reconsider::Only(addresses) };
        self.settle(&reconsider, events);
        if let Some(digest) = delta.complete {
            if self.config != Some(digest) {
                events.push(Event::Configured { digest, by: by.clone() });
            }
            self.config = Some(digest);
        }
        Outcome::Done
    }

    /// Takes a whole wanted state where nothing was wanted before: what a [`Delta`] of all its objects would do, without
    /// making one.
    pub(crate) fn adopt(&mut self, wanted: Wanted, events: &mut Vec<Event>) {
        self.derived = Derived::of(&wanted, &self.owners);
        self.wanted = wanted;
        let touched = Touched { pools: true, ..Touched::default() };
        self.reconcile(&touched, &mut BTreeSet::new(), events);
        self.settle(&Reconsider::Everything, events);
    }

    /// Lets the allocator follow, and collects the addresses that changed hands.
    fn reconcile(&mut self, touched: &Touched, addresses: &mut BTreeSet<IpAddr>, events: &mut Vec<Event>) {
        if !touched.pools && touched.services.is_empty() {
            return;
        }
        for change in self.book.reconcile(&self.wanted, touched) {
            let of = |grants: &[crate::ipam::Grant]| grants.iter().map(|grant| grant.address).collect::<Vec<_>>();
            let (before, now) = (of(&change.before), of(&change.after));
            addresses.extend(before.iter().chain(&now));
            if before != now {
                events.push(Event::Allocated { service: change.service.clone(), addresses: now, before });
            }
            if let Some(pending) = change.pending.filter(|pending| change.pending_before.as_ref() != Some(pending)) {
                let reason = pending.reason.to_string();
                events.push(Event::Pending { service: change.service, reason, message: pending.message });
            }
        }
    }

    /// A promise under an earlier `hold` may still be running. Nothing here knows for how long: a leader tells.
    fn keep_hold(&mut self, before: Duration) {
        if self.wanted.settings.liveness.hold != before {
            self.earlier_hold = self.earlier_hold.max(before);
            self.hold_changes += 1;
        }
    }

    pub(super) fn hold_stands(&mut self, changes: u64) -> Outcome {
        if self.hold_changes != changes {
            return Outcome::Refused("hold has changed again".to_owned());
        }
        self.earlier_hold = Duration::ZERO;
        Outcome::Done
    }

    /// Notes what the change of an object reaches, and takes out what follows from the object as it is.
    fn before_change(&mut self, key: &ObjectKey, effect: &mut Effect) {
        effect.note(key);
        if let ObjectKey::Service(key) = key
            && let Some(service) = self.wanted.services.get(key)
        {
            self.derived.unindex(key, &service.external_ips);
            effect.external.extend(&service.external_ips);
        }
    }
}

/// What a delta reaches.
#[derive(Default)]
struct Effect {
    touched: Touched,
    /// Services whose backends changed: their addresses stay, their owners may not.
    backends: BTreeSet<ServiceKey>,
    /// External IPs of services as they were before the change.
    external: BTreeSet<IpAddr>,
    /// Nodes, policies or pools changed: any owner may.
    everywhere: bool,
    /// Nodes or policies changed.
    nodes: bool,
}

impl Effect {
    fn note(&mut self, key: &ObjectKey) {
        match key {
            ObjectKey::Settings
            | ObjectKey::BgpPeer(..)
            | ObjectKey::BgpAdvertisement(..)
            | ObjectKey::BgpOverride(_) => {}
            ObjectKey::EndpointsKnown => self.everywhere = true,
            ObjectKey::Node(_) | ObjectKey::L2Policy(..) => {
                self.nodes = true;
                self.everywhere = true;
            }
            ObjectKey::Namespace(_) | ObjectKey::Pool(..) => {
                self.touched.pools = true;
                self.everywhere = true;
            }
            ObjectKey::Endpoints(service) => drop(self.backends.insert(service.clone())),
            ObjectKey::Service(service) => drop(self.touched.services.insert(service.clone())),
        }
    }

    /// The addresses of touched services as they stand before the allocator runs.
    fn addresses_before(&self, state: &State) -> BTreeSet<IpAddr> {
        let services = self.touched.services.iter().chain(&self.backends);
        let granted = services.clone().flat_map(|key| state.book.grants_of(key)).map(|grant| grant.address);
        let now = services.filter_map(|key| state.wanted.services.get(key)).flat_map(|service| &service.external_ips);
        granted.chain(now.copied()).chain(self.external.iter().copied()).collect()
    }
}
