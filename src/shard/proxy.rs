//! Through a proxy: asking it for a connection to somewhere else.

use std::future::poll_fn;

use futures_lite::{AsyncRead, AsyncWrite};

use super::{
    socket::{Scratch, Socket},
    socks,
};
use crate::{
    config::limits::RESPONSE_HEAD_BYTES_MAX,
    http::{TunnelReply, connect_request, take_tunnel_reply},
    provider::{Endpoint, Proxy, ProxyKind},
};

/// The conversation before a connection is handed over.
struct Dialogue<'a, S> {
    socket: Socket<S>,
    scratch: &'a Scratch,
    received: Vec<u8>,
}

/// Asks the proxy at the other end for a connection to an endpoint, or tells why there is none.
pub(super) async fn pass_through<S>(
    proxy: &Proxy,
    endpoint: &Endpoint,
    wire: S,
    scratch: &Scratch,
) -> Result<S, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut dialogue = Dialogue { socket: Socket::new(wire), scratch, received: Vec::new() };
    match proxy.kind {
        ProxyKind::Http => ask_http(proxy, endpoint, &mut dialogue).await?,
        ProxyKind::Socks5 => ask_socks(proxy, endpoint, &mut dialogue).await?,
    }
    // Neither TLS nor HTTP lets the server speak first: these bytes would be taken for an answer.
    if !dialogue.received.is_empty() {
        return Err("it sent bytes that nobody asked for".to_owned());
    }
    Ok(dialogue.socket.into_inner())
}

async fn ask_http<S>(proxy: &Proxy, endpoint: &Endpoint, dialogue: &mut Dialogue<'_, S>) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let authorization = proxy.credentials.as_ref().map(|credentials| credentials.basic());
    let mut request = Vec::new();
    connect_request(&endpoint.connect_authority(), authorization.as_deref(), &mut request);
    dialogue.say(&request).await?;
    let take = |buffer: &mut Vec<u8>| {
        take_tunnel_reply(buffer).map_err(|error| format!("it does not speak HTTP/1.1 ({error})"))
    };
    match dialogue.hear(take).await? {
        TunnelReply::Open => Ok(()),
        TunnelReply::Refused(status) => Err(match (status, &proxy.credentials) {
            (407, None) => "it wants a username and a password (407)".to_owned(),
            (407, Some(_)) => "it refused the username or the password (407)".to_owned(),
            _ => format!("it refused to connect to {} (status {status})", endpoint.authority),
        }),
    }
}

async fn ask_socks<S>(
    proxy: &Proxy,
    endpoint: &Endpoint,
    dialogue: &mut Dialogue<'_, S>,
) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let too_long = |what: &str| format!("{what} is longer than SOCKS allows, 255 bytes");
    dialogue.say(&socks::greeting(proxy.credentials.is_some())).await?;
    match (dialogue.hear(socks::take_choice).await?, &proxy.credentials) {
        (false, _) => {}
        (true, None) => return Err("it wants a username and a password".to_owned()),
        (true, Some(credentials)) => {
            let message = socks::credentials(credentials);
            dialogue.say(&message.ok_or_else(|| too_long("the username or the password"))?).await?;
            dialogue.hear(socks::take_verdict).await?;
        }
    }
    let request = socks::request(&endpoint.host, endpoint.port);
    dialogue.say(&request.ok_or_else(|| too_long("the provider's name"))?).await?;
    dialogue.hear(socks::take_reply).await
}

impl<S: AsyncRead + AsyncWrite + Unpin> Dialogue<'_, S> {
    async fn say(&self, message: &[u8]) -> Result<(), String> {
        self.socket.send([message]).await.map_err(|error| format!("it takes no request ({error})"))
    }

    /// Receives until `take` finds a whole message.
    async fn hear<T>(
        &mut self,
        take: impl Fn(&mut Vec<u8>) -> Result<Option<T>, String>,
    ) -> Result<T, String> {
        let mut heard = 0;
        loop {
            if let Some(message) = take(&mut self.received)? {
                return Ok(message);
            }
            let more = poll_fn(|cx| self.socket.poll_receive(cx, self.scratch, &mut self.received)).await;
            match more {
                Ok(0) => return Err("it closed the connection without an answer".to_owned()),
                Ok(length) if heard + length > RESPONSE_HEAD_BYTES_MAX => {
                    return Err("its answer is too long".to_owned());
                }
                Ok(length) => heard += length,
                Err(error) => return Err(format!("its answer breaks off ({error})")),
            }
        }
    }
}
