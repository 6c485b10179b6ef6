//! The admin side on its two listeners: everything on a Unix socket, and what changes nothing on TCP.

mod answer;
mod changes;
mod connections;
mod events;
mod health;
mod listen;
mod page;
mod reports;
mod route;
mod services;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

pub use self::listen::{ListenError, SocketFile};
pub use self::route::{RequestCounts, Route};

use super::desk::Desk;
use super::moves::Moves;

/// Where the Unix socket is unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/quorumlb/admin.sock";
/// Where the TCP listener is unless told otherwise.
pub const DEFAULT_METRICS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7474);

/// How often moves are counted between scrapes, so that none falls out of the history first.
const COUNT_MOVES: Duration = Duration::from_secs(1);

/// Where a node's admin side listens.
#[derive(Clone, Debug)]
pub struct Options {
    /// The Unix socket.
    pub socket: PathBuf,
    /// The TCP listener for metrics, health and the status page; `None` for none.
    pub metrics: Option<SocketAddr>,
}

/// An admin side whose listeners are bound.
#[derive(Debug)]
pub struct Admin {
    socket: UnixListener,
    /// Removes the socket's file in the end.
    _file: SocketFile,
    metrics: Option<TcpListener>,
}

/// What all handlers share.
#[derive(Clone)]
pub(super) struct Context<D> {
    pub desk: D,
    pub shared: Arc<Shared>,
}

/// What handlers keep between requests.
pub(super) struct Shared {
    pub requests: RequestCounts,
    pub moves: Moves,
    /// Snapshots are large: one at a time.
    pub snapshots: Semaphore,
}

impl Admin {
    /// Binds the listeners. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When another process listens there, or the system says no; in words that tell what to do.
    pub fn bind(options: &Options) -> Result<Self, ListenError> {
        let (socket, file) = listen::socket(&options.socket)?;
        let metrics = options.metrics.map(listen::tcp).transpose()?;
        Ok(Self { socket, _file: file, metrics })
    }

    /// Where the TCP listener is, if there is one.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref()?.local_addr().ok()
    }

    /// Answers until it is dropped; connections end with it.
    pub async fn serve<D: Desk>(self, desk: D) {
        let requests = RequestCounts::default();
        let shared = Shared { requests, moves: Moves::default(), snapshots: Semaphore::new(1) };
        let context = Context { desk, shared: Arc::new(shared) };
        let socket = connections::serve(&self.socket, everything(context.clone()), Arc::clone(&context.shared));
        let metrics = async {
            match &self.metrics {
                Some(tcp) => connections::serve(tcp, read_only(context.clone()), Arc::clone(&context.shared)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = socket => {}
            () = metrics => {}
            () = count_moves(&context) => {}
        }
    }
}

async fn count_moves<D: Desk>(context: &Context<D>) {
    loop {
        context.shared.moves.count(context.desk.view().as_ref());
        tokio::time::sleep(COUNT_MOVES).await;
    }
}

/// What may be asked by anyone who reaches the TCP listener.
fn open<D: Desk>() -> Router<Context<D>> {
    Router::new()
        .route("/", get(page::page::<D>))
        .route("/metrics", get(health::metrics::<D>))
        .route("/healthz", get(health::healthz::<D>))
        .route("/readyz", get(health::readyz::<D>))
}

fn read_only<D: Desk>(context: Context<D>) -> Router {
    open().fallback(answer::only_on_the_socket).method_not_allowed_fallback(answer::wrong_method).with_state(context)
}

fn everything<D: Desk>(context: Context<D>) -> Router {
    open()
        .route("/v1/services", get(reports::services::<D>).post(services::put::<D>))
        .route("/v1/services/{namespace}/{name}", delete(services::delete::<D>))
        .route("/v1/pools", get(reports::pools::<D>))
        .route("/v1/nodes", get(reports::nodes::<D>))
        .route("/v1/owners", get(reports::owners::<D>))
        .route("/v1/bgp", get(reports::bgp))
        .route("/v1/advertisements", get(reports::advertisements))
        .route("/v1/backends", get(reports::backends::<D>))
        .route("/v1/config", get(reports::config::<D>))
        .route("/v1/raft", get(reports::raft::<D>))
        .route("/v1/status", get(reports::status::<D>))
        .route("/v1/snapshot", get(reports::snapshot::<D>))
        .route("/v1/events", get(events::events::<D>))
        .route("/v1/nodes/{name}/drain", post(changes::drain::<D>))
        .route("/v1/nodes/{name}/undrain", post(changes::undrain::<D>))
        .route("/v1/leave", post(changes::leave::<D>))
        .fallback(answer::unknown)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(DefaultBodyLimit::max(services::MAX_BODY))
        .with_state(context)
}
