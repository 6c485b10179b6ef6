//! The closed loop of the write benches: so many connections, each sends its next write when the last one is
//! acknowledged. One thread, HTTP/1.1 with keep-alive, and as little work for each request as there can be, so that the
//! contender is measured and not the client. Every contender gets this same client.

mod answer;
mod request;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::answer::Answer;
use crate::request::{Kind, Request};

/// Writes in a closed loop, and prints what came of it as one line of JSON.
#[derive(Clone, Debug, Parser)]
#[command(
    after_help = "Example:\n  quorumlb-load --kind etcd-put --target 127.0.0.1:2379 --connections 64 --seconds 6"
)]
struct Arguments {
    /// Where writes are taken: host:port, or the path of a Unix socket.
    #[arg(long)]
    target: Target,
    /// What is written.
    #[arg(long, value_enum)]
    kind: Kind,
    /// How many connections, each with one write under way.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    connections: u64,
    /// For how long.
    #[arg(long, default_value_t = 6.0)]
    seconds: f64,
    /// The first write's number; each write has its own.
    #[arg(long, default_value_t = 0)]
    first: u64,
}

#[derive(Clone, Debug)]
enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl std::str::FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('/') {
            return Ok(Self::Unix(text.into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| format!("`{text}` is neither address:port nor the path of a socket"))
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Target {
    async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        }
    }
}

/// What one or all connections did.
#[derive(Debug, Default)]
struct Tally {
    /// Of each acknowledged write, in microseconds.
    latencies: Vec<u32>,
    failures: u64,
    /// Why the first one that failed did.
    why: Option<String>,
}

impl Tally {
    fn failed(&mut self, why: impl FnOnce() -> String) {
        self.failures += 1;
        self.why.get_or_insert_with(why);
    }

    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.failures += other.failures;
        self.why = self.why.take().or(other.why);
    }

    /// The latency that this share of the writes did not exceed; the latencies must be sorted.
    fn quantile(&self, share: f64) -> u32 {
        let rank = (share * self.latencies.len() as f64).ceil() as usize;
        self.latencies.get(rank.saturating_sub(1)).copied().unwrap_or(0)
    }

    fn report(mut self, seconds: f64) -> String {
        self.latencies.sort_unstable();
        format!(
            "{{\"writes\": {}, \"failures\": {}, \"p50_us\": {}, \"p99_us\": {}, \"max_us\": {}, \"seconds\": {seconds:.3}}}",
            self.latencies.len(),
            self.failures,
            self.quantile(0.5),
            self.quantile(0.99),
            self.latencies.last().copied().unwrap_or(0)
        )
    }
}

/// One connection: a write, its answer, the next write. Whatever is under way at the deadline does not count.
async fn closed_loop(arguments: Arguments, number: u64, deadline: Instant) -> Tally {
    let mut tally = Tally::default();
    let mut request = Request::new(arguments.kind);
    let mut next = arguments.first + number;
    // Reached at the deadline, or when the contender cannot be reached any more.
    let _ = timeout_at(deadline, async {
        while Instant::now() < deadline {
            let mut stream = match arguments.target.connect().await {
                Ok(stream) => stream,
                Err(error) => {
                    tally.failed(|| format!("cannot connect: {error}"));
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            };
            if let Err(error) = converse(&mut stream, &mut request, &mut next, arguments.connections, &mut tally).await
            {
                tally.failed(|| format!("the connection ended: {error}"));
            }
        }
    })
    .await;
    tally
}

async fn converse(
    stream: &mut Box<dyn Stream>,
    request: &mut Request,
    next: &mut u64,
    step: u64,
    tally: &mut Tally,
) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(16 << 10);
    loop {
        let started = Instant::now();
        stream.write_all(request.with_number(*next)).await?;
        *next += step;
        buffer.clear();
        let status = loop {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            match answer::parse(&buffer) {
                Answer::Whole(status) => break status,
                Answer::Partial => {}
                Answer::Senseless => return Err(std::io::ErrorKind::InvalidData.into()),
            }
        };
        if status == 200 {
            tally.latencies.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
        } else {
            tally.failed(|| String::from_utf8_lossy(&buffer).into_owned());
        }
    }
}

async fn run(arguments: &Arguments) -> (Tally, f64) {
    let started = Instant::now();
    let deadline = started + Duration::from_secs_f64(arguments.seconds.clamp(0.1, 3600.0));
    let mut connections = JoinSet::new();
    for number in 0..arguments.connections {
        connections.spawn(closed_loop(arguments.clone(), number, deadline));
    }
    let mut all = Tally::default();
    for tally in connections.join_all().await {
        all.add(tally);
    }
    (all, started.elapsed().as_secs_f64())
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let (tally, seconds) = runtime.block_on(run(&arguments));
    if let Some(why) = &tally.why {
        eprintln!("{} failed, the first one so: {why}", tally.failures);
    }
    println!("{}", tally.report(seconds));
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers every other request with a refusal, and ends the connection after ten.
    async fn serve(mut stream: UnixStream) -> std::io::Result<()> {
        let mut request = vec![0; Request::new(Kind::QuorumlbService).with_number(0).len()];
        for number in 0..10 {
            stream.read_exact(&mut request).await?;
            let status = if number % 2 == 0 { "200 OK" } else { "503 Service Unavailable" };
            stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}").as_bytes()).await?;
        }
        Ok(())
    }

    #[tokio::test]
    async fn acknowledged_writes_and_failures_are_told_apart() {
        let folder = std::env::temp_dir().join(format!("quorumlb-load-{}", std::process::id()));
        let _ = std::fs::remove_file(&folder);
        let listener = tokio::net::UnixListener::bind(&folder).unwrap();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        let arguments = Arguments {
            target: Target::Unix(folder.clone()),
            kind: Kind::QuorumlbService,
            connections: 3,
            seconds: 0.3,
            first: 0,
        };
        let (tally, seconds) = run(&arguments).await;
        server.abort();
        std::fs::remove_file(&folder).unwrap();
        let writes = tally.latencies.len() as u64;
        // Of ten requests five are refused, and the eleventh finds the connection ended.
        assert!(writes > 100 && tally.failures > writes && tally.failures < writes * 3 / 2, "{tally:?}");
        assert!(tally.report(seconds).starts_with(&format!("{{\"writes\": {writes}, \"failures\": ")));
    }

    #[test]
    fn targets_are_addresses_or_paths() {
        assert!(matches!("127.0.0.1:2379".parse(), Ok(Target::Tcp(_))));
        assert!(matches!("/run/x.sock".parse(), Ok(Target::Unix(_))));
        assert!("localhost".parse::<Target>().is_err());
    }
}
