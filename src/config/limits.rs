//! Every bound of the gateway, in one file; those of the grammars live beside them.

use std::{ops::RangeInclusive, time::Duration};

pub use crate::{dialect::json::JSON_DEPTH_MAX, http::HEADER_FIELDS_MAX};

/// Head of a request, bytes; a larger one is a 431.
pub const REQUEST_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Interim responses (1xx) before the final one; more are a 502.
pub const INTERIM_RESPONSES_MAX: u32 = 16;
/// Head of an upstream's response with the interim ones before it, bytes; more are a 502.
pub const RESPONSE_HEAD_BYTES_MAX: usize = 256 * 1024;
/// Default of `client.max_request_body_size_mb`, bytes.
pub const REQUEST_BODY_BYTES_MAX: usize = 100 * 1024 * 1024;
/// Bytes of held bodies that one shard keeps at once; beyond it a 503.
pub const HELD_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// A body that is passed through unread and announced with this length at most is held, bytes.
pub const SMALL_BODY_BYTES_MAX: u64 = 64 * 1024;
/// Part of a multipart body that is held while its `model` is looked for, bytes.
pub const MULTIPART_HELD_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes a client may send ahead while its request is answered.
pub const PIPELINED_BYTES_MAX: usize = 64 * 1024;
/// An incomplete server-sent event that is held back, bytes; a longer one is passed on as it comes.
pub const EVENT_HELD_BYTES_MAX: usize = 1024 * 1024;
/// An upstream's refusal of our credentials that is held for masking, bytes.
pub const REFUSAL_BYTES_MAX: usize = 64 * 1024;
/// What of a response is held back until the first event, or the whole of a short document, is there;
/// until then it can be refused, bytes.
pub const WINDOW_BYTES_MAX: usize = 256 * 1024;
/// A provider's list of models, bytes.
pub const MODELS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// One receive, bytes: the scratch buffer of a shard.
pub const RECEIVE_BYTES: usize = 64 * 1024;

/// Time for a request head to arrive once its first byte has.
pub const HEAD_TIME_MAX: Duration = Duration::from_secs(30);
/// Slowest arrival of a held request body that is waited for, bytes a second, beside `BODY_IDLE_MAX` in all.
pub const BODY_RATE_MIN: u64 = 500;
/// Silence between two reads of a request body.
pub const BODY_IDLE_MAX: Duration = Duration::from_secs(60);
/// How often it is asked whether a client is still there, of whom bytes wait unread.
pub const HANG_UP_LOOK: Duration = Duration::from_millis(25);
/// Silence of a client's connection between two requests.
pub const CLIENT_IDLE_MAX: Duration = Duration::from_secs(120);
/// Time a client that takes nothing is waited for.
pub const CLIENT_WRITE_IDLE_MAX: Duration = Duration::from_secs(300);
/// Time to open a connection to one address.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// Time that one address has to itself before the next one is tried beside it (RFC 8305 §5).
pub const CONNECT_STAGGER: Duration = Duration::from_millis(250);
/// Time for a proxy to open its way to an upstream.
pub const PROXY_TIME_MAX: Duration = Duration::from_secs(15);
/// Silence of a pooled connection before it is closed.
pub const POOL_IDLE_MAX: Duration = Duration::from_secs(55);
/// Idle connections to one endpoint in one shard.
pub const POOL_CONNECTIONS_MAX: usize = 512;
/// Default of `network_config.default_request_timeout_in_seconds`.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);
/// Default of `network_config.stream_idle_timeout_in_seconds`.
pub const STREAM_IDLE_MAX: Duration = Duration::from_secs(60);
/// Silence of a translated stream after which the client is shown that it is alive.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// What is held of an answer that is translated: an event, or a whole document, bytes.
pub const EVENT_TRANSLATED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Time for a cloud to give a credential.
pub const TOKEN_TIME_MAX: Duration = Duration::from_secs(10);
/// Pause before a cloud that gave none is asked again.
pub const TOKEN_RETRY: Duration = Duration::from_secs(2);
/// Life of a credential, whatever its cloud says.
pub const TOKEN_LIFE_MAX: Duration = Duration::from_secs(12 * 3600);
/// What a request points at and its provider does not fetch, bytes.
pub const MEDIA_BYTES_MAX: usize = 20 * 1024 * 1024;
/// Things that one request points at; one with more is refused.
pub const MEDIA_MAX: usize = 100;
/// Things that are fetched at once.
pub const MEDIA_FETCHES_MAX: usize = 64;
/// Redirections on the way to one.
pub const MEDIA_REDIRECTS_MAX: usize = 3;
/// Time for one to be fetched.
pub const MEDIA_TIME_MAX: Duration = Duration::from_secs(15);
/// Silence in both directions of a WebSocket.
pub const TUNNEL_IDLE_MAX: Duration = Duration::from_secs(900);
/// Bounds of `client.max_request_body_size_mb`.
pub const REQUEST_BODY_MEGABYTES: RangeInclusive<u64> = 1..=100_000;
/// Bounds of `network_config.default_request_timeout_in_seconds`.
pub const REQUEST_TIME_SECONDS: RangeInclusive<u64> = 1..=86_400;
/// Bounds of `network_config.stream_idle_timeout_in_seconds`.
pub const STREAM_IDLE_SECONDS: RangeInclusive<u64> = 5..=3600;
/// Bounds of numbers of tokens under `models`.
pub const MODEL_TOKENS: RangeInclusive<u64> = 1..=1_000_000_000;
/// Age of a provider's list of models.
pub const MODELS_AGE_MAX: Duration = Duration::from_secs(300);
/// Pause before a provider that did not list its models is asked again.
pub const MODELS_RETRY: Duration = Duration::from_secs(30);
/// Time for a provider to list its models; a slower one is left out.
pub const MODELS_TIME_MAX: Duration = Duration::from_secs(5);
/// Time for requests under way to end once the process is told to stop.
pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(30);
/// Silence of control after which a shard calls itself unhealthy.
pub const CONTROL_SILENCE_MAX: Duration = Duration::from_secs(5);
/// How often control tells the shards that it lives.
pub const CONTROL_BEAT: Duration = Duration::from_secs(1);
/// Time for a gateway to say how it is; shorter than what orchestrators give such a question.
pub const HEALTH_TIME_MAX: Duration = Duration::from_secs(3);
/// What a gateway says of how it is, head and body, bytes.
pub const HEALTH_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Calls of tools whose seals of reasoning one shard keeps for clients that forget them.
pub const SEALS_MAX: usize = 32_768;
/// What these take together, bytes.
pub const SEALS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What one of them takes, bytes; a larger one is not kept.
pub const SEALED_BYTES_MAX: usize = 512 * 1024;
/// How long they are kept.
pub const SEALS_AGE_MAX: Duration = Duration::from_secs(4 * 3600);
/// Calls of one request whose seals are asked for, the newest ones.
pub const SEALS_ASKED_MAX: usize = 512;
/// Time for other shards to say which seals they keep; a request goes on without those that come later.
pub const SEALS_TIME_MAX: Duration = Duration::from_millis(5);
/// Messages that wait for one shard.
pub const INBOX_MESSAGES_MAX: usize = 1024;
/// Messages that wait for control.
pub const CONTROL_MESSAGES_MAX: usize = 8192;
/// Lines of the access log that wait in one shard for control; further ones are dropped and counted.
pub const ACCESS_RECORDS_MAX: usize = 1024;
/// How often control writes the access log; sooner where half of it has filled up.
pub const ACCESS_LOG_BEAT: Duration = Duration::from_millis(100);
/// Front of a body that the access log has where `client.log_content` asks for it, bytes.
pub const CONTENT_LOGGED_BYTES_MAX: usize = 64 * 1024;
/// Bodies that wait in one shard for the access log, bytes; further lines go without theirs.
pub const CONTENT_WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Default of `server.max_connections`: client connections of one shard; those beyond it get a 503.
pub const CLIENT_CONNECTIONS_MAX: usize = 65_536;
/// Bounds of `server.max_connections`.
pub const CLIENT_CONNECTIONS: RangeInclusive<u64> = 1..=10_000_000;
/// Client connections of one shard that are being told to come back later; those beyond it are closed.
pub const SURPLUS_CONNECTIONS_MAX: usize = 1024;
/// What is known of a name is used at least and at most this long.
pub const NAME_AGE_MIN: Duration = Duration::from_secs(5);
/// See `NAME_AGE_MIN`.
pub const NAME_AGE_MAX: Duration = Duration::from_secs(300);
/// Pause before an unresolvable name is asked for again.
pub const NAME_RETRY: Duration = Duration::from_secs(1);
/// Time for a name to be resolved.
pub const NAME_TIME_MAX: Duration = Duration::from_secs(5);

/// Body of a request to the embedded provider, bytes; a larger one is a 413.
pub const DEMO_BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Time for a request body to reach the embedded provider.
pub const DEMO_BODY_TIME_MAX: Duration = Duration::from_secs(60);
/// What the embedded provider says in one choice, bytes.
pub const DEMO_ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Choices in one answer of the embedded provider.
pub const DEMO_CHOICES_MAX: usize = 8;
/// Nesting of values that the embedded provider makes up for a schema.
pub const DEMO_SAMPLE_DEPTH_MAX: usize = 16;
/// Length of a vector of the embedded provider.
pub const DEMO_DIMENSIONS_MAX: usize = 4096;
/// Texts in one request for vectors of the embedded provider.
pub const DEMO_EMBEDDINGS_MAX: usize = 2048;
/// Numbers in one answer of the embedded provider, all vectors together.
pub const DEMO_EMBEDDING_NUMBERS_MAX: usize = 256 * 1024;
/// Connections to the embedded provider.
pub const DEMO_CONNECTIONS_MAX: usize = 4096;
/// Silence of a connection to the embedded provider between two requests; longer than `POOL_IDLE_MAX`.
pub const DEMO_IDLE_MAX: Duration = Duration::from_secs(75);
/// Pause between two words, so that a person sees a stream arriving.
pub const DEMO_WORD_PAUSE: Duration = Duration::from_millis(40);
/// Pause after the system refused the embedded provider a connection.
pub const DEMO_ACCEPT_PAUSE: Duration = Duration::from_millis(100);
