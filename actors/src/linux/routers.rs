use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use quorumlb_announcer::bfd::{Bfd, BootTimer, Driver, Event, UdpWire};
use quorumlb_announcer::bgp::transport::{Listener, Password, Target, TcpDialer};
use quorumlb_announcer::router;
use quorumlb_raft_store::model::Family;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::mpsc::Receiver;

use super::Linux;
use crate::ports::{Clock, Listen, Routers};

impl Listen for Listener {
    type Stream = TcpStream;

    fn set_password(&self, peer: IpAddr, password: Option<&Password>) -> io::Result<()> {
        Self::set_password(self, peer, password)
    }

    async fn accept(&self) -> io::Result<TcpStream> {
        Self::accept(self).await
    }
}

impl Routers for Linux {
    type Stream = TcpStream;
    type Dialer = TcpDialer;
    type Listener = Listener;

    fn dialer(&self, target: Target) -> TcpDialer {
        TcpDialer::new(target)
    }

    fn listen(&self, address: SocketAddr) -> io::Result<Listener> {
        Listener::bind(address, None)
    }

    fn prepare(&self, target: &Target, stream: &TcpStream) -> io::Result<()> {
        target.prepare(stream)
    }

    /// On a thread of its own: what else the node does must not make a router believe that it is gone.
    fn start_bfd(&self) -> Result<(Bfd, Receiver<Event>), String> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        let timer = {
            let _inside = runtime.enter();
            BootTimer::open().map_err(|error| error.to_string())?
        };
        let randomness = StdRng::seed_from_u64(self.random());
        let (bfd, events, driver) = Driver::new(UdpWire::new(), timer, Box::new(randomness));
        std::thread::Builder::new()
            .name("bfd".to_owned())
            .spawn(move || runtime.block_on(driver.run()))
            .map_err(|error| error.to_string())?;
        Ok((bfd, events))
    }

    async fn gateway(&self, family: Family) -> Result<(IpAddr, NonZeroU32), String> {
        let of = match family {
            Family::V4 => router::Family::V4,
            Family::V6 => router::Family::V6,
        };
        let found = router::gateway(of).await.map_err(|error| error.to_string())?;
        let found = found.ok_or_else(|| format!("there is no {family} default route with a gateway"))?;
        let index = NonZeroU32::new(found.index).ok_or_else(|| format!("{} is gone", found.interface))?;
        Ok((found.address, index))
    }

    async fn router_on(&self, interface: &str) -> Result<(IpAddr, NonZeroU32), String> {
        self.neighbours.router_on(interface, self.random())
    }
}
