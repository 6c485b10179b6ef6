//! Connections: accepted, bounded, served.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Shared;
use super::answer::Problem;
use super::route::{Route, unknown_key};

/// Connections that are open at once on one listener.
const MOST: usize = 256;
/// A connection that does not send a whole request head for this long is closed, between requests too.
const HEAD: Duration = Duration::from_secs(60);
/// A body must arrive, and an answer begin, within this time; leaving takes as long as it takes.
const REQUEST: Duration = Duration::from_secs(15);
/// For how long a connection over TCP may live: whoever does not read its answers must not keep a place forever. The
/// socket is for the node's own user, who may follow events for days.
const LIFE: Duration = Duration::from_secs(300);
/// What a buffer holds at most: request heads are small.
const BUFFER: usize = 64 << 10;
/// After a failed accept, for example without a free file descriptor.
const BREATH: Duration = Duration::from_millis(100);

const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: 44\r\n\
    connection: close\r\n\r\n{\"error\":\"256 connections are open already\"}";

/// Where connections come from.
pub(super) trait Listener {
    /// For how long a connection may live.
    const LIFE: Option<Duration>;
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    async fn accept(&self) -> io::Result<Self::Stream>;
}

impl Listener for UnixListener {
    const LIFE: Option<Duration> = None;
    type Stream = tokio::net::UnixStream;

    async fn accept(&self) -> io::Result<Self::Stream> {
        UnixListener::accept(self).await.map(|(stream, _)| stream)
    }
}

impl Listener for TcpListener {
    const LIFE: Option<Duration> = Some(LIFE);
    type Stream = tokio::net::TcpStream;

    async fn accept(&self) -> io::Result<Self::Stream> {
        TcpListener::accept(self).await.map(|(stream, _)| stream)
    }
}

/// Serves until it is dropped, all connections with it.
pub(super) async fn serve<L: Listener>(listener: &L, router: Router, shared: Arc<Shared>) {
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            Some(_) = open.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(stream) if open.len() < MOST => {
                let _ = open.spawn(connection(stream, router.clone(), Arc::clone(&shared), L::LIFE));
            }
            Ok(mut stream) => {
                // The answer fits the socket's buffer; whoever does not read it is not waited for.
                let _ = timeout(BREATH, stream.write_all(FULL)).await;
            }
            Err(error) => {
                tracing::warn!(%error, "the admin side cannot accept a connection");
                sleep(BREATH).await;
            }
        }
    }
}

async fn connection<S>(stream: S, router: Router, shared: Arc<Shared>, life: Option<Duration>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(|request: Request<Incoming>| {
        let route = Route::of(request.method(), request.uri().path());
        let unknown = request.uri().query().and_then(|query| unknown_key(request.uri().path(), query));
        let (answer, shared) = (router.call(request), &shared);
        async move {
            let response: Response<Body> = match route {
                _ if unknown.is_some() => refused(unknown.unwrap_or_default()),
                Route::Leave => answer.await?,
                _ => match timeout(REQUEST, answer).await {
                    Ok(answer) => answer?,
                    Err(_) => too_late(),
                },
            };
            shared.requests.count(route, response.status());
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(BUFFER).pipeline_flush(true);
    // What goes wrong on a connection is its other end's doing, and told there.
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
    let Some(life) = life else { return drop(connection.await) };
    if timeout(life, connection.as_mut()).await.is_err() {
        // It finishes the request that it is at, and that in time.
        connection.as_mut().graceful_shutdown();
        let _ = timeout(REQUEST, connection).await;
    }
}

fn refused(why: String) -> Response<Body> {
    Problem::new(axum::http::StatusCode::BAD_REQUEST, why).into_response()
}

fn too_late() -> Response<Body> {
    let status = axum::http::StatusCode::GATEWAY_TIMEOUT;
    Problem::new(status, format!("no answer within {} s", REQUEST.as_secs())).into_response()
}
