//! Prefixes of routes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use crate::model::Family;

/// The network of this length that holds the address; a longer one than the family has is the address itself.
pub(super) fn prefix(address: IpAddr, length: u8) -> IpNetwork {
    let length = length.min(Family::of(address).bits());
    let network = match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            Ipv4Network::new(Ipv4Addr::from(u32::from(v4) & mask), length).map(IpNetwork::V4)
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            Ipv6Network::new(Ipv6Addr::from(u128::from(v6) & mask), length).map(IpNetwork::V6)
        }
    };
    network.unwrap_or(IpNetwork::from(address))
}

/// A network without host bits.
pub(super) fn canonical(network: IpNetwork) -> IpNetwork {
    prefix(network.ip(), network.prefix())
}

/// Whether an address makes sense to a router elsewhere: neither loopback, link-local, multicast nor unspecified.
pub(super) fn is_routable(address: IpAddr) -> bool {
    let local = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(local || address.is_loopback() || address.is_multicast() || address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_bits_are_cut_off() {
        for (address, length, shown) in [
            ("10.0.5.77", 24, "10.0.5.0/24"),
            ("10.0.5.77", 32, "10.0.5.77/32"),
            ("10.0.5.77", 0, "0.0.0.0/0"),
            ("10.0.5.77", 128, "10.0.5.77/32"),
            ("fd00::77", 64, "fd00::/64"),
            ("fd00::77", 128, "fd00::77/128"),
            ("fd00::77", 0, "::/0"),
        ] {
            assert_eq!(prefix(address.parse().unwrap(), length).to_string(), shown);
        }
    }
}
