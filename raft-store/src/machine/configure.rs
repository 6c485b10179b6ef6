//! The wanted state changes.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::derived::Derived;
use super::owners::Reconsider;
use super::{Event, Listed, Outcome, State};
use crate::ipam::{Reserved, Touched};
use crate::model::{Delta, Interface, NodeName, Object, ObjectKey, ServiceKey, Wanted};

impl State {
    pub(super) fn configure(&mut self, delta: Delta, by: &NodeName, events: &mut Vec<Event>) -> Outcome {
        self.tell_replaced(&delta, by, events);
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
            effect.touched.pools |= self.reserve();
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

    /// Tells what a configuration of files takes away from the one before, so that who lost something finds it.
    fn tell_replaced(&self, delta: &Delta, by: &NodeName, events: &mut Vec<Event>) {
        let (Some(digest), Some(before)) = (delta.leads_to(), self.config) else { return };
        if digest == before {
            return;
        }
        let (mut removed, mut changed, mut added) = (Listed::default(), Listed::default(), 0);
        delta.remove.iter().filter(|key| self.wanted.has(key)).for_each(|key| removed.add(key));
        for key in delta.put.iter().map(Object::key) {
            match self.wanted.has(&key) {
                true => changed.add(key),
                false => added += 1,
            }
        }
        events.push(Event::Replaced { digest, before, by: by.clone(), removed, changed, added });
    }

    /// Takes a whole wanted state where nothing was wanted before: what a [`Delta`] of all its objects would do, without
    /// making one.
    pub(crate) fn adopt(&mut self, wanted: Wanted, events: &mut Vec<Event>) {
        self.derived = Derived::of(&wanted, &self.owners);
        self.wanted = wanted;
        self.reserve();
        let touched = Touched { pools: true, ..Touched::default() };
        self.reconcile(&touched, &mut BTreeSet::new(), events);
        self.settle(&Reconsider::Everything, events);
    }

    /// Lets the allocator know which addresses the nodes have for themselves. Gives back whether a service may get one that
    /// it could not have before.
    fn reserve(&mut self) -> bool {
        let own = self.own_addresses();
        self.book.reserve(own)
    }

    /// A node told, or was forgotten: services may get what it has given up.
    pub(super) fn follow_own_addresses(&mut self, events: &mut Vec<Event>) {
        if self.reserve() {
            let touched = Touched { pools: true, ..Touched::default() };
            self.reconcile(&touched, &mut BTreeSet::new(), events);
        }
    }

    /// What the nodes have for themselves: as declared, and as those tell that run or ran.
    pub(super) fn own_addresses(&self) -> Reserved {
        let declared =
            self.wanted.nodes.values().flat_map(|node| node.own_addresses().map(move |own| (own, node.name.clone())));
        let reports = self.members.iter().filter_map(|(name, member)| Some((name, member.report.as_ref()?)));
        let told = reports.flat_map(|(name, report)| {
            let interfaces = report.interfaces.iter().flat_map(Interface::own_addresses);
            interfaces.map(move |own| (own, name.clone()))
        });
        declared.chain(told).collect()
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
            if change.before != change.after {
                self.derived.journal.touch(&change.service);
            }
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

    /// What services tell by BGP may follow from the object.
    fn note_in_journal(&mut self, key: &ObjectKey) {
        match key {
            ObjectKey::Settings | ObjectKey::L2Policy(..) | ObjectKey::Namespace(_) => {}
            ObjectKey::EndpointsKnown
            | ObjectKey::Node(_)
            | ObjectKey::Pool(..)
            | ObjectKey::BgpOverride(_)
            | ObjectKey::BgpPeer(..)
            | ObjectKey::BgpAdvertisement(..) => self.derived.journal.touch_everything(),
            ObjectKey::Endpoints(service) | ObjectKey::Service(service) => self.derived.journal.touch(service),
        }
    }

    /// Notes what the change of an object reaches, and takes out what follows from the object as it is.
    fn before_change(&mut self, key: &ObjectKey, effect: &mut Effect) {
        effect.note(key);
        self.note_in_journal(key);
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
