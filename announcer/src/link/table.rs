//! The interfaces as netlink tells of them. Pure: messages in, the whole list out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use pnet_base::MacAddr;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use super::Link;
use crate::netlink::Message;

/// What a message was about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The interface with this index, now applied.
    Link(u32),
    /// An address, now applied, or something that means nothing here.
    Other,
    /// Messages were lost, so the table must be filled anew.
    Lost,
}

#[derive(Debug)]
struct Entry {
    name: String,
    mac: Option<MacAddr>,
    up: bool,
    ethernet: bool,
    loopback: bool,
    master: Option<u32>,
}

/// Interfaces and addresses by interface index. An address can be told of before its interface.
#[derive(Debug, Default)]
pub(super) struct Table {
    links: BTreeMap<u32, Entry>,
    addresses: BTreeMap<u32, BTreeSet<(IpAddr, u8)>>,
}

impl Table {
    /// The table after a full dump.
    pub fn new(links: Vec<LinkMessage>, addresses: Vec<AddressMessage>) -> Self {
        let mut table = Self::default();
        links.into_iter().for_each(|link| table.set_link(&link));
        addresses.into_iter().for_each(|address| table.add_address(&address));
        table
    }

    /// Applies a message to a multicast group.
    pub fn apply(&mut self, message: Message) -> Told {
        match message.payload {
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                self.set_link(&link);
                return Told::Link(link.header.index);
            }
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link)) => {
                self.remove_link(&link);
                return Told::Link(link.header.index);
            }
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(address)) => self.add_address(&address),
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelAddress(address)) => self.remove_address(&address),
            NetlinkPayload::Overrun(_) => return Told::Lost,
            _ => {}
        }
        Told::Other
    }

    /// All interfaces, by name.
    pub fn links(&self) -> Vec<Link> {
        let mut links: Vec<Link> = self.links.iter().map(|(&index, entry)| self.link(index, entry)).collect();
        links.sort_by(|one, other| (&one.name, one.index).cmp(&(&other.name, other.index)));
        links
    }

    fn link(&self, index: u32, entry: &Entry) -> Link {
        let addresses = self.addresses.get(&index).into_iter().flatten().copied().collect();
        let Entry { name, mac, up, ethernet, loopback, master } = entry;
        let (name, mac, up, ethernet) = (name.clone(), *mac, *up, *ethernet);
        Link { name, index, mac, up, ethernet, addresses, loopback: *loopback, master: *master }
    }

    /// Takes what is said of one interface.
    pub fn set_link(&mut self, message: &LinkMessage) {
        if is_of_bridge(message) {
            return;
        }
        let (mut name, mut octets, mut master) = (None, None, None);
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(value) => name = Some(value.clone()),
                LinkAttribute::Address(value) => octets = <[u8; 6]>::try_from(value.as_slice()).ok(),
                LinkAttribute::Controller(value) => master = Some(*value).filter(|&index| index != 0),
                _ => {}
            }
        }
        let Some(name) = name else { return };
        let flags = message.header.flags;
        let ethernet = message.header.link_layer_type == LinkLayerType::Ether;
        let entry = Entry {
            name,
            mac: octets.filter(|_| ethernet).map(MacAddr::from),
            up: flags.contains(LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Running),
            ethernet,
            loopback: flags.contains(LinkFlags::Loopback),
            master,
        };
        self.links.insert(message.header.index, entry);
    }

    fn remove_link(&mut self, message: &LinkMessage) {
        if !is_of_bridge(message) {
            self.links.remove(&message.header.index);
            self.addresses.remove(&message.header.index);
        }
    }

    fn add_address(&mut self, message: &AddressMessage) {
        if let Some(address) = address_of(message) {
            self.addresses.entry(message.header.index).or_default().insert(address);
        }
    }

    fn remove_address(&mut self, message: &AddressMessage) {
        let index = message.header.index;
        if let (Some(address), Some(addresses)) = (address_of(message), self.addresses.get_mut(&index)) {
            addresses.remove(&address);
            if addresses.is_empty() {
                self.addresses.remove(&index);
            }
        }
    }
}

/// A bridge tells of its ports by messages that look like those of interfaces. When a port leaves the bridge, it says
/// "deleted", though the interface is still there.
fn is_of_bridge(message: &LinkMessage) -> bool {
    message.header.interface_family != AddressFamily::Unspec
}

/// The interface's own address. Where there are two, `Local` is ours, and the other one is that of the far end.
fn address_of(message: &AddressMessage) -> Option<(IpAddr, u8)> {
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let other = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(address) => Some(*address),
        _ => None,
    });
    Some((local.or(other)?, message.header.prefix_len))
}

#[cfg(test)]
mod tests {
    use rtnetlink::packet_core::NetlinkHeader;

    use super::*;

    const RUNNING: LinkFlags =
        LinkFlags::from_bits_retain(LinkFlags::Up.bits() | LinkFlags::LowerUp.bits() | LinkFlags::Running.bits());

    fn link(index: u32, name: &str, flags: LinkFlags) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.link_layer_type = LinkLayerType::Ether;
        message.header.flags = flags;
        message.attributes = vec![
            LinkAttribute::IfName(name.into()),
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, u8::try_from(index).unwrap()]),
        ];
        message
    }

    fn address(index: u32, text: &str, prefix: u8) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header.index = index;
        message.header.prefix_len = prefix;
        message.attributes = vec![AddressAttribute::Address(text.parse().unwrap())];
        message
    }

    fn told(message: RouteNetlinkMessage) -> Message {
        Message::new(NetlinkHeader::default(), NetlinkPayload::InnerMessage(message))
    }

    fn table() -> Table {
        Table::new(vec![link(3, "net1", RUNNING), link(2, "net0", RUNNING)], vec![address(2, "10.0.5.1", 24)])
    }

    #[test]
    fn the_list_is_whole_and_sorted_by_name() {
        let links = table().links();
        assert_eq!(links.iter().map(|link| link.name.as_str()).collect::<Vec<_>>(), ["net0", "net1"]);
        let want = Link {
            name: "net0".into(),
            index: 2,
            mac: Some(MacAddr::new(2, 0, 0, 0, 0, 2)),
            up: true,
            ethernet: true,
            addresses: vec![("10.0.5.1".parse().unwrap(), 24)],
            loopback: false,
            master: None,
        };
        assert_eq!(links[0], want);
    }

    #[test]
    fn each_sign_of_a_lost_carrier_counts() {
        for gone in [LinkFlags::Up, LinkFlags::LowerUp, LinkFlags::Running] {
            let mut table = table();
            table.apply(told(RouteNetlinkMessage::NewLink(link(2, "net0", RUNNING.difference(gone)))));
            assert!(!table.links()[0].up, "without {gone:?}");
        }
    }

    #[test]
    fn addresses_come_and_go_by_interface() {
        let mut table = table();
        table.apply(told(RouteNetlinkMessage::NewAddress(address(2, "fd00::1", 64))));
        table.apply(told(RouteNetlinkMessage::DelAddress(address(3, "10.0.5.1", 24))));
        table.apply(told(RouteNetlinkMessage::NewAddress(address(9, "10.9.0.1", 24))));
        assert_eq!(table.links()[0].addresses.len(), 2);
        table.apply(told(RouteNetlinkMessage::DelAddress(address(2, "10.0.5.1", 24))));
        assert_eq!(table.links()[0].addresses, [("fd00::1".parse().unwrap(), 64)]);
        table.apply(told(RouteNetlinkMessage::NewLink(link(9, "late", RUNNING))));
        assert_eq!(table.links()[0].addresses.len(), 1, "an address may be told of before its interface");
        table.apply(told(RouteNetlinkMessage::DelLink(link(2, "net0", RUNNING))));
        table.apply(told(RouteNetlinkMessage::NewLink(link(2, "again", RUNNING))));
        assert!(table.links()[0].addresses.is_empty(), "a new interface with an old index has no addresses");
    }

    #[test]
    fn the_near_end_of_a_point_to_point_address_is_ours() {
        let mut message = address(2, "10.0.5.9", 32);
        message.attributes.push(AddressAttribute::Local("10.0.5.8".parse().unwrap()));
        assert_eq!(address_of(&message), Some(("10.0.5.8".parse().unwrap(), 32)));
    }

    #[test]
    fn what_a_bridge_says_of_a_port_is_not_the_interfaces_end() {
        let mut table = table();
        let mut port = link(2, "net0", RUNNING);
        port.attributes.push(LinkAttribute::Controller(3));
        table.apply(told(RouteNetlinkMessage::NewLink(port.clone())));
        assert_eq!(table.links()[0].master, Some(3));
        port.header.interface_family = AddressFamily::Bridge;
        table.apply(told(RouteNetlinkMessage::DelLink(port)));
        assert_eq!(table.links().len(), 2);
        table.apply(told(RouteNetlinkMessage::NewLink(link(2, "net0", RUNNING))));
        assert_eq!(table.links()[0].master, None);
    }

    #[test]
    fn an_overrun_is_told() {
        let lost = Message::new(NetlinkHeader::default(), NetlinkPayload::Overrun(Vec::new()));
        assert_eq!(table().apply(lost), Told::Lost);
    }
}
