//! The wanted state changes.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::owners::Reconsider;
use super::{Event, Outcome, State};
use crate::ipam::Touched;
use crate::model::{Delta, NodeName, Object, ObjectKey, ServiceKey};

impl State {
    pub(super) fn configure(&mut self, delta: &Delta, by: &NodeName, events: &mut Vec<Event>) -> Outcome {
        let mut effect = Effect::default();
        for key in &delta.remove {
            effect.note(key);
            self.unindex(key);
            if matches!(key, ObjectKey::Settings) {
                self.keep_hold();
            }
            self.wanted.remove(key);
        }
        for object in &delta.put {
            let key = object.key();
            effect.note(&key);
            self.unindex(&key);
            if matches!(object, Object::Settings(_)) {
                self.keep_hold();
            }
            self.wanted.put(object.clone());
            self.index(&key);
        }
        let mut addresses = effect.addresses_before(self);
        self.reconcile(&effect.touched, &mut addresses, events);
        let reconsider = if effect.everywhere { Reconsider::Everything } else { Reconsider::Only(addresses) };
        self.settle(reconsider, events);
        if let Some(digest) = delta.complete {
            if self.config != Some(digest) {
                events.push(Event::Configured { digest, by: by.clone() });
            }
            self.config = Some(digest);
        }
        Outcome::Done
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

    fn keep_hold(&mut self) {
        self.earlier_hold = self.wanted.settings.liveness.hold;
    }

    fn unindex(&mut self, key: &ObjectKey) {
        let ObjectKey::Service(key) = key else { return };
        let Some(service) = self.wanted.services.get(key) else { return };
        for address in &service.external_ips {
            if let Some(users) = self.external.get_mut(address) {
                users.remove(key);
            }
        }
        self.external.retain(|_, users| !users.is_empty());
    }

    fn index(&mut self, key: &ObjectKey) {
        let ObjectKey::Service(key) = key else { return };
        let Some(service) = self.wanted.services.get(key) else { return };
        for address in &service.external_ips {
            self.external.entry(*address).or_default().insert(key.clone());
        }
    }
}

/// What a delta reaches.
#[derive(Default)]
struct Effect {
    touched: Touched,
    /// Services whose backends changed: their addresses stay, their owners may not.
    backends: BTreeSet<ServiceKey>,
    /// Nodes, policies or pools changed: any owner may.
    everywhere: bool,
}

impl Effect {
    fn note(&mut self, key: &ObjectKey) {
        match key {
            ObjectKey::Settings
            | ObjectKey::BgpPeer(..)
            | ObjectKey::BgpAdvertisement(..)
            | ObjectKey::BgpOverride(_) => {}
            ObjectKey::EndpointsKnown | ObjectKey::Node(_) | ObjectKey::L2Policy(..) => self.everywhere = true,
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
        let external = services.filter_map(|key| state.wanted.services.get(key)).flat_map(|s| s.external_ips.clone());
        granted.chain(external).collect()
    }
}
