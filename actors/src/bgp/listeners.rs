//! Connections that routers open, where a session is configured to listen.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quorumlb_announcer::bgp::driver::Command;
use quorumlb_announcer::bgp::transport::{Stream as _, Target};
use tokio::sync::mpsc::Sender;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::ports::{Listen, Routers, World};

/// After a failure to accept, for want of file descriptors mostly.
const BREATH: Duration = Duration::from_millis(200);

type Stream<W> = <W as Routers>::Stream;
/// By the port that listens, and the router's address.
type Routes<W> = BTreeMap<(u16, IpAddr), (Target, Sender<Command<Stream<W>>>)>;
type Routing<W> = Arc<Mutex<Routes<W>>>;

/// All sockets that listen.
pub(super) struct Listeners<W: World> {
    open: BTreeMap<SocketAddr, Listening<W>>,
    routing: Routing<W>,
}

struct Listening<W: World> {
    listener: Arc<<W as Routers>::Listener>,
    task: AbortHandle,
}

impl<W: World> Drop for Listening<W> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<W: World> Default for Listeners<W> {
    fn default() -> Self {
        Self { open: BTreeMap::new(), routing: Arc::default() }
    }
}

impl<W: World> Listeners<W> {
    /// Takes the connections of a router on a port.
    ///
    /// # Errors
    /// In words for the operator.
    pub fn expect(
        &mut self,
        world: &W,
        port: u16,
        target: &Target,
        commands: Sender<Command<Stream<W>>>,
    ) -> Result<(), String> {
        let router = target.peer.ip();
        let any = match router {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let address = SocketAddr::new(any, port);
        if !self.open.contains_key(&address) {
            let listener = world.listen(address).map_err(|error| format!("cannot listen on port {port}: {error}"))?;
            let listener = Arc::new(listener);
            let taking = take(world.clone(), port, Arc::clone(&listener), Arc::clone(&self.routing));
            let task = tokio::spawn(taking).abort_handle();
            self.open.insert(address, Listening { listener, task });
        }
        if let Some(listening) = self.open.get(&address) {
            let set = listening.listener.set_password(router, target.password.as_ref());
            set.map_err(|error| format!("the password cannot be set on the listening socket: {error}"))?;
        }
        self.routing().insert((port, router), (target.clone(), commands));
        Ok(())
    }

    /// A router's connections are refused from now on; a port that no session needs is closed.
    pub fn forget(&mut self, router: IpAddr) {
        let ports: Vec<u16> = {
            let mut routing = self.routing();
            routing.retain(|(_, known), _| *known != router);
            routing.keys().map(|(port, _)| *port).collect()
        };
        self.open.retain(|address, _| ports.contains(&address.port()));
    }

    fn routing(&self) -> MutexGuard<'_, Routes<W>> {
        self.routing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn take<W: World>(world: W, port: u16, listener: Arc<<W as Routers>::Listener>, routing: Routing<W>) {
    loop {
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, port, "a BGP connection was not accepted");
                sleep(BREATH).await;
                continue;
            }
        };
        let Ok(endpoints) = stream.endpoints() else { continue };
        let router = endpoints.remote.ip().to_canonical();
        let known = routing.lock().unwrap_or_else(PoisonError::into_inner).get(&(port, router)).cloned();
        let Some((target, commands)) = known else {
            tracing::debug!(%router, port, "a BGP connection of nobody's router was closed");
            continue;
        };
        match world.prepare(&target, &stream) {
            // A driver that is too busy to take it is spared it; the router tries again.
            Ok(()) => drop(commands.try_send(Command::Accepted(stream))),
            Err(error) => tracing::warn!(%error, %router, "a BGP connection cannot be used"),
        }
    }
}
