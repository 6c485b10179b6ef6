//! The serving side: takes connections, finds out who is there, and hands requests to the service.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use quinn::{Connection, ConnectionError, Incoming, ReadToEndError, RecvStream, SendStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::counters::{Count, Side, classify};
use super::dial::peer_certificate;
use super::{DATAGRAM_LIMIT, FRAME_LIMIT, Inner, Service, code, lock};
use crate::codec::{Kind, claimed_version};
use crate::model::NodeName;
use crate::pki::certified_name;

/// Incoming connections that are there or coming up.
#[derive(Debug, Default)]
struct Crowd {
    total: AtomicUsize,
    handshakes: AtomicUsize,
    per_address: Mutex<BTreeMap<IpAddr, usize>>,
}

/// A connection's place in the crowd.
struct Place {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Crowd {
    /// A place for one more, unless there are too many.
    fn enter(self: &Arc<Self>, address: IpAddr, wire: &Inner) -> Option<Place> {
        let mut per_address = lock(&self.per_address);
        let here = per_address.get(&address).copied().unwrap_or(0);
        if self.total.load(Ordering::Relaxed) >= wire.limits.connections || here >= wire.limits.connections_per_address
        {
            return None;
        }
        self.total.fetch_add(1, Ordering::Relaxed);
        per_address.insert(address, here + 1);
        Some(Place { crowd: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.total.fetch_sub(1, Ordering::Relaxed);
        let mut per_address = lock(&self.crowd.per_address);
        if let Some(here) = per_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                per_address.remove(&self.address);
            }
        }
    }
}

/// Takes connections until the endpoint is closed.
pub(super) async fn serve(wire: Arc<Inner>, service: Arc<impl Service>) {
    let crowd = Arc::new(Crowd::default());
    let mut connections = JoinSet::new();
    while let Some(incoming) = wire.endpoint.accept().await {
        while connections.try_join_next().is_some() {}
        let unproven = crowd.handshakes.load(Ordering::Relaxed) >= wire.limits.unproven_handshakes;
        if unproven && incoming.may_retry() {
            // Not needed to succeed: the client then times out and dials again.
            let _ = incoming.retry();
            continue;
        }
        match crowd.enter(incoming.remote_address().ip().to_canonical(), &wire) {
            Some(place) => drop(connections.spawn(connection(wire.clone(), service.clone(), incoming, place))),
            None => {
                wire.tally.count(Count::TooMany);
                incoming.refuse();
            }
        }
    }
}

async fn connection(wire: Arc<Inner>, service: Arc<impl Service>, incoming: Incoming, place: Place) {
    let remote = incoming.remote_address();
    let _known = wire.known.enter(remote);
    place.crowd.handshakes.fetch_add(1, Ordering::Relaxed);
    let shaken = handshake(&wire, incoming).await;
    place.crowd.handshakes.fetch_sub(1, Ordering::Relaxed);
    let (connection, from) = match shaken {
        Ok(connected) => connected,
        Err((count, error)) => {
            wire.tally.count(count);
            let name = wire.name_at(remote);
            wire.refusals.note(Side::Serving, remote, name.as_ref().map(NodeName::as_str), count, error.as_ref());
            tracing::debug!(%remote, ?count, ?error, "connection refused");
            return;
        }
    };
    wire.tally.count(Count::Accepted);
    wire.refusals.agreed(Side::Serving, remote);
    wire.peer_is_back(&from);
    serve_connection(&wire, &service, &connection, &from).await;
}

/// The connection, and the name that the peer has proven.
async fn handshake(
    wire: &Inner,
    incoming: Incoming,
) -> Result<(Connection, NodeName), (Count, Option<ConnectionError>)> {
    let refused = |error: ConnectionError| (classify(Side::Serving, &error), Some(error));
    let connecting = incoming.accept().map_err(refused)?;
    let connection = timeout(wire.limits.handshake, connecting)
        .await
        .map_err(|_| (Count::HandshakeTimeout, None))?
        .map_err(refused)?;
    match peer_certificate(&connection).as_ref().and_then(certified_name) {
        Some(name) => Ok((connection, name)),
        None => {
            connection.close(code::NAME, b"the certificate names no node");
            Err((Count::WrongName, None))
        }
    }
}

/// Serves until the connection ends; what is still under way then is dropped.
async fn serve_connection(wire: &Arc<Inner>, service: &Arc<impl Service>, connection: &Connection, from: &NodeName) {
    let mut requests = JoinSet::new();
    loop {
        while requests.try_join_next().is_some() {}
        tokio::select! {
            biased;
            datagram = connection.read_datagram() => match datagram {
                Ok(bytes) => notice(wire, service.as_ref(), from, &bytes),
                Err(_) => return,
            },
            stream = connection.accept_bi() => match stream {
                // The transport bounds how many there are.
                Ok((send, receive)) => {
                    requests.spawn(request(wire.clone(), service.clone(), from.clone(), send, receive));
                }
                Err(_) => return,
            },
        }
    }
}

fn notice(wire: &Inner, service: &impl Service, from: &NodeName, bytes: &[u8]) {
    if bytes.len() > DATAGRAM_LIMIT {
        wire.tally.count(Count::Oversize);
    } else if !claimed_version(Kind::Message, bytes).is_some_and(|version| wire.versions.contains(version)) {
        wire.tally.count(Count::UnknownVersion);
    } else {
        service.notify(from.clone(), bytes.to_vec());
    }
}

async fn request(
    wire: Arc<Inner>,
    service: Arc<impl Service>,
    from: NodeName,
    mut send: SendStream,
    mut receive: RecvStream,
) {
    let refuse = |send: &mut SendStream, count, code| {
        wire.tally.count(count);
        // It fails only on a stream that has ended.
        let _ = send.reset(code);
    };
    let bytes = match timeout(wire.limits.request, receive.read_to_end(FRAME_LIMIT)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(ReadToEndError::TooLong)) => {
            let _ = receive.stop(code::TOO_LARGE);
            return refuse(&mut send, Count::Oversize, code::TOO_LARGE);
        }
        Ok(Err(ReadToEndError::Read(_))) => return,
        Err(_) => return refuse(&mut send, Count::TooSlow, code::TOO_SLOW),
    };
    if !claimed_version(Kind::Message, &bytes).is_some_and(|version| wire.versions.contains(version)) {
        return refuse(&mut send, Count::UnknownVersion, code::VERSION);
    }
    let answered = tokio::select! {
        biased;
        // The caller has given up.
        _ = send.stopped() => return,
        answered = timeout(wire.limits.request, service.call(from, bytes)) => answered,
    };
    let Ok(answer) = answered else { return refuse(&mut send, Count::TooSlow, code::TOO_SLOW) };
    // When the caller is gone, nobody misses the answer.
    if send.write_all(&answer).await.is_ok() {
        // QUIC brings it over, also when nobody waits for that.
        let _ = send.finish();
    }
}
