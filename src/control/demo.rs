//! The embedded provider `demo`: speaks OpenAI's API over loopback and answers with an echo.
//! What goes in is bounded by `config::limits`, what is answered depends on nothing but the request.

mod answer;
mod chat;
#[cfg(test)]
mod client;
mod completion;
mod embedding;
mod options;
mod reply;
mod response;
mod sample;
mod tool;

use std::convert::Infallible;

use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    config::limits::{
        DEMO_ACCEPT_PAUSE, DEMO_BODY_BYTES_MAX, DEMO_BODY_TIME_MAX, DEMO_CONNECTIONS_MAX, DEMO_IDLE_MAX,
        REQUEST_BODY_BYTES_MAX,
    },
    dialect::json::document::{Value, decode, json},
    ir::ApiError,
};

use reply::Reply;

/// The one model there is.
pub const MODEL: &str = "echo";

/// Answers on `listener`, with a local task per connection; dropping it ends them all.
/// It must be polled within a `tokio::task::LocalSet`.
pub async fn serve(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < DEMO_CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn_local(converse(stream));
                }
                Err(_) => sleep(DEMO_ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one connection to its end. A client that goes away is noticed in the middle of a stream too.
async fn converse(stream: TcpStream) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(async |request| Ok::<_, Infallible>(answer(request).await));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(DEMO_IDLE_MAX)
        .serve_connection(TokioIo::new(stream), service);
    // However it ended, the client knows as much as we do.
    let _ = connection.await;
}

async fn answer(request: Request<Incoming>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    dispatch(request).await.unwrap_or_else(|error| Reply::refusal(&error)).into_response()
}

async fn dispatch(request: Request<Incoming>) -> Result<Reply, ApiError> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if head.method == Method::GET {
        return models(path).ok_or_else(|| unknown_url(&head.method, path))?;
    }
    let handle = match path {
        "/v1/chat/completions" => chat::answer,
        "/v1/completions" => completion::answer,
        "/v1/embeddings" => embedding::answer,
        "/v1/responses" => response::answer,
        _ => return Err(unknown_url(&head.method, path)),
    };
    if head.method != Method::POST {
        return Err(unknown_url(&head.method, path));
    }
    let document = read_document(body).await?;
    match document["model"].as_str() {
        None => Err(invalid("model", format!("the request needs a `model`; here it is `{MODEL}`"))),
        Some(_) => handle(&document),
    }
}

/// None where the path is about no model at all.
fn models(path: &str) -> Option<Result<Reply, ApiError>> {
    let model = json!({"id": MODEL, "object": "model", "created": 1_735_689_600, "owned_by": "bifrost"});
    if path == "/v1/models" {
        return Some(Ok(Reply::Document(json!({"object": "list", "data": [model]}))));
    }
    Some(match path.strip_prefix("/v1/models/")? {
        MODEL => Ok(Reply::Document(model)),
        other => Err(unknown_model(other)),
    })
}

async fn read_document(body: Incoming) -> Result<Value, ApiError> {
    let text = timeout(DEMO_BODY_TIME_MAX, read_body(body)).await.map_err(|_| {
        ApiError::client(408, "request_timeout", "the request body took too long to arrive")
    })??;
    let document = decode(&text).map_err(|error| {
        ApiError::client(400, "invalid_json", format!("the body is not valid JSON: {error}"))
    })?;
    if !document.is_object() {
        return Err(ApiError::client(400, "invalid_json", "the body is not a JSON object; send one"));
    }
    Ok(document)
}

/// A body that is too large is read on and thrown away: an answer to a client that still sends would be
/// lost in the reset of the connection.
async fn read_body(mut body: Incoming) -> Result<Vec<u8>, ApiError> {
    let mut text = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|error| ApiError::client(400, "invalid_body", format!("the body broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > REQUEST_BODY_BYTES_MAX {
            break;
        }
        if length > DEMO_BODY_BYTES_MAX {
            text = Vec::new();
        } else {
            text.extend_from_slice(&data);
        }
    }
    if length > DEMO_BODY_BYTES_MAX {
        let limit = DEMO_BODY_BYTES_MAX >> 20;
        return Err(ApiError::client(413, "request_too_large", format!("the body exceeds {limit} MiB")));
    }
    Ok(text)
}

fn unknown_url(method: &Method, path: &str) -> ApiError {
    ApiError::client(404, "unknown_url", format!("nothing answers to {method} {path}; see OpenAI's API"))
}

fn unknown_model(model: &str) -> ApiError {
    let message = format!("there is no model `{model}` here; the demo has `{MODEL}` only");
    ApiError::client(404, "model_not_found", message).with_param("model")
}

fn invalid(param: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::client(400, "invalid_value", message).with_param(param)
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt, task::spawn_local, time::Instant};

    use super::*;
    use crate::config::limits::DEMO_WORD_PAUSE;
    use client::{connect, get, in_demo, post, send};

    #[test]
    fn the_list_of_models_holds_echo() {
        let answered = get("/v1/models");
        assert_eq!(answered.status, 200);
        let list = answered.document();
        assert_eq!(list["object"], "list");
        assert_eq!(list["data"][0]["id"], "echo");
        assert_eq!(list["data"][0]["owned_by"], "bifrost");
        assert_eq!(get("/v1/models/echo").document(), list["data"][0]);
    }

    #[test]
    fn only_echo_has_details_but_every_name_is_answered() {
        let answered = get("/v1/models/gpt-9");
        assert_eq!(answered.status, 404);
        let error = &answered.document()["error"];
        assert_eq!((&error["code"], &error["param"]), (&json!("model_not_found"), &json!("model")));
        let body = r#"{"model": "gpt-9", "messages": [{"role": "user", "content": "x"}]}"#;
        let answered = post("/v1/chat/completions", body);
        assert_eq!((answered.status, &answered.document()["model"]), (200, &json!("echo")));
    }

    #[test]
    fn an_unknown_path_or_method_is_not_found() {
        for answered in [
            get("/v1/chat/completions"),
            get("/v2/models"),
            post("/v1/models", "{}"),
            send("PUT", "/v1/completions", "{}"),
        ] {
            assert_eq!(answered.status, 404);
            assert_eq!(answered.document()["error"]["code"], "unknown_url");
        }
    }

    #[test]
    fn a_body_that_is_no_json_object_is_refused() {
        for body in ["", "{", "[]", "\"echo\"", "{\"model\": \"echo\"} x"] {
            let answered = post("/v1/chat/completions", body);
            assert_eq!(answered.status, 400, "{body}");
            assert_eq!(answered.document()["error"]["code"], "invalid_json", "{body}");
        }
        assert_eq!(post("/v1/chat/completions", "{}").document()["error"]["param"], "model");
    }

    #[test]
    fn a_body_beyond_the_limit_is_refused_and_one_at_the_limit_is_not() {
        let body = |length: usize| {
            let shell = r#"{"model": "echo", "input": "x", "ignored": ""}"#;
            shell.replace("\"\"}", &format!("\"{}\"}}", "x".repeat(length - shell.len())))
        };
        assert_eq!(post("/v1/embeddings", &body(DEMO_BODY_BYTES_MAX)).status, 200);
        let answered = post("/v1/embeddings", &body(DEMO_BODY_BYTES_MAX + 1));
        assert_eq!(answered.status, 413);
        assert_eq!(answered.document()["error"]["code"], "request_too_large");
    }

    #[test]
    fn a_client_that_goes_away_ends_its_stream_at_once() {
        in_demo(async |_| {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut client = connect(listener.local_addr().unwrap()).await;
            let (stream, _) = listener.accept().await.unwrap();
            let conversation = spawn_local(converse(stream));
            let begun = Instant::now();
            let words = "word ".repeat(1000);
            let body = format!(
                r#"{{"model": "echo", "stream": true, "messages": [{{"role": "user", "content": "{words}"}}]}}"#
            );
            client::write(&mut client, "POST", "/v1/chat/completions", &body).await;
            let mut beginning = [0; 64];
            client.read_exact(&mut beginning).await.unwrap();
            drop(client);
            conversation.await.unwrap();
            let whole_stream = 1000 * DEMO_WORD_PAUSE;
            assert!(begun.elapsed() < whole_stream / 4, "{:?}", begun.elapsed());
        });
    }

    #[test]
    fn dropping_it_ends_its_connections() {
        in_demo(async |_| {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let served = spawn_local(serve(listener));
            let mut client = connect(address).await;
            client::write(&mut client, "GET", "/v1/models", "").await;
            client.read_u8().await.unwrap();
            served.abort();
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).await.unwrap();
        });
    }
}
