//! Changes of the wanted state.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ConfigDigest, Object, ObjectKey, ObjectRef, Service, ServiceKey, Wanted};
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
    /// Set when it takes effect together with others.
    pub part: Option<Part>,
    /// Changed services that had a say before about whom they share with or which addresses they have. For
    /// [`Delta::chunks`] alone; it is not sent.
    #[serde(skip)]
    pub had_a_say: BTreeSet<ServiceKey>,
}

/// The place of a delta among those that take effect together, with the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// From 0.
    pub number: u32,
    /// Which change it is a part of.
    pub of: PartOf,
}

/// A change that comes in parts. Tells one try to propose it from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartOf {
    /// What the configuration will be.
    pub config: Option<ConfigDigest>,
    /// How large all parts are together, encoded.
    pub bytes: u64,
    /// How many parts there are.
    pub count: u32,
}

/// One change of a delta.
enum Change {
    Remove(ObjectKey),
    Put(Object),
}

impl Delta {
    /// Parts put together, the first one first.
    pub(crate) fn joined(parts: Vec<Self>) -> Self {
        let mut whole = Self::default();
        for part in parts {
            whole.remove.extend(part.remove);
            whole.put.extend(part.put);
            whole.complete = part.complete.or(whole.complete);
            whole.part = part.part.or(whole.part);
        }
        whole
    }

    /// The configuration that it leads to, if it is of one.
    pub fn leads_to(&self) -> Option<ConfigDigest> {
        self.complete.or_else(|| self.part?.of.config)
    }

    /// Whether it changes nothing and completes nothing.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.put.is_empty() && self.complete.is_none()
    }

    /// Cuts the delta into several that come to the same when they are applied in order. None has more than
    /// `max_objects` objects or is larger than `max_bytes` when encoded, unless a single object is. Only the last one
    /// carries `complete`.
    ///
    /// Services that take any address come last, in the order in which the allocator would serve them. Everything before
    /// takes effect as one: if some of it stood without the rest, a pool would serve services as they no longer are, or
    /// an address would go to one that waited for it but asks for another one now, and those that ask for it under the
    /// new configuration would come too late.
    pub fn chunks(self, max_objects: usize, max_bytes: usize) -> Vec<Self> {
        let complete = self.complete;
        let mut chunks = Vec::new();
        let (mut chunk, mut bytes) = (Self::default(), 0_usize);
        // How many chunks have to take effect together, and how large they are.
        let (mut together, mut sum) = (0, 0_usize);
        for (place, change) in self.in_order() {
            let size = change.bytes();
            let full = chunk.remove.len() + chunk.put.len() >= max_objects || bytes.saturating_add(size) > max_bytes;
            if full && !chunk.is_empty() {
                chunks.push(std::mem::take(&mut chunk));
                bytes = 0;
            }
            bytes = bytes.saturating_add(size);
            if place.depends() {
                (together, sum) = (chunks.len() + 1, sum.saturating_add(size));
            }
            match change {
                Change::Remove(key) => chunk.remove.push(key),
                Change::Put(object) => chunk.put.push(object),
            }
        }
        chunk.complete = complete;
        if !chunk.is_empty() {
            chunks.push(chunk);
        }
        if together > 1 {
            let count = u32::try_from(together).unwrap_or(u32::MAX);
            let of = PartOf { config: complete, bytes: u64::try_from(sum).unwrap_or(u64::MAX), count };
            (0..count).zip(&mut chunks).for_each(|(number, chunk)| chunk.part = Some(Part { number, of }));
        }
        chunks
    }

    fn in_order(self) -> impl Iterator<Item = (Place, Change)> {
        // What is put replaces what was there: taking that away first adds nothing.
        let replaced: BTreeSet<ObjectKey> = match self.remove.is_empty() {
            true => BTreeSet::new(),
            false => self.put.iter().map(Object::key).collect(),
        };
        let remove = self.remove.into_iter().filter(|key| !replaced.contains(key)).map(Change::Remove);
        let changes = remove.chain(self.put.into_iter().map(Change::Put));
        let mut changes: Vec<(Place, Change)> = changes.map(|change| (change.place(&self.had_a_say), change)).collect();
        changes.sort_by(|(one, _), (other, _)| one.cmp(other));
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
    /// A service that has, or had, a say about its addresses.
    Choosy(ObjectKey),
    /// One that takes any address, the oldest first.
    Any(super::Age, ObjectKey),
}

impl Place {
    /// Whether it has to take effect with all the others that do.
    fn depends(&self) -> bool {
        !matches!(self, Self::Any(..))
    }
}

/// Whether a service has a say about which addresses it has, or with whom it shares them.
fn has_a_say(service: &Service) -> bool {
    let requests = &service.requests;
    let lists = [&requests.native, &requests.cilium, &requests.metallb, &service.status_addresses];
    let sharing = [&requests.native_sharing, &requests.cilium_sharing, &requests.metallb_sharing];
    requests.load_balancer_ip.is_some()
        || lists.iter().any(|list| !list.is_empty())
        || sharing.iter().any(|sharing| sharing.is_some())
}

impl Change {
    fn place(&self, had_a_say: &BTreeSet<ServiceKey>) -> Place {
        match self {
            Self::Remove(key @ (ObjectKey::Service(_) | ObjectKey::Endpoints(_) | ObjectKey::EndpointsKnown)) => {
                Place::Gone(key.clone())
            }
            Self::Remove(key) => Place::GroundGone(key.clone()),
            Self::Put(object) => match object {
                Object::EndpointsKnown(true) => Place::EndpointsKnown,
                Object::Endpoints(..) => Place::Endpoints(object.key()),
                Object::Service(service) if has_a_say(service) || had_a_say.contains(&service.key) => {
                    Place::Choosy(object.key())
                }
                Object::Service(service) => Place::Any(service.age, object.key()),
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
        if !old.services.is_empty() {
            let put = delta.put.iter().filter_map(|object| match object {
                Object::Service(service) => old.services.get(&service.key),
                _ => None,
            });
            delta.had_a_say = put.filter(|before| has_a_say(before)).map(|before| before.key.clone()).collect();
        }
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
