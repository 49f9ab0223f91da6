//! A private certificate authority and the TLS side of an upstream.

use std::{io, net::TcpStream, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use super::wire::{Socket, Wire};

/// Signs certificates that nobody trusts who was not given its PEM.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// How an upstream does TLS.
pub(crate) struct TlsSettings {
    config: Arc<ServerConfig>,
}

/// What a handshake ended in.
#[derive(Clone, Debug)]
pub(crate) struct TlsFacts {
    pub(crate) server_name: Option<String>,
    pub(crate) version: ProtocolVersion,
    pub(crate) is_resumed: bool,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Authority of the tests");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    /// For `ca_cert_pem`.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server with a certificate for a name and the given protocol versions.
    pub(crate) fn server(&self, name: &str, versions: &[&'static SupportedProtocolVersion]) -> TlsSettings {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        TlsSettings { config: Arc::new(config) }
    }
}

impl TlsSettings {
    pub(super) fn accept(&self, mut stream: TcpStream) -> io::Result<(Wire, TlsFacts)> {
        let mut connection = ServerConnection::new(self.config.clone()).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        let facts = TlsFacts {
            server_name: connection.server_name().map(str::to_owned),
            version: connection.protocol_version().expect("the handshake is over"),
            is_resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        };
        Ok((Wire::new(StreamOwned::new(connection, stream)), facts))
    }
}

impl Socket for StreamOwned<ServerConnection, TcpStream> {
    fn tcp(&self) -> &TcpStream {
        &self.sock
    }
}
