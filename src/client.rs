//! What the commands that talk to a node share: HTTP over its Unix socket.

use std::fmt;
use std::future::Future;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use quorumlb_actors::admin::DEFAULT_SOCKET;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::output::no;

/// A larger answer is not read: a snapshot is at most 256 MiB.
const MAX_ANSWER: usize = 300 << 20;

/// Which node is asked.
#[derive(Clone, Debug, Args)]
pub struct Client {
    /// The node's admin socket.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// How long to wait for an answer.
    #[arg(long, value_name = "SPAN", default_value = "15s", value_parser = humantime::parse_duration, hide = true)]
    patience: Duration,
}

/// Why there is no good answer, in words: no node, or it hung up, was too slow, or says no.
#[derive(Debug)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Client {
    /// What stands at a path.
    pub async fn get(&self, path: &str) -> Result<Bytes, Failure> {
        self.ask(Method::GET, path, Some(self.patience)).await
    }

    /// What stands at a path, as JSON.
    pub async fn get_json(&self, path: &str) -> Result<Value, Failure> {
        self.parse(&self.get(path).await?)
    }

    /// Has something done; waits for as long as it takes without `patience`.
    pub async fn post(&self, path: &str, bounded: bool) -> Result<Value, Failure> {
        let bytes = self.ask(Method::POST, path, bounded.then_some(self.patience)).await?;
        self.parse(&bytes)
    }

    /// The beginning of an answer that does not end.
    pub async fn stream(&self, path: &str) -> Result<Incoming, Failure> {
        let response = self.bounded(Some(self.patience), self.send(Method::GET, path)).await?;
        match response.status().is_success() {
            true => Ok(response.into_body()),
            false => Err(self
                .bounded(Some(self.patience), self.whole(response))
                .await
                .err()
                .unwrap_or_else(|| Failure("the node's answer makes no sense".to_owned()))),
        }
    }

    async fn ask(&self, method: Method, path: &str, patience: Option<Duration>) -> Result<Bytes, Failure> {
        self.bounded(patience, async { self.whole(self.send(method, path).await?).await }).await
    }

    async fn bounded<T>(
        &self,
        patience: Option<Duration>,
        answer: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let Some(patience) = patience else { return answer.await };
        timeout(patience, answer).await.unwrap_or_else(|_| {
            let socket = self.socket.display();
            Err(Failure(format!("the node on {socket} did not answer within {} s", patience.as_secs())))
        })
    }

    async fn send(&self, method: Method, path: &str) -> Result<Response<Incoming>, Failure> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.cannot_connect(&error))?;
        let failed =
            |error: &dyn fmt::Display| Failure(format!("the node on {} hung up: {error}", self.socket.display()));
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        // It ends with the sender and the answer's body; an error in it is told there.
        drop(tokio::spawn(connection));
        let request = Request::builder().method(method).uri(path).header("host", "admin").body(Empty::<Bytes>::new());
        let request = request.map_err(|error| failed(&error))?;
        sender.send_request(request).await.map_err(|error| failed(&error))
    }

    /// The whole answer, if it is a good one.
    async fn whole(&self, response: Response<Incoming>) -> Result<Bytes, Failure> {
        let status = response.status();
        let failed = |error| Failure(format!("the answer broke off: {error}"));
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(failed)?.to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        let said = serde_json::from_slice::<Value>(&body).ok();
        let said = said.as_ref().and_then(|said| said["error"].as_str());
        Err(Failure(said.map_or_else(|| format!("the node answers {status}"), str::to_owned)))
    }

    fn parse(&self, bytes: &[u8]) -> Result<Value, Failure> {
        serde_json::from_slice(bytes).map_err(|error| Failure(format!("the answer is no JSON: {error}")))
    }

    fn cannot_connect(&self, error: &std::io::Error) -> Failure {
        let socket = self.socket.display();
        Failure(match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => format!(
                "no node listens on {socket}: is it running? (systemctl status quorumlb; --socket for another place)"
            ),
            ErrorKind::PermissionDenied => {
                format!("{socket} may not be opened: it belongs to the node's user; try as root")
            }
            _ => format!("cannot connect to {socket}: {error}"),
        })
    }
}

/// Runs a command to its end; a failure is the answer no.
pub fn run(command: impl Future<Output = Result<ExitCode, Failure>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return no(format!("cannot start: {error}")),
    };
    runtime.block_on(command).unwrap_or_else(no)
}

/// A text as a part of a path or a query.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
