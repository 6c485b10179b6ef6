//! Kubernetes' own kinds: Node, Namespace, Secret and EndpointSlice. What we do not need of them is passed over in
//! silence: the API server has checked it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use quorumlb_raft_store::model::{Endpoint, Labels, Namespace, Node as WantedNode, NodeName, SecretRef, ServiceKey};

use super::decode::{Cx, Fields, Meta, address, boolean, choice, network, partial, text};
use super::objects::{Head, Objects};
use super::yaml::{Node, Value};

/// The label that tells which service an EndpointSlice belongs to.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The annotation that gives a node a larger or smaller share.
const WEIGHT: &str = "quorumlb.io/weight";

pub(super) fn read_node(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let new = objects.claim("Node", &head.meta.name, head.meta.place, fields.cx);
    let mut node = WantedNode {
        name: NodeName(head.meta.name.clone()),
        labels: head.meta.labels.clone(),
        address: None,
        interfaces: None,
        pod_cidrs: Vec::new(),
        addresses: Vec::new(),
        weight: weight(&head.meta, fields.cx),
        network_unavailable: false,
        unschedulable: false,
    };
    fields.get("spec", |spec, cx| {
        partial(spec, cx, |spec| {
            node.unschedulable = spec.or("unschedulable", false, boolean);
            node.pod_cidrs = spec.list("podCIDRs", network);
            let single = spec.get("podCIDR", network);
            if node.pod_cidrs.is_empty() {
                node.pod_cidrs.extend(single);
            }
            Some(())
        })
    });
    fields.get("status", |status, cx| {
        partial(status, cx, |status| {
            node.addresses = status.list("addresses", node_address).into_iter().flatten().collect();
            node.network_unavailable = status.list("conditions", network_unavailable).contains(&true);
            Some(())
        })
    });
    if new {
        objects.nodes.push(node);
    }
    Some(())
}

fn weight(meta: &Meta, cx: Cx) -> u32 {
    let Some(annotation) = meta.annotations.get(WEIGHT) else { return 1 };
    match annotation.text.parse() {
        Ok(weight @ 1..=1000) => weight,
        _ => {
            let message = format!("`{}` is not a weight", super::decode::crop(&annotation.text));
            cx.report.error(annotation.place, message, "write a whole number from 1 to 1000".to_owned());
            1
        }
    }
}

/// The IP addresses among a node's addresses; host names are not for us.
fn node_address(node: &Node, cx: Cx) -> Option<Option<IpAddr>> {
    partial(node, cx, |fields| {
        let text = fields.need("address", text)?;
        let kind = fields.get("type", super::decode::text);
        Some(text.parse().ok().filter(|_| matches!(kind.as_deref(), Some("InternalIP" | "ExternalIP"))))
    })
}

fn network_unavailable(node: &Node, cx: Cx) -> Option<bool> {
    partial(node, cx, |fields| {
        let kind = fields.need("type", text)?;
        let status = fields.need("status", text)?;
        Some(kind == "NetworkUnavailable" && status == "True")
    })
}

pub(super) fn read_namespace(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    fields.accept(&["spec"]);
    if objects.claim("Namespace", &head.meta.name, head.meta.place, fields.cx) {
        let mut labels: Labels = head.meta.labels.clone();
        // The API server sets this label on every namespace.
        labels.insert("kubernetes.io/metadata.name".to_owned(), head.meta.name.clone());
        objects.namespaces.push(Namespace { name: head.meta.name.clone(), labels });
    }
    Some(())
}

pub(super) fn read_secret(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let (namespace, name) = (head.namespace(), head.meta.name.clone());
    if !objects.claim("Secret", &format!("{namespace}/{name}"), head.meta.place, fields.cx) {
        return Some(());
    }
    let mut values = fields.get("data", |node, cx| secret_values(node, cx, true)).unwrap_or_default();
    values.extend(fields.get("stringData", |node, cx| secret_values(node, cx, false)).unwrap_or_default());
    for (key, value) in values {
        let reference = SecretRef { namespace: namespace.clone(), name: name.clone(), key };
        objects.secrets.0.insert(reference, value);
    }
    objects.secret_names.insert((namespace, name));
    Some(())
}

/// The values of a Secret that are text; certificates in other encodings and the like are left out.
fn secret_values(node: &Node, cx: Cx, encoded: bool) -> Option<BTreeMap<String, String>> {
    let Value::Mapping(entries) = &node.value else {
        return super::decode::mismatch(node, cx, "a mapping of names and texts", None);
    };
    let mut values = BTreeMap::new();
    for (key, node) in entries {
        let Some(text) = node.text() else { continue };
        if !encoded {
            values.insert(key.text.to_string(), text.to_owned());
            continue;
        }
        match decode_base64(text) {
            Some(bytes) => drop(String::from_utf8(bytes).map(|text| values.insert(key.text.to_string(), text))),
            None => {
                let hint = "encode it, or put the plain value under `stringData`".to_owned();
                cx.report.error(key.place, format!("the value of `{}` is not base64", key.text), hint);
            }
        }
    }
    Some(values)
}

/// Standard base64 with padding; white space is passed over.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let bytes: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let padding = bytes.iter().rev().take_while(|byte| **byte == b'=').count();
    if padding > 2 {
        return None;
    }
    let mut decoded = Vec::with_capacity(bytes.len() / 4 * 3);
    let digits = &bytes[..bytes.len() - padding];
    for group in digits.chunks(4) {
        let mut bits = 0;
        for byte in group {
            bits = bits << 6 | digit(*byte)?;
        }
        bits <<= 6 * (4 - group.len());
        decoded.extend(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(decoded)
}

pub(super) fn read_endpoint_slice(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    objects.endpoints_known = true;
    let namespace = head.namespace();
    let new = objects.claim("EndpointSlice", &format!("{namespace}/{}", head.meta.name), head.meta.place, fields.cx);
    let types = [("IPv4", true), ("IPv6", true), ("FQDN", false)];
    let numeric = fields.need("addressType", choice(&types))?;
    fields.accept(&["ports", "endpoints"]);
    let endpoints: Vec<Endpoint> = match numeric {
        true => fields.list("endpoints", endpoint).into_iter().flatten().collect(),
        false => Vec::new(),
    };
    // Slices of no service are somebody else's.
    if let (Some(service), true) = (head.meta.labels.get(SERVICE_NAME), new) {
        let key = ServiceKey::new(namespace, service);
        objects.endpoints.entry(key).or_default().extend(endpoints);
    }
    Some(())
}

fn endpoint(node: &Node, cx: Cx) -> Option<Vec<Endpoint>> {
    partial(node, cx, |fields| {
        let addresses = fields.need_list("addresses", address);
        let node = fields.get("nodeName", text).map(NodeName);
        let conditions = |node: &Node, cx: Cx| {
            partial(node, cx, |fields| {
                // Unknown counts as ready; serving follows ready where it is not told.
                let ready = fields.or("ready", true, boolean);
                let serving = fields.or("serving", ready, boolean);
                Some((ready, serving, fields.or("terminating", false, boolean)))
            })
        };
        let (ready, serving, terminating) = fields.or("conditions", (true, true, false), conditions);
        let endpoint = |address| Endpoint { address, node: node.clone(), ready, serving, terminating };
        Some(addresses.into_iter().map(endpoint).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded() {
        for (text, plain) in [("", ""), ("cA==", "p"), ("cGE=", "pa"), ("cGFz", "pas"), ("cGFz\ncw==", "pass")] {
            assert_eq!(decode_base64(text).as_deref(), Some(plain.as_bytes()), "{text}");
        }
        for text in ["c", "cA", "cA=", "====", "c*==", "=cA="] {
            assert_eq!(decode_base64(text), None, "{text}");
        }
    }
}
