//! Changes to UPDATEs: as many prefixes for each set of attributes as a message has room for.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::super::message::{AS_TRANS, Kind, end_of_rib, kinds, write};
use super::super::{Family, NextHop, Prefix};
use super::profile::Profile;
use super::route::{Attributes, GRACEFUL_SHUTDOWN};

/// A batch has about this many octets at most.
const BATCH: usize = 64 * 1024;
/// LOCAL_PREF where none is given.
const DEFAULT_LOCAL_PREF: u32 = 100;

/// Whole UPDATE messages, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The messages.
    pub bytes: Bytes,
    /// How many they are.
    pub updates: u64,
    /// Prefixes announced in them.
    pub announced: u64,
    /// Prefixes withdrawn in them.
    pub withdrawn: u64,
}

/// Prefixes of one family that have the same attributes.
struct Group {
    family: Family,
    attributes: Arc<Attributes>,
    next_hop: NextHop,
    prefixes: Vec<Prefix>,
}

/// Collects changes until there is a batch of them.
pub(super) struct Packer<'a> {
    profile: &'a Profile,
    draining: bool,
    groups: Vec<Group>,
    /// Where the group of a family and of interned attributes stands; the order is that of `groups`.
    index: BTreeMap<(Family, usize), usize>,
    last: Option<usize>,
    withdrawn: [Vec<Prefix>; 2],
    octets: usize,
}

impl<'a> Packer<'a> {
    /// `draining`: every route gets [`GRACEFUL_SHUTDOWN`].
    pub fn new(profile: &'a Profile, draining: bool) -> Self {
        let (groups, index, withdrawn) = (Vec::new(), BTreeMap::new(), [Vec::new(), Vec::new()]);
        Self { profile, draining, groups, index, last: None, withdrawn, octets: 0 }
    }

    /// Whether another change would make too much of it.
    pub const fn is_full(&self) -> bool {
        self.octets >= BATCH
    }

    /// Adds a route. One without a next hop that the peer could use counts as withdrawn, which `withdrawals` lets be said.
    pub fn announce(&mut self, prefix: Prefix, attributes: &Arc<Attributes>, withdrawals: bool) {
        let family = prefix.family();
        if let Some(last) = self.last
            && let group = &mut self.groups[last]
            && group.family == family
            && Arc::ptr_eq(&group.attributes, attributes)
        {
            group.prefixes.push(prefix);
            self.octets += 1 + usize::from(prefix.length().div_ceil(8));
            return;
        }
        let Some(next_hop) = self.profile.next_hop(family, attributes) else {
            if withdrawals {
                self.withdraw(prefix);
            }
            return;
        };
        let key = (family, Arc::as_ptr(attributes).addr());
        let at = *self.index.entry(key).or_insert(self.groups.len());
        if at == self.groups.len() {
            self.octets += 128 + attributes.community_octets();
            self.groups.push(Group { family, attributes: Arc::clone(attributes), next_hop, prefixes: Vec::new() });
        }
        self.groups[at].prefixes.push(prefix);
        self.last = Some(at);
        self.octets += 1 + usize::from(prefix.length().div_ceil(8));
    }

    /// Adds the end of a route.
    pub fn withdraw(&mut self, prefix: Prefix) {
        self.withdrawn[prefix.family() as usize].push(prefix);
        self.octets += 1 + usize::from(prefix.length().div_ceil(8));
    }

    /// The messages: first what is announced, then what is withdrawn, so that a larger network is there before its parts go.
    pub fn finish(self) -> Batch {
        let mut out = Out { bytes: Vec::with_capacity(self.octets + 4096), updates: 0, max: self.profile.max_message };
        let mut announced = 0;
        for group in &self.groups {
            announced += group.prefixes.len() as u64;
            let attributes = self.attributes(group);
            if let (Family::Ipv4Unicast, NextHop::V4(_)) = (group.family, group.next_hop) {
                out.announce_ipv4(&group.prefixes, &attributes);
            } else {
                out.announce(group.family, group.next_hop, &group.prefixes, &attributes);
            }
        }
        for (family, prefixes) in Family::ALL.into_iter().zip(&self.withdrawn) {
            match (family, self.profile.own(family)) {
                (Family::Ipv4Unicast, Some(NextHop::V4(_)) | None) => out.withdraw_ipv4(prefixes),
                _ => out.withdraw(family, prefixes),
            }
        }
        let withdrawn = self.withdrawn.iter().map(|prefixes| prefixes.len() as u64).sum();
        Batch { bytes: Bytes::from(out.bytes), updates: out.updates, announced, withdrawn }
    }

    /// The attributes of a group besides its prefixes, in the order of types.
    fn attributes(&self, group: &Group) -> Vec<u8> {
        let (profile, attributes) = (self.profile, &*group.attributes);
        let mut out = Vec::new();
        let mut put = |kind: u8, value: &dyn Fn(&mut Vec<u8>)| {
            write::attribute(&mut out, kinds::flags(kind).unwrap_or_default(), kind, value);
        };
        put(kinds::ORIGIN, &|out| out.push(0));
        put(kinds::AS_PATH, &|out| as_path(out, profile));
        if let (Family::Ipv4Unicast, NextHop::V4(address)) = (group.family, group.next_hop) {
            put(kinds::NEXT_HOP, &|out| out.extend(address.octets()));
        }
        if let Some(med) = attributes.med {
            put(kinds::MED, &|out| write::u32(out, med));
        }
        if !profile.external {
            // Internal peers do not act on the community by themselves (RFC 8326 section 4.2 is about external ones).
            let local_pref = if self.draining { 0 } else { attributes.local_pref.unwrap_or(DEFAULT_LOCAL_PREF) };
            put(kinds::LOCAL_PREF, &|out| write::u32(out, local_pref));
        }
        let shutdown =
            (self.draining && !attributes.communities.contains(&GRACEFUL_SHUTDOWN)).then_some(GRACEFUL_SHUTDOWN);
        if shutdown.is_some() || !attributes.communities.is_empty() {
            put(kinds::COMMUNITIES, &|out| {
                attributes.communities.iter().copied().chain(shutdown).for_each(|community| write::u32(out, community));
            });
        }
        if profile.external && !profile.wide_as && u16::try_from(profile.local_as).is_err() {
            put(kinds::AS4_PATH, &|out| {
                out.extend([2, 1]);
                write::u32(out, profile.local_as);
            });
        }
        if !attributes.large_communities.is_empty() {
            put(kinds::LARGE, &|out| {
                for community in &attributes.large_communities {
                    write::u32(out, community.global);
                    write::u32(out, community.local1);
                    write::u32(out, community.local2);
                }
            });
        }
        out
    }
}

/// Our own AS for an external peer, nothing for an internal one.
fn as_path(out: &mut Vec<u8>, profile: &Profile) {
    if !profile.external {
        return;
    }
    out.extend([2, 1]);
    if profile.wide_as {
        write::u32(out, profile.local_as);
    } else {
        write::u16(out, u16::try_from(profile.local_as).unwrap_or(AS_TRANS));
    }
}

/// The End-of-RIB markers of the peer's families.
pub(super) fn ends_of_rib(profile: &Profile) -> Batch {
    let markers: Vec<_> = profile.families().map(end_of_rib).collect();
    Batch { updates: markers.len() as u64, bytes: Bytes::from(markers.concat()), announced: 0, withdrawn: 0 }
}

/// Messages under way.
struct Out {
    bytes: Vec<u8>,
    updates: u64,
    max: usize,
}

impl Out {
    fn announce_ipv4(&mut self, prefixes: &[Prefix], attributes: &[u8]) {
        self.fill(prefixes, &[], |out| {
            write::u16(out, 0);
            write::counted_u16(out, |out| out.extend_from_slice(attributes));
            Lengths::default()
        });
    }

    /// Prefixes first, the other attributes behind them (RFC 7606 section 5.1).
    fn announce(&mut self, family: Family, next_hop: NextHop, prefixes: &[Prefix], attributes: &[u8]) {
        self.fill(prefixes, attributes, |out| {
            write::u16(out, 0);
            let all = Some(begin_counted(out));
            Lengths { prefixes: Some(write::begin_mp_reach(out, family, next_hop)), all }
        });
    }

    /// The length of no attributes goes behind the prefixes.
    fn withdraw_ipv4(&mut self, prefixes: &[Prefix]) {
        self.fill(prefixes, &[0, 0], |out| Lengths { prefixes: Some(begin_counted(out)), all: None });
    }

    fn withdraw(&mut self, family: Family, prefixes: &[Prefix]) {
        self.fill(prefixes, &[], |out| {
            write::u16(out, 0);
            let all = Some(begin_counted(out));
            Lengths { prefixes: Some(write::begin_mp_unreach(out, family)), all }
        });
    }

    /// As many messages as it takes: `head` writes what comes before the prefixes, and says which lengths wait for them.
    fn fill(&mut self, mut prefixes: &[Prefix], tail: &[u8], head: impl Fn(&mut Vec<u8>) -> Lengths) {
        while !prefixes.is_empty() {
            let start = write::begin(&mut self.bytes, Kind::Update);
            let lengths = head(&mut self.bytes);
            let limit = start + self.max - tail.len();
            let mut taken = 0;
            for prefix in prefixes {
                if self.bytes.len() + 1 + usize::from(prefix.length().div_ceil(8)) > limit {
                    break;
                }
                write::prefix(&mut self.bytes, *prefix);
                taken += 1;
            }
            end_counted(&mut self.bytes, lengths.prefixes);
            self.bytes.extend_from_slice(tail);
            end_counted(&mut self.bytes, lengths.all);
            write::finish(&mut self.bytes, start);
            self.updates += 1;
            // Attributes are bounded well below a message (`Attributes::check`), so there is always room for a prefix.
            debug_assert!(taken > 0);
            prefixes = &prefixes[taken.max(1)..];
        }
    }
}

/// Where lengths stand that are filled in later.
#[derive(Default)]
struct Lengths {
    /// Of what holds the prefixes.
    prefixes: Option<usize>,
    /// Of all attributes.
    all: Option<usize>,
}

fn end_counted(out: &mut [u8], at: Option<usize>) {
    if let Some(at) = at {
        let length = out.len() - at - 2;
        write::put_u16(out, at, length);
    }
}

fn begin_counted(out: &mut Vec<u8>) -> usize {
    let at = out.len();
    out.extend([0, 0]);
    at
}
