//! What is typed: flags, and the environment variables that stand in for them.

use std::{env, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum};

/// An LLM gateway: any provider behind the OpenAI API.
///
/// Point an OpenAI SDK's base_url at http://HOST:PORT/openai and change nothing else. Without a
/// configuration, providers come from OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY and so on.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,

    /// Configuration file [default: ./config.json, then config.json in the app directory]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Where config.json is looked for, and state is kept [env: APP_DIR] [default: ~/.config/bifrost]
    #[arg(long, global = true, value_name = "DIR")]
    app_dir: Option<PathBuf>,

    /// Name or address to listen on; localhost is 127.0.0.1 and ::1 [env: BIFROST_HOST, APP_HOST]
    /// [default: localhost]
    #[arg(long, global = true)]
    host: Option<String>,

    /// Port to listen on; 0 takes a free one [env: APP_PORT] [default: 8080]
    #[arg(long, global = true)]
    port: Option<u16>,

    /// Port of its own for /metrics, which the other port then does not serve; 0 takes a free one
    /// [env: APP_ADMIN_PORT] [default: none]
    #[arg(long, global = true, value_name = "PORT")]
    admin_port: Option<u16>,

    /// Name or address for the admin port [env: APP_ADMIN_HOST] [default: that of --host]
    #[arg(long, global = true, value_name = "HOST")]
    admin_host: Option<String>,

    /// Cores to serve with [default: all that the process may use]
    #[arg(long, global = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) shards: Option<u16>,

    /// I/O engine; auto takes io_uring where it is allowed
    #[arg(long, global = true, value_enum, default_value_t = Engine::Auto)]
    pub(super) io: Engine,

    /// off, error, warn, info, debug, trace, or a filter of tracing [env: BIFROST_LOG_LEVEL, LOG_LEVEL]
    /// [default: info]
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,

    /// How log lines look [env: LOG_STYLE] [default: pretty]
    #[arg(long, global = true, value_enum)]
    log_style: Option<LogStyle>,
}

/// What to do instead of serving.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(super) enum Command {
    /// Serve an embedded provider that echoes: try the gateway without any key
    Demo,
    /// Check the configuration, tell all mistakes at once, and exit
    Check,
    /// Ask the gateway on this host and port how it is, and exit: 0 where it serves, else 1
    Health,
}

/// I/O engines.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Engine {
    /// io_uring where it is allowed, else epoll
    Auto,
    /// io_uring, or an error that says what to allow
    IoUring,
    /// epoll
    Epoll,
}

/// Looks of log lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum LogStyle {
    /// One JSON object a line
    Json,
    /// For people
    Pretty,
}

impl Arguments {
    pub(super) fn host(&self) -> String {
        let chosen = self.host.clone().or_else(|| variable("BIFROST_HOST")).or_else(|| variable("APP_HOST"));
        chosen.unwrap_or_else(|| "localhost".to_owned())
    }

    pub(super) fn port(&self) -> Result<u16, String> {
        Ok(port(self.port, "APP_PORT")?.unwrap_or(8080))
    }

    /// Where metrics and admin are served, if not with the rest.
    pub(super) fn admin(&self) -> Result<Option<(String, u16)>, String> {
        let host = || self.admin_host.clone().or_else(|| variable("APP_ADMIN_HOST"));
        let port = port(self.admin_port, "APP_ADMIN_PORT")?;
        if self.admin_host.is_some() && port.is_none() {
            return Err("--admin-host is of no use without --admin-port: add it".to_owned());
        }
        Ok(port.map(|port| (host().unwrap_or_else(|| self.host()), port)))
    }

    pub(super) fn log_level(&self) -> String {
        let chosen = self.log_level.clone().or_else(|| variable("BIFROST_LOG_LEVEL"));
        chosen.or_else(|| variable("LOG_LEVEL")).unwrap_or_else(|| "info".to_owned())
    }

    pub(super) fn log_style(&self) -> LogStyle {
        let named = || LogStyle::from_str(&variable("LOG_STYLE")?, true).ok();
        self.log_style.or_else(named).unwrap_or(LogStyle::Pretty)
    }

    /// The configuration file: the one named, else the first that exists.
    pub(super) fn config_file(&self) -> Option<PathBuf> {
        let here = PathBuf::from("config.json");
        let there = self.app_dir().map(|dir| dir.join("config.json"));
        let found = || [Some(here), there].into_iter().flatten().find(|path| path.is_file());
        self.config.clone().or_else(found)
    }

    fn app_dir(&self) -> Option<PathBuf> {
        let chosen = self.app_dir.clone().or_else(|| variable("APP_DIR").map(PathBuf::from));
        let xdg = || variable("XDG_CONFIG_HOME").map(PathBuf::from);
        let home = || variable("HOME").map(|home| PathBuf::from(home).join(".config"));
        chosen.or_else(|| xdg().or_else(home).map(|base| base.join("bifrost")))
    }
}

/// The port of a flag, else that of a variable.
fn port(flag: Option<u16>, name: &str) -> Result<Option<u16>, String> {
    match (flag, variable(name)) {
        (Some(port), _) => Ok(Some(port)),
        (None, Some(text)) => {
            text.parse().map(Some).map_err(|_| format!("{name} is `{text}`, which is no port (0 to 65535)"))
        }
        (None, None) => Ok(None),
    }
}

/// An environment variable that is set to something.
pub(super) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
