//! `quorumlb run`: a node.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use quorumlb_actors::admin::{Admin, DEFAULT_METRICS, DEFAULT_SOCKET, Options};
use quorumlb_actors::linux::{Linux, LinuxOptions, prefer_realtime};
use quorumlb_actors::node::{Known, Node, NodeOptions};
use quorumlb_actors::source::{self, Loaded};
use quorumlb_raft_store::log::{is_free, make_directory};
use quorumlb_raft_store::model::NodeName;
use quorumlb_raft_store::net::quic::DEFAULT_PORT;
use quorumlb_raft_store::pki::{AUTHORITY_CERTIFICATE, Identity};
use time::OffsetDateTime;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::output::{NO, wrong};

/// The name of a cluster whose files do not give one.
const UNNAMED: &str = "quorumlb";

/// How long what still runs may take to end when the node has stopped.
const STUCK: Duration = Duration::from_secs(1);

/// How much a process that may not run in real time asks to be preferred.
const NICE: i32 = -10;

/// Run a node: take part in the group, answer for what it gives this node, follow the manifests.
///
/// SIGTERM and SIGINT hand over first: what the node owns moves to others before it stops answering.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  quorumlb run --config /etc/quorumlb\n  \
    quorumlb run --config cluster.yaml --config services/ --node node1 --data /var/lib/quorumlb\n\n\
    The node's certificate is DATA/pki/NODE.crt with its key NODE.key, its authority DATA/pki/ca.crt:\n  \
    quorumlb pki issue NODE --dir ca --out DATA/pki; the authority's certificate is copied along when it is missing.\n\n\
    Logs go to standard error; QUORUMLB_LOG sets what is logged (default: info).")]
pub struct Run {
    /// A file or folder with manifests; it is watched. May be given several times.
    #[arg(long, required = true, value_name = "PATH")]
    config: Vec<PathBuf>,
    /// This node's name in the manifests (default: the host's name).
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Where the node keeps the log, its identity and its certificate.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/quorumlb")]
    data: PathBuf,
    /// Where the certificates are (default: DATA/pki).
    #[arg(long, value_name = "DIR")]
    pki: Option<PathBuf>,
    /// Where QUIC listens (default: the port of the node's address in the manifests, on all addresses).
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// The admin socket, for the other commands.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// Where metrics, health and the status page are served, read-only (default: 127.0.0.1:7474); `none` for nowhere.
    #[arg(long, value_name = "ADDRESS:PORT|none", value_parser = metrics)]
    metrics: Option<Metrics>,
    /// How the process asks to be scheduled: a ping that waits for a busy CPU costs a session. Without the right to it
    /// (CAP_SYS_NICE) it runs as it is.
    #[arg(long, value_enum, default_value_t = Scheduling::Realtime)]
    scheduling: Scheduling,
    /// Log as JSON, a line for each event.
    #[arg(long)]
    log_json: bool,
}

/// How the process asks to be scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scheduling {
    /// SCHED_RR at its lowest priority: before all that is not real time, as cluster managers usually run.
    Realtime,
    /// A nice value of -10.
    Nice,
    /// As the system starts it.
    Normal,
}

/// Where metrics are served.
#[derive(Clone, Copy, Debug)]
struct Metrics(Option<SocketAddr>);

fn metrics(text: &str) -> Result<Metrics, String> {
    match text {
        "none" => Ok(Metrics(None)),
        address => address
            .parse()
            .map(|address| Metrics(Some(address)))
            .map_err(|_| format!("`{address}` is not an address with a port, such as 127.0.0.1:7474, and not `none`")),
    }
}

/// What a start that failed means for the exit status.
enum Failed {
    /// Wrong usage or input.
    Wrong(String),
    /// It is right, and does not work.
    No(String),
}

impl Run {
    pub fn run(self) -> ExitCode {
        log_to_stderr(self.log_json);
        let scheduling = self.scheduling;
        let prepared = match self.prepare() {
            Ok(prepared) => prepared,
            Err(Failed::Wrong(message)) => return wrong(message),
            Err(Failed::No(message)) => return no(&message),
        };
        scheduling.ask();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        match runtime {
            Ok(runtime) => {
                let served = runtime.block_on(prepared.serve());
                // What hangs in the system (a dead disk or network file system) does not keep the process.
                runtime.shutdown_timeout(STUCK);
                served.map_or_else(|message| no(&message), |()| ExitCode::SUCCESS)
            }
            Err(error) => no(&format!("no runtime: {error}")),
        }
    }

    fn prepare(self) -> Result<Prepared, Failed> {
        let loaded = source::load(&self.config);
        if loaded.has_errors() {
            eprint!("{}", source::render(&loaded.diagnostics));
            return Err(Failed::Wrong("the manifests are wrong; `quorumlb check` tells the same".to_owned()));
        }
        let name = self.name()?;
        let listen = self.listen(&name, &loaded)?;
        let identity = self.identity(&name)?;
        // Only now: a start that fails before leaves nothing behind.
        make_directory(&self.data).map_err(|error| Failed::No(format!("{}: {error}", self.data.display())))?;
        is_free(&self.data).map_err(|error| Failed::No(format!("{error}; is quorumlb running already?")))?;
        let options = NodeOptions {
            name,
            cluster: loaded.cluster.unwrap_or_else(|| UNNAMED.to_owned()),
            known: Known { nodes: loaded.wanted.nodes, settings: loaded.wanted.settings, secrets: loaded.secrets },
        };
        let metrics = self.metrics.map_or(Some(DEFAULT_METRICS), |metrics| metrics.0);
        let world = LinuxOptions { config: self.config, data: self.data, listen, identity };
        Ok(Prepared { options, world, admin: Options { socket: self.socket, metrics } })
    }

    fn name(&self) -> Result<NodeName, Failed> {
        if let Some(name) = &self.node {
            return Ok(NodeName(name.clone()));
        }
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        if host.is_empty() {
            Err(Failed::Wrong("this host has no name: give --node".to_owned()))
        } else {
            Ok(NodeName(host))
        }
    }

    fn listen(&self, name: &NodeName, loaded: &Loaded) -> Result<SocketAddr, Failed> {
        let Some(node) = loaded.wanted.nodes.get(name) else {
            let known: Vec<&str> = loaded.wanted.nodes.keys().map(NodeName::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Failed::Wrong(format!(
                "the manifests have no node {name} (there are: {known}); add it under spec.nodes of the Cluster, or give \
                 --node"
            )));
        };
        let Some(address) = node.address else {
            return Err(Failed::Wrong(format!(
                "node {name} has no address in the manifests: other nodes cannot reach it"
            )));
        };
        let port = if address.port() == 0 { DEFAULT_PORT } else { address.port() };
        Ok(self.listen.unwrap_or_else(|| SocketAddr::new(address.ip(), port)))
    }

    fn identity(&self, name: &NodeName) -> Result<Identity, Failed> {
        let pki = self.pki.clone().unwrap_or_else(|| self.data.join("pki"));
        let file = |ending: &str| pki.join(format!("{name}.{ending}"));
        let (authority, certificate, key) = (pki.join(AUTHORITY_CERTIFICATE), file("crt"), file("key"));
        if self.data.is_file() {
            let message = format!("--data {} is a file; the data directory is a folder", self.data.display());
            return Err(Failed::Wrong(message));
        }
        if !certificate.exists() {
            return Err(Failed::Wrong(missing(&certificate, name, &pki)));
        }
        let identity = Identity::load(&authority, &certificate, &key, OffsetDateTime::now_utc());
        let identity = identity.map_err(|error| Failed::Wrong(error.to_string()))?;
        identity.expect_name(name, &certificate).map_err(|error| Failed::Wrong(error.to_string()))?;
        Ok(identity)
    }
}

fn missing(certificate: &Path, name: &NodeName, pki: &Path) -> String {
    format!(
        "this node has no certificate ({} is missing). Where the authority's key is:\n  quorumlb pki init --dir ca --cluster \
         NAME          (once)\n  quorumlb pki issue {name} --dir ca --out {}",
        certificate.display(),
        pki.display()
    )
}

/// A node that is ready to start.
struct Prepared {
    options: NodeOptions,
    world: LinuxOptions,
    admin: Options,
}

impl Prepared {
    async fn serve(self) -> Result<(), String> {
        let admin = Admin::bind(&self.admin).map_err(|error| error.to_string())?;
        let mut ends = [SignalKind::terminate(), SignalKind::interrupt()]
            .map(|kind| signal(kind).map_err(|error| format!("signals cannot be heard: {error}")));
        let [terminate, interrupt] = &mut ends;
        let (terminate, interrupt) =
            (terminate.as_mut().map_err(|e| e.clone())?, interrupt.as_mut().map_err(|e| e.clone())?);
        let name = self.options.name.clone();
        let node = Node::start(self.options, Linux::new(self.world)).await?;
        tracing::info!(node = %name, "started");
        let desk = node.desk();
        let left = desk.clone();
        let serving = tokio::spawn(admin.serve(desk));
        tokio::select! {
            biased;
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = left.has_left() => {}
        }
        tracing::info!("stopping: handing over first");
        node.stop().await;
        serving.abort();
        tracing::info!("stopped");
        Ok(())
    }
}

fn no(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::from(NO)
}

fn log_to_stderr(json: bool) {
    let filter = EnvFilter::try_from_env("QUORUMLB_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,openraft=error,quinn=warn,ractor=warn,rustls=warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Colours are for people; a journal or a file keeps the text alone.
    let log = log.with_ansi(std::io::stderr().is_terminal());
    if json { log.json().init() } else { log.with_target(false).compact().init() }
}

impl Scheduling {
    /// Asks for this thread; those that it starts are scheduled like it.
    fn ask(self) {
        let nice = || rustix::process::setpriority_process(None, NICE).map_err(|error| error.to_string());
        let asked = match self {
            Self::Normal => return,
            Self::Nice => nice(),
            Self::Realtime => prefer_realtime().or_else(|_| nice()),
        };
        prefer_this_session();
        if let Err(error) = asked {
            tracing::info!(%error, "the scheduler does not prefer this process (CAP_SYS_NICE is missing)");
        }
    }
}

/// Where the kernel groups processes by session (`sched_autogroup`), a nice value counts within the session alone; this one
/// counts among sessions. Only when the session is this process's own, as service managers start it.
fn prefer_this_session() {
    let own_session = rustix::process::getsid(None).is_ok_and(|session| session == rustix::process::getpid());
    if own_session && let Err(error) = std::fs::write("/proc/self/autogroup", NICE.to_string()) {
        tracing::debug!(%error, "the session's scheduling group stays as it is");
    }
}
