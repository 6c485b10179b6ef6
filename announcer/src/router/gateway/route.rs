//! The default routes as netlink tells of them, and which next hop of theirs counts. Pure.

use std::net::IpAddr;

use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHopFlags, RouteType, RouteVia,
};

use super::Family;

/// A next hop of a default route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hop {
    metric: u32,
    /// `None` where everything is thought to be on the link itself.
    pub address: Option<IpAddr>,
    /// The interface's index.
    pub index: u32,
}

/// Whether a message is about a default route of the main table.
pub(super) fn is_default(message: &RouteMessage) -> bool {
    let header = &message.header;
    // Routes for certain sources or types of service are not for everything.
    let for_all = header.destination_prefix_length == 0 && header.source_prefix_length == 0 && header.tos == 0;
    for_all && is_main(message) && !header.flags.contains(RouteFlags::Cloned)
}

fn is_main(message: &RouteMessage) -> bool {
    let table = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    });
    table.unwrap_or(message.header.table.into()) == u32::from(RouteHeader::RT_TABLE_MAIN)
}

/// The next hops of a default route, with its family; none where it refuses packets instead of forwarding them.
pub(super) fn hops(message: &RouteMessage) -> Option<(Family, Vec<Hop>)> {
    let family = match message.header.address_family {
        AddressFamily::Inet => Family::V4,
        AddressFamily::Inet6 => Family::V6,
        _ => return None,
    };
    if !is_default(message) || message.header.kind != RouteType::Unicast {
        return None;
    }
    let metric = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Priority(metric) => Some(*metric),
        _ => None,
    });
    let metric = metric.unwrap_or(0);
    let several = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::MultiPath(hops) => Some(hops),
        _ => None,
    });
    let hops = match several {
        Some(hops) => {
            let alive = hops.iter().filter(|hop| !hop.flags.contains(RouteNextHopFlags::Dead));
            alive.map(|hop| Hop { metric, address: address(&hop.attributes), index: hop.interface_index }).collect()
        }
        None if message.header.flags.contains(RouteFlags::Dead) => Vec::new(),
        None => single(&message.attributes, metric).into_iter().collect(),
    };
    Some((family, hops))
}

fn single(attributes: &[RouteAttribute], metric: u32) -> Option<Hop> {
    let index = attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    })?;
    Some(Hop { metric, address: address(attributes), index })
}

fn address(attributes: &[RouteAttribute]) -> Option<IpAddr> {
    attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(address)) | RouteAttribute::Via(RouteVia::Inet(address)) => {
            Some(IpAddr::V4(*address))
        }
        RouteAttribute::Gateway(RouteAddress::Inet6(address)) | RouteAttribute::Via(RouteVia::Inet6(address)) => {
            Some(IpAddr::V6(*address))
        }
        _ => None,
    })
}

/// The one that counts: of the lowest metric, the lowest address, on the interface with the lowest index.
pub(super) fn best(hops: &[Hop]) -> Option<Hop> {
    let metric = hops.iter().map(|hop| hop.metric).min()?;
    hops.iter().filter(|hop| hop.metric == metric && hop.address.is_some()).min().copied()
}

#[cfg(test)]
mod tests {
    use rtnetlink::{RouteMessageBuilder, RouteNextHopBuilder};

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn v4() -> RouteMessageBuilder<std::net::Ipv4Addr> {
        RouteMessageBuilder::<std::net::Ipv4Addr>::new().output_interface(2)
    }

    fn via(text: &str) -> RouteMessage {
        v4().gateway(text.parse().unwrap()).build()
    }

    fn hop(metric: u32, address: Option<&str>, index: u32) -> Hop {
        Hop { metric, address: address.map(ip), index }
    }

    #[test]
    fn a_default_route_gives_its_next_hops() {
        let route = v4().gateway("10.0.5.20".parse().unwrap()).priority(7).build();
        assert_eq!(hops(&route), Some((Family::V4, vec![hop(7, Some("10.0.5.20"), 2)])));
        let route = v4().via("fe80::20".parse().unwrap()).build();
        assert_eq!(hops(&route), Some((Family::V4, vec![hop(0, Some("fe80::20"), 2)])));
        let v6 = RouteMessageBuilder::<std::net::Ipv6Addr>::new().output_interface(3);
        let route = v6.gateway("fe80::21".parse().unwrap()).priority(1024).build();
        assert_eq!(hops(&route), Some((Family::V6, vec![hop(1024, Some("fe80::21"), 3)])));
        assert_eq!(hops(&v4().build()), Some((Family::V4, vec![hop(0, None, 2)])), "everything on the link");
    }

    #[test]
    fn of_several_next_hops_the_dead_do_not_count() {
        let next = |index, text| RouteNextHopBuilder::new_ipv4().interface(index).via(ip(text)).unwrap();
        let dead = next(4, "10.0.7.20").flags(RouteNextHopFlags::Dead).build();
        let alive = [next(2, "10.0.5.20").build(), next(3, "10.0.6.20").build()].to_vec();
        let route = RouteMessageBuilder::<std::net::Ipv4Addr>::new().multipath([alive, vec![dead]].concat()).build();
        let want = vec![hop(0, Some("10.0.5.20"), 2), hop(0, Some("10.0.6.20"), 3)];
        assert_eq!(hops(&route), Some((Family::V4, want)));
        let mut route = via("10.0.5.20");
        route.header.flags = RouteFlags::Dead;
        assert_eq!(hops(&route), Some((Family::V4, vec![])));
    }

    #[test]
    fn other_routes_are_not_default_routes() {
        assert!(is_default(&via("10.0.5.20")));
        assert!(!is_default(&v4().destination_prefix("10.0.0.0".parse().unwrap(), 8).build()));
        assert!(!is_default(&v4().source_prefix("10.0.0.0".parse().unwrap(), 8).build()));
        assert!(!is_default(&v4().table_id(100).build()));
        assert!(!is_default(&v4().table_id(100_000).build()));
        assert!(!is_default(&v4().tos(0x10).build()));
        assert_eq!(hops(&v4().kind(RouteType::Unreachable).build()), None);
    }

    #[test]
    fn the_lowest_metric_counts_and_then_the_lowest_address() {
        assert_eq!(best(&[]), None);
        let low = [hop(5, Some("10.0.5.21"), 2), hop(5, Some("10.0.5.20"), 3), hop(9, Some("10.0.5.1"), 1)];
        assert_eq!(best(&low), Some(low[1]));
        // Packets go to the link, so no other route's next hop is the gateway.
        assert_eq!(best(&[hop(0, None, 2), hop(5, Some("10.0.5.20"), 3)]), None);
        assert_eq!(best(&[hop(5, None, 2), low[0]]), Some(low[0]));
    }
}
