//! Addresses, networks, ranges.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnetwork::IpNetwork;
use quorumlb_raft_store::model::{Block, IpRange};

use super::super::yaml::Node;
use super::scalar::{not_a, number, text};
use super::{Cx, crop};

/// An IP address.
pub fn address(node: &Node, cx: Cx) -> Option<IpAddr> {
    let text = text(node, cx)?;
    match text.parse() {
        Ok(address) => Some(address),
        Err(_) => {
            cx.report.error(node.place, not_a("an IP address", &text), address_hint(&text));
            None
        }
    }
}

/// An IPv4 address, as BGP identifiers are.
pub fn ipv4(node: &Node, cx: Cx) -> Option<Ipv4Addr> {
    match address(node, cx)? {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(address) => {
            cx.report.error(node.place, format!("expected an IPv4 address, found {address}"), None);
            None
        }
    }
}

fn address_hint(text: &str) -> Option<String> {
    if text.contains('/') {
        return Some("leave the prefix length out".to_owned());
    }
    let parts: Vec<&str> = text.split('.').collect();
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !text.contains('.') || !parts.iter().all(digits) {
        return None;
    }
    if let Some(part) = parts.iter().find(|part| part.len() > 1 && part.starts_with('0')) {
        return Some(format!("`{part}` has a leading zero"));
    }
    if let Some(part) = parts.iter().find(|part| number::<u8>(part).is_none()) {
        return Some(format!("`{part}` is larger than 255"));
    }
    (parts.len() != 4).then(|| format!("an IPv4 address has four parts, this has {}", parts.len()))
}

fn parse_network(text: &str) -> Result<IpNetwork, (String, Option<String>)> {
    let example = "write an address, a slash and a prefix length, as in `10.0.5.0/24`";
    let wrong = |hint: Option<String>| (not_a("a CIDR", text), hint.or_else(|| Some(example.to_owned())));
    let (left, right) = text.split_once('/').ok_or_else(|| wrong(None))?;
    let address: IpAddr = left.parse().map_err(|_| wrong(address_hint(left)))?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let length = number::<u8>(right).filter(|length| *length <= longest);
    let length = length.ok_or_else(|| wrong(Some(format!("the prefix length must be 0 to {longest}"))))?;
    IpNetwork::new(address, length).map_err(|_| wrong(None))
}

/// A CIDR. Host bits are kept.
pub fn network(node: &Node, cx: Cx) -> Option<IpNetwork> {
    let text = text(node, cx)?;
    match parse_network(&text) {
        Ok(network) => Some(network),
        Err((message, hint)) => {
            cx.report.error(node.place, message, hint);
            None
        }
    }
}

/// A host, as an address or with the prefix length of its network (`10.0.5.1/24` means 10.0.5.1).
pub fn host(node: &Node, cx: Cx) -> Option<IpAddr> {
    match text(node, cx)? {
        text if text.contains('/') => network(node, cx).map(|network| network.ip()),
        _ => address(node, cx),
    }
}

/// `address` or `address:port`.
pub fn socket(default_port: u16) -> impl Fn(&Node, Cx) -> Option<SocketAddr> {
    move |node, cx| {
        let text = text(node, cx)?;
        let bare = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, default_port));
        match bare.or_else(|_| text.parse::<SocketAddr>()) {
            Ok(socket) if socket.port() != 0 => Some(socket),
            _ => {
                let hint = "as in `10.0.5.11`, `10.0.5.11:7473` or `[fd00::11]:7473`";
                cx.report.error(node.place, not_a("an address with an optional port", &text), hint.to_owned());
                None
            }
        }
    }
}

/// A block of a pool: a CIDR, `first-last`, or (when `single`) one address.
pub fn block(single: bool) -> impl Fn(&Node, Cx) -> Option<Block> {
    move |node, cx| {
        let text = text(node, cx)?;
        match parse_block(&text, single) {
            Ok(block) => Some(block),
            Err((message, hint)) => {
                cx.report.error(node.place, message, hint);
                None
            }
        }
    }
}

fn parse_block(text: &str, single: bool) -> Result<Block, (String, Option<String>)> {
    if let Some((first, last)) = text.split_once('-') {
        let end = |text: &str| {
            let text = text.trim();
            text.parse::<IpAddr>().map_err(|_| (not_a("an IP address", text), address_hint(text)))
        };
        return range(end(first)?, end(last)?).map(Block::Range);
    }
    match text.parse::<IpAddr>() {
        Ok(address) if single => Ok(Block::Range(IpRange::single(address))),
        Ok(address) => {
            let length = if address.is_ipv4() { 32 } else { 128 };
            Err((not_a("a CIDR or a range", text), Some(format!("for one address write `{address}/{length}`"))))
        }
        Err(_) => parse_network(text).map(Block::Cidr).map_err(|(message, hint)| {
            let range = "write a CIDR (`10.0.5.0/24`) or a range (`10.0.5.100-10.0.5.200`)";
            (message.replace("a CIDR", "a CIDR or a range"), hint.filter(|_| text.contains('/')).or(Some(range.into())))
        }),
    }
}

/// A range, or why not and what would be right.
pub fn range(first: IpAddr, last: IpAddr) -> Result<IpRange, (String, Option<String>)> {
    IpRange::new(first, last).map_err(|error| {
        let hint = match error {
            quorumlb_raft_store::model::RangeError::MixedFamilies(..) => {
                "both ends must be IPv4, or both IPv6".to_owned()
            }
            quorumlb_raft_store::model::RangeError::StartAfterEnd(..) => format!("swap them: {last} to {first}"),
        };
        (error.to_string(), Some(hint))
    })
}

/// Reads addresses separated by commas; the ones that are none come as messages.
pub fn split_addresses(text: &str) -> (Vec<IpAddr>, Vec<String>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for part in text.split(',').map(str::trim) {
        match part.parse() {
            Ok(address) if good.contains(&address) => {}
            Ok(address) => good.push(address),
            Err(_) if part.is_empty() => bad.push("an address is missing between the commas".to_owned()),
            Err(_) => bad.push(format!("`{}` is not an IP address", crop(part))),
        }
    }
    (good, bad)
}
