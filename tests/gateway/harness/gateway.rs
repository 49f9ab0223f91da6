//! A gateway process.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Instant,
};

use crossbeam::channel::{Receiver, RecvTimeoutError, unbounded};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    DEADLINE, Engine,
    client::{Client, Response},
};

/// A gateway that is about to be started: its arguments, variables and files.
pub(crate) struct Setup {
    command: Command,
    shards: Option<u32>,
    directory: TempDir,
}

/// A running gateway; killed when dropped.
pub(crate) struct Gateway {
    child: Child,
    stdout: Receiver<String>,
    directory: TempDir,
    /// As printed, `http://HOST:PORT`.
    pub(crate) url: String,
    seen_on_stdout: Vec<String>,
}

/// What a process left that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// None when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Setup {
    /// A server on a free port of 127.0.0.1 with one shard.
    pub(crate) fn new(engine: Engine) -> Self {
        Self::bare(engine).arguments(["--host", "127.0.0.1", "--port", "0"])
    }

    /// A server that is told nothing about where to listen.
    pub(crate) fn bare(engine: Engine) -> Self {
        Self::command().arguments(["--io", engine.name()]).shards(1)
    }

    /// `bifrost demo` on a free port of 127.0.0.1 with one shard.
    pub(crate) fn demo(engine: Engine) -> Self {
        let demo = Self::command().arguments(["demo", "--io", engine.name()]).shards(1);
        demo.arguments(["--host", "127.0.0.1", "--port", "0"])
    }

    /// A server where no memory may be locked, which io_uring needs.
    pub(crate) fn without_locked_memory() -> Self {
        Self::limited("-l 0")
    }

    /// A server as `new`, with at most `count` open descriptors unless it asks for more.
    pub(crate) fn with_few_descriptors(engine: Engine, count: u32) -> Self {
        Self::limited(&format!("-S -n {count}")).arguments(["--io", engine.name()])
    }

    /// A server under a limit, as the shell's `ulimit` takes it.
    fn limited(limit: &str) -> Self {
        let mut shell = Command::new("/bin/sh");
        let script = format!("ulimit {limit} && exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_bifrost")]);
        Self::of(shell).shards(1).arguments(["--host", "127.0.0.1", "--port", "0"])
    }

    /// A server as `new` makes it that may have so many files open.
    pub(crate) fn with_open_files(engine: Engine, count: u32) -> Self {
        let mut shell = Command::new("/bin/sh");
        let script = format!("ulimit -n {count}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_bifrost")]);
        Self::of(shell).shards(1).arguments(["--host", "127.0.0.1", "--port", "0", "--io", engine.name()])
    }

    /// The binary without arguments and variables, in an empty directory.
    pub(crate) fn command() -> Self {
        Self::of(Command::new(env!("CARGO_BIN_EXE_bifrost")))
    }

    fn of(mut command: Command) -> Self {
        let directory = TempDir::new().unwrap();
        command.env_clear().env("HOME", directory.path()).current_dir(directory.path());
        Self { command, shards: None, directory }
    }

    pub(crate) fn config(self, config: &Value) -> Self {
        self.config_text(&config.to_string())
    }

    pub(crate) fn config_text(self, text: &str) -> Self {
        self.file("configuration/given.json", text).arguments(["--config", "configuration/given.json"])
    }

    /// Writes a file below the directory that the process is started in.
    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        let path = self.directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn arguments<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn shards(mut self, count: u32) -> Self {
        self.shards = Some(count);
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it and waits until it has printed its URL.
    pub(crate) fn start(self) -> Gateway {
        let (child, stdout, directory) = self.spawn();
        let url = String::new();
        let mut gateway = Gateway { child, stdout, directory, url, seen_on_stdout: Vec::new() };
        let deadline = Instant::now() + DEADLINE;
        while gateway.url.is_empty() {
            let line = gateway.stdout.recv_deadline(deadline);
            let line = line.unwrap_or_else(|error| panic!("no URL on stdout: {error}"));
            gateway.url = url_in(&line).unwrap_or_default().to_owned();
            gateway.seen_on_stdout.push(line);
        }
        gateway
    }

    /// Starts it and waits until it has ended.
    pub(crate) fn run(self) -> Ended {
        let (mut child, stdout, directory) = self.spawn();
        wait_for_end(&mut child, &stdout, &directory, Vec::new())
    }

    fn spawn(mut self) -> (Child, Receiver<String>, TempDir) {
        if let Some(count) = self.shards {
            self.command.args(["--shards", &count.to_string()]);
        }
        let stderr = File::create(stderr_path(&self.directory)).unwrap();
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = self.command.spawn().unwrap();
        let reader = BufReader::new(child.stdout.take().unwrap());
        let (sender, stdout) = unbounded();
        thread::spawn(move || {
            for line in reader.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        (child, stdout, self.directory)
    }
}

impl Gateway {
    /// A gateway with a configuration, on a free port with one shard.
    pub(crate) fn start(engine: Engine, config: &Value) -> Self {
        Setup::new(engine).config(config).start()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        address_in(&self.url)
    }

    /// Where metrics and admin are served by themselves.
    pub(crate) fn admin_address(&mut self) -> SocketAddr {
        let printed = self.lines_until(|line| line.contains("admin"));
        let line = printed.lines().find(|line| line.contains("admin"));
        address_in(line.and_then(url_in).expect("the line has a URL"))
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// Sends one request on a connection of its own and reads the whole answer.
    pub(crate) fn call(&self, request: impl AsRef<[u8]>) -> Response {
        let mut client = self.client();
        client.send(request);
        client.response()
    }

    /// What it has written to stderr so far.
    pub(crate) fn log(&self) -> String {
        read(&stderr_path(&self.directory))
    }

    /// The next line on stdout that was not read yet, the lines up to the URL first.
    pub(crate) fn lines_until(&mut self, is_last: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + DEADLINE;
        while !self.seen_on_stdout.iter().any(|line| is_last(line)) {
            let line = self.stdout.recv_deadline(deadline);
            self.seen_on_stdout.push(line.unwrap_or_else(|error| panic!("the line does not come: {error}")));
        }
        self.seen_on_stdout.join("\n")
    }

    /// What the system knows the process by.
    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop, as an operator does.
    pub(crate) fn terminate(&self) {
        let id = self.process_id().to_string();
        let status = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &id]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let seen = std::mem::take(&mut self.seen_on_stdout);
        wait_for_end(&mut self.child, &self.stdout, &self.directory, seen)
    }

    /// Asks it to stop and waits for its end.
    pub(crate) fn stop(self) -> Ended {
        self.terminate();
        self.end()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- stderr of the gateway ---\n{}", self.log());
        }
    }
}

fn wait_for_end(
    child: &mut Child,
    stdout: &Receiver<String>,
    directory: &TempDir,
    mut lines: Vec<String>,
) -> Ended {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match stdout.recv_deadline(deadline) {
            Ok(line) => lines.push(line),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the process does not end; its stderr:\n{}", read(&stderr_path(directory)));
            }
        }
    }
    let code = child.wait().unwrap().code();
    Ended { code, stdout: lines.join("\n"), stderr: read(&stderr_path(directory)) }
}

fn address_in(url: &str) -> SocketAddr {
    let authority = url.trim_start_matches("http://").trim_end_matches('/');
    let (host, port) = authority.rsplit_once(':').expect("the URL has a port");
    let port = port.parse().expect("a port is a number");
    match host {
        "localhost" => (Ipv4Addr::LOCALHOST, port).into(),
        _ => SocketAddr::new(host.parse().expect("the host is an address"), port),
    }
}

fn url_in(line: &str) -> Option<&str> {
    let start = line.find("http://")?;
    line[start..].split_whitespace().next()
}

fn stderr_path(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("stderr.log")
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}
