//! A peer that follows none of our rules, for the trials: shows whatever certificate it is given, or none.
//!
//! ```text
//! stranger dial ADDRESS NAME CA [CERT KEY]     asks the node NAME; exit 0 when it is refused, 1 when it is answered
//! stranger serve ADDRESS CERT KEY              takes connections until it is ended
//! ```

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use quinn::Endpoint;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::RootCertStore;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::TLS13;

const PROTOCOL: &[u8] = b"quorumlb/2";
const PATIENCE: Duration = Duration::from_secs(3);

type Failure = Box<dyn Error>;
type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn roots(path: &str) -> Result<Arc<RootCertStore>, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    Ok(Arc::new(roots))
}

fn shown(certificate: &str, key: &str) -> Result<Shown, Failure> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    Ok((chain, PrivateKeyDer::from_pem_file(key)?))
}

async fn dial(to: SocketAddr, name: &str, authority: &str, shows: Option<Shown>) -> Result<ExitCode, Failure> {
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots(authority)?);
    let mut tls = match shows {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![PROTOCOL.to_vec()];
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let endpoint = Endpoint::client(SocketAddr::new([0, 0, 0, 0].into(), 0))?;
    let asking = async {
        let connection = endpoint.connect_with(config, to, name)?.await?;
        // A client hears of its refusal only after its own side of the handshake is done.
        let (mut send, mut receive) = connection.open_bi().await?;
        send.write_all(b"M\x02x").await?;
        send.finish()?;
        Ok::<_, Failure>(receive.read_to_end(100).await?)
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(answer)) => {
            println!("answered with {} bytes", answer.len());
            return Ok(ExitCode::FAILURE);
        }
        Ok(Err(error)) => println!("refused: {error}"),
        Err(_) => println!("no answer within {PATIENCE:?}"),
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(at: SocketAddr, (chain, key): Shown) -> Result<ExitCode, Failure> {
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    tls.alpn_protocols = vec![PROTOCOL.to_vec()];
    let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    let endpoint = Endpoint::server(config, at)?;
    println!("serving");
    let mut taken = Vec::new();
    while let Some(incoming) = endpoint.accept().await {
        if let Ok(connection) = incoming.await {
            taken.push(connection);
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["dial", to, name, authority] => dial(to.parse()?, name, authority, None).await,
        ["dial", to, name, authority, certificate, key] => {
            dial(to.parse()?, name, authority, Some(shown(certificate, key)?)).await
        }
        ["serve", at, certificate, key] => serve(at.parse()?, shown(certificate, key)?).await,
        _ => Err("see the top of this file for how to use it".into()),
    }
}
