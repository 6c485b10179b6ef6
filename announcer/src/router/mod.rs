//! Which router a BGP session is with, where no address is configured.
//!
//! [`mod@gateway`]: the next hop of the default route, as the kernel has it. [`neighbour`]: the router at the other end of an
//! interface, found by router advertisements (RFC 4861), for sessions over link-local addresses ("unnumbered").

pub mod gateway;
pub mod neighbour;

pub use gateway::{Family, Gateway, GatewayWatch, Gateways, gateway};
pub use neighbour::{Discovery, NeighbourWatch};

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// A link-local address goes with its interface.
fn socket_address(address: IpAddr, index: u32, port: u16) -> SocketAddr {
    match address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => SocketAddrV6::new(v6, port, 0, index).into(),
        _ => SocketAddr::new(address, port),
    }
}
