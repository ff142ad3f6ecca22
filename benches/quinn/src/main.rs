//! A file over QUIC, as plainly as quinn can do it: one unidirectional stream, blocking file I/O in blocks of 256 KiB on the
//! runtime's blocking threads, large windows. It encrypts; it neither hashes the file nor commits it atomically.
//!
//!     quinn-file serve FOLDER PORT       prints nothing; takes files until it is ended
//!     quinn-file send FILE PORT

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint, ServerConfig, TransportConfig, VarInt};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};

const BLOCK: usize = 256 << 10;
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn transport() -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    let window = VarInt::from_u32(16 << 20);
    transport.stream_receive_window(window).receive_window(window).send_window(16 << 20);
    Arc::new(transport)
}

#[tokio::main]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", folder, port] => serve(folder, port.parse()?).await,
        ["send", file, port] => send(file, port.parse()?).await,
        _ => Err("quinn-file serve FOLDER PORT | quinn-file send FILE PORT".into()),
    }
}

async fn serve(folder: &str, port: u16) -> Result<()> {
    let key = rcgen::generate_simple_self_signed(vec!["localhost".into()])?;
    let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
    let mut config = ServerConfig::with_single_cert(vec![key.cert.into()], private.into())?;
    config.transport_config(transport());
    let endpoint = Endpoint::server(config, (Ipv4Addr::LOCALHOST, port).into())?;
    while let Some(incoming) = endpoint.accept().await {
        let path = format!("{folder}/file");
        tokio::spawn(async move {
            if let Err(error) = take(incoming, path).await {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

async fn take(incoming: quinn::Incoming, path: String) -> Result<()> {
    let connection = incoming.await?;
    let mut stream = connection.accept_uni().await?;
    let (full, mut blocks) = tokio::sync::mpsc::channel::<Vec<u8>>(16);
    let writer = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        let mut file = std::fs::File::create(path)?;
        while let Some(block) = blocks.blocking_recv() {
            file.write_all(&block)?;
        }
        Ok(())
    });
    while let Some(chunk) = stream.read_chunk(BLOCK, true).await? {
        full.send(chunk.bytes.to_vec()).await?;
    }
    drop(full);
    writer.await??;
    let mut answer = connection.open_uni().await?;
    answer.write_all(b"done").await?;
    answer.finish()?;
    connection.closed().await;
    Ok(())
}

async fn send(file: &str, port: u16) -> Result<()> {
    let mut rustls = rustls::ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    rustls.enable_early_data = false;
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(rustls)?));
    config.transport_config(transport());
    let endpoint = Endpoint::client((Ipv4Addr::UNSPECIFIED, 0).into())?;
    let address: SocketAddr = (Ipv4Addr::LOCALHOST, port).into();
    let connection = endpoint.connect_with(config, address, "localhost")?.await?;
    let mut stream = connection.open_uni().await?;
    let path = file.to_owned();
    let (full, mut blocks) = tokio::sync::mpsc::channel::<Vec<u8>>(16);
    let reader = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        let mut file = std::fs::File::open(path)?;
        loop {
            let mut block = vec![0; BLOCK];
            let length = file.read(&mut block)?;
            block.truncate(length);
            if length == 0 || full.blocking_send(block).is_err() {
                return Ok(());
            }
        }
    });
    while let Some(block) = blocks.recv().await {
        stream.write_chunk(block.into()).await?;
    }
    reader.await??;
    stream.finish()?;
    connection.accept_uni().await?.read_to_end(16).await?;
    connection.close(VarInt::from_u32(0), b"");
    endpoint.wait_idle().await;
    Ok(())
}

/// The certificate of a benchmark is nobody's.
#[derive(Debug)]
struct Anybody;

impl rustls::client::danger::ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> std::result::Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> std::result::Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
