//! What a request points at and its provider does not fetch: asked of control, and put into the request.

use std::collections::HashMap;

use super::{
    connection::{Client, Ending},
    net::Net,
    state::ShardState,
};
use crate::{
    bus::{Fetch, Fetched, ToControl},
    config::limits::{MEDIA_MAX, MEDIA_TIME_MAX},
    dialect::{self, ProviderDialect},
    ir::{ApiError, Content, Media, Part, Request},
};

/// Puts what the request points at into it, fetched once where it stands there twice.
pub(super) async fn fetch_media<N: Net>(
    shard: &ShardState<N>,
    client: &Client<N>,
    request: &mut Request<'_>,
    provider: &dyn ProviderDialect,
    may_be_private: bool,
) -> Result<(), Ending> {
    let mut wanted = HashMap::new();
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        find(part, &mut wanted);
    }
    wanted.retain(|url, _| !provider.finds(url));
    if wanted.len() > MEDIA_MAX {
        let message = format!("The request points at more than {MEDIA_MAX} images and files.");
        return Err(ApiError::client(400, "invalid_value", message).with_param("messages").into());
    }
    // All are asked for before the first is waited for; control has a bound of its own.
    for (url, answer) in &mut wanted {
        let (reply, receiver) = flume::bounded(1);
        let fetch = Fetch { url: url.clone(), may_be_private, reply };
        let overloaded = |_| ApiError::gateway(503, "overloaded", "Images cannot be fetched now. Try again.");
        shard.control.try_send(ToControl::Fetch(fetch)).map_err(overloaded)?;
        *answer = Some(receiver);
    }
    let deadline = shard.net.now() + 2 * MEDIA_TIME_MAX;
    let mut fetched = HashMap::new();
    for (url, answer) in wanted {
        let Some(answer) = answer else { continue };
        let answer = client.timer.limit(deadline, answer.recv_async()).await;
        let found = match answer {
            Ok(Ok(found)) => found,
            _ => Err("it did not come in time".to_owned()),
        };
        let found = found.map_err(|why| {
            let message = format!("The provider does not fetch `{url}`, and the gateway cannot: {why}.");
            ApiError::client(400, "invalid_image_url", message).with_param("messages")
        })?;
        fetched.insert(url, found);
    }
    for part in request.messages.iter_mut().flat_map(|message| &mut message.parts) {
        put(part, &fetched)?;
    }
    Ok(())
}

fn find(part: &Part<'_>, wanted: &mut HashMap<String, Option<flume::Receiver<Result<Fetched, String>>>>) {
    match &part.content {
        Content::Image { media, .. }
        | Content::Audio(media)
        | Content::Video(media)
        | Content::File { media, .. } => {
            if let Some(url) = remote(media) {
                wanted.insert(url, None);
            }
        }
        Content::ToolResult(result) => result.parts.iter().for_each(|part| find(part, wanted)),
        _ => {}
    }
}

fn remote(media: &Media<'_>) -> Option<String> {
    let Media::Url { url, .. } = media else { return None };
    let url = url.to_plain();
    let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase())?;
    matches!(scheme.as_str(), "http" | "https").then(|| url.into_owned())
}

fn put(part: &mut Part<'_>, fetched: &HashMap<String, Fetched>) -> Result<(), ApiError> {
    match &mut part.content {
        Content::Image { media, .. }
        | Content::Audio(media)
        | Content::Video(media)
        | Content::File { media, .. } => {
            if let Some(found) = remote(media).and_then(|url| fetched.get(&url)) {
                *media = dialect::fetched_media(&found.media_type, &found.data)
                    .map_err(|error| error.inside("messages").into_refusal())?;
            }
            Ok(())
        }
        Content::ToolResult(result) => result.parts.iter_mut().try_for_each(|part| put(part, fetched)),
        _ => Ok(()),
    }
}
