//! The upstream: answers at once, or streams events at a steady pace, in OpenAI's dialect or in Anthropic's.

use std::{io, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    task::{JoinHandle, spawn_local},
    time::{MissedTickBehavior, interval},
};
use tokio_rustls::{TlsAcceptor, rustls};

use crate::message;

/// Events of one streamed answer.
pub const EVENTS: usize = 100;
/// Pause between two events.
const PACE: Duration = Duration::from_millis(2);

/// Certificate and key of the encrypted upstream, and the authority to trust.
#[derive(Clone)]
pub struct Identity {
    pub authority_pem: String,
    config: Arc<rustls::ServerConfig>,
}

/// A running upstream.
pub struct Upstream {
    pub port: u16,
    task: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Identity {
    /// A certificate for localhost that is its own authority.
    pub fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)?;
        Ok(Self { authority_pem: made.cert.pem(), config: Arc::new(config) })
    }
}

/// Starts an upstream on a free port.
pub async fn start(identity: Option<&Identity>) -> io::Result<Upstream> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let acceptor = identity.map(|identity| TlsAcceptor::from(identity.config.clone()));
    let answers = Rc::new([message::answer(), message::anthropic_answer()]);
    let task = spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let (acceptor, answers) = (acceptor.clone(), answers.clone());
            spawn_local(async move {
                // A proxy that closes is at the end of a run.
                let _ = match acceptor {
                    None => serve(stream, &answers).await,
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => serve(stream, &answers).await,
                        Err(error) => Err(error),
                    },
                };
            });
        }
    });
    Ok(Upstream { port, task })
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, answers: &[Vec<u8>; 2]) -> io::Result<()> {
    let mut received = Vec::with_capacity(256 * 1024);
    loop {
        let length = loop {
            if let Some(length) = crate::load::message_length(&received) {
                break length;
            }
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
        };
        let is_streamed = memchr::memmem::find(&received[..length], b"\"stream\":true").is_some();
        let is_anthropic = received.starts_with(b"POST /v1/messages");
        received.drain(..length);
        if is_streamed {
            stream.write_all(message::STREAM_HEAD).await?;
            let event = if is_anthropic { message::anthropic_event() } else { message::event() };
            if is_anthropic {
                stream.write_all(&message::anthropic_begin()).await?;
            }
            let mut pace = interval(PACE);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            for _ in 0..EVENTS {
                pace.tick().await;
                stream.write_all(&event).await?;
            }
            if is_anthropic {
                stream.write_all(&message::anthropic_end()).await?;
            } else {
                stream.write_all(message::STREAM_END).await?;
            }
        } else {
            stream.write_all(&answers[usize::from(is_anthropic)]).await?;
        }
    }
}
