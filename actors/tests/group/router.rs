//! A router that nodes dial: it agrees to everything, keeps what it is told, and forgets it with the session, unless the
//! node asked for its routes to be kept over a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use quorumlb_announcer::bgp::session::Endpoints;
use quorumlb_announcer::bgp::transport::Stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

const OPEN: u8 = 1;
const UPDATE: u8 = 2;
const KEEPALIVE: u8 = 4;
/// Octets before a message's body.
const HEADER: usize = 19;

/// A node's end of a connection.
pub struct RouterStream {
    stream: DuplexStream,
    endpoints: Endpoints,
}

impl Stream for RouterStream {
    fn endpoints(&self) -> io::Result<Endpoints> {
        Ok(self.endpoints)
    }
}

impl AsyncRead for RouterStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for RouterStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[derive(Default)]
struct Known {
    routes: BTreeMap<IpAddr, BTreeSet<String>>,
    /// Prefixes in UPDATEs, of each node.
    told: BTreeMap<IpAddr, usize>,
    sessions: BTreeMap<IpAddr, usize>,
}

/// A router. Clones are handles to the same one.
#[derive(Clone, Default)]
pub struct Router(Arc<Mutex<Known>>);

impl Router {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap()
    }

    /// The prefixes that a node has told it, IPv4.
    pub fn routes(&self, node: &str) -> BTreeSet<String> {
        self.known().routes.get(&node.parse().unwrap()).cloned().unwrap_or_default()
    }

    /// How many prefixes a node has told or withdrawn in all.
    pub fn told(&self, node: &str) -> usize {
        self.known().told.get(&node.parse().unwrap()).copied().unwrap_or(0)
    }

    /// How many sessions a node has opened.
    pub fn sessions(&self, node: &str) -> usize {
        self.known().sessions.get(&node.parse().unwrap()).copied().unwrap_or(0)
    }

    /// A node connects.
    pub fn connect(&self, endpoints: Endpoints) -> io::Result<RouterStream> {
        let (stream, ours) = duplex(1 << 16);
        let (router, node) = (self.clone(), endpoints.local.ip());
        tokio::spawn(async move {
            // The end of the node's process ends its task, too: what was told stays, as over a graceful restart.
            let _ = router.serve(ours, node).await;
            router.known().routes.remove(&node);
        });
        Ok(RouterStream { stream, endpoints })
    }

    async fn serve(&self, mut stream: DuplexStream, node: IpAddr) -> io::Result<()> {
        loop {
            let mut header = [0; HEADER];
            stream.read_exact(&mut header).await?;
            let mut body = vec![0; usize::from(u16::from_be_bytes([header[16], header[17]])) - HEADER];
            stream.read_exact(&mut body).await?;
            match header[18] {
                OPEN => {
                    *self.known().sessions.entry(node).or_default() += 1;
                    // Its OPEN comes back, with another identifier.
                    body[5..9].copy_from_slice(&[10, 0, 5, 1]);
                    send(&mut stream, OPEN, &body).await?;
                    send(&mut stream, KEEPALIVE, &[]).await?;
                }
                UPDATE => self.update(node, &body),
                KEEPALIVE => send(&mut stream, KEEPALIVE, &[]).await?,
                _ => return Ok(()),
            }
        }
    }

    fn update(&self, node: IpAddr, body: &[u8]) {
        let (withdrawn, rest) = sized(body);
        let (_, announced) = sized(rest);
        let mut known = self.known();
        let (withdrawn, announced) = (prefixes(withdrawn), prefixes(announced));
        *known.told.entry(node).or_default() += withdrawn.len() + announced.len();
        let routes = known.routes.entry(node).or_default();
        withdrawn
            .iter()
            .for_each(|prefix| assert!(routes.remove(prefix), "{node} withdraws {prefix}, which was not told"));
        routes.extend(announced);
    }
}

async fn send(stream: &mut DuplexStream, kind: u8, body: &[u8]) -> io::Result<()> {
    let length = u16::try_from(HEADER + body.len()).unwrap().to_be_bytes();
    let message = [&[0xff; 16][..], &length, &[kind], body].concat();
    stream.write_all(&message).await
}

/// What two octets give the length of, and the rest.
fn sized(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes[2..].split_at(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
}

fn prefixes(mut bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while let Some((length, rest)) = bytes.split_first() {
        let (octets, rest) = rest.split_at(usize::from(*length).div_ceil(8));
        let mut address = [0; 4];
        address[..octets.len()].copy_from_slice(octets);
        found.push(format!("{}/{length}", IpAddr::from(address)));
        bytes = rest;
    }
    found
}
