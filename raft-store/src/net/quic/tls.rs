//! TLS and transport settings.

use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{IdleTimeout, TransportConfig, VarInt};
use rustls::client::Resumption;
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;

use super::{QuicConfig, WireVersion, idle_limit, varint};
use crate::codec::Versions;

/// A round trip on a LAN, assumed until it is measured: lost handshake packets are then repeated after about 30 ms.
const ASSUMED_ROUND_TRIP: Duration = Duration::from_millis(10);

/// What may be under way unread on one stream, in bytes; a large request takes several rounds.
const STREAM_WINDOW: u64 = 2 << 20;

const PROTOCOL: &str = "quorumlb/";

/// The ALPN names of all versions, the newest first.
fn protocols(versions: Versions) -> Vec<Vec<u8>> {
    (versions.oldest..=versions.newest).rev().map(|version| format!("{PROTOCOL}{version}").into_bytes()).collect()
}

/// The version that a connection agreed on.
pub(super) fn negotiated(connection: &quinn::Connection) -> Option<WireVersion> {
    let data = connection.handshake_data()?.downcast::<quinn::crypto::rustls::HandshakeData>().ok()?;
    std::str::from_utf8(&data.protocol?).ok()?.strip_prefix(PROTOCOL)?.parse().ok()
}

pub(super) fn server(config: &QuicConfig) -> Result<quinn::ServerConfig, String> {
    let identity = &config.identity;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(identity.roots(), provider.clone())
        .build()
        .map_err(|error| error.to_string())?;
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .and_then(|builder| {
            builder.with_client_cert_verifier(verifier).with_single_cert(identity.chain(), identity.key())
        })
        .map_err(|error| error.to_string())?;
    tls.alpn_protocols = protocols(config.versions);
    // A resumed session would be taken without looking at the certificate again.
    tls.send_tls13_tickets = 0;
    let crypto = QuicServerConfig::try_from(tls).map_err(|error| error.to_string())?;
    let mut server = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    server.transport_config(Arc::new(transport(config, VarInt::from_u32(config.limits.streams))));
    server.migration(false).max_incoming(config.limits.connections);
    Ok(server)
}

pub(super) fn client(config: &QuicConfig) -> Result<quinn::ClientConfig, String> {
    let identity = &config.identity;
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .and_then(|builder| {
            builder.with_root_certificates(identity.roots()).with_client_auth_cert(identity.chain(), identity.key())
        })
        .map_err(|error| error.to_string())?;
    tls.alpn_protocols = protocols(config.versions);
    tls.resumption = Resumption::disabled();
    let crypto = QuicClientConfig::try_from(tls).map_err(|error| error.to_string())?;
    let mut client = quinn::ClientConfig::new(Arc::new(crypto));
    let mut transport = transport(config, VarInt::from_u32(0));
    transport.keep_alive_interval(Some(idle_limit(config.liveness) / 4));
    client.transport_config(Arc::new(transport));
    Ok(client)
}

/// `streams`: how many the peer may open.
fn transport(config: &QuicConfig, streams: VarInt) -> TransportConfig {
    let mut transport = TransportConfig::default();
    let idle = varint(u64::try_from(idle_limit(config.liveness).as_millis()).unwrap_or(30_000));
    transport
        .max_idle_timeout(Some(IdleTimeout::from(idle)))
        .initial_rtt(ASSUMED_ROUND_TRIP)
        .max_concurrent_bidi_streams(streams)
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(varint(STREAM_WINDOW))
        .receive_window(varint(STREAM_WINDOW * 8))
        .send_window(STREAM_WINDOW * 8)
        .datagram_receive_buffer_size(Some(64 << 10))
        .datagram_send_buffer_size(64 << 10);
    transport
}
