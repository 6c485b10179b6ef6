//! Changes of the wanted state.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ConfigDigest, Object, ObjectKey, ObjectRef, Wanted};
use crate::codec::{Kind, body_bytes};

/// A change of the wanted state, applied as one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// Objects that go; unknown ones are passed over.
    pub remove: Vec<ObjectKey>,
    /// Objects that come or change.
    pub put: Vec<Object>,
    /// Set with the last delta of a configuration: from here on, this is what stands.
    pub complete: Option<ConfigDigest>,
}

/// One part of a delta.
enum Change {
    Remove(ObjectKey),
    Put(Object),
}

impl Delta {
    /// Whether it changes nothing and completes nothing.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.put.is_empty() && self.complete.is_none()
    }

    /// Cuts the delta into several that come to the same when they are applied in order. None has more than
    /// `max_objects` objects or is larger than `max_bytes` when encoded, unless a single object is. Only the last one
    /// carries `complete`.
    ///
    /// The order keeps what stands between two of them from being worse than before and after: services that go make
    /// room first; what others depend on comes before them, and of it what is new before what is gone; that endpoints
    /// are known is told when they are; services come in the order in which the allocator would serve them.
    pub fn chunks(self, max_objects: usize, max_bytes: usize) -> Vec<Self> {
        let complete = self.complete;
        let mut chunks = Vec::new();
        let (mut chunk, mut bytes) = (Self::default(), 0_usize);
        for change in self.in_order() {
            let size = change.bytes();
            let full = chunk.remove.len() + chunk.put.len() >= max_objects || bytes.saturating_add(size) > max_bytes;
            if full && !chunk.is_empty() {
                chunks.push(std::mem::take(&mut chunk));
                bytes = 0;
            }
            bytes = bytes.saturating_add(size);
            match change {
                Change::Remove(key) => chunk.remove.push(key),
                Change::Put(object) => chunk.put.push(object),
            }
        }
        chunk.complete = complete;
        if !chunk.is_empty() {
            chunks.push(chunk);
        }
        chunks
    }

    fn in_order(self) -> impl Iterator<Item = Change> {
        // What is put replaces what was there: taking that away first adds nothing.
        let replaced: BTreeSet<ObjectKey> = match self.remove.is_empty() {
            true => BTreeSet::new(),
            false => self.put.iter().map(Object::key).collect(),
        };
        let remove = self.remove.into_iter().filter(|key| !replaced.contains(key)).map(Change::Remove);
        let mut changes: Vec<Change> = remove.chain(self.put.into_iter().map(Change::Put)).collect();
        changes.sort_by_cached_key(Change::place);
        changes.into_iter()
    }
}

/// When a change has its turn.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Gone(ObjectKey),
    Ground(ObjectKey),
    GroundGone(ObjectKey),
    Endpoints(ObjectKey),
    EndpointsKnown,
    Service(bool, super::Age, ObjectKey),
}

impl Change {
    fn place(&self) -> Place {
        match self {
            Self::Remove(key @ (ObjectKey::Service(_) | ObjectKey::Endpoints(_) | ObjectKey::EndpointsKnown)) => {
                Place::Gone(key.clone())
            }
            Self::Remove(key) => Place::GroundGone(key.clone()),
            Self::Put(object) => match object {
                Object::EndpointsKnown(true) => Place::EndpointsKnown,
                Object::Endpoints(..) => Place::Endpoints(object.key()),
                Object::Service(service) => {
                    let requests = &service.requests;
                    let lists = [&requests.native, &requests.cilium, &requests.metallb];
                    let asks = requests.load_balancer_ip.is_some() || lists.iter().any(|list| !list.is_empty());
                    Place::Service(!asks, service.age, object.key())
                }
                _ => Place::Ground(object.key()),
            },
        }
    }

    /// Its size when encoded; more than any limit when it cannot be.
    fn bytes(&self) -> usize {
        match self {
            Self::Remove(key) => body_bytes(Kind::Entry, key),
            Self::Put(object) => body_bytes(Kind::Entry, object),
        }
        .unwrap_or(usize::MAX)
    }
}

impl Wanted {
    /// What turns this wanted state into `next`, or `None` when they are equal. Only what differs is copied.
    pub fn delta_to(&self, next: &Self) -> Option<Delta> {
        let mut delta = Delta::default();
        if self.settings != next.settings {
            delta.put.push(Object::Settings(next.settings));
        }
        if self.endpoints_known != next.endpoints_known {
            delta.put.push(Object::EndpointsKnown(next.endpoints_known));
        }
        let (old, new) = (self, next);
        delta.follow(&old.nodes, &new.nodes, |name| ObjectKey::Node(name.clone()), |_, it| ObjectRef::Node(it));
        delta.follow(
            &old.namespaces,
            &new.namespaces,
            |name| ObjectKey::Namespace(name.clone()),
            |_, it| ObjectRef::Namespace(it),
        );
        delta.follow(&old.pools, &new.pools, |(d, n)| ObjectKey::Pool(*d, n.clone()), |_, it| ObjectRef::Pool(it));
        delta.follow(
            &old.l2_policies,
            &new.l2_policies,
            |(dialect, name)| ObjectKey::L2Policy(*dialect, name.clone()),
            |_, it| ObjectRef::L2Policy(it),
        );
        delta.follow_bgp(old, new);
        delta.follow(
            &old.endpoints,
            &new.endpoints,
            |key| ObjectKey::Endpoints(key.clone()),
            |key, it| ObjectRef::Endpoints(key, it),
        );
        delta.follow(
            &old.services,
            &new.services,
            |key| ObjectKey::Service(key.clone()),
            |_, it| ObjectRef::Service(it),
        );
        (!delta.is_empty()).then_some(delta)
    }
}

impl Delta {
    fn follow_bgp(&mut self, old: &Wanted, new: &Wanted) {
        let (old, new) = (&old.bgp, &new.bgp);
        self.follow(
            &old.overrides,
            &new.overrides,
            |node| ObjectKey::BgpOverride(node.clone()),
            |_, it| ObjectRef::BgpOverride(it),
        );
        self.follow(
            &old.peers,
            &new.peers,
            |(dialect, name)| ObjectKey::BgpPeer(*dialect, name.clone()),
            |_, it| ObjectRef::BgpPeer(it),
        );
        self.follow(
            &old.advertisements,
            &new.advertisements,
            |(dialect, name)| ObjectKey::BgpAdvertisement(*dialect, name.clone()),
            |_, it| ObjectRef::BgpAdvertisement(it),
        );
    }

    /// Adds what leads from one map of objects to another; both are walked once, side by side.
    fn follow<K: Ord, V: PartialEq>(
        &mut self,
        old: &BTreeMap<K, V>,
        new: &BTreeMap<K, V>,
        key: impl Fn(&K) -> ObjectKey,
        object: impl for<'a> Fn(&'a K, &'a V) -> ObjectRef<'a>,
    ) {
        let mut old = old.iter().peekable();
        for (name, value) in new {
            while let Some((gone, _)) = old.next_if(|(other, _)| *other < name) {
                self.remove.push(key(gone));
            }
            let before = old.next_if(|(other, _)| *other == name);
            if before.is_none_or(|(_, before)| before != value) {
                self.put.push(object(name, value).to_object());
            }
        }
        self.remove.extend(old.map(|(gone, _)| key(gone)));
    }
}

#[cfg(test)]
mod tests;
