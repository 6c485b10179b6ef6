//! The node's interfaces, their carriers and addresses, as they change.

mod table;

use std::net::IpAddr;

use futures::TryStreamExt;
use pnet_base::MacAddr;
use rtnetlink::MulticastGroup;
use rtnetlink::packet_route::link::LinkMessage;

pub use crate::netlink::NetlinkError;
use crate::netlink::{Message, Netlink};
use table::{Table, Told};

/// How often [`LinkWatch::look`] looks while the kernel tells of the same interfaces beside it.
const LOOKS: usize = 3;

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its index, which no other interface of this network namespace has at the same time.
    pub index: u32,
    /// Its MAC; `None` when it is not Ethernet.
    pub mac: Option<MacAddr>,
    /// It is set up and can send: it has a carrier, and nothing (such as 802.1X) keeps it from operating.
    pub up: bool,
    /// It speaks Ethernet.
    pub ethernet: bool,
    /// Its addresses with the lengths of their prefixes, sorted. Those that node itself holds on a loopback interface
    /// are among them.
    pub addresses: Vec<(IpAddr, u8)>,
    /// It is the loopback interface.
    pub loopback: bool,
    /// The index of the bridge, bond or VRF that it is part of. A port of a bridge or bond has no addresses of its own to
    /// serve; the bridge or bond has.
    pub master: Option<u32>,
}

/// Follows the interfaces of the network namespace that it was opened in.
///
/// Changes are told at once, in the order in which the kernel tells them: nothing is polled or held back here. But the
/// kernel holds back the loss of a carrier, by up to a second, when the carrier of any interface changed in the second
/// before. Whoever must know sooner calls [`LinkWatch::look`] at a pace of its own.
pub struct LinkWatch {
    netlink: Netlink,
    table: Table,
    /// Messages were lost, so what the table says may be old.
    stale: bool,
    links: Vec<Link>,
}

impl LinkWatch {
    /// Begins to follow, and reads what is there. Must be called inside a tokio runtime with I/O enabled.
    ///
    /// # Errors
    /// When netlink does not work.
    pub async fn open() -> Result<Self, NetlinkError> {
        // Listening begins before the dump, so that no change falls between the two.
        let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
        let netlink = Netlink::open(&groups)?;
        let mut watch = Self { netlink, table: Table::default(), stale: true, links: Vec::new() };
        watch.catch_up().await?;
        watch.links = watch.table.links();
        Ok(watch)
    }

    /// The interfaces, by name, as last given.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// Waits until something changes and gives all interfaces, by name. Changes that came together are given together.
    /// Cancel safe.
    ///
    /// # Errors
    /// When netlink does not work any more; a new watch has to be opened.
    pub async fn changed(&mut self) -> Result<&[Link], NetlinkError> {
        loop {
            self.catch_up().await?;
            let links = self.table.links();
            if links != self.links {
                self.links = links;
                return Ok(&self.links);
            }
            let message = self.netlink.next().await?;
            self.apply(message);
        }
    }

    /// Reads the state of some interfaces now, by index, so that a lost carrier is seen of which the kernel has not told
    /// yet. Gives all interfaces, by name, if something changed. Costs a request and its answer for each index. Cancel safe.
    ///
    /// # Errors
    /// When netlink does not work any more; a new watch has to be opened.
    pub async fn look(&mut self, indexes: &[u32]) -> Result<Option<&[Link]>, NetlinkError> {
        for _ in 0..LOOKS {
            let seen = self.ask(indexes).await?;
            // What was told by now of these interfaces may be older or newer than what was seen: then look again.
            let mut settled = true;
            while let Some(message) = self.netlink.ready() {
                settled &= match self.apply(message) {
                    Told::Link(index) => !indexes.contains(&index),
                    Told::Other => true,
                    Told::Lost => false,
                };
            }
            if settled {
                seen.iter().for_each(|link| self.table.set_link(link));
                break;
            }
        }
        self.catch_up().await?;
        let links = self.table.links();
        if links == self.links {
            return Ok(None);
        }
        self.links = links;
        Ok(Some(&self.links))
    }

    async fn ask(&mut self, indexes: &[u32]) -> Result<Vec<LinkMessage>, NetlinkError> {
        let handle = self.netlink.handle();
        let work = async {
            let mut seen = Vec::new();
            for &index in indexes {
                match handle.link().get().match_index(index).execute().try_collect::<Vec<_>>().await {
                    Ok(links) => seen.extend(links),
                    // It is gone, and that is told without delay.
                    Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -libc::ENODEV => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(seen)
        };
        Ok(self.netlink.drive(work).await??)
    }

    /// Applies all that was told already; reads everything anew, if something was lost.
    async fn catch_up(&mut self) -> Result<(), NetlinkError> {
        loop {
            if self.stale {
                // What waits from before the loss would bring back what a lost message took away.
                self.netlink.read_all().await?;
                while self.netlink.ready().is_some() {}
                self.table = self.dump().await?;
                self.stale = false;
            }
            // Messages from shortly before the dump may come in here. That does no harm: none is missing among them, so of
            // each interface and address the last one says what the dump said, or something newer.
            while let Some(message) = self.netlink.ready() {
                self.apply(message);
            }
            if !self.stale {
                return Ok(());
            }
        }
    }

    fn apply(&mut self, message: Message) -> Told {
        let told = self.table.apply(message);
        self.stale |= told == Told::Lost;
        told
    }

    async fn dump(&mut self) -> Result<Table, NetlinkError> {
        let handle = self.netlink.handle();
        let dump = async {
            let links = handle.link().get().execute().try_collect().await?;
            let addresses = handle.address().get().execute().try_collect().await?;
            Ok::<_, rtnetlink::Error>(Table::new(links, addresses))
        };
        Ok(self.netlink.drive(dump).await??)
    }
}
