//! Real sockets on loopback.

use quinn::crypto::rustls::QuicClientConfig;
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::super::testing::{Lab, Peer, until};
use super::*;
use crate::codec::{OLDEST_WIRE_VERSION as OLDEST, WIRE_VERSION as NEWEST};

fn member(name: &str, address: SocketAddr) -> Member {
    Member { name: name.into(), address }
}

/// A client that follows none of our rules: it takes the lab's authority, and shows what it is given.
struct Stranger {
    endpoint: Endpoint,
    client: quinn::ClientConfig,
}

type Shown = Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>;

/// A message of so many bytes, all told.
fn frame(bytes: usize) -> Vec<u8> {
    let mut frame = vec![0; bytes];
    frame[..2].copy_from_slice(&[b'M', NEWEST]);
    frame
}

impl Stranger {
    fn new(roots: Arc<RootCertStore>, shown: Shown, protocol: &str) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let mut tls = match shown {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
            None => builder.with_no_client_auth(),
        };
        tls.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let client = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
        Self { endpoint: Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap(), client }
    }

    fn showing(identity: &Identity, lab: &Lab) -> Self {
        Self::new(lab.identity("node1").roots(), Some((identity.chain(), identity.key())), "quorumlb/2")
    }

    async fn connect(&self, to: &Member) -> Result<quinn::Connection, quinn::ConnectionError> {
        self.endpoint.connect_with(self.client.clone(), to.address, to.name.as_str()).unwrap().await
    }

    /// Connects as far as it gets, and asks something; there must be no answer.
    async fn is_refused_by(&self, to: &Member) {
        let Ok(connection) = self.connect(to).await else { return };
        if let Ok((mut send, mut receive)) = connection.open_bi().await {
            let _ = send.write_all(&[b'M', NEWEST, b'x']).await;
            let _ = send.finish();
            let answer = receive.read_to_end(100).await;
            assert!(answer.is_err(), "{answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_know_one_another_by_their_certificates() {
    let lab = Lab::new();
    let (one, two) = (lab.start("node1"), lab.start("node2"));
    assert_eq!(one.ask(&two.member, "hello").await.unwrap(), "node1: hello");
    assert_eq!(two.ask(&one.member, "hello").await.unwrap(), "node2: hello");
    let version = one.wire.version(&two.member, Lane::Log, Duration::from_secs(5)).await;
    assert_eq!(version, Ok(NEWEST));
    assert_eq!((one.wire.counters().accepted, one.wire.counters().dialled), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_lane_works_and_large_messages_pass() {
    let lab = Lab::new();
    let (one, two) = (lab.start("node1"), lab.start("node2"));
    for lane in [Lane::Heartbeat, Lane::Log, Lane::Snapshot, Lane::Client] {
        let request = frame(3 << 20);
        let answer = one.wire.call(&two.member, lane, request, Duration::from_secs(20)).await.unwrap();
        assert_eq!(answer.len(), "node1: ".len() + (3 << 20) - 2);
    }
    assert_eq!(two.wire.counters().accepted, 2, "snapshots have a connection of their own");
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_arrive_with_the_senders_name() {
    let lab = Lab::new();
    let (one, two) = (lab.start("node1"), lab.start("node2"));
    assert!(one.wire.notify(&two.member, vec![b'M', NEWEST, 7]).is_err(), "not connected yet");
    until("the connection", || one.wire.version_now(&two.member).is_some()).await;
    until("the notice", || {
        one.wire.notify(&two.member, vec![b'M', NEWEST, 7]).unwrap();
        two.service.notices.lock().unwrap().first() == Some(&("node1".into(), vec![b'M', NEWEST, 7]))
    })
    .await;
    let error = one.wire.notify(&two.member, frame(DATAGRAM_LIMIT + 1)).unwrap_err();
    assert_eq!(error, WireError::TooLarge { bytes: DATAGRAM_LIMIT + 1, limit: DATAGRAM_LIMIT });
    until("the unknown version counted", || {
        one.wire.notify(&two.member, vec![b'M', 0, 7]).unwrap();
        two.wire.counters().unknown_version > 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_nobody_gets_in() {
    let lab = Lab::new();
    let one = lab.start("node1");
    Stranger::new(lab.identity("node1").roots(), None, "quorumlb/2").is_refused_by(&one.member).await;
    until("the refusal counted", || one.wire.counters().no_certificate == 1).await;
    assert_eq!(one.wire.counters().accepted, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_authority_is_refused_by_both_sides() {
    let (lab, other) = (Lab::new(), Lab::new());
    let one = lab.start("node1");
    Stranger::showing(&other.identity("node2"), &lab).is_refused_by(&one.member).await;
    until("the refusal counted", || one.wire.counters().other_authority == 1).await;
    // A whole node of the other cluster: it does not even take us.
    let two = other.start("node2");
    let error = two.ask(&one.member, "hello").await.unwrap_err();
    assert!(matches!(error, WireError::Unreachable { .. }), "{error}");
    assert!(two.wire.counters().other_authority > 0);
    until("our certificate refused", || one.wire.counters().refused_by_peer > 0).await;
    assert_eq!(one.wire.counters().accepted, 0);
    // Each side says so, once for each cause, and names who it is if it can.
    let told = |peer: &Peer| -> Vec<_> {
        let refusals = peer.wire.refusals().into_iter();
        refusals.map(|refusal| (refusal.name, refusal.reason)).collect()
    };
    let another = "its certificate is from another authority than the one that this node trusts";
    assert_eq!(told(&two), [(Some("node1".into()), another)]);
    let refuses = "it refuses this node's certificate: it trusts another authority";
    assert_eq!(told(&one), [(None, refuses), (None, another)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_over_when_the_peer_has_the_right_certificate() {
    let (lab, other) = (Lab::new(), Lab::new());
    let one = lab.start("node1");
    let (crashing, wrong) = start_to_crash(other.config("node2")).await;
    let to = wrong.member.clone();
    one.ask(&to, "hello").await.unwrap_err();
    wrong.ask(&one.member, "hello").await.unwrap_err();
    until("both told", || one.wire.refusals().len() >= 2).await;
    assert!(one.wire.refusals().iter().all(|refusal| refusal.name.as_deref() == Some("node2")), "it is dialled");
    drop(wrong);
    crash(crashing, to.address).await;
    let two = Peer::start(QuicConfig { listen: to.address, ..lab.config("node2") });
    assert_eq!(two.ask(&one.member, "hello").await.unwrap(), "node2: hello");
    assert_eq!(one.ask(&to, "hello").await.unwrap(), "node1: hello");
    assert_eq!(one.wire.refusals(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_under_another_name_is_refused() {
    let lab = Lab::new();
    let (one, two) = (lab.start("node1"), lab.start("node2"));
    let error = one.ask(&member("node3", two.member.address), "hello").await.unwrap_err();
    assert!(matches!(error, WireError::Unreachable { .. }), "{error}");
    assert!(one.wire.counters().wrong_name > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_with_two_names_is_refused() {
    let lab = Lab::new();
    let one = lab.start("node1");
    let read = |file: &str| std::fs::read_to_string(lab.path().join(file)).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&read("ca.crt"), KeyPair::from_pem(&read("ca.key")).unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["node2".into(), "node3".into()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let shown = (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap());
    Stranger::new(lab.identity("node1").roots(), Some(shown), "quorumlb/2").is_refused_by(&one.member).await;
    until("the refusal counted", || one.wire.counters().wrong_name == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_counted_and_does_no_harm() {
    let lab = Lab::new();
    let (one, two) = (lab.start("node1"), lab.start("node2"));
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut initial = vec![0xc0, 0, 0, 0, 1];
    initial.resize(600, 0);
    let garbage: [&[u8]; 6] = [b"GET / HTTP/1.1\r\n\r\n", &[0; 1300], &[0x40; 50], b"", &[0xff; 1200], &initial];
    for packet in garbage {
        socket.send_to(packet, two.member.address).unwrap();
    }
    // A datagram of no bytes at all is nothing to look at.
    until("the garbage counted", || two.wire.counters().garbage_packets == 5).await;
    assert_eq!(one.ask(&two.member, "hello").await.unwrap(), "node1: hello");
    assert_eq!(two.wire.counters().garbage_packets, 5, "real packets are not taken for garbage");
    assert_eq!(one.wire.counters().garbage_packets, 0);
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv_from(&mut [0; 2000]).is_err(), "garbage gets no answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn oversize_is_refused_here_and_there() {
    let lab = Lab::new();
    let (one, two) = (lab.start("node1"), lab.start("node2"));
    let large = frame(FRAME_LIMIT + 1);
    let too_large = WireError::TooLarge { bytes: FRAME_LIMIT + 1, limit: FRAME_LIMIT };
    let error = one.wire.call(&two.member, Lane::Client, large.clone(), Duration::from_secs(20)).await.unwrap_err();
    assert_eq!(error, too_large);
    let stranger = Stranger::showing(&lab.identity("node3"), &lab);
    let connection = stranger.connect(&two.member).await.unwrap();
    let error = dial::exchange(&connection, &two.member, Lane::Client, &large).await.unwrap_err();
    assert_eq!(error, too_large);
    assert_eq!(two.wire.counters().oversize, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_version_is_refused() {
    let lab = Lab::new();
    let (one, two) = (lab.start("node1"), lab.start("node2"));
    let call = one.wire.call(&two.member, Lane::Client, vec![b'M', 99, 1], Duration::from_secs(5));
    assert_eq!(call.await.unwrap_err(), WireError::Version { to: two.member.clone() });
    assert_eq!(two.wire.counters().unknown_version, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_highest_common_version_is_spoken() {
    let lab = Lab::new();
    let start = |name: &str, oldest, newest| {
        Peer::start(QuicConfig { versions: Versions { oldest, newest }, ..lab.config(name) })
    };
    let one = start("node1", OLDEST, NEWEST);
    for (oldest, newest, common) in
        [(OLDEST, NEWEST + 1, NEWEST), (OLDEST, OLDEST, OLDEST), (NEWEST, NEWEST + 3, NEWEST)]
    {
        let two = start("node2", oldest, newest);
        let ttl = Duration::from_secs(5);
        assert_eq!(one.wire.version(&two.member, Lane::Client, ttl).await, Ok(common));
        assert_eq!(two.wire.version(&one.member, Lane::Client, ttl).await, Ok(common));
    }
    let three = start("node3", NEWEST + 1, NEWEST + 2);
    assert!(one.ask(&three.member, "hello").await.is_err());
    assert!(three.wire.counters().no_common_version > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_take_every_connection() {
    let lab = Lab::new();
    let limits = Limits { connections_per_address: 1, ..Limits::default() };
    let one = Peer::start(QuicConfig { limits, ..lab.config("node1") });
    let (two, three) = (lab.start("node2"), lab.start("node3"));
    assert_eq!(two.ask(&one.member, "hello").await.unwrap(), "node2: hello");
    assert!(three.ask(&one.member, "hello").await.is_err());
    assert!(one.wire.counters().too_many > 0);
    two.wire.close().await;
    let mut answer = three.ask(&one.member, "hello").await;
    while answer.is_err() {
        answer = three.ask(&one.member, "hello").await;
    }
}

/// A node in a runtime of its own, which can be stopped as a crash stops it: without a word to anybody.
async fn start_to_crash(config: QuicConfig) -> (tokio::runtime::Runtime, Peer) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let peer = runtime.spawn(async { Peer::start(config) }).await.unwrap();
    (runtime, peer)
}

/// Ends a runtime, and waits until its sockets are gone.
async fn crash(runtime: tokio::runtime::Runtime, address: SocketAddr) {
    runtime.shutdown_background();
    until("the port is free", || std::net::UdpSocket::bind(address).is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_peer_is_found_again_without_waiting_for_silence() {
    let lab = Lab::new();
    // With these, silence would be noticed only after 30 s.
    let liveness = Liveness { ping: Duration::from_secs(1), hold: Duration::from_secs(60) };
    let one = Peer::start(QuicConfig { liveness, ..lab.config("node1") });
    let (crashing, two) = start_to_crash(QuicConfig { liveness, ..lab.config("node2") }).await;
    let to = two.member.clone();
    assert_eq!(one.ask(&to, "before").await.unwrap(), "node1: before");
    drop(two);
    crash(crashing, to.address).await;
    let config = QuicConfig { listen: to.address, liveness, ..lab.config("node2") };
    let (runtime, two) = start_to_crash(config).await;
    assert_eq!(two.member, to);
    let found = async {
        loop {
            match one.ask(&to, "after").await {
                Ok(answer) => return answer,
                Err(error) => assert!(!matches!(error, WireError::Timeout { .. }), "a reset, not silence: {error}"),
            }
        }
    };
    assert_eq!(found.await, "node1: after");
    assert_eq!(one.wire.counters().dialled, 2);
    runtime.shutdown_background();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dial_of_the_peer_ends_the_wait_for_it() {
    let lab = Lab::new();
    let one = lab.start("node1");
    let (crashing, two) = start_to_crash(lab.config("node2")).await;
    let to = two.member.clone();
    drop(two);
    crash(crashing, to.address).await;
    let error = one.wire.version(&to, Lane::Client, Duration::from_secs(2)).await.unwrap_err();
    assert!(matches!(error, WireError::Unreachable { .. }), "{error}");
    let link = one.wire.link(&to, Class::Normal).unwrap();
    assert!(link.backs_off());
    let two = Peer::start(QuicConfig { listen: to.address, ..lab.config("node2") });
    assert_eq!(two.ask(&one.member, "back").await.unwrap(), "node2: back");
    until("no reason to wait", || !link.backs_off()).await;
    assert_eq!(one.ask(&to, "hello").await.unwrap(), "node1: hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_while_running() {
    let lab = Lab::new();
    let (one, two) = (lab.start("node1"), lab.start("node2"));
    one.ask(&two.member, "hello").await.unwrap();
    for file in ["node1.crt", "node1.key"] {
        std::fs::remove_file(lab.path().join(file)).unwrap();
    }
    one.wire.reload(lab.identity("node1")).unwrap();
    assert_eq!(one.ask(&two.member, "again").await.unwrap(), "node1: again");
    assert_eq!(two.wire.counters().accepted, 2, "a new connection with the new certificate");
    assert_eq!(two.ask(&one.member, "hello").await.unwrap(), "node2: hello");
    let error = one.wire.reload(lab.identity("node2")).unwrap_err();
    assert!(error.to_string().contains("it is for another node, not for node1"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_named() {
    let lab = Lab::new();
    let one = lab.start("node1");
    let config = QuicConfig { listen: one.member.address, ..lab.config("node2") };
    let error = QuicWire::bind(config, one.service.clone()).unwrap_err().to_string();
    assert_eq!(error, format!("cannot listen on UDP {}: Address already in use (os error 98)", one.member.address));
}
