//! From arguments to a running gateway: what is typed, what is configured, then shards and control.

mod arguments;
mod health;
mod sockets;

use std::{
    error::Error,
    fs, io,
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    num::NonZero,
    process::ExitCode,
    sync::Arc,
    thread,
};

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::{
    bus::{self, AccessLevel},
    config::{self, Finding, Rejected, Snapshot, limits::CONTROL_MESSAGES_MAX},
    control, shard,
    shard::net,
};
use arguments::{Arguments, Command, Engine, LogStyle, variable};
use sockets::{Flags, Sockets};

type Outcome = Result<(), Box<dyn Error>>;

/// What `--log-level` may be, unless it is a filter such as `bifrost=debug,warn`.
const LOG_LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A shard's thread, to be waited for.
type Join = Box<dyn FnOnce() -> io::Result<()>>;

/// The whole program; its exit status.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = match arguments.command {
        Some(Command::Check) => return check(&arguments),
        Some(Command::Demo) => demo(&arguments),
        Some(Command::Health) => {
            arguments.port().map_err(Into::into).and_then(|port| health::run(&arguments.host(), port))
        }
        None => gateway(&arguments),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bifrost: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `bifrost`: serves what the configuration, or the environment, describes.
fn gateway(arguments: &Arguments) -> Outcome {
    start_log(arguments)?;
    let (snapshot, warnings) = read_config(arguments)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    if snapshot.routes.accounts().is_empty() {
        tracing::warn!(
            "no provider is configured: every call gets an error. Set OPENAI_API_KEY or write a config.json, then \
             start again; `bifrost demo` needs no key"
        );
    }
    run(arguments, snapshot, None)
}

/// `bifrost demo`: serves the embedded provider.
fn demo(arguments: &Arguments) -> Outcome {
    start_log(arguments)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let snapshot = config::demo(listener.local_addr()?.port());
    run(arguments, snapshot, Some(listener))
}

/// `bifrost check`: tells all mistakes of the configuration.
fn check(arguments: &Arguments) -> ExitCode {
    let Some(path) = arguments.config_file() else {
        println!(
            "There is no config.json here or in the app directory: providers come from the environment."
        );
        return ExitCode::SUCCESS;
    };
    let name = path.display();
    let checked = fs::read_to_string(&path).map(|text| config::check(&text, &variable));
    let (warnings, mistakes) = match checked {
        Err(error) => {
            println!("{name} cannot be read: {error}");
            return ExitCode::FAILURE;
        }
        Ok(Ok((_, warnings))) => (warnings, Vec::new()),
        Ok(Err(Rejected { mistakes, warnings })) => (warnings, mistakes),
    };
    for warning in &warnings {
        println!("warning: {warning}");
    }
    for mistake in &mistakes {
        println!("mistake: {mistake}");
    }
    if mistakes.is_empty() {
        println!("{name} is well ({} warnings).", warnings.len());
        ExitCode::SUCCESS
    } else {
        println!("{name} has {} mistakes ({} warnings).", mistakes.len(), warnings.len());
        ExitCode::FAILURE
    }
}

fn read_config(arguments: &Arguments) -> Result<(Snapshot, Vec<Finding>), Box<dyn Error>> {
    let Some(path) = arguments.config_file() else {
        return Ok((config::from_environment(&variable), Vec::new()));
    };
    let name = path.display();
    let text = fs::read_to_string(&path).map_err(|error| format!("{name} cannot be read: {error}"))?;
    tracing::info!("configuration: {name}");
    config::check(&text, &variable).map_err(|rejected| format!("{name} is not usable:\n{rejected}").into())
}

fn start_log(arguments: &Arguments) -> Outcome {
    let level = arguments.log_level();
    let is_level = LOG_LEVELS.iter().any(|known| level.eq_ignore_ascii_case(known));
    if !is_level && !level.contains(['=', ',']) {
        // To the filter it would be the name of a module, and silence all others.
        let levels = LOG_LEVELS.join(", ");
        return Err(format!("there is no log level `{level}`. Choose one of {levels}").into());
    }
    let filter =
        EnvFilter::try_new(&level).map_err(|error| format!("the log level `{level}` is none: {error}"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    match arguments.log_style() {
        LogStyle::Json => log.json().init(),
        LogStyle::Pretty => log.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).init(),
    }
    Ok(())
}

/// What the filter of the log lets through of the access log.
fn access_level() -> AccessLevel {
    if tracing::enabled!(target: "access", tracing::Level::INFO) {
        AccessLevel::All
    } else if tracing::enabled!(target: "access", tracing::Level::WARN) {
        AccessLevel::Failures
    } else {
        AccessLevel::Nothing
    }
}

fn run(arguments: &Arguments, snapshot: Snapshot, demo: Option<TcpListener>) -> Outcome {
    raise_descriptor_limit();
    let is_uring = choose_engine(arguments.io)?;
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let usable = || thread::available_parallelism().map_or_else(|_| cores.len().max(1), NonZero::get);
    let count = arguments.shards.map_or_else(usable, usize::from);
    // A container's quota counts fewer than there are cores and names none of them: pinned, all containers
    // of a machine would sit on its first ones. More shards than cores are for tests.
    let is_pinned = count == cores.len() || (arguments.shards.is_some() && count < cores.len());
    let flags = Flags { host: "--host", port: "--port" };
    let sockets = Sockets::bind(&arguments.host(), arguments.port()?, count, flags)?;
    let flags = Flags { host: "--admin-host", port: "--admin-port" };
    let bind_admin = |(host, port): (String, u16)| Sockets::bind(&host, port, count, flags);
    let mut admin = arguments.admin()?.map(bind_admin).transpose()?;
    let (address, admin_address) = (sockets.address, admin.as_ref().map(|admin| admin.address));
    let admin_shards = admin.as_mut().map(|admin| std::mem::take(&mut admin.shards));
    let mut admin_shards = admin_shards.unwrap_or_default().into_iter();
    let (links, inboxes) = bus::links(count, access_level());
    let (to_control, messages) = flume::bounded(CONTROL_MESSAGES_MAX);
    let snapshot = Arc::new(snapshot);
    let is_demo = demo.is_some();

    let mut shards = Vec::new();
    for (number, (inbox, sockets)) in inboxes.into_iter().zip(sockets.shards).enumerate() {
        let core = cores.get(number).filter(|_| is_pinned).copied();
        let admin_sockets = admin_shards.next().unwrap_or_default();
        let access = links[number].access.clone();
        let (links, snapshot, control) = (links.clone(), snapshot.clone(), to_control.clone());
        let seed = fastrand::u64(..);
        let start =
            shard::Start { number, sockets, admin_sockets, snapshot, links, inbox, control, access, seed };
        shards.push(if is_uring { start_uring(core, start)? } else { start_epoll(core, start)? });
    }
    // Control ends when the last shard has let go of its sender.
    drop(to_control);
    // Only once signals are heard, so that whoever reads it may stop the gateway.
    let announce = || announce(address, admin_address, count, is_uring, &snapshot, is_demo);
    let is_log_json = arguments.log_style() == LogStyle::Json;
    control::run(control::Start { links, messages, demo, is_log_json }, announce)?;
    for join in shards {
        join()?;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Connections are descriptors, and the usual soft limit of 1024 is for programs that call `select`.
fn raise_descriptor_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::debug!("up to {limit} descriptors may be open"),
        Err(error) => tracing::warn!(
            "the limit of open descriptors cannot be raised: {error}. Raise it with `ulimit -n`, or connections \
             may be refused"
        ),
    }
}

fn choose_engine(engine: Engine) -> Result<bool, String> {
    match (engine, net::probe_io_uring()) {
        (Engine::Epoll, _) => Ok(false),
        (_, Ok(())) => Ok(true),
        (Engine::IoUring, Err(why)) => Err(format!("{why}; or use --io epoll")),
        (Engine::Auto, Err(why)) => {
            tracing::warn!("{why}. Using epoll instead, which is well too; --io epoll silences this line");
            Ok(false)
        }
    }
}

fn start_uring(core: Option<core_affinity::CoreId>, start: shard::Start<TcpListener>) -> io::Result<Join> {
    let thread = net::glommio::spawn(core.map(|core| core.id), |engine| shard::run(engine, start))?;
    Ok(Box::new(move || thread.join().map_err(io::Error::from)?))
}

fn start_epoll(core: Option<core_affinity::CoreId>, start: shard::Start<TcpListener>) -> io::Result<Join> {
    let thread = thread::Builder::new().name(format!("shard-{}", start.number)).spawn(move || {
        if let Some(core) = core {
            core_affinity::set_for_current(core);
        }
        net::epoll::run(|engine| shard::run(engine, start))
    })?;
    Ok(Box::new(move || thread.join().map_err(|_| io::Error::other("a shard has panicked"))?))
}

/// Tells people on stdout where to go, and the log what runs.
fn announce(
    address: SocketAddr,
    admin: Option<SocketAddr>,
    shards: usize,
    is_uring: bool,
    snapshot: &Snapshot,
    is_demo: bool,
) -> io::Result<()> {
    let names: Vec<_> = snapshot.routes.accounts().iter().map(|account| account.name.as_str()).collect();
    let engine = if is_uring { "io_uring" } else { "epoll" };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        shards,
        engine,
        providers = names.join(" "),
        "serving"
    );
    let mut out = io::stdout().lock();
    writeln!(out, "bifrost is listening on http://{address}")?;
    if let Some(admin) = admin {
        writeln!(out, "metrics and admin are on http://{admin}")?;
    }
    if is_demo {
        writeln!(
            out,
            "\nTry it:\n\n  curl -N http://{address}/openai/v1/chat/completions -H 'Content-Type: application/json' \\\n    \
             -d '{{\"model\": \"demo/echo\", \"stream\": true, \"messages\": [{{\"role\": \"user\", \"content\": \"Hello there, gateway!\"}}]}}'\n\n\
             or set an OpenAI SDK's base_url to http://{address}/openai\n"
        )?;
    }
    out.flush()
}
