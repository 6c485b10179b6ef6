//! The default gateway: the next hop of the default route in the kernel's main table.
//!
//! The route with the lowest metric counts, as for the kernel itself; of its next hops, the one with the lowest address, so
//! that the answer does not depend on the order in which the routes were made. IPv4 routes may go over an IPv6 next hop.

mod route;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use futures::TryStreamExt;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{Handle, MulticastGroup};

pub use crate::netlink::NetlinkError;
use crate::netlink::{Message, Netlink};
use route::Hop;

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Where packets go that have no other route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// The next hop's address. It may be IPv6 for the IPv4 default route, and it may be link-local.
    pub address: IpAddr,
    /// The name of the interface that it is reached over.
    pub interface: String,
    /// That interface's index.
    pub index: u32,
}

impl Gateway {
    /// Its address to connect to, with the interface where that belongs to the address.
    #[must_use]
    pub fn socket_address(&self, port: u16) -> SocketAddr {
        super::socket_address(self.address, self.index, port)
    }
}

/// The gateways of both families.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gateways {
    /// Of the IPv4 default route.
    pub v4: Option<Gateway>,
    /// Of the IPv6 default route.
    pub v6: Option<Gateway>,
}

impl Gateways {
    /// That of a family.
    #[must_use]
    pub const fn get(&self, family: Family) -> Option<&Gateway> {
        match family {
            Family::V4 => self.v4.as_ref(),
            Family::V6 => self.v6.as_ref(),
        }
    }
}

/// The default gateway of a family as it is now; `None` when there is no default route, or it has no next hop. Must be
/// called inside a tokio runtime with I/O enabled.
///
/// # Errors
/// When netlink does not work.
pub async fn gateway(family: Family) -> Result<Option<Gateway>, NetlinkError> {
    let gateways = GatewayWatch::open().await?.gateways;
    Ok(match family {
        Family::V4 => gateways.v4,
        Family::V6 => gateways.v6,
    })
}

/// Follows the default gateways of the network namespace that it was opened in.
///
/// The routes are read again when the kernel tells of a default route, or of an interface that one goes over: it does not
/// tell of IPv4 routes that go with their interface. Nor does it of routes that go with a next hop object (`ip nexthop
/// del`); those are found by [`GatewayWatch::look`].
pub struct GatewayWatch {
    netlink: Netlink,
    /// What was read may be old.
    stale: bool,
    found: Found,
    gateways: Gateways,
}

/// What was read.
#[derive(Debug, Default)]
struct Found {
    gateways: Gateways,
    /// The interfaces that default routes go over.
    interfaces: BTreeSet<u32>,
}

impl GatewayWatch {
    /// Begins to follow, and reads what is there. Must be called inside a tokio runtime with I/O enabled.
    ///
    /// # Errors
    /// When netlink does not work.
    pub async fn open() -> Result<Self, NetlinkError> {
        // Listening begins before the dump, so that no change falls between the two.
        let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Route, MulticastGroup::Ipv6Route];
        let netlink = Netlink::open(&groups)?;
        let mut watch = Self { netlink, stale: true, found: Found::default(), gateways: Gateways::default() };
        watch.catch_up().await?;
        watch.gateways = watch.found.gateways.clone();
        Ok(watch)
    }

    /// The gateways as last given.
    #[must_use]
    pub const fn gateways(&self) -> &Gateways {
        &self.gateways
    }

    /// Waits until a gateway changes and gives both. Cancel safe.
    ///
    /// # Errors
    /// When netlink does not work any more; a new watch has to be opened.
    pub async fn changed(&mut self) -> Result<&Gateways, NetlinkError> {
        loop {
            self.catch_up().await?;
            if self.found.gateways != self.gateways {
                self.gateways = self.found.gateways.clone();
                return Ok(&self.gateways);
            }
            let message = self.netlink.next().await?;
            self.stale |= self.concerns(&message);
        }
    }

    /// Reads all routes now; [`Self::changed`] then gives what changed. Costs a dump of the routing tables. Cancel safe.
    ///
    /// # Errors
    /// When netlink does not work any more; a new watch has to be opened.
    pub async fn look(&mut self) -> Result<(), NetlinkError> {
        self.stale = true;
        self.catch_up().await
    }

    async fn catch_up(&mut self) -> Result<(), NetlinkError> {
        loop {
            if self.stale {
                // What waits from before is part of what is read.
                self.netlink.read_all().await?;
                while self.netlink.ready().is_some() {}
                let handle = self.netlink.handle();
                self.found = self.netlink.drive(read(&handle)).await??;
                self.stale = false;
            }
            while let Some(message) = self.netlink.ready() {
                self.stale |= self.concerns(&message);
            }
            if !self.stale {
                return Ok(());
            }
        }
    }

    /// Whether what was read may be old after this message.
    fn concerns(&self, message: &Message) -> bool {
        match &message.payload {
            NetlinkPayload::InnerMessage(
                RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route),
            ) => route::is_default(route),
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link) | RouteNetlinkMessage::DelLink(link)) => {
                self.found.interfaces.contains(&link.header.index)
            }
            NetlinkPayload::Overrun(_) => true,
            _ => false,
        }
    }
}

/// Reads the routes and the names of their interfaces.
async fn read(handle: &Handle) -> Result<Found, rtnetlink::Error> {
    let mut interfaces = BTreeSet::new();
    let mut gateways = Vec::new();
    for family in [Family::V4, Family::V6] {
        let hops = default_hops(handle, family).await?;
        interfaces.extend(hops.iter().map(|hop| hop.index));
        gateways.push(match route::best(&hops) {
            Some(Hop { address: Some(address), index, .. }) => {
                name(handle, index).await?.map(|interface| Gateway { address, interface, index })
            }
            _ => None,
        });
    }
    let v6 = gateways.pop().flatten();
    let v4 = gateways.pop().flatten();
    Ok(Found { gateways: Gateways { v4, v6 }, interfaces })
}

async fn default_hops(handle: &Handle, wanted: Family) -> Result<Vec<Hop>, rtnetlink::Error> {
    let mut request = rtnetlink::packet_route::route::RouteMessage::default();
    request.header.address_family = match wanted {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    };
    // There may be many routes: only those that count are kept.
    let mut routes = std::pin::pin!(handle.route().get(request).execute());
    let mut found = Vec::new();
    while let Some(message) = routes.try_next().await? {
        match route::hops(&message) {
            Some((family, hops)) if family == wanted => found.extend(hops),
            _ => {}
        }
    }
    Ok(found)
}

/// The name of an interface; `None` when it is gone, of which the kernel tells.
async fn name(handle: &Handle, index: u32) -> Result<Option<String>, rtnetlink::Error> {
    match handle.link().get().match_index(index).execute().try_collect::<Vec<LinkMessage>>().await {
        Ok(links) => {
            let mut attributes = links.into_iter().flat_map(|link| link.attributes);
            Ok(attributes.find_map(|attribute| match attribute {
                LinkAttribute::IfName(name) => Some(name),
                _ => None,
            }))
        }
        Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -libc::ENODEV => Ok(None),
        Err(error) => Err(error),
    }
}
