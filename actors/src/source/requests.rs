//! What a service asks of the allocator by its annotations. What cannot be understood makes the service pending; it
//! does not stop the load.

use std::collections::BTreeMap;
use std::net::IpAddr;

use quorumlb_raft_store::model::{Family, Requests, Sharing};

use super::decode::{Annotation, Cx, near_miss, split_addresses};

const NATIVE: [&str; 5] = [
    "quorumlb.io/addresses",
    "quorumlb.io/pool",
    "quorumlb.io/sharing-key",
    "quorumlb.io/sharing-namespaces",
    "quorumlb.io/sharing-permit-different-pods",
];
const CILIUM: [&str; 4] = [
    "lbipam.cilium.io/ips",
    "lbipam.cilium.io/sharing-key",
    "lbipam.cilium.io/sharing-cross-namespace",
    "lbipam.cilium.io/sharing-permit-different-pods",
];
const CILIUM_OLD: [(&str, &str); 2] = [
    ("io.cilium/lb-ipam-ips", "lbipam.cilium.io/ips"),
    ("io.cilium/lb-ipam-sharing-key", "lbipam.cilium.io/sharing-key"),
];
const METALLB: [&str; 4] = [
    "metallb.io/loadBalancerIPs",
    "metallb.io/address-pool",
    "metallb.io/allow-shared-ip",
    "metallb.io/ip-allocated-from-pool",
];
const METALLB_OLD: [(&str, &str); 4] = [
    ("metallb.universe.tf/loadBalancerIPs", "metallb.io/loadBalancerIPs"),
    ("metallb.universe.tf/address-pool", "metallb.io/address-pool"),
    ("metallb.universe.tf/allow-shared-ip", "metallb.io/allow-shared-ip"),
    ("metallb.universe.tf/ip-allocated-from-pool", "metallb.io/ip-allocated-from-pool"),
];

/// The annotations of one service while they are read.
struct Reading<'m, 'a> {
    annotations: &'m BTreeMap<String, Annotation>,
    cx: Cx<'a>,
    invalid: Vec<String>,
}

/// Reads all annotations that ask for something.
pub(super) fn requests(annotations: &BTreeMap<String, Annotation>, cx: Cx) -> Requests {
    if annotations.is_empty() {
        return Requests::default();
    }
    let mut reading = Reading { annotations, cx, invalid: Vec::new() };
    reading.check_names();
    let cilium = reading.addresses("lbipam.cilium.io/ips");
    let metallb = reading.metallb_addresses();
    if let (Some((_, _)), Some((name, second))) = (reading.get(CILIUM[0]), reading.get(METALLB[0])) {
        let message = format!("addresses are requested by `{}` and by `{name}`", CILIUM[0]);
        let hint = "each counts only for pools of its own kinds; keep the one that is meant".to_owned();
        cx.report.warning(second.key, message, hint);
    }
    Requests {
        native: reading.addresses(NATIVE[0]),
        cilium,
        metallb,
        load_balancer_ip: None,
        pool: reading.pool(),
        native_sharing: reading.sharing([NATIVE[2], NATIVE[3], NATIVE[4]]).map(Box::new),
        cilium_sharing: reading.sharing([CILIUM[1], CILIUM[2], CILIUM[3]]).map(Box::new),
        metallb_sharing: reading.metallb_sharing().map(Box::new),
        invalid: reading.invalid,
    }
}

impl<'m> Reading<'m, '_> {
    /// The annotation of this name, or of the older spelling of it.
    fn get(&self, name: &str) -> Option<(&'m str, &'m Annotation)> {
        let old = CILIUM_OLD.iter().chain(&METALLB_OLD).find(|(_, new)| *new == name).map(|(old, _)| *old);
        let stored = |name: &str| self.annotations.get_key_value(name).map(|(key, value)| (key.as_str(), value));
        stored(name).or_else(|| stored(old?))
    }

    /// Warns of older spellings, and of annotations that look like ours but are not.
    fn check_names(&self) {
        for (key, annotation) in self.annotations {
            if let Some((_, new)) = METALLB_OLD.iter().chain(&CILIUM_OLD).find(|(old, _)| old == key) {
                let message = format!("the annotation `{key}` is deprecated");
                self.cx.report.warning(annotation.key, message, format!("write `{new}`"));
                continue;
            }
            let known = || NATIVE.iter().chain(&CILIUM).chain(&METALLB).copied();
            if known().any(|name| name == key) {
                continue;
            }
            let ours = ["quorumlb.io/", "lbipam.cilium.io/", "metallb.io/"].iter().any(|group| key.starts_with(group));
            let meant = near_miss(key, known());
            let close = meant.is_some_and(|meant| strsim::levenshtein(key, meant) <= 3);
            if ours || close {
                let hint = meant.map(|meant| format!("did you mean `{meant}`?"));
                self.cx.report.warning(annotation.key, format!("unknown annotation `{key}`; it has no effect"), hint);
            }
        }
    }

    fn refuse(&mut self, annotation: &Annotation, message: String, hint: &str) {
        self.cx.report.warning(annotation.place, message.clone(), hint.to_owned());
        self.invalid.push(message);
    }

    fn addresses(&mut self, name: &str) -> Vec<IpAddr> {
        let Some((name, annotation)) = self.get(name) else { return Vec::new() };
        let (good, bad) = split_addresses(&annotation.text);
        for problem in bad {
            let hint = "write addresses, separated by commas; the service stays pending until then";
            self.refuse(annotation, format!("{name}: {problem}"), hint);
        }
        good
    }

    /// MetalLB takes at most one address of each family.
    fn metallb_addresses(&mut self) -> Vec<IpAddr> {
        let addresses = self.addresses(METALLB[0]);
        let Some((name, annotation)) = self.get(METALLB[0]) else { return addresses };
        let count = |family| addresses.iter().filter(|address| Family::of(**address) == family).count();
        if let Some(family) = Family::BOTH.into_iter().find(|family| count(*family) > 1) {
            let message = format!("{name}: more than one {family} address");
            self.refuse(annotation, message, "MetalLB gives a service at most one address of each family");
        }
        addresses
    }

    fn pool(&mut self) -> Option<String> {
        let found = [NATIVE[1], METALLB[1]].into_iter().filter_map(|name| self.get(name)).collect::<Vec<_>>();
        if let [(first, one), (second, other)] = found[..]
            && one.text != other.text
        {
            let message = format!("`{first}` and `{second}` name different pools");
            self.refuse(other, message, "keep one of them");
        }
        let (name, annotation) = *found.first()?;
        if annotation.text.is_empty() {
            self.refuse(annotation, format!("{name}: the name of the pool is empty"), "name a pool, or leave it out");
            return None;
        }
        Some(annotation.text.clone())
    }

    fn sharing(&mut self, [key, namespaces, different_pods]: [&str; 3]) -> Option<Sharing> {
        let key_found = self.get(key);
        if key_found.is_none()
            && let Some((name, alone)) = self.get(namespaces).or_else(|| self.get(different_pods))
        {
            let message = format!("`{name}` has no effect without `{key}`");
            self.cx.report.warning(alone.key, message, None);
        }
        let (_, annotation) = key_found.filter(|(_, annotation)| !annotation.text.is_empty())?;
        let list = self.get(namespaces).map(|(_, annotation)| annotation.text.as_str()).unwrap_or_default();
        let namespaces = list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let permit_different_pods = match self.get(different_pods) {
            None => false,
            Some((_, flag)) if matches!(flag.text.as_str(), "true" | "false") => flag.text == "true",
            Some((name, flag)) => {
                let message = format!("{name}: `{}` is neither `true` nor `false`", super::decode::crop(&flag.text));
                self.refuse(flag, message, "write \"true\" or \"false\"");
                false
            }
        };
        Some(Sharing { key: annotation.text.clone(), namespaces, permit_different_pods })
    }

    /// MetalLB's key says all: any namespace.
    fn metallb_sharing(&self) -> Option<Sharing> {
        let (_, annotation) = self.get(METALLB[2]).filter(|(_, annotation)| !annotation.text.is_empty())?;
        let namespaces = std::iter::once("*".to_owned()).collect();
        Some(Sharing { key: annotation.text.clone(), namespaces, permit_different_pods: false })
    }
}
